"""The header of a dump as values, with fields that were never set as None.

Layout and sources: `windbg_ext.structs.header`.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, TypeVar

from windbg_ext.errors import DumpError
from windbg_ext.sources import read_field
from windbg_ext.structs.architectures import ARCHITECTURES
from windbg_ext.structs.bug_checks import M_BIT
from windbg_ext.structs.header import FILL, SIGNATURE, DumpType, Machine
from windbg_ext.structs.layouts import LAYOUTS32, LAYOUTS64, layouts_of
from windbg_ext.values import NamedTuple

if TYPE_CHECKING:
    from windbg_ext.sources import Source
    from windbg_ext.structs.architectures import Architecture
    from windbg_ext.structs.layouts import Layouts, RawHeader
    from windbg_ext.structs.structure import Field

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

    @property
    def plain_code(self) -> int:
        """The code as Microsoft's reference lists it: without the bit that the kernel adds to some."""
        return self.code & ~M_BIT


class DumpHeader(NamedTuple):
    """DUMP_HEADER64 or DUMP_HEADER32. None: the field holds the writer's fill, it was never set.

    system_time: 100 ns since 1601 (FILETIME), UTC; system_up_time: 100 ns; required_dump_space: bytes;
    raw: every field as it stands in the file.
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
    raw: RawHeader

    @property
    def layouts(self) -> Layouts:
        """The structures of the Windows that the dump is of."""
        return layouts_of(self.raw)

    @property
    def architecture(self) -> Architecture:
        """The processors of the machine."""
        return ARCHITECTURES[self.machine]

    @property
    def size(self) -> int:
        """Bytes of the header; what follows it depends on the type of the dump."""
        return self.raw.SIZE


def header_layouts(source: Source) -> Layouts:
    """Return the layouts of 32-bit or 64-bit Windows, by the signature. Raise DumpError for any other file."""
    start = read_field(source, "DUMP_HEADER64", 0, min(source.size, 8)) if source.size else b""
    if not start:
        raise DumpError("file", "is empty", "the copy failed or Windows wrote nothing: get the dump again")
    for layouts in (LAYOUTS64, LAYOUTS32):
        if start == SIGNATURE + layouts.valid_dump:
            return layouts
    from windbg_ext.dump.other_files import UNKNOWN, identify  # a dump should not wait for it

    try:
        other = identify(source)
    except (OSError, DumpError):
        other = UNKNOWN
    raise DumpError("Signature", f"{start.decode('latin-1')!a} is not PAGEDU64: {other.name}", other.advice)


class _Known:
    """A number of a header, None where the field holds the writer's fill: it was never set."""

    def __set_name__(self, owner: type, attribute: str) -> None:
        self._attribute = attribute

    def __get__(self, known: KnownFields, owner: type) -> int | None:
        number = number_of(getattr(type(known.raw), self._attribute), known.raw)
        known.__dict__[self._attribute] = number  # where it is found without this call the next time
        return number


class KnownFields:
    """The numbers of a header before any of them is checked; None: it was never set."""

    dump_type = _Known()
    machine_image_type = _Known()
    major_version = _Known()
    minor_version = _Known()
    ps_loaded_module_list = _Known()
    ps_active_process_head = _Known()
    number_processors = _Known()
    bug_check_code = _Known()
    kd_debugger_data_block = _Known()
    required_dump_space = _Known()
    system_time = _Known()
    system_up_time = _Known()
    mini_dump_fields = _Known()
    product_type = _Known()
    writer_status = _Known()
    attributes = _Known()
    boot_id = _Known()

    def __init__(self, raw: RawHeader) -> None:
        self.raw = raw


def number_of(field: Field[int], raw: RawHeader) -> int | None:
    """Return an integer field; None if the whole of it holds the writer's fill."""
    value = field.of(raw)
    return None if value == (FILL_64 if field.length == 8 else FILL_32) else value


def parse_header(known: KnownFields) -> DumpHeader:
    """Check a header and return its values. Raise DumpError for a field with an impossible value."""
    raw = known.raw
    return DumpHeader(
        dump_type=_member(DumpType, type(raw).dump_type, raw),
        machine=_machine(raw),
        minor_version=raw.minor_version,
        directory_table_base=raw.directory_table_base,
        ps_loaded_module_list=known.ps_loaded_module_list or None,
        ps_active_process_head=known.ps_active_process_head or None,
        number_processors=raw.number_processors,
        bug_check=BugCheck(raw.bug_check_code, raw.bug_check_parameter),
        kd_debugger_data_block=known.kd_debugger_data_block or None,
        physical_memory=_physical_memory(raw),
        system_time=known.system_time or None,
        system_up_time=known.system_up_time or None,
        required_dump_space=known.required_dump_space or None,
        comment=comment_of(raw),
        attributes=known.attributes,
        raw=raw,
    )


def _member(kind: type[Member], field: Field[int], raw: RawHeader) -> Member:
    value = field.of(raw)
    try:
        return kind(value)
    except ValueError:
        members = ", ".join(f"{member:#x} {member.name}" for member in kind)
        raise DumpError(field.name, f"0x{value:x} is not one of {members}", "the header is damaged") from None


def _machine(raw: RawHeader) -> Machine:
    """Read MachineImageType, which must have pointers of the header's size: everything else goes by it."""
    machine = _member(Machine, type(raw).machine_image_type, raw)
    if ARCHITECTURES[machine].layouts is not layouts_of(raw):
        why = f"0x{machine:x} {machine.name} does not go with a {raw.NAME}"
        raise DumpError("MachineImageType", why, "the header is damaged")
    return machine


def comment_of(raw: RawHeader) -> str | None:
    """Return the comment, None without one."""
    field = raw.comment
    if field == FILL * (len(field) // len(FILL)):
        return None
    return field.split(b"\0", 1)[0].decode("latin-1") or None


def physical_pages(raw: RawHeader) -> int | None:
    """Return PhysicalMemoryBlock.NumberOfPages, the pages of RAM that Windows used; None if it was never set."""
    block = raw.physical_memory_block
    return None if block.startswith(FILL) else layouts_of(raw).physical_memory.parse(block).number_of_pages or None


def _physical_memory(raw: RawHeader) -> tuple[PhysicalMemoryRun, ...] | None:
    block = raw.physical_memory_block
    descriptor, run = layouts_of(raw).physical_memory, layouts_of(raw).physical_memory_run
    count = descriptor.parse(block).number_of_runs
    if block.startswith(FILL) or count == 0:
        return None
    most = (len(block) - descriptor.SIZE) // run.SIZE
    if count > most:
        raise DumpError("PhysicalMemoryBlock.NumberOfRuns", f"{count}, at most {most} fit into the header")
    runs = (run.parse(block[descriptor.SIZE + index * run.SIZE :]) for index in range(count))
    return tuple(PhysicalMemoryRun(run.base_page, run.page_count) for run in runs)
