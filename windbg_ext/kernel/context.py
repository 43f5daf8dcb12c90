"""A processor's registers as a CONTEXT record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from windbg_ext.values import NamedTuple

if TYPE_CHECKING:
    from windbg_ext.structs.architectures import Architecture


class Context(NamedTuple):
    """A CONTEXT: its bytes, and the general registers in the order of the structure."""

    data: bytes
    registers: tuple[int, ...]
    stack_pointer: int
    instruction_pointer: int


def parse_context(data: bytes, architecture: Architecture) -> Context:
    """Read the registers of a CONTEXT; fewer bytes than it takes are a ValueError."""
    record, field = architecture.context.parse(data), architecture.context.field
    return Context(
        data,
        tuple(field(name).of(record) for name in architecture.general_registers),
        field(architecture.stack_pointer).of(record),
        field(architecture.instruction_pointer).of(record),
    )
