"""The modules of a dump by the addresses that they take."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

from windbg_ext.values import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable


class LoadedModule(NamedTuple):
    """A module: the name that the dump has for it, its base address and its size in bytes."""

    name: str
    base: int
    size: int


class ModuleMap:
    """Modules by the addresses that they take."""

    def __init__(self, modules: Iterable[LoadedModule]) -> None:
        self.modules = tuple(sorted(modules, key=lambda module: module.base))
        self._bases = [module.base for module in self.modules]

    def at(self, address: int) -> LoadedModule | None:
        """Find the module in which an address lies."""
        index = bisect_right(self._bases, address) - 1
        found = self.modules[index] if index >= 0 else None
        return found if found is not None and address < found.base + found.size else None
