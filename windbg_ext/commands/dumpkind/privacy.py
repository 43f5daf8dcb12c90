"""What in a dump could identify a person or a machine: of a small dump all of it, of another what `minify` saves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from windbg_ext.commands.privacy.addresses import addresses_of
from windbg_ext.commands.privacy.environment import environment_of
from windbg_ext.commands.privacy.find import find, findings, occurrences, personal_as_a_whole
from windbg_ext.commands.privacy.report import Occurrence, PrivacyReport
from windbg_ext.commands.privacy.rules import rule
from windbg_ext.commands.privacy.search import Search
from windbg_ext.commands.privacy.stretches import Stretch, blob_name, stretches_of, stretches_of_file
from windbg_ext.commands.privacy.words import NO_WORDS, OwnWords
from windbg_ext.dump.header import KnownFields, comment_of
from windbg_ext.dump.kinds import kind_of
from windbg_ext.dump.opener import open_dump
from windbg_ext.kernel.target import DumpTarget
from windbg_ext.limits import MAX_SECONDARY_COPIED
from windbg_ext.sources import opened_source, read_field
from windbg_ext.sources.progress import no_progress
from windbg_ext.structs.architectures import ARCHITECTURES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from windbg_ext.dump.dump import Dump
    from windbg_ext.dump.small import SmallDumpParts
    from windbg_ext.sources import SourceLike
    from windbg_ext.sources.progress import Progress

NOT_MADE_YET = "a small dump of it does not exist yet: what minify would save of it was looked at, as that is shared"


def privacy(
    source: SourceLike, *, own: OwnWords = NO_WORDS, show: bool = False, progress: Progress | None = None
) -> PrivacyReport:
    """Report what in a dump could identify a person or a machine.

    own: what is looked for besides the rules. show: with the values themselves. Raise DumpError where the dump cannot
    be read.
    """
    with opened_source(source) as opened, open_dump(opened, progress=progress or no_progress) as dump:
        dump.check()
        target = DumpTarget(dump)
        search, notes = Search(own, dump.budget), list[str]()
        if dump.small is not None:
            found = _of_file(dump, dump.small, target)
        else:
            found = _of_target(dump, target, search, progress or no_progress)
            notes.append(NOT_MADE_YET)
        lowest = ARCHITECTURES[dump.header.machine].lowest_kernel
        comment = comment_of(dump.fields)
        all_found = [
            *occurrences(find(found, search, dump.budget), dump.fields),
            *personal_as_a_whole(found, lowest),
        ]
        if comment is not None:
            at = type(dump.fields).comment.offset
            all_found.append(Occurrence(rule("comment"), "header, Comment", len(comment), None, at, comment))
        return PrivacyReport(
            path=dump.source.name,
            kind=kind_of(KnownFields(dump.fields)).value,
            whole_file=dump.small is not None,
            bytes=sum(len(stretch.data) for stretch in found),
            findings=findings(all_found, show=show),
            notes=tuple(notes),
        )


def _of_file(dump: Dump, parts: SmallDumpParts, target: DumpTarget) -> list[Stretch]:
    def read(part: str, offset: int, size: int) -> bytes:
        return read_field(dump.source, part, offset, size) if size else b""

    prcb, thread = read("Prcb", *parts.prcb), read("Thread", *parts.thread)
    return stretches_of_file(dump, parts, addresses_of(target, prcb, thread))


def _of_target(dump: Dump, target: DumpTarget, search: Search, progress: Progress) -> list[Stretch]:
    """Return what `minify` saves of a dump. search: learns the names in the environment of the crashing process."""
    from windbg_ext.commands.minify.account import Account  # small dumps should not wait for it
    from windbg_ext.commands.minify.command import collect
    from windbg_ext.commands.minify.options import MinifyOptions

    made = collect(target, MinifyOptions(salvage=True), Account(None), progress).dump
    addresses = addresses_of(target, made.prcb, made.thread)
    search.learn([environment_of(target, addresses.process)])
    return [*stretches_of(made, addresses), *_secondary(dump, target)]


def _secondary(dump: Dump, target: DumpTarget) -> Iterator[Stretch]:
    chain = dump.secondary
    if chain is None:
        return
    tags = ["", *(str(blob.tag) for blob in chain.blobs)]
    copied = 0
    for tag, blob in zip(tags, target.secondary_data()):
        if copied + blob.size > MAX_SECONDARY_COPIED:
            continue
        copied += blob.size
        yield Stretch(blob_name(tag), b"".join(blob.pieces), tag=tag)
