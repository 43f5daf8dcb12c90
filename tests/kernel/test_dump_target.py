"""A dump as a target: which memory it gives, and what it refuses."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

import samples
from samples.builder import SAMPLES, Sample, build
from windbg_ext.dump import open_dump
from windbg_ext.errors import DumpError, MemoryReadError, NotInDumpError
from windbg_ext.kernel import DumpTarget, read_kernel
from windbg_ext.memory import BlockMemory, PagedMemory

FOLDER = Path(samples.__file__).parent
BY_NAME = {sample.name: sample for sample in SAMPLES}
SMALL = BY_NAME["small"]
each_sample = pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)


def written(folder: Path, data: bytes) -> Path:
    path = folder / "test.dmp"
    path.write_bytes(data)
    return path


@each_sample
def test_secondary_data_is_given_whole(sample: Sample) -> None:
    path = FOLDER / sample.file_name
    with open_dump(path) as dump:
        header, *blobs = (b"".join(blob.pieces) for blob in DumpTarget(dump).secondary_data())
    data = header + b"".join(blobs)
    assert len(blobs) == len(sample.machine.secondary)
    assert data.startswith(b"DumpBlob")
    assert path.read_bytes().endswith(data)
    assert all(blob.data in data for blob in sample.machine.secondary)


def test_secondary_data_comes_in_pieces_of_a_mebibyte(tmp_path: Path) -> None:
    size = (2 << 20) + 5
    chain = b"DumpBlob" + struct.pack("<IIIQQIII", 0x10, 0, 0x20, 1, 2, size, 0, 0) + b"x" * size
    source = (FOLDER / "ranges-kernel.dmp").read_bytes()
    without = source[: source.rindex(b"DumpBlob")]
    with open_dump(written(tmp_path, without + chain)) as dump:
        header, pieces = (list(blob.pieces) for blob in DumpTarget(dump).secondary_data())
    assert [len(piece) for piece in pieces] == [1 << 20, 1 << 20, 0x20 + size - (2 << 20)]
    assert b"".join([*header, *pieces]) == chain


def test_without_secondary_data_nothing_is_given(tmp_path: Path) -> None:
    source = (FOLDER / "ranges-kernel.dmp").read_bytes()
    with open_dump(written(tmp_path, source[: source.rindex(b"DumpBlob")])) as dump:
        assert list(DumpTarget(dump).secondary_data()) == []


@each_sample
def test_the_number_of_levels_is_found_without_being_told(sample: Sample) -> None:
    with open_dump(FOLDER / sample.file_name) as dump:
        memory = DumpTarget(dump).memory
        if not sample.large:
            assert isinstance(memory, BlockMemory)
        else:
            assert isinstance(memory, PagedMemory)
            assert memory.paging.name == sample.machine.page_tables.name


def test_page_tables_that_lead_nowhere_leave_a_target_whose_memory_says_so(tmp_path: Path) -> None:
    data = build(BY_NAME["kernel"], header={"DirectoryTableBase": 0x7FFFF000})
    with open_dump(written(tmp_path, data)) as dump:
        target = DumpTarget(dump)
        with pytest.raises(NotInDumpError) as raised:
            target.memory.read(BY_NAME["kernel"].machine.kernel.base, 1)
        assert raised.value.pfn == 0x7FFFF
        with pytest.raises(DumpError, match=r"KdDebuggerDataBlock: .*page frame 0x7ffff"):
            read_kernel(target)


def test_a_dump_without_memory_is_refused(tmp_path: Path) -> None:
    data = build(BY_NAME["complete"], header={"DumpType": 3})
    with open_dump(written(tmp_path, data)) as dump, pytest.raises(DumpError) as raised:
        DumpTarget(dump)
    assert (raised.value.field, raised.value.why) == ("DumpType", "3 holds no memory")


def test_the_memory_of_a_small_dump_is_its_blocks_its_stack_and_its_debugger_data() -> None:
    machine = SMALL.machine
    thread = machine.thread(machine.processors[machine.crashed].current_thread)
    data = (FOLDER / "small.dmp").read_bytes()
    address, offset, size = (
        struct.unpack_from("<Q", data, 0x80)[0],
        *struct.unpack_from("<II", data, 0x2070),
    )
    with open_dump(FOLDER / "small.dmp") as dump:
        target = DumpTarget(dump)
        table, count = struct.unpack_from("<II", data, 0x2078)
        for start, at, length in struct.iter_unpack("<QII", data[table : table + 16 * count]):
            assert target.memory.read(start, length) == data[at : at + length]
        assert target.memory.read(address, size) == data[offset : offset + size]
        stack = target.memory.read(thread.kernel_stack, thread.stack_base - thread.kernel_stack)
        assert stack[: 8 * len(thread.words)] == struct.pack(f"<{len(thread.words)}Q", *thread.words)
        with pytest.raises(MemoryReadError):
            target.memory.read(thread.stack_limit, 1)


def test_a_small_dump_knows_one_address_space_only() -> None:
    with open_dump(FOLDER / "small.dmp") as dump:
        target = DumpTarget(dump)
        assert target.memory_of(0x1234000) is target.memory


def test_a_small_dump_whose_header_tells_no_block_address_still_has_its_other_memory(tmp_path: Path) -> None:
    data = build(SMALL, header={"KdDebuggerDataBlock": 0})
    with open_dump(written(tmp_path, data)) as dump:
        target = DumpTarget(dump)
        assert target.memory.read(SMALL.machine.kernel.base, 2) == b"MZ"
