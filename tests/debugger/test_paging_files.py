"""Paging files and RAM of the machine in the session, with a stand-in for pykd's types. Their sizes are in pages."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from debugger.conftest import StandIn

GB = 1 << 30
PAGES_OF_GB = GB >> 12


class Structure:
    """A structure like pykd's, but its fields are not attributes, so that nothing relies on that."""

    def __init__(self, **fields: object) -> None:
        self.fields = fields

    def hasField(self, name: str) -> bool:  # noqa: N802 - the name is pykd's
        return name in self.fields

    def field(self, name: str) -> object:
        return self.fields[name]


class PagingFile(Structure):
    """nt!_MMPAGING_FILE."""

    def __init__(self, path: str, size: int, maximum: int, **flags: int) -> None:
        self.path = path
        name = SimpleNamespace(getAddress=lambda: id(self))
        super().__init__(Size=size, MaximumSize=maximum, PageFileName=name, **flags)


FILES = {
    0xFFFF800000001000: PagingFile(r"\??\C:\pagefile.sys", 16 * PAGES_OF_GB, 48 * PAGES_OF_GB, WsSwapPagefile=0),
    0xFFFF800000002000: PagingFile(r"\??\C:\swapfile.sys", 100, 200, WsSwapPagefile=1),
    0xFFFF800000003000: PagingFile("", 300, 300, VirtualStorePagefile=1),
    0xFFFF800000004000: PagingFile(r"\??\D:\pagefile.sys", PAGES_OF_GB, 2 * PAGES_OF_GB),
}
MM_PAGING_FILE = 0xFFFF800000000800
POINTERS = [*FILES, *(0 for _ in range(12))]


@pytest.fixture
def symbols(pykd: StandIn) -> StandIn:
    """Imitate a session with the kernel's symbols, where the paging files are in the system partition."""
    api: Any = pykd
    api.SymbolException = type("SymbolException", (pykd.DbgException,), {})
    api.MemoryException = type("MemoryException", (pykd.DbgException,), {})

    def offset(name: str) -> int:
        if name != "nt!MiSystemPartition":
            raise api.SymbolException(name)
        return 0xFFFF800000000000

    def typed(kind: str, address: int) -> object:
        if kind == "nt!_MI_PARTITION":
            assert address == 0xFFFF800000000000
            return Structure(Vp=Structure(PagingFile=POINTERS))
        assert kind == "nt!_MMPAGING_FILE"
        return FILES[address]

    api.getOffset, api.typedVar = offset, typed
    api.loadUnicodeString = lambda address: next(file.path for file in FILES.values() if id(file) == address)
    api.loadPtrs = lambda address, count: POINTERS[:count] if address == MM_PAGING_FILE else []
    pykd.answers["lm m nt"] = (
        "fffff800`5e200000 fffff800`5f246000   nt         (pdb symbols)  c:\\symbols\\ntkrnlmp.pdb\n"
    )
    return pykd


def test_paging_files_on_disk_are_found_with_their_drives_and_sizes(symbols: StandIn) -> None:
    from windbg_ext.debugger.paging_files import paging_files

    found = [(file.path, file.drive, file.size, file.maximum) for file in paging_files()]
    assert found == [
        (r"\??\C:\pagefile.sys", "C:", 16 * GB, 48 * GB),
        (r"\??\D:\pagefile.sys", "D:", GB, 2 * GB),
    ]


def test_windows_7_has_the_array_in_a_variable(symbols: StandIn) -> None:
    from windbg_ext.debugger.paging_files import paging_files

    api: Any = symbols
    api.getOffset = {"nt!MmPagingFile": MM_PAGING_FILE}.__getitem__
    assert [file.drive for file in paging_files()] == ["C:", "D:"]


def test_without_symbols_nothing_is_asked_for(symbols: StandIn) -> None:
    from windbg_ext.debugger.paging_files import paging_files

    def never(*_: object) -> None:
        pytest.fail("the engine would look for symbols")

    api: Any = symbols
    api.getOffset = api.typedVar = never
    symbols.answers["lm m nt"] = "fffff800`5e200000 fffff800`5f246000   nt         (deferred)\n"
    assert paging_files() == []


def test_a_build_that_names_it_otherwise_gives_nothing(symbols: StandIn) -> None:
    from windbg_ext.debugger.paging_files import paging_files

    def fail(*_: object) -> None:
        raise api.SymbolException("no such type")

    api: Any = symbols
    api.typedVar = fail
    assert paging_files() == []


@pytest.mark.parametrize(
    ("kind", "place"), [("AMD64", 0xFFFFF780000002E8), ("ARM64", 0xFFFFF780000002E8), ("I386", 0xFFDF02E8)]
)
def test_a_live_machine_tells_its_ram(symbols: StandIn, kind: str, place: int) -> None:
    from windbg_ext.debugger.machine import DebuggedMachine

    api: Any = symbols
    api.getCPUType = lambda: f"pykd.pykd.CPUType.{kind}"
    api.loadDWords = lambda address, count: [4 * PAGES_OF_GB][:count] if address == place else []
    assert DebuggedMachine(None).physical_memory() == 4 * GB


def test_a_machine_whose_shared_data_cannot_be_read_tells_no_ram(symbols: StandIn) -> None:
    from windbg_ext.debugger.machine import DebuggedMachine

    def fail(*_: object) -> None:
        raise api.MemoryException("not there")

    api: Any = symbols
    api.getCPUType = lambda: "pykd.pykd.CPUType.AMD64"
    api.loadDWords = fail
    assert DebuggedMachine(None).physical_memory() is None


def test_a_command_gets_drive_and_sizes_of_each_paging_file(symbols: StandIn) -> None:
    from windbg_ext.debugger.machine import DebuggedMachine

    assert DebuggedMachine(None).paging_files() == [("C:", 16 * GB, 48 * GB), ("D:", GB, 2 * GB)]
