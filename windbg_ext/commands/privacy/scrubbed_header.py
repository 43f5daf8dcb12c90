"""The header of a scrubbed dump: the fields that are known, and nothing beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from windbg_ext.structs.context_ex import CONTEXT_FLAG_XSTATE, ContextEx
from windbg_ext.structs.header import FILL
from windbg_ext.structs.layouts import layouts_of
from windbg_ext.values import NamedTuple

if TYPE_CHECKING:
    from windbg_ext.structs.architectures import AnyContext
    from windbg_ext.structs.layouts import RawHeader


class LeftOfHeader(NamedTuple):
    """What was left out of a header: bytes of its comment."""

    comment: int


def scrubbed_header(
    header: RawHeader, context: type[AnyContext], comment: bytes | None
) -> tuple[RawHeader, LeftOfHeader]:
    """Return a header with its fields, but for texts; everything else is the fill that Windows gives to what is unset.

    comment: the whole field, None: it is unset.
    """
    values = {field.attribute: field.of(header) for field in header.FIELDS}
    there = bytes(header.comment).split(b"\0", 1)[0]
    had = len(there) if not _is_fill(header.comment) and there else 0
    values["comment"] = _fill(len(header.comment)) if comment is None else comment
    values["version_user"] = _fill(len(header.version_user))
    values["context_record"] = _context(header.context_record, context)
    values["physical_memory_block"] = _runs(header)
    blank = type(header).parse(_fill(header.SIZE))
    return blank.replace(**values), LeftOfHeader(had)


def _fill(size: int) -> bytes:
    return (FILL * (size // len(FILL) + 1))[:size]


def _is_fill(data: bytes) -> bool:
    return data == _fill(len(data))


def _context(record: bytes, context: type[AnyContext]) -> bytes:
    """Return a CONTEXT, with the extended state behind it where it says that there is one, and zeros behind that."""
    size = context.SIZE
    flags = context.parse(record).context_flags
    if flags & CONTEXT_FLAG_XSTATE and len(record) >= size + ContextEx.SIZE:
        length = ContextEx.parse(record[size:]).all_length
        size = length if size <= length <= len(record) else size
    return record[:size].ljust(len(record), b"\0")


def _runs(header: RawHeader) -> bytes:
    """Return PhysicalMemoryBlock without what is behind its last run."""
    data, layouts = header.physical_memory_block, layouts_of(header)
    if data.startswith(FILL):
        return _fill(len(data))
    descriptor, run = layouts.physical_memory, layouts.physical_memory_run
    used = descriptor.SIZE + descriptor.parse(data).number_of_runs * run.SIZE
    return data[:used] + _fill(len(data))[used:] if used <= len(data) else _fill(len(data))
