"""Threads and their stacks. Offsets as KDDEBUGGER_DATA64 gives them for Windows 10 (dt nt!_KTHREAD)."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.written_memory import WrittenMemory, debugger_data

from windbg_ext.kernel.threads import Thread, read_thread

THREAD, PROCESS = 0xFFFFE000_00010080, 0xFFFFE000_00020080
LIMIT, BASE = 0xFFFFD000_00001000, 0xFFFFD000_00007000
INITIAL, KERNEL_STACK = BASE - 0x50, BASE - 0x480

WINDOWS_10 = debugger_data(
    offset_kthread_initial_stack=0x28,
    offset_kthread_stack_limit=0x30,
    offset_kthread_stack_base=0x38,
    offset_kthread_kernel_stack=0x58,
    offset_kthread_apc_process=0xB8,
)
WINDOWS_7 = debugger_data(
    offset_kthread_initial_stack=0x28, offset_kthread_kernel_stack=0x38, offset_kthread_apc_process=0x70
)


def thread_memory(
    kind: int = 6, initial: int = INITIAL, limit: int = LIMIT, base: int = BASE, kernel_stack: int = KERNEL_STACK
) -> WrittenMemory:
    """A KTHREAD of Windows 10."""
    memory = WrittenMemory()
    memory.write(THREAD, bytes(0x100))
    memory.write(THREAD, bytes([kind]))
    memory.write_u64(THREAD + 0x28, initial, limit, base)
    memory.write_u64(THREAD + 0x58, kernel_stack)
    memory.write_u64(THREAD + 0xB8, PROCESS)
    return memory


def test_a_thread_tells_its_stack_and_its_process() -> None:
    assert read_thread(thread_memory(), WINDOWS_10, THREAD) == Thread(
        address=THREAD,
        process=PROCESS,
        initial_stack=INITIAL,
        stack_limit=LIMIT,
        stack_base=BASE,
        kernel_stack=KERNEL_STACK,
    )


def test_windows_7_does_not_tell_where_a_stack_ends() -> None:
    memory = WrittenMemory()
    memory.write(THREAD, bytes(0x100))
    memory.write(THREAD, b"\6")
    memory.write_u64(THREAD + 0x28, INITIAL, LIMIT, KERNEL_STACK)
    memory.write_u64(THREAD + 0x70, PROCESS)
    assert read_thread(memory, WINDOWS_7, THREAD) == Thread(THREAD, PROCESS, INITIAL, None, INITIAL, KERNEL_STACK)


@pytest.mark.parametrize(
    ("stack_pointer", "owned"),
    [(LIMIT - 1, False), (LIMIT, True), (KERNEL_STACK, True), (BASE - 1, True), (BASE, False)],
)
def test_a_thread_owns_the_addresses_from_limit_to_base(stack_pointer: int, owned: bool) -> None:
    thread = Thread(THREAD, PROCESS, INITIAL, LIMIT, BASE, KERNEL_STACK)
    assert thread.owns(stack_pointer) is owned


@pytest.mark.parametrize(
    ("stack_pointer", "owned"),
    [(INITIAL - 1, True), (INITIAL - 0x20000, True), (INITIAL - 0x20001, False), (INITIAL, False)],
)
def test_without_a_limit_a_thread_owns_the_largest_stack_there_is(stack_pointer: int, owned: bool) -> None:
    thread = Thread(THREAD, PROCESS, INITIAL, None, INITIAL, KERNEL_STACK)
    assert thread.owns(stack_pointer) is owned


@pytest.mark.parametrize("kind", [0, 3, 5, 0x86, 0xFF])
def test_what_is_no_thread_by_its_dispatcher_header_is_none(kind: int) -> None:
    assert read_thread(thread_memory(kind=kind), WINDOWS_10, THREAD) is None


@pytest.mark.parametrize(
    "fields",
    [
        {"initial": BASE + 0x10},
        {"initial": INITIAL + 8},
        {"initial": 0},
        {"initial": BASE - 0x20010},
        {"limit": BASE},
        {"limit": BASE + 0x1000},
        {"limit": BASE - 0x21000},
        {"limit": 0},
        {"base": 0},
        {"base": (1 << 64) - 1},
    ],
    ids=str,
)
def test_stack_bounds_that_contradict_each_other_are_no_thread(fields: dict[str, int]) -> None:
    assert read_thread(thread_memory(**fields), WINDOWS_10, THREAD) is None


@pytest.mark.parametrize("size", [0x6000, 0x12000, 0x20000])
def test_stacks_up_to_128_kb_are_believed(size: int) -> None:
    thread = read_thread(thread_memory(limit=BASE - size), WINDOWS_10, THREAD)
    assert thread is not None
    assert thread.stack_limit == BASE - size


@pytest.mark.parametrize("offset", [0, 0x28, 0x30, 0x38, 0x58, 0xB8])
def test_a_thread_that_is_not_all_in_the_dump_is_none(offset: int) -> None:
    memory = thread_memory()
    memory.forget(THREAD + offset, 1)
    assert read_thread(memory, WINDOWS_10, THREAD) is None


@given(st.integers(0, 1 << 64))
def test_of_garbage_no_thread_with_contradictions_is_made(seed: int) -> None:
    memory = WrittenMemory()
    memory.write(THREAD, b"\6" + Random(seed).randbytes(0xFF))
    for block in (WINDOWS_10, WINDOWS_7):
        thread = read_thread(memory, block, THREAD)
        if thread is not None:
            assert thread.stack_base - 0x20000 <= thread.initial_stack <= thread.stack_base
            assert thread.stack_limit is None or thread.stack_limit < thread.stack_base
