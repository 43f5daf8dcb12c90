"""Packed files that unpack to much more than they are, or take long for each byte; dumps of every architecture."""

from __future__ import annotations

import gzip
import lzma
import random
import struct
import zlib
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Callable

from hostile_files.archive_bytes import (
    BLOCK,
    PACKERS,
    VERBATIM,
    Bits,
    cab_file,
    canonical,
    mszip_blocks,
    put_lengths,
    zip_end,
    zip_member,
    zstd_frame,
)
from hostile_files.case import DUMP, MB, Case, dumpkind, dumpkind_json, minify, pagefilefit, salvage
from hostile_files.machines import sample
from hostile_files.sparse import patch, write_sparse

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

GB = 1 << 30
LZX = 3 | 15 << 8
SAMPLES = {"x64": "complete", "x86": "x86-complete", "ARM64": "arm64-complete"}
PIECE = 64 * MB


def claiming(architecture: str, size: int) -> bytes:
    """Return the first 64 KB of a complete dump whose header says that its pages take so many bytes."""
    pages = size >> 12
    if architecture == "x86":
        fields = {0x64: struct.pack("<IIII", 1, pages, 1, pages)}
    else:
        fields = {0x88: struct.pack("<IIQQQ", 1, 0, pages, 1, pages)}
    return patch(sample(SAMPLES[architecture])[: 2 * BLOCK], fields)


@lru_cache(maxsize=8)
def _piece(kind: str, value: int) -> bytes:
    return PACKERS[kind](bytes([value]) * PIECE)


def _zip(start: bytes, value: int, size: int) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    first = packer.compress(start) + packer.flush(zlib.Z_FULL_FLUSH)
    again = packer.compress(bytes([value]) * (16 * MB)) + packer.flush(zlib.Z_FULL_FLUSH)
    packed = first + again * (size // (16 * MB)) + packer.flush()
    local, entry = zip_member(b"MEMORY.DMP", packed, size=min(0xFFFFFFFE, len(start) + size))
    return local + entry + zip_end(1, len(entry), len(local))


def _cab(start: bytes, value: int, size: int) -> bytes:
    (again,) = mszip_blocks(bytes([value]) * BLOCK)
    return cab_file([*mszip_blocks(start), *[again] * (size // BLOCK)], len(start) + size, 1)


def _lzx(start: bytes, value: int, size: int) -> bytes:
    first = [(uncompressed_frame(start[at : at + BLOCK], fresh=not at), BLOCK) for at in range(0, len(start), BLOCK)]
    again = (run_frame(value, fresh=False), BLOCK)
    blocks = [*first, (run_frame(value, fresh=True), BLOCK), *[again] * (size // BLOCK - 1)]
    return cab_file(blocks, len(start) + size, LZX)


def uncompressed_frame(content: bytes, *, fresh: bool, translated: int = 0) -> bytes:
    """Return a frame of LZX that is a block as it is. fresh: it is the first one; translated: bytes with x86 calls."""
    bits = Bits()
    if fresh:
        bits.put(bool(translated), 1)
        if translated:
            bits.put(translated >> 16, 16)
            bits.put(translated & 0xFFFF, 16)
    bits.put(3, 3)
    bits.put(len(content), 24)
    return bits.bytes() + struct.pack("<3I", 1, 1, 1) + content


def run_frame(value: int, *, fresh: bool) -> bytes:
    """Return a frame of 32 KB of the same byte: a literal and matches of 257 bytes, two bits each."""
    bits = Bits()
    bits.put(VERBATIM, 3)
    bits.put(BLOCK, 24)
    put_lengths(bits, (*[0] * value, 1), 256, changed=fresh)
    put_lengths(bits, (*[0] * 7, 1), 8 * 30, changed=fresh)
    put_lengths(bits, (*[0] * 247, 1, 1), 249, changed=fresh)
    bits.put(0, 1)
    left = BLOCK - 1
    while left >= 257:
        bits.put(0b11, 2)
        left -= 257
    bits.put(0, left)
    return bits.bytes()


def _zstd(start: bytes, value: int, size: int, window: int = 0x88) -> bytes:
    first = [(0, start, len(start))]
    return zstd_frame([*first, *[(1, bytes([value]), 0x20000)] * (size // 0x20000)], window)


def _streams(kind: str) -> Callable[[bytes, int, int], bytes]:
    return lambda start, value, size: PACKERS[kind](start) + _piece(kind, value) * (size // PIECE)


BOMBS: dict[str, Callable[[bytes, int, int], bytes]] = {
    "gzip": _streams("gzip"),
    "xz": _streams("xz"),
    "zstd": _zstd,
    "zip": _zip,
    "CAB with MSZIP": _cab,
    "CAB with LZX": _lzx,
}


def bomb(folder: Path, *, kind: str, architecture: str, size: int, value: int, claimed: int | None = None) -> None:
    """Write a packed dump of so many equal bytes; its header claims as many, or others."""
    start = claiming(architecture, size if claimed is None else claimed)
    (folder / DUMP).write_bytes(BOMBS[kind](start, value, size))


def diluted(folder: Path, *, kind: str, noise: int, size: int) -> None:
    """Write a packed dump of noise, which earns it something, and then zeros."""
    start = claiming("x64", noise + size)
    data = random.Random(1).randbytes(noise)
    (folder / DUMP).write_bytes(PACKERS[kind](start) + PACKERS[kind](data) + _piece(kind, 0) * (size // PIECE))


def behind(folder: Path, *, kind: str, name: str, head: bytes, value: int, size: int) -> None:
    """Write a packed dump with so many bytes behind it, which begin like secondary data or do not."""
    packed = PACKERS[kind]
    (folder / DUMP).write_bytes(packed(sample(name) + head) + _piece(kind, value) * (size // PIECE))


BLOB = b"DumpBlob" + struct.pack("<II", 16, 26100)
LONG_BLOB = BLOB + struct.pack("<I16sIII", 32, bytes(range(16)), 0xFFFFFF00, 0, 0)


def xz_around_zeros(folder: Path, *, dictionary: int, size: int) -> None:
    """Write an xz file with a large dictionary that is really used."""
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": dictionary, "mode": lzma.MODE_FAST, "mf": lzma.MF_HC3}]
    packer = lzma.LZMACompressor(lzma.FORMAT_XZ, filters=filters)
    packed = [packer.compress(claiming("x64", size))]
    packed += [packer.compress(bytes(MB)) for _ in range(size // MB)]
    (folder / DUMP).write_bytes(b"".join([*packed, packer.flush()]))


def short_blocks(folder: Path, *, count: int) -> None:
    """Write a CAB file whose blocks, but for the first, hold a byte each."""
    start = claiming("x64", count)[:BLOCK]
    (one,) = mszip_blocks(b"\1")
    (folder / DUMP).write_bytes(cab_file([*mszip_blocks(start), *[one] * count], BLOCK + count, 1))


def calls(folder: Path, *, size: int) -> None:
    """Write a CAB file of nothing but x86 calls, which LZX translates one by one."""
    start = claiming("x64", size)
    first = uncompressed_frame(start[:BLOCK], fresh=True, translated=size)
    second = uncompressed_frame(start[BLOCK:], fresh=False)
    again = (run_frame(0xE8, fresh=False), BLOCK)
    blocks = [(first, BLOCK), (second, BLOCK), (run_frame(0xE8, fresh=True), BLOCK), *[again] * (size // BLOCK - 1)]
    (folder / DUMP).write_bytes(cab_file(blocks, len(start) + size, LZX))


def other_codes(folder: Path, *, frames: int, blocks: int) -> None:
    """Write a CAB file with LZX blocks whose codes are never those of the block before."""
    start = claiming("x64", frames * BLOCK)
    first = [(uncompressed_frame(start[at : at + BLOCK], fresh=not at), BLOCK) for at in (0, BLOCK)]
    (folder / DUMP).write_bytes(
        cab_file(
            [
                *first,
                (_changing_frame(blocks, fresh=True), BLOCK),
                *[(_changing_frame(blocks, fresh=False), BLOCK)] * frames,
            ],
            (frames + 3) * BLOCK,
            LZX,
        )
    )


ONE_CODE, OTHER_CODE = (*[8] * 255, 9, 10), (*[8] * 254, 9, 10, 8)
REST = (11, 12, 13, 14, 15, 16, 16)


def _changing_frame(blocks: int, *, fresh: bool) -> bytes:
    """Return a frame of such blocks: each changes its codes, most symbols of which have a length of their own."""
    bits = Bits()
    before: tuple[int, ...] = (0,) * 496 if fresh else _lengths(1)
    for block in range(blocks):
        bits.put(VERBATIM, 3)
        bits.put(BLOCK // blocks, 24)
        now = _lengths(block % 2)
        _put_changes(bits, before[:256], now[:256])
        _put_changes(bits, before[256:], now[256:])
        put_lengths(bits, (1, 1), 249, changed=fresh and not block)
        literal = canonical(now)[0]
        for _ in range(BLOCK // blocks):
            bits.put(*literal)
        before = now
    return bits.bytes()


def _lengths(which: int) -> tuple[int, ...]:
    used = (OTHER_CODE if which else ONE_CODE) + REST
    return (*used, *[0] * (496 - len(used)))


def _put_changes(bits: Bits, before: tuple[int, ...], now: tuple[int, ...]) -> None:
    """Put the lengths of a code one by one, as differences; their own code has 12 symbols of 4 bits and 8 of 5."""
    lengths = (4,) * 12 + (5,) * 8
    codes = canonical(lengths)
    for length in lengths:
        bits.put(length, 4)
    for old, new in zip(before, now):
        bits.put(*codes[(old - new) % 17])


def split_block() -> bytes:
    """Return the first CAB file of a set, whose last block goes on in the next one."""
    data = sample("complete")
    blocks = list(mszip_blocks(data))
    half = len(blocks) // 2
    return cab_file(
        [*blocks[:half], (blocks[half][0][:100], 0)], len(data), 1, flags=2, between=b"MEMORY2.CAB\0disk 2\0"
    )


def zip_of_long_names() -> bytes:
    """Return a zip file of dumps with names of 64 KB."""
    entries, local = [], b""
    for number in range(15):
        local, entry = zip_member(b"\x1b" * 65_000 + b"%d.dmp" % number, zlib.compress(b"no dump")[2:-4], size=7)
        entries.append(entry)
    return local + b"".join(entries) + zip_end(len(entries), sum(map(len, entries)), len(local))


def zip_of_size(folder: Path, *, size: int, method: int, packed_size: int) -> None:
    """Write a zip file whose directory claims any size in its zip64 field."""
    data = sample("kernel")
    packer = zlib.compressobj(6, zlib.DEFLATED, -15)
    packed = packer.compress(data) + packer.flush() if method else data
    extra = struct.pack("<HHQQ", 1, 16, size, packed_size)
    both = 0xFFFFFFFF
    _, entry = zip_member(b"MEMORY.DMP", b"", size=both, packed_size=both, method=method, extra=extra)
    local, _ = zip_member(b"MEMORY.DMP", packed, size=both, packed_size=both, method=method, extra=extra)
    (folder / DUMP).write_bytes(local + entry + zip_end(1, len(entry), len(local)))


def xz_of_dictionaries(count: int) -> bytes:
    """Return xz streams of a byte each, whose dictionaries are of 128 MiB and of 96 MiB by turns."""
    streams = []
    for bits in (30, 29):
        packed = bytearray(lzma.compress(b"x", preset=0))
        packed[packed.index(b"\x21\x01", 12) + 2] = bits
        size = 4 * (packed[12] + 1)
        packed[12 + size - 4 : 12 + size] = struct.pack("<I", zlib.crc32(packed[12 : 12 + size - 4]))
        streams.append(bytes(packed))
    return PACKERS["xz"](sample("complete")) + b"".join(streams) * (count // 2)


def gzip_of_tiny_blocks(size: int) -> bytes:
    """Return a gzip file of a dump with blocks of Deflate's fixed codes behind it that hold next to nothing."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    head = packer.compress(sample("complete")) + packer.flush(zlib.Z_FULL_FLUSH)
    tiny = packer.compress(b"ab") + packer.flush(zlib.Z_FULL_FLUSH)
    return head + tiny * (size // len(tiny)) + b"\3\0" + bytes(8)


def sparse_gzip(folder: Path, *, size: int) -> None:
    """Write a gzip file of Deflate's stored blocks, each of which is a hole."""
    start = gzip.compress(b"", mtime=0)[:10]
    content = claiming("x64", size)
    pieces = {0: start}
    at = len(start)
    for number in range(size // 0xFFFF):
        piece = content[number * 0xFFFF : (number + 1) * 0xFFFF]
        pieces[at] = b"\0\xff\xff\0\0" + piece
        at += 5 + 0xFFFF
    write_sparse(folder / DUMP, pieces, at)


def made(folder: Path, *, make: Callable[[], bytes]) -> None:
    """Write what a function makes."""
    (folder / DUMP).write_bytes(make())


def cases() -> Iterator[Case]:
    """Yield the cases."""
    told = (dumpkind(0, 1, 3), dumpkind_json(0, 1, 3), minify(0, 1, 3), salvage(0, 1, 3), pagefilefit(0, 3))
    # what unpacks for seconds is the same for every architecture, and for minify with and without --salvage
    once = (dumpkind(0, 1, 3), minify(0, 1, 3), pagefilefit(0, 3))
    by_architecture = {
        "x64": told,
        "x86": (dumpkind(0, 1, 3), minify(0, 1, 3)),
        "ARM64": (dumpkind_json(0, 1, 3), pagefilefit(0, 3)),
    }
    for architecture in SAMPLES:
        for kind in BOMBS:
            for size, value in ((GB, 0), (4 * GB - PIECE, 0), (GB, 1)):
                if architecture == "x86" and size > GB:
                    continue
                write = partial(bomb, kind=kind, architecture=architecture, size=size, value=value)
                sentence = f"a {kind} file holds {size // MB:,} MB of {value} around an {architecture} header"
                yield Case(sentence, write, by_architecture[architecture], slow=architecture != "x64" or size > GB)
    for kind in BOMBS:
        write = partial(bomb, kind=kind, architecture="x64", size=4 * GB - PIECE, value=0, claimed=900 * MB)
        yield Case(f"a {kind} file goes on for 4 GB behind the 900 MB of its header", write, once, slow=True)
        write = partial(bomb, kind=kind, architecture="ARM64", size=PIECE, value=0, claimed=1 << 50)
        yield Case(f"the header in a {kind} file claims 1 PB", write, told)
    for kind in ("gzip", "xz"):
        write = partial(diluted, kind=kind, noise=8 * MB, size=4 * GB)
        yield Case(f"4 GB of zeros come behind 8 MB of noise ({kind})", write, once, slow=True)
    for kind in ("gzip", "xz"):
        for name in ("complete", "small", "x86-kernel", "arm64-kernel", "x86-small", "arm64-small"):
            for sentence, head, value in (("no signature", b"", 1), ("a blob", LONG_BLOB, 1), ("no blob", BLOB, 1)):
                write = partial(behind, kind=kind, name=name, head=head, value=value, size=2 * GB)
                shown = f"2 GB with {sentence} are behind {name} ({kind})"
                yield Case(shown, write, told if kind == "xz" else once, slow=kind == "xz" or name != "complete")
    for size, dictionary in ((GB, 64 * MB), (GB, 128 * MB)):
        write = partial(xz_around_zeros, dictionary=dictionary, size=size)
        yield Case(f"an xz dictionary of {dictionary // MB} MB is filled", write, once, slow=True)
    yield Case(
        "a zstd window of 128 MB is filled", partial(bomb, kind="zstd", architecture="x64", size=GB, value=0), told
    )
    yield Case("300,000 blocks of a CAB file hold a byte each", partial(short_blocks, count=300_000), told)
    yield Case("an LZX file is nothing but calls", partial(calls, size=512 * MB), told)
    for frames, blocks in ((40, 16), (100, 8)):
        write = partial(other_codes, frames=frames, blocks=blocks)
        yield Case(f"{blocks} LZX blocks a frame have other codes than the one before", write, told, slow=True)
    yield Case("a CAB file's last block goes on in the next one", partial(made, make=split_block), told)
    yield Case("names in a zip file have 64 KB", partial(made, make=zip_of_long_names), told)
    for method in (0, 8):
        for size, packed in ((1 << 63, 1 << 63), ((1 << 64) - 1, 1000), (1 << 40, (1 << 64) - 1), (0, 0)):
            write = partial(zip_of_size, size=size, method=method, packed_size=packed)
            yield Case(f"a zip file claims 0x{size:x} bytes in 0x{packed:x}, method {method}", write, told)
    make = partial(xz_of_dictionaries, 20_000)
    yield Case("20,000 xz streams have dictionaries of other sizes", partial(made, make=make), told)
    make = partial(gzip_of_tiny_blocks, 16 * MB)
    yield Case("16 MB of a gzip file are tiny blocks", partial(made, make=make), told)
    yield Case("a gzip file stores 4 GB as holes", partial(sparse_gzip, size=4 * GB - PIECE), told, slow=True)
