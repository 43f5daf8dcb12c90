"""The old names of what `structure` holds."""

from __future__ import annotations

from typing import Type  # noqa: UP035

from windbg_ext.structs.structure import Structure, Value

__all__ = ["Layout", "Record", "Value"]

Record = Structure
Layout = Type[Structure]  # noqa: UP006
