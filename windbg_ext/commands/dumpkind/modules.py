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


class CodeAddress(NamedTuple):
    """An address, the module that it lies in and its offset there. None: it lies in no module that the dump lists.

    Module and offset are the same after every restart, though the address is not.
    """

    address: int
    module: str | None = None
    offset: int | None = None


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

    def place(self, address: int) -> CodeAddress:
        """Return an address with its module and its offset there."""
        module = self.at(address)
        return CodeAddress(address) if module is None else CodeAddress(address, module.name, address - module.base)
