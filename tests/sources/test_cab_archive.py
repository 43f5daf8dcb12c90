"""CAB files: all methods, against two other implementations where they are installed."""

from __future__ import annotations

import shutil
import subprocess
from random import Random
from typing import TYPE_CHECKING, Callable

import pytest
from support.cab_bytes import ALIGNED, LZX, MSZIP, UNCOMPRESSED, VERBATIM, LzxPacker, cab
from support.dump_file import file_of

from samples.builder import SAMPLES, build
from windbg_ext.sources import open_source
from windbg_ext.sources.archive import ArchiveMember, DamagedError
from windbg_ext.sources.lzx import LzxUnpacker

if TYPE_CHECKING:
    from pathlib import Path

RANDOM = Random(1)
KERNEL = build(next(sample for sample in SAMPLES if sample.name == "kernel"))
CONTENT = KERNEL[:150_000] + RANDOM.randbytes(40_000) + KERNEL[50_000:90_000] + bytes(70_000) + KERNEL[:33_333]
CALLS = b"".join(
    RANDOM.choice(
        (
            b"\xe8" + RANDOM.randrange(-300_000, 300_000).to_bytes(4, "little", signed=True),
            RANDOM.randbytes(7),
            b"\xe8\xe8\0\0\0",
            b"\xe8\xff\xff\xff\xff",
        )
    )
    for _ in range(12_000)
)
"""x86 calls, near and far, one in another."""
SEVEN_ZIP = shutil.which("7zz") or "7z"
"""Debian's package 7zip had only the first name until 2023."""
OTHERS: dict[str, Callable[[Path], list[str]]] = {
    "cabextract": lambda path: ["cabextract", "-q", "-d", str(path.parent), str(path)],
    "7z": lambda path: [SEVEN_ZIP, "x", "-y", f"-o{path.parent}", str(path)],
}


def lzx(content: bytes, window: int, kinds: tuple[int, ...], block: int, translate: int = 0) -> bytes:
    return cab({"x.dmp": content}, LZX | window << 8, pack=LzxPacker(window, kinds, block, translate))


FILES = {
    "stored": (CONTENT, cab({"x.dmp": CONTENT})),
    "without checksums": (CONTENT, cab({"x.dmp": CONTENT}, checksums=False)),
    "with reserved bytes": (CONTENT, cab({"x.dmp": CONTENT}, MSZIP, reserve=b"reserved", checksums=False)),
    "MSZIP": (CONTENT, cab({"x.dmp": CONTENT}, MSZIP)),
    "the second file": (CONTENT, cab({"read.me": CONTENT[:70_001], "x.dmp": CONTENT}, MSZIP)),
    "LZX, verbatim blocks": (CONTENT, lzx(CONTENT, 21, (VERBATIM,), 1 << 20)),
    "LZX, aligned blocks": (CONTENT, lzx(CONTENT, 18, (ALIGNED,), 50_001)),
    "LZX, uncompressed blocks": (CONTENT, lzx(CONTENT, 16, (UNCOMPRESSED,), 50_001)),
    "LZX, all kinds of blocks": (CONTENT, lzx(CONTENT, 15, (VERBATIM, ALIGNED, UNCOMPRESSED), 20_000)),
    "LZX, blocks of whole frames": (CONTENT, lzx(CONTENT, 20, (UNCOMPRESSED, ALIGNED), 0x8000)),
    "LZX, all zeros": (bytes(100_000), lzx(bytes(100_000), 15, (VERBATIM,), 1 << 20)),
    "LZX, calls": (CALLS, lzx(CALLS, 15, (VERBATIM, ALIGNED, UNCOMPRESSED), 30_000, len(CALLS))),
    "LZX, calls of a small file": (CALLS, lzx(CALLS, 15, (ALIGNED,), 30_000, 20_000)),
}
each_file = pytest.mark.parametrize("name", FILES)


@each_file
def test_the_content_comes_out(name: str) -> None:
    content, data = FILES[name]
    with file_of(data) as file:
        packed = open_source(file)
        assert isinstance(packed, ArchiveMember)
        assert packed.kind == "CAB"
        assert packed.size == len(content)
        assert packed.read(0, len(content)) == content


@each_file
@pytest.mark.parametrize("other", OTHERS)
def test_others_agree_that_it_is_in_there(tmp_path: Path, name: str, other: str) -> None:
    command = OTHERS[other](tmp_path / "test.cab")
    if shutil.which(command[0]) is None:
        pytest.skip(f"{other} is not installed")
    content, data = FILES[name]
    (tmp_path / "test.cab").write_bytes(data)
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    assert (tmp_path / "x.dmp").read_bytes() == content


def test_any_damage_to_lzx_is_an_error_or_other_content_but_never_more_than_asked_for() -> None:
    """Without the checksums of a CAB file around it."""
    frames = list(LzxPacker(16, (VERBATIM, ALIGNED, UNCOMPRESSED), 9000)(CONTENT[:0x8000]))
    errors = 0
    for _ in range(300):
        data = bytearray(frames[0])
        for _ in range(RANDOM.randrange(1, 4)):
            data[RANDOM.randrange(len(data))] = RANDOM.randrange(256)
        try:
            assert len(LzxUnpacker(16).unpack(bytes(data[: RANDOM.randrange(len(data) + 1)]), 0x8000)) == 0x8000
        except DamagedError:
            errors += 1
    assert errors > 200
