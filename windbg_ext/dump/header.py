"""The header of a dump as values, with fields that were never set as None.

Layout and sources: `windbg_ext.structs.header`.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from windbg_ext.dump.other_files import UNKNOWN, identify
from windbg_ext.errors import DumpError
from windbg_ext.sources import read_field
from windbg_ext.structs.header import (
    DUMP_HEADER32,
    DUMP_HEADER64,
    FILL,
    PHYSICAL_MEMORY_DESCRIPTOR32,
    PHYSICAL_MEMORY_DESCRIPTOR64,
    PHYSICAL_MEMORY_RUN32,
    PHYSICAL_MEMORY_RUN64,
    SIGNATURE,
    VALID_DUMP_32,
    VALID_DUMP_64,
    DumpType,
    Machine,
)
from windbg_ext.structs.layouts import layouts_of

if TYPE_CHECKING:
    from windbg_ext.sources import Source
    from windbg_ext.structs.layout import Record
    from windbg_ext.structs.layouts import Layouts, RawHeader

Member = TypeVar("Member", bound=enum.IntEnum)

FILL_32 = int.from_bytes(FILL, "little")
FILL_64 = int.from_bytes(FILL * 2, "little")


class PhysicalMemoryRun(NamedTuple):
    """Consecutive page frames: the first one's number and how many."""

    base_page: int
    page_count: int


class BugCheck(NamedTuple):
    """The stop code and its four parameters."""

    code: int
    parameters: tuple[int, ...]


class DumpHeader(NamedTuple):
    """DUMP_HEADER64 or DUMP_HEADER32. None: the field holds the writer's fill, it was never set.

    system_time: 100 ns since 1601 (FILETIME), UTC; system_up_time: 100 ns; required_dump_space: bytes;
    record: every field as it stands in the file.
    """

    dump_type: DumpType
    machine: Machine
    minor_version: int
    directory_table_base: int
    ps_loaded_module_list: int | None
    ps_active_process_head: int | None
    number_processors: int
    bug_check: BugCheck
    kd_debugger_data_block: int | None
    physical_memory: tuple[PhysicalMemoryRun, ...] | None
    system_time: int | None
    system_up_time: int | None
    required_dump_space: int | None
    comment: str | None
    attributes: int | None
    record: RawHeader

    @property
    def layouts(self) -> Layouts:
        """The structures of the Windows that the dump is of."""
        return layouts_of(self.record)

    @property
    def size(self) -> int:
        """Bytes of the header; what follows it depends on the type of the dump."""
        return self.record.layout.size


def header_layout(source: Source) -> type[RawHeader]:
    """Tell by its signature whether a dump has DUMP_HEADER64 or DUMP_HEADER32. Raise DumpError for any other file."""
    start = read_field(source, "DUMP_HEADER64", 0, min(source.size, 8)) if source.size else b""
    if not start:
        raise DumpError("file", "is empty", "the copy failed or Windows wrote nothing: get the dump again")
    if start == SIGNATURE + VALID_DUMP_64:
        return DUMP_HEADER64
    if start == SIGNATURE + VALID_DUMP_32:
        return DUMP_HEADER32
    try:
        other = identify(source)
    except (OSError, DumpError):
        other = UNKNOWN
    raise DumpError("Signature", f"{start.decode('latin-1')!a} is not PAGEDU64: {other.name}", other.advice)


def parse_header(record: RawHeader) -> DumpHeader:
    """Check a DUMP_HEADER64 or DUMP_HEADER32 and take it for what it says; a field that lies is a DumpError."""
    return DumpHeader(
        dump_type=_member(DumpType, record, "DumpType"),
        machine=_machine(record),
        minor_version=record.number("MinorVersion"),
        directory_table_base=record.number("DirectoryTableBase"),
        ps_loaded_module_list=number_of(record, "PsLoadedModuleList") or None,
        ps_active_process_head=number_of(record, "PsActiveProcessHead") or None,
        number_processors=record.number("NumberProcessors"),
        bug_check=BugCheck(record.number("BugCheckCode"), record.numbers("BugCheckParameter")),
        kd_debugger_data_block=number_of(record, "KdDebuggerDataBlock") or None,
        physical_memory=_physical_memory(record),
        system_time=number_of(record, "SystemTime") or None,
        system_up_time=number_of(record, "SystemUpTime") or None,
        required_dump_space=number_of(record, "RequiredDumpSpace") or None,
        comment=comment_of(record),
        attributes=number_of(record, "Attributes"),
        record=record,
    )


def _member(kind: type[Member], record: Record, field: str) -> Member:
    value = record.number(field)
    try:
        return kind(value)
    except ValueError:
        known = ", ".join(f"{member:#x} {member.name}" for member in kind)
        raise DumpError(field, f"0x{value:x} is not one of {known}", "the header is damaged") from None


def _machine(record: Record) -> Machine:
    """Read MachineImageType, which must have pointers of the header's size: everything else goes by it."""
    machine = _member(Machine, record, "MachineImageType")
    if (machine is Machine.I386) != (record.layout is DUMP_HEADER32):
        why = f"0x{machine:x} {machine.name} does not go with a {record.layout.name}"
        raise DumpError("MachineImageType", why, "the header is damaged")
    return machine


def number_of(record: Record, field: str) -> int | None:
    """Give an integer field; None if the whole of it holds the writer's fill."""
    value = record.number(field)
    return None if value == (FILL_64 if record.layout.length(field) == 8 else FILL_32) else value


def comment_of(record: Record) -> str | None:
    """Give the comment, None without one."""
    field = record.raw("Comment")
    if field == FILL * (len(field) // len(FILL)):
        return None
    return field.split(b"\0", 1)[0].decode("latin-1") or None


def physical_pages(record: Record) -> int | None:
    """Give PhysicalMemoryBlock.NumberOfPages, the pages of RAM that Windows used; None if it was never set."""
    block = record.raw("PhysicalMemoryBlock")
    descriptor, _ = _DESCRIPTORS[record.layout.name]
    return None if block.startswith(FILL) else descriptor.parse(block).number("NumberOfPages") or None


_DESCRIPTORS = {
    DUMP_HEADER64.name: (PHYSICAL_MEMORY_DESCRIPTOR64, PHYSICAL_MEMORY_RUN64),
    DUMP_HEADER32.name: (PHYSICAL_MEMORY_DESCRIPTOR32, PHYSICAL_MEMORY_RUN32),
}


def _physical_memory(record: Record) -> tuple[PhysicalMemoryRun, ...] | None:
    block = record.raw("PhysicalMemoryBlock")
    descriptor, run = _DESCRIPTORS[record.layout.name]
    count = descriptor.parse(block).number("NumberOfRuns")
    if block.startswith(FILL) or count == 0:
        return None
    most = (len(block) - descriptor.size) // run.size
    if count > most:
        raise DumpError("PhysicalMemoryBlock.NumberOfRuns", f"{count}, at most {most} fit into the header")
    runs = (run.parse(block[descriptor.size + index * run.size :]) for index in range(count))
    return tuple(PhysicalMemoryRun(run.number("BasePage"), run.number("PageCount")) for run in runs)
