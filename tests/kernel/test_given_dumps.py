"""What must hold for the kernel of any x64 dump, tried on other people's (folder WINDBG_EXT_DUMPS)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest
from support.dumps_at_hand import AMD64, LARGE_64_BIT, SMALL, given_dumps, read_dump_header, unpacked
from support.small_dump_file import SmallDumpFile

from windbg_ext.dump import open_dump
from windbg_ext.kernel import DumpTarget, Kernel, read_kernel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KERNEL_SPACE = 0xFFFF8000_00000000
LARGE_DUMPS, SMALL_DUMPS = given_dumps(*LARGE_64_BIT, machine=AMD64), given_dumps(SMALL, machine=AMD64)
if not LARGE_DUMPS and not SMALL_DUMPS:
    pytest.skip("WINDBG_EXT_DUMPS names no folder with x64 dumps", allow_module_level=True)


@pytest.fixture(scope="module")
def dump_file(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """The dump as a file that is not packed."""
    return unpacked(request.param, tmp_path_factory.mktemp("unpacked"))


each_large_dump = pytest.mark.parametrize("dump_file", LARGE_DUMPS, ids=lambda path: path.name, indirect=True)
each_small_dump = pytest.mark.parametrize("dump_file", SMALL_DUMPS, ids=lambda path: path.name, indirect=True)


@pytest.fixture(scope="module")
def kernel(dump_file: Path) -> Iterator[Kernel]:
    with open_dump(dump_file) as dump:
        yield read_kernel(DumpTarget(dump))


@each_large_dump
def test_every_processor_has_registers_and_a_root_of_page_tables(dump_file: Path, kernel: Kernel) -> None:
    header = read_dump_header(dump_file)
    assert header is not None
    assert len(kernel.processors) == header.processors
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
    assert kernel.modules.modules[0].base == kernel.debugger_data.kern_base
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
def test_a_small_dump_holds_the_memory_that_its_blocks_say(dump_file: Path) -> None:
    blocks = sorted(SmallDumpFile(dump_file).blocks, key=lambda block: block.address)
    with open_dump(dump_file) as dump:
        memory = DumpTarget(dump).memory
        for (address, data), after in zip(blocks, [*(block.address for block in blocks[1:]), 1 << 64]):
            alone = min(len(data), after - address)  # where blocks overlap, the one that starts last wins
            assert memory.read(address, alone) == data[:alone], hex(address)


@each_small_dump
def test_the_debugger_data_block_of_a_small_dump_is_found_at_its_address(dump_file: Path) -> None:
    small = SmallDumpFile(dump_file)
    with open_dump(dump_file) as dump:
        assert (
            DumpTarget(dump).memory.read(small.debugger_data_address, len(small.debugger_data)) == small.debugger_data
        )
