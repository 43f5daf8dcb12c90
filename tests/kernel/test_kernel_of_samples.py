"""The kernel that is read from each sample is the one that its builder described."""

from __future__ import annotations

from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import samples
from samples.builder import SAMPLES, Sample, build
from samples.builder.contexts import context_buffer
from samples.builder.kernel import crash
from samples.builder.machine import SYSTEM
from samples.builder.tweaks import encode_debugger_data, loop_module_list, spoil_debugger_data
from windbg_ext.dump import open_dump
from windbg_ext.errors import DumpError
from windbg_ext.kernel import DumpTarget, Kernel, read_kernel
from windbg_ext.kernel.context import parse_context
from windbg_ext.kernel.modules import UnloadedDriver
from windbg_ext.kernel.processors import context_length
from windbg_ext.structs.header import DumpType

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from samples.builder import Tweak
    from samples.builder.crashed_machine import CrashedMachine
    from windbg_ext.structs.structure import Value

KERNEL_TYPES = (DumpType.SUMMARY, DumpType.BITMAP_KERNEL, DumpType.RANGES_KERNEL)
FOLDER = Path(samples.__file__).parent
BY_NAME = {sample.name: sample for sample in SAMPLES}
LARGE = [sample for sample in SAMPLES if sample.large]
each_sample = pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
each_large_sample = pytest.mark.parametrize("sample", LARGE, ids=lambda sample: sample.name)


@cache
def kernel_of(name: str) -> Kernel:
    with open_dump(FOLDER / f"{name}.dmp") as dump:
        return read_kernel(DumpTarget(dump))


@cache
def crashed_machine(name: str) -> CrashedMachine:
    return crash(BY_NAME[name].machine)


@each_sample
def test_the_debugger_data_block_is_the_one_of_the_builder(sample: Sample) -> None:
    block, crashed = kernel_of(sample.name).debugger_data, crashed_machine(sample.name)
    version = sample.machine.version
    assert block.address == crashed.debugger_data
    assert len(block.data) == version.debugger_data_size
    assert block.kern_base == sample.machine.kernel.base
    for name, value in {**version.debugger_data, **crashed.variables}.items():
        assert block.field(name).of(block) == value, name


@each_sample
def test_every_processor_has_its_registers_and_its_thread(sample: Sample) -> None:
    machine = sample.machine
    processors = kernel_of(sample.name).processors
    assert len(processors) == len(machine.processors)
    for number, (found, made) in enumerate(zip(processors, machine.processors)):
        assert found.number == number
        assert found.prcb == made.pcr + machine.version.number("OffsetPcrContainedPrcb")
        assert found.context_address == made.context
        cpu = machine.architecture.cpu
        context = context_buffer(made.registers, made.extended_state, machine.architecture)[: cpu.context.SIZE]
        assert found.context == parse_context(context, cpu)
        assert found.thread is not None
        assert found.thread.address == made.current_thread


@each_sample
def test_every_thread_has_the_stack_that_the_builder_gave_it(sample: Sample) -> None:
    machine = sample.machine
    for found, made in zip(kernel_of(sample.name).processors, machine.processors):
        thread = machine.thread(made.current_thread)
        assert found.thread is not None
        assert found.thread.process == machine.process(thread.process).address
        assert found.thread.kernel_stack == thread.kernel_stack
        if "OffsetKThreadStackBase" not in machine.version.debugger_data:
            assert found.thread.stack_limit is None
            assert found.thread.stack_base == thread.stack_base - 0x50
        else:
            assert (found.thread.stack_limit, found.thread.stack_base) == (thread.stack_limit, thread.stack_base)
        assert found.thread.owns(thread.kernel_stack)


@each_sample
def test_the_processor_that_crashed_is_found(sample: Sample) -> None:
    kernel = kernel_of(sample.name)
    assert kernel.crashed is not None
    assert kernel.crashed.number == sample.machine.crashed


def test_a_crash_whose_header_has_the_context_of_the_exception_is_among_them() -> None:
    special = [sample for sample in SAMPLES if sample.machine.context is not None]
    assert [sample.machine.bug_check.code for sample in special] == [0x1000007E]
    for sample in special:
        kernel = kernel_of(sample.name)
        assert kernel.crashed is not None
        assert kernel.crashed.context is not None
        assert kernel.context.instruction_pointer == sample.machine.context["Rip"]  # type: ignore[index]
        assert kernel.crashed.context.instruction_pointer == sample.machine.processors[0].registers["Rip"]


def test_samples_crash_on_other_processors_than_the_first_too() -> None:
    assert {sample.machine.crashed for sample in SAMPLES} >= {0, 1, 2}


@each_large_sample
def test_the_modules_are_those_of_the_machine(sample: Sample) -> None:
    modules = kernel_of(sample.name).modules
    assert modules.problem is None
    entries = crashed_machine(sample.name).loaded_modules
    found = [
        (item.entry_address, item.name, item.full_name, item.base, item.size, item.time_date_stamp, item.check_sum)
        for item in modules.modules
    ]
    assert found == [
        (entries[item.name], item.name, item.path, item.base, item.size, item.time_date_stamp, item.check_sum)
        for item in sample.machine.modules
    ]


@each_large_sample
def test_the_unloaded_drivers_are_those_of_the_machine(sample: Sample) -> None:
    made = sample.machine.unloaded_drivers
    assert kernel_of(sample.name).unloaded_drivers == tuple(
        UnloadedDriver(driver.name, driver.start, driver.end) for driver in made
    )


def test_one_sample_has_a_ring_of_unloaded_drivers_that_wrapped_around() -> None:
    wrapped = [sample for sample in LARGE if len(sample.machine.unloaded_drivers) == 50]
    assert [0 < sample.machine.last_unloaded_driver < 50 for sample in wrapped] == [True]


@each_large_sample
def test_images_of_the_crashed_process_are_read_where_user_memory_is_in_the_dump(sample: Sample) -> None:
    machine = sample.machine
    process = machine.process(machine.thread(machine.processors[machine.crashed].current_thread).process)
    found = [(item.name, item.base, item.size) for item in kernel_of(sample.name).user_modules.modules]
    if sample.format.dump_type in KERNEL_TYPES or process.name == SYSTEM:
        assert found == []
    else:
        assert found == [(item.name, item.base, item.size) for item in process.modules]


def test_a_small_dump_holds_neither_module_list_nor_unloaded_drivers_in_memory() -> None:
    """It has them as parts of its own."""
    kernel = kernel_of("small")
    assert kernel.modules.modules == ()
    assert kernel.modules.problem is not None
    assert kernel.unloaded_drivers is None


@each_large_sample
def test_extended_state_makes_contexts_longer(sample: Sample) -> None:
    with open_dump(FOLDER / sample.file_name) as dump:
        memory = DumpTarget(dump).memory
        for processor in sample.machine.processors:
            context = sample.machine.architecture.cpu.context
            expected = 0x640 if processor.extended_state else context.SIZE
            assert context_length(memory, processor.context, context) == expected


def test_some_sample_has_extended_state() -> None:
    assert {processor.extended_state for sample in LARGE for processor in sample.machine.processors} == {True, False}


@contextmanager
def target_of(
    folder: Path, sample: Sample, tweak: Tweak | None = None, header: Mapping[str, Value] | None = None
) -> Iterator[DumpTarget]:
    path = folder / "changed.dmp"
    path.write_bytes(build(sample, tweak, header))
    with open_dump(path) as dump:
        yield DumpTarget(dump)


FILL = 0x4547415045474150


@each_large_sample
@pytest.mark.parametrize("unset", [0, FILL], ids=["zero", "fill"])
def test_without_an_address_in_the_header_the_block_is_found_by_its_tag(
    sample: Sample, unset: int, tmp_path: Path
) -> None:
    unset &= (1 << 8 * sample.machine.architecture.pointer_size) - 1
    with target_of(tmp_path, sample, header={"KdDebuggerDataBlock": unset}) as target:
        kernel = read_kernel(target)
    assert kernel.debugger_data == kernel_of(sample.name).debugger_data
    assert kernel.processors == kernel_of(sample.name).processors


@each_large_sample
def test_without_a_module_list_in_the_header_the_block_tells_where_it_is(sample: Sample, tmp_path: Path) -> None:
    with target_of(tmp_path, sample, header={"PsLoadedModuleList": 0}) as target:
        assert read_kernel(target).modules == kernel_of(sample.name).modules


@each_large_sample
def test_an_encoded_block_leads_to_the_same_kernel(sample: Sample, tmp_path: Path) -> None:
    with target_of(tmp_path, sample, encode_debugger_data) as target:
        kernel = read_kernel(target)
    plain = kernel_of(sample.name)
    assert kernel.debugger_data.decoded
    assert not plain.debugger_data.decoded
    assert kernel == plain


@each_large_sample
def test_a_spoiled_block_leads_nowhere_and_says_so(sample: Sample, tmp_path: Path) -> None:
    with target_of(tmp_path, sample, spoil_debugger_data) as target, pytest.raises(DumpError, match="KiProcessorBlock"):
        read_kernel(target)


@each_large_sample
def test_a_looped_module_list_ends_with_every_module_once(sample: Sample, tmp_path: Path) -> None:
    with target_of(tmp_path, sample, loop_module_list) as target:
        modules = read_kernel(target).modules
    assert [item.name for item in modules.modules] == [item.name for item in sample.machine.modules]
    assert modules.problem is not None
    assert modules.problem.endswith("the list is a loop")
