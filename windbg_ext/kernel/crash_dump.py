"""A dump that is open for questions: what the library shows of it, in one object."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from windbg_ext.dump import opener
from windbg_ext.dump.kinds import kind_of
from windbg_ext.errors import NotInDumpError
from windbg_ext.kernel.context import parse_context
from windbg_ext.kernel.kernel import Kernel, read_kernel
from windbg_ext.kernel.target import DumpTarget
from windbg_ext.memory.paging import PAGE_SHIFT, PAGE_SIZE
from windbg_ext.memory.physical import PhysicalMemory
from windbg_ext.sources.progress import no_progress

if TYPE_CHECKING:
    from types import TracebackType

    from windbg_ext.dump.dump import Dump, Problem
    from windbg_ext.dump.header import DumpHeader
    from windbg_ext.dump.kinds import DumpKind
    from windbg_ext.kernel.context import Context
    from windbg_ext.kernel.modules import Module, UnloadedDriver
    from windbg_ext.kernel.processors import Processor
    from windbg_ext.sources import SourceLike
    from windbg_ext.sources.progress import Progress


def open_dump(source: SourceLike, *, progress: Progress = no_progress) -> CrashDump:
    """Open a kernel dump of any kind for reading. Use the result in a with statement, or close it.

    source: a path, a binary stream that can seek, or an open `Source`; the dump may lie inside a packed file. progress:
    called while a long packed file is unpacked with what is being done, bytes done and bytes to do.

    Raise DumpError where it cannot be opened or is no kernel dump. A dump of which only some can be read is opened, and
    its `problems` say what is wrong.
    """
    return CrashDump(opener.open_dump(source, progress=progress))


class CrashDump:
    """An open kernel dump.

    Everything is read when it is first asked for. An attribute that a damaged dump, or a dump of this kind, does not
    have raises DumpError, which says why.
    """

    def __init__(self, dump: Dump) -> None:
        self._dump = dump

    @property
    def name(self) -> str:
        """The name of the source."""
        return self._dump.source.name

    @property
    def kind(self) -> DumpKind:
        """Complete, active, kernel (an automatic dump is the same file), small, live, header-only, or none."""
        return kind_of(self._dump.known)

    @property
    def header(self) -> DumpHeader:
        """The fields of the header as attributes; None is a field that was never set."""
        return self._dump.header

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What is wrong with the file, in the order in which it was found; empty for a sound one."""
        return self._dump.problems

    @property
    def missing_bytes(self) -> int:
        """How much of the end of the file is missing, 0 in a whole dump. Secondary data is not counted."""
        return self._dump.missing_bytes

    @cached_property
    def target(self) -> DumpTarget:
        """The machine, as the commands ask it."""
        self._dump.check()
        return DumpTarget(self._dump)

    @cached_property
    def kernel(self) -> Kernel:
        """What the kernel knew: debugger data block, processors, modules of kernel and process."""
        return read_kernel(self.target)

    @property
    def registers(self) -> Context:
        """The registers of the crash: those of the header, which are the exception's where there was one."""
        return parse_context(self.header.raw.context_record, self.header.architecture)

    @property
    def processors(self) -> tuple[Processor, ...]:
        """The processors, with their registers and current threads as far as they were saved."""
        return self.kernel.processors

    @property
    def modules(self) -> tuple[Module, ...]:
        """The loaded modules, the kernel first."""
        listed = self.target.listed
        return self.kernel.modules.modules if listed is None else listed.modules

    @property
    def unloaded_drivers(self) -> tuple[UnloadedDriver, ...] | None:
        """The drivers that were unloaded, newest first; None where the dump does not hold the list."""
        return self.kernel.unloaded_drivers

    def read_virtual(self, address: int, length: int) -> bytes:
        """Read virtual memory as the crashing processor saw it.

        Raise NotMappedError where no page table leads, NotInDumpError where a page was not saved.
        """
        return self.target.memory.read(address, length)

    def read_physical(self, address: int, length: int) -> bytes:
        """Read physical memory. Raise NotInDumpError where it was not saved, which a small dump has not of any page."""
        pieces = []
        end = address + length
        while address < end:
            upto = min(end, (address | PAGE_SIZE - 1) + 1)
            page = self._page(address)
            pieces.append(page[address % PAGE_SIZE : (upto - 1) % PAGE_SIZE + 1])
            address = upto
        return b"".join(pieces)

    def _page(self, address: int) -> bytes:
        pfn = address >> PAGE_SHIFT
        if self._physical is None:
            raise NotInDumpError(address, None, "physical memory, which this kind of dump does not hold")
        page = self._physical.page(pfn)
        if page is None:
            raise NotInDumpError(address, pfn, self._physical.why_missing(pfn))
        return page

    @cached_property
    def _physical(self) -> PhysicalMemory | None:
        self._dump.check()
        return None if self._dump.pages is None else PhysicalMemory(self._dump.source, self._dump.pages)

    def close(self) -> None:
        """Close the file, unless the caller opened it."""
        self._dump.close()

    def __enter__(self) -> CrashDump:
        """Use the dump in a with statement."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Close it."""
        self._dump.__exit__(kind, error, at)
