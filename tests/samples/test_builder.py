"""What the builder offers beyond the samples: odd machines, damage, sparse files."""

from __future__ import annotations

import struct
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from support.raw_dump import TABLES, RawDump

from samples.builder import SAMPLES, build
from samples.builder.physical import PhysicalMemory, runs_of
from samples.builder.plausible import plausible_machine
from samples.builder.sparse import patterned, ram_of, write_sparse
from samples.builder.tweaks import (
    DATA_BLOCK_ENCODED,
    KI_WAIT_ALWAYS,
    KI_WAIT_NEVER,
    encode_debugger_data,
    loop_module_list,
    loop_page_tables,
    spoil_debugger_data,
)
from samples.builder.versions import WINDOWS_XP
from samples.builder.writers import Bitmap, Complete, Format, HeaderOnly, all_ram
from windbg_ext.structs.header import Attributes, DumpType

if TYPE_CHECKING:
    from pathlib import Path

    from samples.builder.crashed_machine import CrashedMachine

SAMPLE = SAMPLES[0]
MACHINE = SAMPLE.machine
GIB = 1 << 30


def test_ram_is_handed_out_once_scattered_and_without_the_reserved_frames() -> None:
    memory = PhysicalMemory(runs_of((0x10, 5), (0x100, 6)))
    memory.reserve({0x12, 0x100})
    taken = [memory.allocate() for _ in range(9)]
    assert sorted(taken) == [0x10, 0x11, 0x13, 0x14, 0x101, 0x102, 0x103, 0x104, 0x105]
    assert taken != sorted(taken)
    with pytest.raises(ValueError, match="more than its 11 pages"):
        memory.allocate()


def test_a_header_field_can_be_set_to_anything() -> None:
    data = build(SAMPLE, header={"KdDebuggerDataBlock": 0, "BugCheckCode": 0xDEAD})
    assert struct.unpack_from("<Q", data, 0x80) == (0,)
    assert struct.unpack_from("<I", data, 0x38) == (0xDEAD,)


def test_memory_can_be_changed_before_the_dump_is_written() -> None:
    def scribble(crashed: CrashedMachine) -> None:
        crashed.write(MACHINE.threads[0].address, b"scribble")

    assert RawDump(build(SAMPLE, scribble)).read(MACHINE.threads[0].address, 8) == b"scribble"


def test_a_machine_can_be_given_another_register() -> None:
    crashed = MACHINE.processors[MACHINE.crashed]
    lost = replace(crashed, registers={**crashed.registers, "Rsp": 0xFFFF8888_00000000})
    processors = tuple(lost if processor is crashed else processor for processor in MACHINE.processors)
    data = build(replace(SAMPLE, machine=replace(MACHINE, processors=processors)))
    assert struct.unpack_from("<Q", data, 0x348 + 0x98) == (0xFFFF8888_00000000,)


PEB_OFFSETS = {8: (0x18, 0x10, 0x58, 0x30, 0x40), 4: (0xC, 0xC, 0x2C, 0x18, 0x20)}
"""PEB.Ldr, InLoadOrderModuleList, and of its entries BaseDllName, DllBase and SizeOfImage (winternl.h, `dt`)."""


@pytest.mark.parametrize("name", ["complete", "x86-complete", "x86-pae-complete", "arm64-complete"])
def test_a_process_lists_its_modules_in_its_peb(name: str) -> None:
    sample = next(sample for sample in SAMPLES if sample.name == name)
    dump, process = RawDump(build(sample), TABLES[sample.machine.page_tables.name]), sample.machine.processes[-1]
    loader, in_load_order, base_name, base, size = PEB_OFFSETS[dump.pointer_size]
    head = dump.read_pointer(process.peb + loader) + in_load_order
    found = []
    entry = dump.read_pointer(head)
    while entry != head:
        length = int.from_bytes(dump.read(entry + base_name, 2), "little")
        text = dump.read(dump.read_pointer(entry + base_name + dump.pointer_size), length).decode("utf-16-le")
        found.append((text, dump.read_pointer(entry + base), dump.read_pointer(entry + size)))
        entry = dump.read_pointer(entry)
    assert found == [(module.name, module.base, module.size) for module in process.modules]
    assert len(found) == 2


def test_a_looped_module_list_never_gets_back_to_its_head() -> None:
    dump = RawDump(build(SAMPLE, loop_module_list))
    seen: list[int] = []
    at = dump.read_u64(dump.u64(0x20))
    while at not in seen:
        seen.append(at)
        at = dump.read_u64(at)
    assert len(seen) == len(MACHINE.modules)
    assert dump.u64(0x20) not in seen


def test_an_encoded_debugger_data_block_decodes_as_the_memory_forensics_tools_do_it() -> None:
    """Source: volatility 2, `win8_kdbg.py`: rotate left by KiWaitNever, swap bytes, xor with KiWaitAlways."""
    plain = RawDump(build(SAMPLE))
    encoded = RawDump(build(SAMPLE, encode_debugger_data))
    address = plain.u64(0x80)
    swap_xor = MACHINE.kernel.base + DATA_BLOCK_ENCODED | 0xFFFF0000_00000000
    decoded = b""
    for (value,) in struct.iter_unpack("<Q", encoded.read(address, 0x340)):
        turn = KI_WAIT_NEVER & 0xFF & 63
        mixed = value ^ KI_WAIT_NEVER
        mixed = (mixed << turn | mixed >> 64 - turn) & (1 << 64) - 1
        swapped = int.from_bytes((mixed ^ swap_xor).to_bytes(8, "little"), "big")
        decoded += struct.pack("<Q", swapped ^ KI_WAIT_ALWAYS)
    assert decoded == plain.read(address, 0x340)
    assert encoded.read(address + 0x10, 4) != b"KDBG"


def test_a_spoiled_debugger_data_block_keeps_its_tag_only() -> None:
    dump = RawDump(build(SAMPLE, spoil_debugger_data))
    assert dump.read(dump.u64(0x80), 0x28) == b"\xff" * 0x10 + struct.pack("<4sI", b"KDBG", 0x340) + b"\xff" * 0x10


@pytest.mark.parametrize("name", ["complete", "kernel-la57", "x86-complete", "x86-pae-complete", "arm64-complete"])
def test_looped_page_tables_lead_back_to_the_root(name: str) -> None:
    sample = next(sample for sample in SAMPLES if sample.name == name)
    dump = RawDump(build(sample, loop_page_tables), TABLES[sample.machine.page_tables.name])
    root = dump.header("DirectoryTableBase") >> 12
    assert dump.translate(sample.machine.kernel.base)[0] >> 12 == root


@pytest.mark.parametrize("name", ["kernel", "x86-pae-kernel", "arm64-kernel"])
def test_a_dump_can_be_a_header_alone(name: str) -> None:
    sample = next(sample for sample in SAMPLES if sample.name == name)
    whole, alone = RawDump(build(sample)), RawDump(build(replace(sample, format=HeaderOnly())))
    assert len(alone.data) == alone.header("RequiredDumpSpace") == whole.header_size
    assert (alone.header("DumpType"), alone.pages) == (3, {})
    for field in ("MachineImageType", "BugCheckCode", "SystemTime", "KdDebuggerDataBlock"):
        assert alone.header(field) == whole.header(field)


@pytest.mark.parametrize("name", ["kernel", "x86-pae-kernel", "arm64-kernel"])
def test_a_dump_can_be_one_of_a_running_machine(name: str) -> None:
    sample = next(sample for sample in SAMPLES if sample.name == name)
    assert isinstance(sample.format, Bitmap)
    live = replace(sample, format=replace(sample.format, attributes=Attributes.LIVE_DUMP_GENERATED_DUMP))
    assert RawDump(build(live)).header("Attributes") == 1 << 4
    assert RawDump(build(live)).pages == RawDump(build(sample)).pages


def test_windows_xp_tells_no_offsets_and_keeps_registers_in_the_control_block_alone() -> None:
    machine = plausible_machine(
        WINDOWS_XP, runs_of((0x1, 0x1F), (0x40, 0x24), (0x400, 0x5)), 0x400, processors=3, crashed=1
    )
    dump = RawDump(build(replace(SAMPLE, machine=machine)), TABLES["x86"])
    block = dump.header("KdDebuggerDataBlock")
    assert struct.unpack("<4sI", dump.read(block + 0x10, 8)) == (b"KDBG", 0x290)
    for number, processor in enumerate(machine.processors):
        prcb = dump.read_pointer((dump.read_u64(block + 0x218) & 0xFFFFFFFF) + 4 * number)
        assert dump.read_pointer(prcb + 0x1C + 0xB8) == processor.registers["Eip"]
        assert dump.read_pointer(prcb + 4) == processor.current_thread
        with pytest.raises(KeyError):
            dump.read(processor.context, 1)


BITMAP = Bitmap(DumpType.BITMAP_FULL, all_ram, signature=b"FDMP")
PATTERNED = Bitmap(DumpType.BITMAP_KERNEL, patterned)


@pytest.mark.parametrize("gib", [1, 64])
@pytest.mark.parametrize("form", [Complete(), BITMAP, PATTERNED], ids=["complete", "bitmap", "patterned"])
@pytest.mark.skipif(sys.platform == "win32", reason="a plain file is not sparse on NTFS")
def test_a_sparse_dump_is_as_long_as_its_pages_and_takes_little_disk(gib: int, form: Format, tmp_path: Path) -> None:
    path = tmp_path / "sparse.dmp"
    write_sparse(path, gib * GIB, form)
    with path.open("rb") as file:
        head = file.read(0x2040)
    pages = struct.unpack_from("<Q", head, 0x90 if isinstance(form, Complete) else 0x2028)[0]
    first = 0x2000 if isinstance(form, Complete) else struct.unpack_from("<Q", head, 0x2020)[0]
    with path.open("rb") as file:
        file.seek(first + pages * 0x1000)
        assert file.read(8) == b"DumpBlob"
    assert path.stat().st_size > gib * GIB // 4
    assert path.stat().st_blocks * 512 < 8 << 20


def test_a_patterned_bitmap_counts_its_pages_and_keeps_those_of_the_kernel(tmp_path: Path) -> None:
    path = tmp_path / "patterned.dmp"
    sample = write_sparse(path, GIB // 4, PATTERNED)
    dump = RawDump(path.read_bytes())
    assert len(dump.pages) == dump.u64(0x2028)
    assert dump.read(sample.machine.kernel.base, 2) == b"MZ"
    assert dump.read(sample.machine.threads[0].address, 1) == b"\6"


def test_ram_of_any_size_leaves_room_for_devices_below_4_gib() -> None:
    runs = ram_of(64 * GIB)
    assert [(run.base_page, run.base_page + run.page_count) for run in runs] == [
        (0x1, 0x9F),
        (0x100, 0xC0000),
        (0x100000, 0x100000 + 61 * GIB // 0x1000),
    ]
