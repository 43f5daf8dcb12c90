"""What `dumpkind` answers, as values."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from windbg_ext.dump.kinds import DumpKind
from windbg_ext.values import NamedTuple

if TYPE_CHECKING:
    from windbg_ext.commands.dumpkind.details import Details
    from windbg_ext.commands.dumpkind.modules import CodeAddress
    from windbg_ext.commands.dumpkind.parameters import Sort
    from windbg_ext.sources.far import Traffic


HASH_DIGITS = 12
"""48 bits: that two of 100,000 signatures share a hash has a chance of 1 in 56,000."""


class Evidence(NamedTuple):
    """A field of the dump, its value as WinDbg would write it, and what follows from it."""

    field: str
    value: str
    means: str


class BugCheckFound(NamedTuple):
    """The stop code as the header has it, its documented name (None: undocumented) and its parameters.

    plain_code: the code without 0x10000000, where the kernel set that bit, else the same; plain_name: its name.
    """

    code: int
    name: str | None
    parameters: tuple[int, ...]
    plain_code: int
    plain_name: str | None


class Whole(NamedTuple):
    """Whether the file is as long as it should be.

    expected: bytes of the whole dump, None if nothing tells; at_least: there may have been more, which nothing counts;
    source: what `expected` was told by; missing: bytes, None if that cannot be told; usable: what a cut dump is still
    good for, empty if nothing is missing.
    """

    expected: int | None = None
    at_least: bool = False
    source: str = ""
    missing: int | None = None
    usable: str = ""


class Suspect(NamedTuple):
    """A module that the crash leads to, which is a hint and no proof.

    found: where its addresses were found, nearest to the crash first; address: the first of them; microsoft: it is on
    the list of names of Microsoft's own files; offset: of the address in the module.
    """

    name: str
    address: int
    found: tuple[str, ...]
    microsoft: bool
    offset: int


class Signature(NamedTuple):
    """What identifies a crash. text: such as `133/1 nvlddmkm.sys+0x1a0a40`."""

    text: str

    @property
    def hash(self) -> str:
        """The first hexadecimal digits of the text's SHA-256."""
        from hashlib import sha256  # not for those to wait for who only read the text

        return sha256(self.text.encode()).hexdigest()[:HASH_DIGITS]


class DumpReport(NamedTuple):
    """What one file is. None: the file does not tell.

    path: the name of the source; packed: gzip, xz, zstd, zip or CAB, if the dump is inside one;
    system_time: 100 ns since 1601, UTC; system_up_time: 100 ns; file_bytes: of the dump itself,
    unpacked; attributes: names of the bits; parameter_sorts: of each parameter of the bug check;
    crash_address: of the exception, or else the instruction pointer;
    stack: code addresses on the crashing stack, nearest first, of which some may be stale; problems: why the file is no
    whole kernel dump, most important first; advice: the next step; notes: what else there is to know; signature: of the
    crash; traffic: what reading it took, if it is on another machine.
    """

    path: str
    kind: DumpKind = DumpKind.NONE
    packed: str | None = None
    dump_type: int | None = None
    architecture: str | None = None
    major_version: int | None = None
    build: int | None = None
    windows: str | None = None
    processors: int | None = None
    bug_check: BugCheckFound | None = None
    system_time: int | None = None
    system_up_time: int | None = None
    ram_bytes: int | None = None
    pages_in_file: int | None = None
    file_bytes: int | None = None
    whole: Whole = Whole()
    attributes: tuple[str, ...] | None = None
    comment: str | None = None
    process: str | None = None
    parameter_sorts: tuple[Sort, ...] = ()
    crash_address: CodeAddress | None = None
    suspects: tuple[Suspect, ...] = ()
    stack: tuple[CodeAddress, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    problems: tuple[str, ...] = ()
    advice: str = ""
    notes: tuple[str, ...] = ()
    details: Details | None = None
    signature: Signature | None = None
    traffic: Traffic | None = None

    @property
    def file_name(self) -> str:
        """The last part of the path."""
        return os.path.basename(self.path)  # noqa: PTH119 - it may be a URL

    @property
    def crash(self) -> tuple[tuple[object, ...], tuple[object, ...]] | None:
        """What all dumps of one crash share, and hardly two crashes; None where the time of the crash is not known."""
        if self.system_time is None or self.bug_check is None:
            return None
        told = (self.architecture, self.build, self.processors, self.bug_check.code, self.bug_check.parameters)
        return told, (self.system_time, self.system_up_time, self.signature and self.signature.text)

    @property
    def complete(self) -> bool | None:
        """Whether every byte that the dump should have is there; None if that cannot be told."""
        return None if self.whole.missing is None else self.whole.missing == 0
