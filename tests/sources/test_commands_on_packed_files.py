"""Dumps in packed files as sources: the same answers as from the dump itself, bombs refused, nothing left behind."""

from __future__ import annotations

import gzip
import os
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import zipfile
import zlib
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from support.cab_bytes import LZX, MSZIP, QUANTUM, blocks_of, cab
from support.command_line import ROOT, command, environment, refusal, refusal_of, run
from support.dump_file import copy_with_blob
from support.limits import limited
from support.open_files import open_files
from support.packers import PACKERS, gzip_file, zip_file

from samples.builder import SAMPLES, build
from windbg_ext import MinifyOptions, dumpkind, minify, pagefilefit

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

BY_NAME = {sample.name: sample for sample in SAMPLES}
MIB = 1 << 20
LARGE = 70 * MIB
"""More than is unpacked in memory."""
each_kind = pytest.mark.parametrize("kind", PACKERS)


def packed(folder: Path, data: bytes, kind: str = "gzip") -> Path:
    path = folder / "MEMORY.DMP.packed"
    path.write_bytes(PACKERS[kind](data))
    return path


def gzip_of(path: Path, pieces: Iterable[bytes]) -> Path:
    packer = zlib.compressobj(1, wbits=31)
    with path.open("wb") as file:
        for piece in pieces:
            file.write(packer.compress(piece))
        file.write(packer.flush())
    return path


# --- the same answers ---


@each_kind
@pytest.mark.parametrize("name", ["complete", "kernel", "complete-bitmap", "ranges-active"])
def test_a_packed_dump_makes_the_same_small_dump(tmp_path: Path, kind: str, name: str) -> None:
    data = build(BY_NAME[name])
    plain = tmp_path / "MEMORY.DMP"
    plain.write_bytes(data)
    one = minify(plain, tmp_path / "plain.dmp")
    other = minify(packed(tmp_path, data, kind), tmp_path / "other.dmp")
    assert (tmp_path / "plain.dmp").read_bytes() == (tmp_path / "other.dmp").read_bytes()
    assert (one.parts, one.left_out, one.complete) == (other.parts, other.left_out, other.complete)


@each_kind
def test_pagefilefit_measures_a_packed_dump(tmp_path: Path, kind: str) -> None:
    data = build(BY_NAME["complete"])
    plain = tmp_path / "MEMORY.DMP"
    plain.write_bytes(data)
    one, other = pagefilefit(plain), pagefilefit(packed(tmp_path, data, kind))
    assert (one.ram, one.kernel_pages, one.kinds) == (other.ram, other.kernel_pages, other.kinds)
    assert one.kernel_pages


def test_a_large_dump_is_unpacked_to_a_file_that_is_gone_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    plain = copy_with_blob(ROOT / "samples" / "complete.dmp", tmp_path, LARGE)
    source = gzip_of(tmp_path / "MEMORY.DMP.gz", [plain.read_bytes()])
    steps: list[tuple[str, int, int]] = []
    minify(plain, tmp_path / "plain.dmp")
    minify(source, tmp_path / "other.dmp", progress=lambda *step: steps.append(step))
    assert (tmp_path / "plain.dmp").read_bytes() == (tmp_path / "other.dmp").read_bytes()
    assert list(temporary.iterdir()) == []
    assert "unpacking the gzip file" in {doing for doing, _, _ in steps}


def test_the_new_dump_beside_a_packed_one_is_named_after_what_is_in_it(tmp_path: Path) -> None:
    data = build(BY_NAME["kernel"])
    for name, made in (("MEMORY.DMP.gz", "MEMORY-small.dmp"), ("lab.2.zip", "lab.2-small.dmp")):
        (tmp_path / name).write_bytes(PACKERS["gzip"](data))
        assert minify(tmp_path / name).destination == tmp_path / made


def test_a_destination_that_must_not_be_written_is_refused_before_anything_is_unpacked(tmp_path: Path) -> None:
    source = packed(tmp_path, build(BY_NAME["kernel"])[:0x3000])  # unpacking it would be a complaint about the bitmap
    (tmp_path / "old.dmp").write_bytes(b"old")
    assert "destination: exists" in refusal(tmp_path, source, tmp_path / "old.dmp")


# --- archives: which file is meant ---


def test_the_only_dump_of_an_archive_is_meant_whatever_path_it_has(tmp_path: Path) -> None:
    data = build(BY_NAME["kernel"])
    for name in ("../../outside.dmp", "C:\\Windows\\MEMORY.DMP", "/etc/x.DMP", "two\nlines.dmp"):
        for archive in (zip_file({"read.me": b"text", name: data}), cab({"read.me": b"text", name: data}, MSZIP)):
            path = tmp_path / "packed"
            path.write_bytes(archive)
            assert dumpkind(path).kind == "kernel"
            minify(path, tmp_path / "small.dmp", MinifyOptions(overwrite=True))
            assert {file.name for file in tmp_path.iterdir()} == {"packed", "small.dmp"}


def encrypted(archive: bytes) -> bytes:
    """Set bit 0 of the general purpose flags of both headers (APPNOTE 4.4.4)."""
    data = bytearray(archive)
    data[6] |= 1
    data[data.rindex(b"PK\1\2") + 8] |= 1
    return bytes(data)


def with_method(archive: bytes, method: int) -> bytes:
    """Set the compression method of both headers (APPNOTE 4.4.5)."""
    data = bytearray(archive)
    struct.pack_into("<H", data, 8, method)
    struct.pack_into("<H", data, data.rindex(b"PK\1\2") + 10, method)
    return bytes(data)


def with_size(archive: bytes, size: int) -> bytes:
    """Set the uncompressed size in the directory (APPNOTE 4.3.12)."""
    data = bytearray(archive)
    struct.pack_into("<I", data, data.rindex(b"PK\1\2") + 24, size)
    return bytes(data)


KERNEL, COMPLETE = build(BY_NAME["kernel"]), build(BY_NAME["complete"])
ZIP, CAB = zip_file({"MEMORY.DMP": KERNEL}), cab({"MEMORY.DMP": KERNEL}, MSZIP)
MANY = {f"{number}.dmp": b"PAGEDU64" for number in range(50_000)}


def at(data: bytes, offset: int, layout: str, value: int) -> bytes:
    changed = bytearray(data)
    struct.pack_into(layout, changed, offset, value)
    return bytes(changed)


REFUSED = {
    "two dumps in a zip file": (zip_file({"a.dmp": KERNEL, "b.dmp": KERNEL}), "holds several dumps: 'a.dmp', 'b.dmp'"),
    "two dumps in a CAB file": (cab({"a.dmp": KERNEL, "b.dmp": KERNEL}), "holds several dumps: 'a.dmp', 'b.dmp'"),
    "two other files": (zip_file({"a": b"a", "b": b"b"}), "none of which is a dump by its name: 'a', 'b'"),
    "ten dumps": (zip_file(dict.fromkeys((f"{n}.dmp" for n in range(10)), b"")), "'7.dmp' and 2 more"),
    "no file": (zip_file({}), "holds no file"),
    "more files than anyone packs": (zip_file(MANY, zipfile.ZIP_STORED), "at most 1,048,576 are read"),
    "more files in a CAB file": (cab(MANY), "longer than 1 MB"),
    "an encrypted zip file": (encrypted(ZIP), "is encrypted; unpack it with its password"),
    "Deflate64": (with_method(ZIP, 9), "is packed with Deflate64, as Explorer does above 2 GB; unpack it"),
    "bzip2": (zip_file({"MEMORY.DMP": KERNEL}, zipfile.ZIP_BZIP2), "is packed with bzip2; unpack it"),
    "an unknown method": (with_method(ZIP, 77), "is packed with method 77; unpack it"),
    "a zip file that is longer than it says": (with_size(ZIP, len(KERNEL) - 5), "Bad CRC-32"),
    "a zip file that is shorter than it says": (with_size(ZIP, len(KERNEL) + 5), "it ends too early"),
    "a zip file cut in the middle": (ZIP[:-30], "directory cannot be read"),
    "Quantum": (
        cab({"x.dmp": KERNEL}, QUANTUM, pack=blocks_of),
        "is packed with Quantum; unpack it (on Windows",
    ),
    "an LZX window that there is not": (cab({"x.dmp": KERNEL}, LZX | 31 << 8, pack=blocks_of), "method 0x1f03"),
    "a dump that goes on in another CAB file": (at(CAB, 36 + 8 + 8, "<H", 0xFFFE), "is one of a set"),
    "a folder that there is not": (at(CAB, 36 + 8 + 8, "<H", 7), "has no folder 7"),
    "a CAB file with 65,535 folders": (at(CAB, 26, "<H", 0xFFFF), "directory is cut, damaged"),
    "a CAB file with 65,535 files": (at(CAB, 28, "<H", 0xFFFF), "directory is cut, damaged"),
    "a CAB file that says to hold 4 GB": (at(CAB, 36 + 8, "<I", 0xFFFFFFFF), "it ends too early"),
    "blocks in the middle of nowhere": (at(CAB, 36, "<I", 0xFFFFFFF0), "it ends too early"),
    "a block of more than 32 KB": (at(CAB, CAB.index(b"CK") - 2, "<H", 0xFFFF), "bytes for 65535"),
    "a block that unpacks to nothing": (at(CAB, CAB.index(b"CK") - 2, "<H", 0), "a block of"),
    "gzip in gzip": (gzip_file(gzip_file(KERNEL)), "holds no kernel dump: Signature: '\\x1f\\x8b"),
    "gzip in zip": (zip_file({"x.dmp.gz": gzip_file(KERNEL)}), "a gzip file; unpack it"),
    "nothing in gzip": (gzip_file(b""), "holds no kernel dump: file: is empty"),
    "four bytes in gzip": (gzip_file(b"PAGE"), "'PAGE' is not PAGEDU64"),
    "a text in zip": (zip_file({"a.txt": b"Dear diary\n"}), "holds no kernel dump: Signature: 'Dear dia'"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_unpacked_is_one_line_in_every_command(tmp_path: Path, what: str) -> None:
    data, said = REFUSED[what]
    source = tmp_path / "MEMORY.DMP.packed"
    source.write_bytes(data)
    with limited():
        assert said in refusal(tmp_path, source, tmp_path / "small.dmp")
        assert said in refusal_of(run("pagefilefit", source))
        report = dumpkind(source)
    told = f"{report.problems[0]}; {report.advice}" if report.problems else ""
    assert said in told or (report.kind == "kernel" and "early" in said + told)


# --- bombs ---


def zeros(count: int) -> Iterable[bytes]:
    return (bytes(MIB) for _ in range(count // MIB))


@pytest.fixture(scope="module")
def ten_gigabytes_of_zeros(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A gzip file: members of 64 MB each, one behind the other."""
    member = gzip.compress(bytes(64 * MIB), 1)
    path = tmp_path_factory.mktemp("bombs") / "bomb.dmp.gz"
    path.write_bytes(member * 160)
    return path


def test_a_bomb_without_a_dump_is_refused_at_once(tmp_path: Path, ten_gigabytes_of_zeros: Path) -> None:
    with limited():
        assert "holds no kernel dump" in refusal(tmp_path, ten_gigabytes_of_zeros, tmp_path / "small.dmp")
        assert "holds no kernel dump" in refusal_of(run("pagefilefit", ten_gigabytes_of_zeros))
        assert "holds no kernel dump" in dumpkind(ten_gigabytes_of_zeros).problems[0]


def test_what_goes_on_behind_a_dump_is_not_unpacked(tmp_path: Path, ten_gigabytes_of_zeros: Path) -> None:
    """A whole dump with 10 GB of zeros behind it: it is cut off behind the most secondary data that there is."""
    source = tmp_path / "bomb.dmp.gz"
    source.write_bytes(gzip.compress(KERNEL) + ten_gigabytes_of_zeros.read_bytes())
    (tmp_path / "MEMORY.DMP").write_bytes(KERNEL)
    minify(tmp_path / "MEMORY.DMP", tmp_path / "plain.dmp")
    with limited():
        minify(source, tmp_path / "small.dmp")
        assert dumpkind(source).file_bytes is None
    assert (tmp_path / "small.dmp").read_bytes() == (tmp_path / "plain.dmp").read_bytes()


def test_what_a_blob_of_secondary_data_says_is_unpacked_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bytes behind a dump, which would go to the temporary folder, and there is none."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    source = gzip_of(tmp_path / "MEMORY.DMP.gz", [KERNEL, *([b"\1" * MIB] * 70)])
    (tmp_path / "MEMORY.DMP").write_bytes(KERNEL)
    minify(tmp_path / "MEMORY.DMP", tmp_path / "plain.dmp")
    minify(source, tmp_path / "small.dmp")
    assert (tmp_path / "small.dmp").read_bytes() == (tmp_path / "plain.dmp").read_bytes()


def claiming(data: bytes, pages: int) -> bytes:
    """Let the one run of a complete dump have so many pages; its header is that of Windows: runs at 0x88."""
    return at(at(at(data, 0x88, "<I", 1), 0x98, "<Q", 1), 0xA0, "<Q", pages)


def test_a_header_that_claims_more_than_the_disk_has_is_refused_before_anything_is_written(
    tmp_path: Path, ten_gigabytes_of_zeros: Path
) -> None:
    source = tmp_path / "bomb.dmp.gz"
    complete = claiming(COMPLETE, 1 << 36)
    source.write_bytes(gzip.compress(complete) + ten_gigabytes_of_zeros.read_bytes())
    with limited():
        line = refusal(tmp_path, source, tmp_path / "small.dmp")
    assert f"unpacking takes {(1 << 48) + 0x2000:,}" in line
    assert "set TMPDIR" in line or os.name == "nt"


def test_too_little_room_for_a_large_dump_is_one_line_that_says_how_much(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = copy_with_blob(ROOT / "samples" / "complete-bitmap.dmp", tmp_path, LARGE)
    source = gzip_of(tmp_path / "MEMORY.DMP.gz", [plain.read_bytes()])
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=4096))
    line = refusal(tmp_path, source, tmp_path / "small.dmp")
    assert "has 4,096 bytes free, unpacking takes" in line


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no limit of this kind")
def test_a_disk_that_is_full_in_the_middle_is_one_line_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A limit on the length of files stands for the disk."""
    import resource

    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    source = gzip_of(tmp_path / "MEMORY.DMP.gz", [claiming(COMPLETE, LARGE >> 12), *([b"\1" * MIB] * 70)])
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (MIB, hard))
    try:
        line = refusal(tmp_path, source, tmp_path / "small.dmp")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    assert "cannot be written (File too large)" in line
    assert list(temporary.iterdir()) == []


def test_a_folder_for_temporary_files_that_is_not_there_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    source = gzip_of(tmp_path / "MEMORY.DMP.gz", [claiming(COMPLETE, LARGE >> 12), *zeros(LARGE)])
    assert "cannot be used (No such file or directory)" in refusal(tmp_path, source, tmp_path / "small.dmp")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no signals that a process can send another one")
def test_an_interrupted_run_leaves_no_temporary_file(tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    source = gzip_of(tmp_path / "MEMORY.DMP.gz", [claiming(COMPLETE, 190 << 8), *([b"\1" * MIB] * 190)])
    process = subprocess.Popen(
        command("minify", source, tmp_path / "small.dmp"),
        env=environment(TMPDIR=str(temporary)),
        stderr=subprocess.PIPE,
        text=True,
    )
    end = time.monotonic() + 30
    while sys.platform == "linux" and not any(file.st_size > MIB for file in open_files(temporary, process.pid)):
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.001)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert (process.returncode, said) == (130, "windbg-ext: interrupted; nothing was left behind\n")
    assert list(temporary.iterdir()) == []
    assert not (tmp_path / "small.dmp").exists()


def test_without_the_module_for_zstd_the_line_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = packed(tmp_path, KERNEL, "zstd")
    for module in ("backports", "compression"):
        monkeypatch.setitem(sys.modules, module, None)
    assert "python -m pip install backports.zstd" in refusal(tmp_path, source, tmp_path / "small.dmp")
