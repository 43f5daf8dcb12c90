"""The lists of bug check 0x9F, written by hand in memory (offsets as measured on a dump of Windows 10)."""

from __future__ import annotations

import struct
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from windbg_ext.commands.minify.parts.bug_check_lists import bug_check_lists
from windbg_ext.dump.header import BugCheck
from windbg_ext.errors import NotMappedError
from windbg_ext.kernel.debugger_data import DebuggerData
from windbg_ext.structs.architectures import ARCHITECTURES
from windbg_ext.structs.debugger_data import KdDebuggerData64
from windbg_ext.structs.header import Machine
from windbg_ext.structs.layouts import LAYOUTS64

if TYPE_CHECKING:
    from collections.abc import Iterator

    from windbg_ext.commands.minify.collector import Wanted
    from windbg_ext.commands.minify.crash import Crash
    from windbg_ext.memory.virtual import Piece

BASE = 0xFFFFF800_00000000
TRIAGE, IRP_HEAD, IRP_1, IRP_2, THREAD_HEAD, THREAD_1, QUEUE = (BASE + 0x1000 * n for n in range(7))
KTHREAD = BASE + 0x8000
STACK_LIMIT, STACK_BASE = BASE + 0x10000, BASE + 0x16000
QUEUE_LIST_HEAD, QUEUE_ENTRY, ETHREAD_SIZE = 0x18, 0x208, 0x898
OFFSETS = {
    "OffsetKPriQueueThreadListHead": QUEUE_LIST_HEAD,
    "OffsetKThreadQueueListEntry": QUEUE_ENTRY,
    "OffsetKThreadInitialStack": 0x28,
    "OffsetKThreadStackLimit": 0x30,
    "OffsetKThreadStackBase": 0x38,
    "OffsetKThreadKernelStack": 0x58,
    "OffsetKThreadApcProcess": 0x98,
    "SizeEThread": ETHREAD_SIZE,
}
X64 = ARCHITECTURES[Machine.AMD64]
BLOCK = DebuggerData(BASE, KdDebuggerData64.blank(**KdDebuggerData64.by_attribute(OFFSETS)).build(), LAYOUTS64)
FAILURE = BugCheck(0x9F, (3, 0, TRIAGE, 0))


class Flat:
    """Memory from BASE up, zeros where nothing was written."""

    layouts = LAYOUTS64

    def __init__(self) -> None:
        self.data = bytearray(0x20000)

    def write(self, address: int, *values: int) -> None:
        struct.pack_into(f"<{len(values)}Q", self.data, address - BASE, *values)

    def read(self, address: int, length: int) -> bytes:
        if not BASE <= address <= BASE + len(self.data) - length:
            raise NotMappedError(address)
        return bytes(self.data[address - BASE : address - BASE + length])

    def present(self, address: int, length: int) -> Iterator[Piece]:
        raise AssertionError("the lists are read entry by entry")


def lists(memory: Flat, bug_check: BugCheck = FAILURE) -> list[Wanted]:
    crash = SimpleNamespace(memory=memory, debugger_data=BLOCK, architecture=X64, bug_check=bug_check)
    return list(bug_check_lists(cast("Crash", crash)))


@pytest.fixture
def memory() -> Flat:
    memory = Flat()
    memory.write(TRIAGE, 0x0002_8000, IRP_HEAD, THREAD_HEAD, QUEUE)
    for here, following in ((IRP_HEAD, IRP_1), (IRP_1, IRP_2), (IRP_2, IRP_HEAD)):
        memory.write(here, following)
    memory.write(THREAD_HEAD, THREAD_1)
    memory.write(THREAD_1, THREAD_HEAD)
    memory.write(QUEUE + QUEUE_LIST_HEAD, KTHREAD + QUEUE_ENTRY)
    memory.write(KTHREAD + QUEUE_ENTRY, QUEUE + QUEUE_LIST_HEAD)
    memory.write(KTHREAD, 6)
    memory.write(KTHREAD + 0x28, STACK_BASE - 0x70, STACK_LIMIT, STACK_BASE)
    memory.write(KTHREAD + 0x58, STACK_BASE - 0x900)
    return memory


def test_every_entry_is_followed_and_the_queues_thread_is_saved_with_its_whole_stack(memory: Flat) -> None:
    ranges = [(wanted.address, wanted.length) for wanted in lists(memory)]
    windows = [(address, 0x100) for address in (TRIAGE, IRP_1, IRP_2, THREAD_1)]
    stack = (STACK_LIMIT, STACK_BASE - STACK_LIMIT)
    entry = (KTHREAD + QUEUE_ENTRY, 0x10)
    assert ranges == [*windows, (QUEUE, 0x1000), entry, (KTHREAD, ETHREAD_SIZE), stack]


def test_the_second_queue_is_followed_where_the_revision_has_one(memory: Flat) -> None:
    memory.write(TRIAGE + 0x18, 0, QUEUE)
    assert (KTHREAD, ETHREAD_SIZE) in [(wanted.address, wanted.length) for wanted in lists(memory)]
    memory.write(TRIAGE, 0x0001_8000)
    assert (KTHREAD, ETHREAD_SIZE) not in [(wanted.address, wanted.length) for wanted in lists(memory)]


@pytest.mark.parametrize("bug_check", [BugCheck(0xD1, (3, 0, TRIAGE, 0)), BugCheck(0x9F, (4, 0, 0, TRIAGE))])
def test_no_other_bug_check_hands_over_lists(memory: Flat, bug_check: BugCheck) -> None:
    assert lists(memory, bug_check) == []


def test_a_structure_without_its_signature_is_not_followed(memory: Flat) -> None:
    memory.write(TRIAGE, 0)
    assert lists(memory) == []


def test_a_list_that_never_comes_back_to_its_head_ends(memory: Flat) -> None:
    memory.write(IRP_2, IRP_1)
    entries = [wanted.address for wanted in lists(memory)]
    assert entries.count(IRP_1) + entries.count(IRP_2) == 256
