"""One file of a catalogue: whether it is known by its content, and if not, its facts. This is what workers do."""

from __future__ import annotations

import hmac
from contextlib import closing
from hashlib import sha256
from typing import TYPE_CHECKING
from zlib import crc32

from windbg_ext.commands.catalog.facts import facts_of, plain
from windbg_ext.commands.dumpkind.command import dumpkind
from windbg_ext.commands.tasks import seen_from
from windbg_ext.dump.opener import open_dump
from windbg_ext.errors import DumpError
from windbg_ext.kernel.machine_identity import computer_name, smbios_uuid
from windbg_ext.kernel.target import DumpTarget
from windbg_ext.sources import open_source
from windbg_ext.sources.archive import ArchiveMember
from windbg_ext.sources.source import Range
from windbg_ext.values import NamedTuple

if TYPE_CHECKING:
    from windbg_ext.commands.catalog.facts import DumpFacts
    from windbg_ext.commands.dumpkind.report import DumpReport
    from windbg_ext.sources import Source
    from windbg_ext.sources.stamp import Stamp

HEADER = 0x2000
WHOLE = 1 << 20
"""Files up to this length are fingerprinted as a whole, larger ones by their header and blocks all over."""
BLOCK, BLOCKS = 0x1000, 16
DIGITS = 32


class FileTask(NamedTuple):
    """A file to read. candidates: fingerprints of known files with the same size and time: it may be one that moved."""

    stamp: Stamp
    candidates: tuple[str, ...] = ()


class FileFacts(NamedTuple):
    """What a file is. facts: None where it is known by its content, or is no dump; problem: why it is none.

    again: it could not be read this time, so the next run is to try it again.
    """

    stamp: Stamp
    fingerprint: str | None
    facts: DumpFacts | None = None
    problem: str | None = None
    again: bool = False


def read_files(tasks: tuple[FileTask, ...], *, key: bytes, folder: str | None = None) -> list[FileFacts]:
    """Read what is new about several files, as `read_file` does."""
    return [read_file(task, key=key, folder=folder) for task in tasks]


def read_file(task: FileTask, *, key: bytes, folder: str | None = None) -> FileFacts:
    """Read what is new about a file; whatever is wrong with it is in the answer.

    key: of the hashes of machines; folder: that the path is relative to, where that is not the current one.
    """
    stamp = task.stamp
    try:
        with closing(open_source(seen_from(folder, stamp.path))) as source:
            fingerprint = fingerprint_of(source)
            if fingerprint in task.candidates:
                return FileFacts(stamp, fingerprint)
            report = dumpkind(source)
            machine, computer = _machine(source, report, key)
    except DumpError as error:
        return FileFacts(stamp, None, problem=plain(str(type(error)(error.field, error.why, error.advice))), again=True)
    except OSError as error:
        return FileFacts(stamp, None, problem=plain(f"file: cannot be read ({error.strerror or error})"), again=True)
    except Exception as error:  # a fault of ours costs this file, and is told
        return FileFacts(stamp, None, problem=plain(f"dumpkind: internal error ({type(error).__name__}: {error})"))
    if report.kind == "none":
        return FileFacts(stamp, None, problem=plain("; ".join((*report.problems, report.advice))))
    crash = _crash(report, machine) or fingerprint
    return FileFacts(stamp, fingerprint, facts_of(report, fingerprint, crash, machine, computer))


def fingerprint_of(source: Source) -> str:
    """Return what two files with different content do not share, whatever their names are."""
    head = source.read(0, HEADER)
    size = source.size
    if isinstance(source, ArchiveMember):  # what is behind has to be unpacked first
        body = [source.read(HEADER, WHOLE >> 4)]
    elif size <= WHOLE:
        body = [source.read(HEADER, size)]
    else:
        body = source.read_many([Range(size * number // BLOCKS, BLOCK) for number in range(1, BLOCKS)])
    check = 0
    for data in body:
        check = crc32(data, check)
    return sha256(b"%d %d " % (size, check) + head).hexdigest()[:DIGITS]


def _crash(report: DumpReport, machine: str | None) -> str | None:
    """Return what all dumps of one crash share, and no two crashes; None where the time of the crash is not known."""
    if report.crash is None:
        return None
    told, when = report.crash
    return sha256(repr((told, (*when, machine))).encode("utf-8", "backslashreplace")).hexdigest()[:DIGITS]


def _machine(source: Source, report: DumpReport, key: bytes) -> tuple[str | None, str | None]:
    """Return a keyed hash of the machine's UUID and the computer's name, where the dump has them."""
    if report.bug_check is None:
        return None, None
    try:
        dump = open_dump(source, unpack=False)
    except DumpError:
        return None, None
    uuid = smbios_uuid(dump)
    hashed = None if uuid is None else hmac.new(key, uuid, sha256).hexdigest()[:DIGITS]
    within_reach = dump.pages is not None and dump.pages.end <= source.reach
    try:
        name = computer_name(DumpTarget(dump)) if within_reach else None
    except DumpError:
        name = None
    return hashed, name
