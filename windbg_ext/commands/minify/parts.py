"""The parts of a small dump that are no plain memory: header, lists of drivers, MM information.

Layouts and sources: `windbg_ext.structs.header`, `windbg_ext.structs.triage`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from windbg_ext.dump.header import FILL_32
from windbg_ext.dump.small import Driver
from windbg_ext.errors import UsageError
from windbg_ext.structs.header import Attributes
from windbg_ext.structs.triage import DUMP_DRIVER_ENTRY64, DUMP_UNLOADED_DRIVERS64, MM_TRIAGE_SIZE

if TYPE_CHECKING:
    from windbg_ext.kernel.modules import Module, ModuleList, UnloadedDriver
    from windbg_ext.structs.layout import Record

COMMENT_LENGTH = 127

OF_THE_FILE = (
    Attributes.INSUFFICIENT_DUMPFILE_SIZE | Attributes.KERNEL_GENERATED_TRIAGE_DUMP | Attributes.FILTER_DUMP_FILE
)
"""Attributes that speak of the source file and not of the machine."""

WRITER_OK, WRITER_NO_MODULES, WRITER_CORRUPT_MODULES = 0, 1, 2
"""DUMP_HEADER64.WriterStatus (mindumpdef.h)."""


def small_header(record: Record, modules: ModuleList, comment: str | None) -> Record:
    """Give the header of the source as the small dump carries it; the writer sets type, fields and sizes."""
    status = WRITER_OK
    if modules.problem is not None:
        status = WRITER_CORRUPT_MODULES if modules.modules else WRITER_NO_MODULES
    record = record.replace(WriterStatus=status)
    if record.number("Attributes") != FILL_32:
        record = record.replace(Attributes=record.number("Attributes") & ~int(OF_THE_FILE))
    if comment is not None:
        record = record.replace(Comment=encode_comment(comment))
    return record


def encode_comment(comment: str) -> bytes:
    """Encode a comment for the 128 bytes that the header has for it; UsageError if it does not fit."""
    try:
        data = comment.encode("ascii")
    except UnicodeEncodeError:
        raise UsageError("--comment: the header of a dump holds ASCII text only") from None
    if len(data) > COMMENT_LENGTH or b"\0" in data:
        raise UsageError(f"--comment: the header of a dump holds {COMMENT_LENGTH} characters, these are {len(data)}")
    return data.ljust(COMMENT_LENGTH + 1, b"\0")


def driver(module: Module) -> Driver:
    """Give the entry of a loaded module, under its full path as the debugger engine writes it."""
    entry = DUMP_DRIVER_ENTRY64.blank(
        DllBase=module.base,
        EntryPoint=module.entry_point,
        SizeOfImage=module.size,
        CheckSum=module.check_sum,
        TimeDateStamp=module.time_date_stamp or 0,
    )
    return Driver(module.full_name or module.name, entry)


def unloaded(unloaded_driver: UnloadedDriver) -> Record:
    """Give the entry of an unloaded driver."""
    name = unloaded_driver.name.encode("utf-16-le", "surrogatepass")[:24]
    return DUMP_UNLOADED_DRIVERS64.blank(
        NameLength=[len(name) | len(name) << 16, 0],
        DriverName=name.ljust(24, b"\0"),
        StartAddress=unloaded_driver.start,
        EndAddress=unloaded_driver.end,
    )


def mm_information() -> bytes:
    """Give the MM part: version 1, its size, and zeros, as the debugger engine writes it for Windows 10 and 11."""
    return (1).to_bytes(4, "little") + MM_TRIAGE_SIZE.to_bytes(4, "little") + bytes(MM_TRIAGE_SIZE - 8)
