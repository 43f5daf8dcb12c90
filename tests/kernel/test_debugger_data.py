"""Finding and reading the debugger data block. Offsets: WDBGEXTS.H."""

from __future__ import annotations

import struct
from random import Random

import pytest
from support.written_memory import WrittenMemory

from windbg_ext.errors import DumpError
from windbg_ext.kernel.debugger_data import read_debugger_data
from windbg_ext.limits import Budget, LimitError

BLOCK = 0xFFFFF801_00305670
KERNEL = 0xFFFFF801_00000000
HEAD = 0xFFFFF801_00400000
ENTRY = 0xFFFFE000_00001000


def block_bytes(size: int = 0x360, tag: bytes = b"KDBG", told: int | None = None) -> bytes:
    """A block of recognizable values; Size is what is told."""
    data = bytearray(Random(size).randbytes(size))
    struct.pack_into("<4sIQ", data, 0x10, tag, size if told is None else told, KERNEL)
    struct.pack_into("<Q", data, 0x48, HEAD)
    return bytes(data)


def memory_with(data: bytes, address: int = BLOCK) -> WrittenMemory:
    memory = WrittenMemory()
    memory.write(address, data)
    return memory


@pytest.mark.parametrize("size", [0x340, 0x360, 0x368, 0x380, 0x3A0])
def test_a_block_of_any_windows_version_is_read_as_far_as_its_size_goes(size: int) -> None:
    data = block_bytes(size)
    found = read_debugger_data(memory_with(data + b"\xff" * 0x100), BLOCK, None, Budget())
    assert (found.address, found.data) == (BLOCK, data)
    assert found.kern_base == KERNEL
    assert found.ki_processor_block == struct.unpack_from("<Q", data, 0x218)[0]
    assert found.offset_prcb_context == struct.unpack_from("<H", data, 0x338)[0]


def test_fields_behind_the_end_of_an_old_block_are_zero() -> None:
    found = read_debugger_data(memory_with(block_bytes(0x340) + b"\xff" * 0x100), BLOCK, None, Budget())
    assert (found.offset_kthread_stack_limit, found.offset_kthread_stack_base, found.pte_base) == (0, 0, 0)


def test_bytes_behind_the_documented_fields_are_kept() -> None:
    data = block_bytes(0x3A0)
    assert read_debugger_data(memory_with(data), BLOCK, None, Budget()).data[0x368:] == data[0x368:]


def test_a_block_that_is_cut_has_the_fields_before_the_cut() -> None:
    """The debugger engine saves as much of it as it knows."""
    data = block_bytes(0x380)
    found = read_debugger_data(memory_with(data[:0x338]), BLOCK, None, Budget())
    assert found.data == data[:0x338]
    assert found.etwp_debugger_data == struct.unpack_from("<Q", data, 0x330)[0]
    assert found.offset_prcb_context == 0


def test_a_block_with_a_hole_ends_at_the_hole() -> None:
    data = block_bytes(0x360)
    memory = memory_with(data)
    memory.forget(BLOCK + 0x200, 8)
    found = read_debugger_data(memory, BLOCK, None, Budget())
    assert found.data == data[:0x200]
    assert found.kd_print_rollover_count == struct.unpack_from("<Q", data, 0x1F8)[0]
    assert found.ki_processor_block == 0


def refused(memory: WrittenMemory, address: int | None = BLOCK, head: int | None = HEAD) -> DumpError:
    with pytest.raises(DumpError) as raised:
        read_debugger_data(memory, address, head, Budget())
    return raised.value


def test_a_block_that_is_not_there_is_told_by_its_address() -> None:
    error = refused(WrittenMemory())
    assert (error.field, error.why) == ("KdDebuggerDataBlock", f"0x{BLOCK:x} is not mapped")


@pytest.mark.parametrize("tag", [b"\0\0\0\0", b"kdbg", b"\x1b]0;"])
def test_another_tag_is_told(tag: bytes) -> None:
    error = refused(memory_with(block_bytes(tag=tag)))
    assert error.field == "KdDebuggerDataBlock"
    shown = ascii(tag.decode("latin-1"))
    assert error.why == f"0x{BLOCK:x} holds no debugger data block (its tag is {shown}, not 'KDBG')"
    assert error.why.isprintable()


@pytest.mark.parametrize("size", [0, 0x28F, 0x1001, 0xFFFFFFFF])
def test_an_absurd_size_is_refused(size: int) -> None:
    error = refused(memory_with(block_bytes(0x360, told=size)))
    assert error.field == "KdDebuggerDataBlock.Size"
    assert error.why.startswith(f"0x{size:x} is not between")


def encoded(data: bytes, always: int, never: int, block_encoded: int) -> bytes:
    """As a running kernel keeps it since Windows 8 (volatility 2, win8_kdbg.py, the other way round)."""
    words = []
    for (plain,) in struct.iter_unpack("<Q", data[: len(data) // 8 * 8]):
        swapped = int.from_bytes((plain ^ always).to_bytes(8, "little"), "big") ^ block_encoded
        turn = never & 63
        words.append((swapped >> turn | swapped << 64 - turn) & (1 << 64) - 1 ^ never)
    return struct.pack(f"<{len(words)}Q", *words)


def sparse_block() -> bytes:
    """A block as Windows 10 has it: a good part of its fields is zero."""
    data = bytearray(block_bytes(0x380))
    for offset in (
        0x28,
        0xA8,
        0xB0,
        0xC8,
        0xD0,
        0xD8,
        0xE0,
        0xE8,
        0xF0,
        0xF8,
        0x148,
        0x250,
        0x258,
        0x260,
        0x278,
        0x290,
    ):
        struct.pack_into("<Q", data, offset, 0)
    return bytes(data)


@pytest.mark.parametrize("turn", [0, 1, 31, 32, 63])
def test_a_block_that_is_still_encoded_is_decoded_whatever_the_keys_are(turn: int) -> None:
    never = 0x1122334455667740 | turn
    data = encoded(sparse_block(), 0x9C6E2B5348D0F1A6, never, 0xFFFFF801_00390000)
    block = read_debugger_data(memory_with(data), BLOCK, None, Budget())
    assert block.data == sparse_block()
    assert block.decoded


def test_a_block_that_decodes_to_another_machines_module_list_is_refused() -> None:
    data = encoded(sparse_block(), 1, 2, 3)
    with pytest.raises(DumpError, match="has another module list") as raised:
        read_debugger_data(memory_with(data), BLOCK, 0xFFFFF801_12345678, Budget())
    assert raised.value.field == "KdDebuggerDataBlock"


@pytest.mark.parametrize(
    "garbage",
    [bytes(0x380), b"\xff" * 0x380, bytes(range(256)) * 4, Random(1).randbytes(0x380), b"PAGE" * 0xE0],
    ids=["zeros", "ones", "counting", "random", "fill"],
)
def test_garbage_is_not_taken_for_an_encoded_block(garbage: bytes) -> None:
    assert "holds no debugger data block" in refused(memory_with(garbage)).why


def test_a_block_without_its_tag_that_is_cut_is_not_taken_for_an_encoded_one() -> None:
    data = encoded(sparse_block(), 1, 2, 3)
    assert "holds no debugger data block" in refused(memory_with(data[:0x100])).why


def kernel_memory(image: bytes, size: int | None = None) -> WrittenMemory:
    """A kernel image, the first entry of the module list."""
    memory = WrittenMemory()
    memory.write(KERNEL, image)
    memory.write_u64(HEAD, ENTRY)
    entry = bytearray(0x80)
    struct.pack_into("<Q8xI", entry, 0x30, KERNEL, len(image) if size is None else size)
    memory.write(ENTRY, bytes(entry))
    return memory


@pytest.mark.parametrize("offset", [0, 0x1238, 0x1FF8 - 0x10])
def test_without_an_address_the_block_is_found_in_the_kernel_by_its_tag(offset: int) -> None:
    image = bytearray(0x3000)
    image[offset : offset + 0x360] = block_bytes()
    found = read_debugger_data(kernel_memory(bytes(image)), None, HEAD, Budget())
    assert found.address == KERNEL + offset
    assert found.data == block_bytes()


def test_a_tag_that_belongs_to_no_block_of_this_kernel_is_passed_over() -> None:
    image = bytearray(0x4000)
    image[0x104:0x108] = b"KDBG"
    other_kernel = bytearray(block_bytes())
    struct.pack_into("<Q", other_kernel, 0x18, KERNEL + 0x1000)
    image[0x800 : 0x800 + 0x360] = other_kernel
    other_list = bytearray(block_bytes())
    struct.pack_into("<Q", other_list, 0x48, HEAD + 8)
    image[0x1000 : 0x1000 + 0x360] = other_list
    image[0x2000 : 0x2000 + 0x360] = block_bytes()
    image[0x3FFC:] = b"KDBG"
    assert read_debugger_data(kernel_memory(bytes(image)), None, HEAD, Budget()).address == KERNEL + 0x2000


def test_the_kernel_base_of_a_block_may_lie_in_the_next_page() -> None:
    image = bytearray(0x3000)
    image[0xFE8 : 0xFE8 + 0x360] = block_bytes()
    assert read_debugger_data(kernel_memory(bytes(image)), None, HEAD, Budget()).address == KERNEL + 0xFE8


def test_a_kernel_that_is_full_of_heads_of_blocks_is_not_searched_for_ever() -> None:
    head = block_bytes()[0x10:0x20]
    error = refused(kernel_memory(head * 0x800), None)
    assert isinstance(error, LimitError)
    assert error.field == "KdDebuggerDataBlock"
    assert "at most 1,024 are read" in error.why


def test_a_block_that_the_end_of_the_image_cuts_is_passed_over() -> None:
    image = bytes(0x1000) + block_bytes()[:0x100]
    assert "holds none that is decoded" in refused(kernel_memory(image), None).why


def test_a_hole_in_the_image_of_the_kernel_does_not_end_the_search() -> None:
    image = bytearray(0x3000)
    image[0x2000 : 0x2000 + 0x360] = block_bytes()
    memory = kernel_memory(bytes(image))
    memory.forget(KERNEL + 0x1000, 0x1000)
    assert read_debugger_data(memory, None, HEAD, Budget()).address == KERNEL + 0x2000


def test_an_encoded_block_is_not_found_by_its_tag() -> None:
    image = bytes(0x1000) + encoded(sparse_block(), 1, 2, 3) + bytes(0x1000)
    error = refused(kernel_memory(image), None)
    assert error.field == "KdDebuggerDataBlock"
    assert error.why.startswith("the header gives no address for it")
    assert error.why.endswith("holds none that is decoded")


def test_without_an_address_and_a_module_list_there_is_no_way_to_it() -> None:
    assert "nor a module list to find the kernel by" in refused(WrittenMemory(), None, None).why


def test_a_module_list_that_cannot_be_read_is_told() -> None:
    assert f"0x{HEAD:x} is not mapped" in refused(WrittenMemory(), None).why
