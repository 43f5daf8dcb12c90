"""dumpkind: files that are no kernel dump, and dumps inside packed files. Signatures: the formats' specifications."""

from __future__ import annotations

import gzip
import lzma
import os
import zlib
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from support.dumpkind_cases import BITMAP, KERNEL, SMALL, build, look
from support.packers import PACKERS

from samples.builder import write
from samples.builder.physical import runs_of
from samples.builder.writers import Complete
from windbg_ext.commands.dumpkind import dumpkind
from windbg_ext.sources.archive import MAX_IN_MEMORY

if TYPE_CHECKING:
    from pathlib import Path

    from samples.builder import Sample

PAGE = 0x1000


@pytest.mark.parametrize(
    ("start", "name", "advice"),
    [
        (b"MDMP\x93\xa7\0\0", "user-mode minidump", "WinDbg"),
        (b"Raw_Dmp!", "raw off-line dump", "MEMORY.DMP"),
        (b"Enc_Dmp!", "encrypted off-line dump", "decrypt"),
        (b"hibr", "hibernation file", "Volatility"),
        (b"HIBR", "hibernation file", "Volatility"),
        (b"wake", "hibernation file", "Volatility"),
        (b"RSTR", "hibernation file", "Volatility"),
        (b"\x7fELF\x02\x01\x01\0", "ELF file", "Volatility"),
        (b"EMiL", "LiME", "Volatility"),
        (b"\xd2\xbe\xd2\xbe", "VMware", "vmss2core"),
        (b"\x28\xb5\x2f\xfd", "zstd file", "copy the file again"),
        (b"PK\x03\x04", "zip file", "copy the file again"),
        (b"7z\xbc\xaf\x27\x1c", "7z file", "unpack"),
        (b"regf", "registry hive", "pagefilefit --system-hive"),
        (b"Rar!\x1a\x07", "RAR file", "unpack"),
        (b"MSCF", "CAB file", "copy the file again"),
        (b"PAGEPAGE", "header was never finished", "crash again"),
        (b"GIF89a", "not a Windows kernel dump", "name a kernel dump"),
    ],
)
def test_another_file_is_named_with_the_next_step(start: bytes, name: str, advice: str) -> None:
    report = look(start.ljust(0x3000, b"\1"))
    assert report.kind == "none"
    assert name in report.problems[0]
    assert advice in report.advice


def test_a_file_of_zeros_is_told_from_one_that_only_begins_with_them() -> None:
    assert "zeros" in look(bytes(0x50000)).problems[0]
    assert "zeros" in look(bytes(8)).problems[0]
    assert "not a Windows kernel dump" in look(bytes(0x4FFFF) + b"\1").problems[0]


def test_raw_memory_is_taken_for_that_by_the_interrupt_vectors_of_a_pc() -> None:
    report = look((b"\x53\xff\x00\xf0" * 0x100).ljust(4 * PAGE, b"\2"))
    assert "perhaps raw memory" in report.problems[0]


def test_an_empty_file_is_told_as_one() -> None:
    report = look(b"")
    assert (report.kind, report.problems) == ("none", ("file: is empty",))


def test_a_file_that_is_not_there_is_told_as_missing(tmp_path: Path) -> None:
    report = dumpkind(tmp_path / "gone.dmp")
    assert report.kind == "none"
    assert "No such file" in report.problems[0]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.dmp")
    assert dumpkind(tmp_path / "pipe.dmp").problems == ("file: is a pipe",)


@pytest.mark.parametrize("kind", PACKERS)
@pytest.mark.parametrize("sample", [KERNEL, BITMAP, SMALL], ids=lambda sample: sample.name)
def test_a_packed_dump_is_looked_into(sample: Sample, kind: str) -> None:
    data = build(sample)
    plain, packed = look(data), look(PACKERS[kind](data))
    assert packed.packed == kind.split(",")[0]
    assert packed._replace(path=plain.path, packed=None) == plain


def test_modules_are_not_looked_for_in_a_packed_dump_that_is_too_long_to_be_kept_in_memory(tmp_path: Path) -> None:
    machine = replace(KERNEL.machine, ram=runs_of((0x1, 0x9E), (0x100, MAX_IN_MEMORY >> 12), (0x3F8FB, 0x105)))
    plain, path = tmp_path / "MEMORY.DMP", tmp_path / "MEMORY.DMP.gz"
    write(replace(KERNEL, machine=machine, format=Complete()), plain)
    path.write_bytes(gzip.compress(plain.read_bytes(), 1))
    report = dumpkind(path)
    assert (report.kind, report.suspects, report.problems) == ("complete", (), ())
    assert report.notes == (
        "modules, stack and secondary data are not looked for inside a gzip file of that length: unpack it to see them",
    )


@pytest.mark.parametrize("kind", PACKERS)
def test_a_cut_dump_inside_a_packed_file_is_told_as_cut(kind: str) -> None:
    data = build(KERNEL)
    report = look(PACKERS[kind](data[:-5000]))
    assert (report.whole.missing, report.complete) == (5000, False)


def test_a_dump_in_several_packed_streams_is_one() -> None:
    data = build(SMALL)
    half = len(data) // 2
    for packed in (
        gzip.compress(data[:half]) + gzip.compress(data[half:]),
        lzma.compress(data[:half]) + bytes(8) + lzma.compress(data[half:]),
    ):
        report = look(packed)
        assert (report.file_bytes, report.complete) == (len(data), True)


@pytest.mark.parametrize("kind", PACKERS)
def test_a_packed_file_without_a_dump_says_what_is_inside(kind: str) -> None:
    report = look(PACKERS[kind](b"MDMP" + bytes(5000)))
    assert (report.kind, report.packed) == ("none", kind.split(",")[0])
    assert "holds no kernel dump" in report.problems[0]
    assert "user-mode minidump" in report.problems[0]


@pytest.mark.parametrize("kind", PACKERS)
def test_a_packed_file_inside_another_one_is_told_and_not_unpacked(kind: str) -> None:
    report = look(gzip.compress(PACKERS[kind](build(SMALL))))
    assert (report.kind, report.packed) == ("none", "gzip")
    assert f" {kind.split(',')[0]} file" in report.problems[0]
    assert report.advice == "unpack it and name the dump that comes out"


def test_damage_in_a_gzip_file_is_a_problem_wherever_it_is() -> None:
    data = gzip.compress(build(KERNEL))
    for at in range(20, len(data), 997):
        changed = look(data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :])
        assert changed.problems
        assert look(data[:at]).problems


def test_damage_in_an_xz_file_is_a_problem_or_lies_where_nothing_was_looked_at() -> None:
    data, whole = lzma.compress(build(KERNEL)), look(build(KERNEL))
    for at in range(6, len(data), 997):
        changed = look(data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :])
        assert changed.problems or (changed.kind, changed.bug_check) == (whole.kind, whole.bug_check)
        assert look(data[:at]).problems


def test_a_packed_bomb_is_unpacked_up_to_a_bound_only(tmp_path: Path) -> None:
    """A dump that claims to be as long as the stream: 1 GiB of zeros behind a header."""
    packer = zlib.compressobj(wbits=31)
    path = tmp_path / "bomb.dmp.gz"
    with path.open("wb") as file:
        file.write(packer.compress(build(KERNEL)))
        file.write(packer.flush(zlib.Z_FULL_FLUSH))
        zeros = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
        for _ in range(1024):  # its checksum is wrong, but nobody should come to the end
            file.write(zeros)
        file.write(packer.flush())
    report = dumpkind(path)
    assert report.kind == "kernel"
    assert (report.file_bytes, report.complete) == (None, None)
    assert report.whole.expected is not None
    assert report.whole.expected < MAX_IN_MEMORY
