"""What must hold for the kernel of any x64 dump, tried on other people's (folder WINDBG_EXT_DUMPS)."""

from __future__ import annotations

import lzma
import os
import shutil
import struct
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from windbg_ext.dump import open_dump
from windbg_ext.kernel import DumpTarget, Kernel, read_kernel

if TYPE_CHECKING:
    from collections.abc import Iterator

AMD64 = 0x8664
SMALL, WITH_PAGES = 4, (1, 5, 6, 8, 9, 0xA)
KERNEL_SPACE = 0xFFFF8000_00000000


def header_of(path: Path) -> bytes:
    with lzma.open(path) if path.suffix == ".xz" else path.open("rb") as file:
        return file.read(0x2000)


@cache
def given_dumps() -> dict[Path, int]:
    """The x64 dumps and their DumpType."""
    folder = os.environ.get("WINDBG_EXT_DUMPS")
    found = {}
    for path in sorted(Path(folder).rglob("*.dmp*")) if folder else []:
        header = header_of(path) if path.suffix in (".dmp", ".xz") else b""
        if len(header) == 0x2000 and header.startswith(b"PAGEDU64"):
            (machine,), (dump_type,) = struct.unpack_from("<I", header, 0x30), struct.unpack_from("<I", header, 0xF98)
            if machine == AMD64:
                found[path] = dump_type
    return found


LARGE_DUMPS = [path for path, dump_type in given_dumps().items() if dump_type in WITH_PAGES]
SMALL_DUMPS = [path for path, dump_type in given_dumps().items() if dump_type == SMALL]
if not given_dumps():
    pytest.skip("WINDBG_EXT_DUMPS names no folder with x64 dumps", allow_module_level=True)


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """The dump as a file that is not packed."""
    path: Path = request.param
    if path.suffix != ".xz":
        return path
    copy = tmp_path_factory.mktemp("unpacked") / path.stem
    with lzma.open(path) as packed, copy.open("wb") as file:
        shutil.copyfileobj(packed, file)
    return copy


each_large_dump = pytest.mark.parametrize("unpacked", LARGE_DUMPS, ids=lambda path: path.name, indirect=True)
each_small_dump = pytest.mark.parametrize("unpacked", SMALL_DUMPS, ids=lambda path: path.name, indirect=True)


@pytest.fixture(scope="module")
def kernel(unpacked: Path) -> Iterator[Kernel]:
    with open_dump(unpacked) as dump:
        yield read_kernel(DumpTarget(dump))


@each_large_dump
def test_every_processor_has_registers_and_a_root_of_page_tables(unpacked: Path, kernel: Kernel) -> None:
    assert len(kernel.processors) == struct.unpack_from("<I", header_of(unpacked), 0x34)[0]
    for processor in kernel.processors:
        assert processor.context is not None, processor.number
        assert processor.context.instruction_pointer, processor.number
    assert len({processor.prcb for processor in kernel.processors}) == len(kernel.processors)
    assert len({processor.context_address for processor in kernel.processors}) == len(kernel.processors)


@each_large_dump
def test_the_crashing_processor_is_known_and_its_thread_and_process(kernel: Kernel) -> None:
    assert kernel.crashed is not None
    assert kernel.crashed.thread is not None
    assert kernel.crashed.thread.process >= KERNEL_SPACE


@each_large_dump
def test_modules_are_page_aligned_in_kernel_space_and_apart(kernel: Kernel) -> None:
    assert kernel.modules.problem is None
    modules = sorted(kernel.modules.modules, key=lambda module: module.base)
    assert modules
    assert kernel.modules.modules[0].base == kernel.debugger_data["KernBase"]
    for module in modules:
        assert module.base % 0x1000 == 0, module.name
        assert module.base >= KERNEL_SPACE, module.name
        assert 0 < module.size <= 1 << 30, module.name
        assert module.name
        assert module.name.isprintable()
    for module, after in zip(modules, modules[1:]):
        assert module.base + module.size <= after.base, (module.name, after.name)


@each_large_dump
def test_instruction_pointers_of_kernel_mode_lie_in_modules(kernel: Kernel) -> None:
    images = [(module.base, module.base + module.size) for module in kernel.modules.modules]
    for processor in kernel.processors:
        assert processor.context is not None
        at = processor.context.instruction_pointer
        assert at < KERNEL_SPACE or any(start <= at < end for start, end in images), hex(at)


@each_large_dump
def test_unloaded_drivers_were_in_kernel_space_and_have_names(kernel: Kernel) -> None:
    assert kernel.unloaded_drivers is not None
    assert len(kernel.unloaded_drivers) <= 50
    for driver in kernel.unloaded_drivers:
        assert KERNEL_SPACE <= driver.start < driver.end
        assert driver.name
        assert len(driver.name) <= 12


@each_large_dump
def test_every_context_buffer_holds_the_flags_of_an_x64_context(kernel: Kernel) -> None:
    for processor in kernel.processors:
        assert processor.context is not None
        (flags,) = struct.unpack_from("<I", processor.context.data, 0x30)
        assert flags & 0x100000, hex(flags)


@each_small_dump
def test_a_small_dump_holds_the_memory_that_its_blocks_say(unpacked: Path) -> None:
    data = unpacked.read_bytes()
    table, count = struct.unpack_from("<II", data, 0x2078)
    blocks = sorted(struct.iter_unpack("<QII", data[table : table + 16 * count]))
    with open_dump(unpacked) as dump:
        memory = DumpTarget(dump).memory
        for (address, offset, size), after in zip(blocks, [*blocks[1:], (1 << 64, 0, 0)]):
            alone = min(size, after[0] - address)  # where blocks overlap, the one that starts last wins
            assert memory.read(address, alone) == data[offset : offset + alone], hex(address)


@each_small_dump
def test_the_debugger_data_block_of_a_small_dump_is_found_at_its_address(unpacked: Path) -> None:
    data = unpacked.read_bytes()
    offset, size = struct.unpack_from("<II", data, 0x2070)
    (address,) = struct.unpack_from("<Q", data, 0x80)
    with open_dump(unpacked) as dump:
        assert DumpTarget(dump).memory.read(address, size) == data[offset : offset + size]
