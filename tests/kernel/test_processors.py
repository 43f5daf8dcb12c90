"""Processors, their registers, and which of them crashed.

Offsets: WDBGEXTS.H and winnt.h; those within the KPRCB as KDDEBUGGER_DATA64 gives them for Windows 10.
"""

from __future__ import annotations

import struct
from random import Random

import pytest
from support.written_memory import WrittenMemory, debugger_data

from windbg_ext.errors import DumpError
from windbg_ext.kernel.context import parse_context
from windbg_ext.kernel.processors import Processor, context_length, crashing_processor, read_processors
from windbg_ext.kernel.threads import Thread
from windbg_ext.structs.architectures import ARCHITECTURES
from windbg_ext.structs.header import Machine

X64 = ARCHITECTURES[Machine.AMD64]
LIST = 0xFFFFF801_00000100
PRCB, CONTEXT, THREAD = 0xFFFFF801_10000180, 0xFFFFE000_00001000, 0xFFFFE000_00100000
STEP = 0x2000
STACK_BASE = 0xFFFFD000_00007000
CURRENT_THREAD, CONTEXT_POINTER = 0x8, 0x85C0

BLOCK = debugger_data(
    ki_processor_block=LIST,
    offset_prcb_current_thread=CURRENT_THREAD,
    offset_prcb_context=CONTEXT_POINTER,
    offset_kthread_initial_stack=0x28,
    offset_kthread_stack_limit=0x30,
    offset_kthread_stack_base=0x38,
    offset_kthread_kernel_stack=0x58,
    offset_kthread_apc_process=0xB8,
)


def context_bytes(number: int) -> bytes:
    return Random(number).randbytes(0x4D0)


def machine(count: int) -> WrittenMemory:
    """Processors with registers and a thread each; the list goes on with zeros."""
    memory = WrittenMemory()
    memory.write(LIST, bytes(0x100))
    for number in range(count):
        prcb, context, thread = PRCB + STEP * 8 * number, CONTEXT + STEP * number, THREAD + STEP * number
        memory.write_u64(LIST + 8 * number, prcb)
        memory.write_u64(prcb + CURRENT_THREAD, thread)
        memory.write_u64(prcb + CONTEXT_POINTER, context)
        memory.write(context, context_bytes(number))
        memory.write(thread, b"\6".ljust(0x100, b"\0"))
        base = STACK_BASE + 0x10000 * number
        memory.write_u64(thread + 0x28, base - 0x50, base - 0x6000, base)
    return memory


def test_every_processor_of_the_list_is_read() -> None:
    processors = read_processors(machine(3), BLOCK, 3, X64)
    assert [processor.number for processor in processors] == [0, 1, 2]
    for number, processor in enumerate(processors):
        assert processor.prcb == PRCB + STEP * 8 * number
        assert processor.context_address == CONTEXT + STEP * number
        assert processor.context == parse_context(context_bytes(number), X64)
        assert processor.thread is not None
        assert processor.thread.address == THREAD + STEP * number


def test_registers_are_those_of_the_context() -> None:
    data = context_bytes(7)
    context = parse_context(data, X64)
    assert context.data == data
    assert context.registers == struct.unpack_from("<17Q", data, 0x78)
    assert context.stack_pointer == struct.unpack_from("<Q", data, 0x98)[0]
    assert context.instruction_pointer == struct.unpack_from("<Q", data, 0xF8)[0]


def test_a_context_buffer_that_is_not_in_the_dump_leaves_its_address() -> None:
    memory = machine(2)
    memory.forget(CONTEXT + STEP + 0x4CF, 1)
    first, second = read_processors(memory, BLOCK, 2, X64)
    assert first.context is not None
    assert (second.context, second.context_address) == (None, CONTEXT + STEP)


def test_a_control_block_that_is_not_in_the_dump_leaves_its_address() -> None:
    memory = machine(1)
    memory.forget(PRCB, STEP * 8)
    assert read_processors(memory, BLOCK, 1, X64) == (Processor(0, PRCB, None, None, None),)


def test_a_version_that_does_not_tell_where_things_are_has_none() -> None:
    block = debugger_data(ki_processor_block=LIST)
    assert read_processors(machine(1), block, 1, X64) == (Processor(0, PRCB, None, None, None),)


def test_a_context_pointer_of_zero_is_no_context() -> None:
    memory = machine(1)
    memory.write_u64(PRCB + CONTEXT_POINTER, 0)
    memory.write(0, context_bytes(0))
    (processor,) = read_processors(memory, BLOCK, 1, X64)
    assert processor.context is None


@pytest.mark.parametrize("count", [0, 2049, 0x45474150, 0xFFFFFFFF])
def test_an_absurd_count_of_processors_is_refused(count: int) -> None:
    with pytest.raises(DumpError) as raised:
        read_processors(machine(1), BLOCK, count, X64)
    assert (raised.value.field, raised.value.why) == ("NumberProcessors", f"{count} is not between 1 and 2048")


def test_more_processors_than_the_list_has_are_read_as_nothing() -> None:
    processors = read_processors(machine(1), BLOCK, 3, X64)
    assert [processor.context is not None for processor in processors] == [True, False, False]


@pytest.mark.parametrize("count", [1, 3])
def test_a_list_that_is_not_in_the_dump_is_refused(count: int) -> None:
    memory = machine(2)
    memory.forget(LIST + 8 * (count - 1), 0x100)
    with pytest.raises(DumpError) as raised:
        read_processors(memory, BLOCK, count, X64)
    assert raised.value.field == "KiProcessorBlock"
    assert raised.value.why == f"0x{LIST + 8 * (count - 1):x} is not mapped"


def processor(number: int, registers: int, stack_base: int | None = None) -> Processor:
    thread = None if stack_base is None else Thread(THREAD, 0, stack_base, stack_base - 0x6000, stack_base, stack_base)
    return Processor(number, PRCB, CONTEXT, parse_context(context_bytes(registers), X64), thread)


def context_with_stack(stack_pointer: int) -> bytes:
    data = bytearray(context_bytes(99))
    struct.pack_into("<Q", data, 0x98, stack_pointer)
    return bytes(data)


def test_the_processor_with_the_registers_of_the_header_crashed() -> None:
    processors = (processor(0, 10), processor(1, 11), processor(2, 12))
    assert crashing_processor(processors, parse_context(context_bytes(11), X64)) is processors[1]


def test_registers_count_and_not_what_else_is_in_a_context() -> None:
    data = bytearray(context_bytes(11))
    data[0x30:0x34] = b"\x1f\0\x10\0"  # ContextFlags
    processors = (processor(0, 10), processor(1, 11))
    assert crashing_processor(processors, parse_context(bytes(data), X64)) is processors[1]


def test_the_processor_whose_thread_owns_the_stack_of_the_exception_crashed() -> None:
    """Bug check 0x1000007E: the header has the context of the exception, not that of KeBugCheckEx."""
    processors = (processor(0, 10, 0x10000), processor(1, 11, 0x30000), processor(2, 12, 0x50000))
    context = parse_context(context_with_stack(0x30000 - 0x1234), X64)
    assert crashing_processor(processors, context) is processors[1]


def test_registers_that_fit_are_better_than_a_stack_that_fits() -> None:
    in_both = parse_context(context_with_stack(0x10000 - 0x100), X64)
    processors = (
        processor(0, 10, 0x10000),
        Processor(1, PRCB, CONTEXT, in_both, None),
    )
    assert crashing_processor(processors, in_both) is processors[1]


def test_when_no_processor_fits_none_is_taken() -> None:
    processors = (processor(0, 10, 0x10000), Processor(1, PRCB, None, None, None))
    assert crashing_processor(processors, parse_context(context_with_stack(0x10000), X64)) is None
    assert crashing_processor((), parse_context(context_bytes(0), X64)) is None


ALL, WITH_XSTATE = 0x10001F, 0x10005F


def buffer(flags: int, all_length: int, behind: int = 0x18) -> WrittenMemory:
    """A CONTEXT and a CONTEXT_EX (winnt.h): All, Legacy, XState, each an i32 offset and a u32 length."""
    memory = WrittenMemory()
    extended = struct.pack("<iIiIiI", -0x4D0, all_length, -0x4D0, 0x4D0, 0x30, 0x140)
    memory.write(CONTEXT, bytes(0x4D0) + extended[:behind])
    memory.write(CONTEXT + 0x30, struct.pack("<I", flags))
    return memory


@pytest.mark.parametrize("length", [0x4D0, 0x640, 0x4000])
def test_a_context_with_extended_state_is_as_long_as_it_says(length: int) -> None:
    assert context_length(buffer(WITH_XSTATE, length), CONTEXT, X64.context) == length


@pytest.mark.parametrize(
    ("flags", "length"),
    [(ALL, 0x640), (WITH_XSTATE, 0), (WITH_XSTATE, 0x4CF), (WITH_XSTATE, 0x4001), (WITH_XSTATE, 0xFFFFFFFF)],
)
def test_a_context_without_it_or_with_an_absurd_length_is_a_plain_one(flags: int, length: int) -> None:
    assert context_length(buffer(flags, length), CONTEXT, X64.context) == 0x4D0


@pytest.mark.parametrize("behind", [0, 0x17])
def test_a_context_with_nothing_behind_it_is_a_plain_one(behind: int) -> None:
    assert context_length(buffer(WITH_XSTATE, 0x640, behind), CONTEXT, X64.context) == 0x4D0


def test_a_context_that_is_not_there_is_a_plain_one() -> None:
    assert context_length(WrittenMemory(), CONTEXT, X64.context) == 0x4D0
