"""The header of a small dump: that of its source, but for what speaks of the file and not of the machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from windbg_ext.commands.minify.options import encode_comment
from windbg_ext.dump.header import FILL_32
from windbg_ext.structs.header import Attributes

if TYPE_CHECKING:
    from windbg_ext.commands.minify.crash import Crash
    from windbg_ext.structs.layouts import RawHeader

OF_THE_FILE = (
    Attributes.INSUFFICIENT_DUMPFILE_SIZE | Attributes.KERNEL_GENERATED_TRIAGE_DUMP | Attributes.FILTER_DUMP_FILE
)
"""Attributes that speak of the source file and not of the machine."""

WRITER_OK, WRITER_NO_MODULES, WRITER_CORRUPT_MODULES = 0, 1, 2
"""DUMP_HEADER64.WriterStatus (mindumpdef.h)."""


def small_header(crash: Crash, comment: str | None) -> RawHeader:
    """Return the header of the source as the small dump carries it; the writer sets type, fields and sizes."""
    raw, kernel = crash.target.header.raw, crash.kernel
    status = WRITER_OK
    if kernel.modules.problem is not None:
        status = WRITER_CORRUPT_MODULES if kernel.modules.modules else WRITER_NO_MODULES
    raw = raw.replace(writer_status=status, kd_debugger_data_block=kernel.debugger_data.address)
    raw = of_the_machine(raw)
    if comment is not None:
        raw = raw.replace(comment=encode_comment(comment))
    return raw


def of_the_machine(raw: RawHeader) -> RawHeader:
    """Return a header without the attributes that speak of the source file."""
    return raw if raw.attributes == FILL_32 else raw.replace(attributes=raw.attributes & ~int(OF_THE_FILE))
