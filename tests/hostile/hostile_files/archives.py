"""Packed files: forged directories and indexes, streams without end or content, and what is inside one another."""

from __future__ import annotations

import gzip
import lzma
import struct
import zlib
from functools import partial
from typing import TYPE_CHECKING, Callable

from hostile_files.archive_bytes import (
    BLOCK,
    PACKERS,
    cab_file,
    lzx_frame,
    mszip_blocks,
    zip_end,
    zip_member,
    zstd_frame,
    zstd_of_zeros,
)
from hostile_files.case import DUMP, MB, Case, dumpkind, dumpkind_json, minify, pagefilefit
from hostile_files.kernel_structures import kernel_full_of_tags
from hostile_files.machines import X64, large_dump, sample
from hostile_files.sparse import patch, write_sparse

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

GB = 1 << 30
XZ_MAGIC = b"\xfd7zXZ\0"


def claiming(gigabytes: int) -> bytes:
    """Return the start of a complete dump whose header says that the machine had so much RAM."""
    pages = gigabytes * GB >> 12
    block = struct.pack("<IIQQQ", 1, 0, pages, 1, pages)
    return patch(sample("complete")[:0x20000], {0x88: block})


def zstd_of_claimed(folder: Path, *, gigabytes: int) -> None:
    """Write a zstd file with the zeros that its content's header claims: 4 bytes for 128 KB."""
    (folder / DUMP).write_bytes(zstd_of_zeros(claiming(gigabytes), gigabytes * GB + MB))


def streams_of_claimed(folder: Path, *, gigabytes: int, kind: str) -> None:
    """Write gzip or xz streams of 64 MB of zeros, as many as the content's header claims."""
    pack = PACKERS[kind]
    (folder / DUMP).write_bytes(pack(claiming(gigabytes)) + pack(bytes(64 * MB)) * (gigabytes * 16))


def zip_of_claimed(folder: Path, *, gigabytes: int) -> None:
    """Write a zip file with one stream of Deflate: the same piece again and again."""
    start = claiming(gigabytes)
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    first = packer.compress(start) + packer.flush(zlib.Z_FULL_FLUSH)
    zeros = packer.compress(bytes(16 * MB)) + packer.flush(zlib.Z_FULL_FLUSH)
    packed = first + zeros * (gigabytes * 64) + packer.flush()
    size = len(start) + gigabytes * GB
    local, entry = zip_member(b"MEMORY.DMP", packed, size=min(size, 0xFFFFFFFE))
    (folder / DUMP).write_bytes(local + entry + zip_end(1, len(entry), len(local)))


def cab_of_claimed(folder: Path, *, gigabytes: int, offset: int = 0) -> None:
    """Write a CAB file with MSZIP blocks of zeros, as many as the content's header claims and the offset skips.

    offset: of the dump in what the blocks unpack to.
    """
    start = claiming(max(1, gigabytes))[:BLOCK]
    (zeros,) = mszip_blocks(bytes(BLOCK))
    (first,) = mszip_blocks(start)
    blocks = [*[zeros] * (offset // BLOCK), first, *[zeros] * (gigabytes * GB // BLOCK)]
    (folder / DUMP).write_bytes(cab_file(blocks, max(BLOCK, gigabytes * GB), 1, offset=offset))


def stored_in_a_hole(folder: Path, *, gigabytes: int) -> None:
    """Write a zip file that stores a dump as it is, with the RAM that its header claims as a hole (zip64)."""
    start = claiming(gigabytes)
    size = gigabytes * GB + MB
    extra = struct.pack("<HHQQ", 1, 16, size, size)
    local, entry = zip_member(b"MEMORY.DMP", b"", size=0xFFFFFFFF, packed_size=0xFFFFFFFF, method=0, extra=extra)
    at = len(local) + size
    end = struct.pack("<4sQHHIIQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, 1, 1, len(entry), at)
    end += struct.pack("<4sIQI", b"PK\x06\x07", 0, at + len(entry), 1) + zip_end(0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF)
    write_sparse(folder / DUMP, {0: local + start, at: entry + end})


def forged_xz_indexes(folder: Path, *, streams: int, index: int, records: int) -> None:
    """Write what begins like an xz file and ends like so many streams whose indexes are holes.

    index: bytes of each; records: how many it claims to have.
    """
    count = bytearray()
    value = records
    while value >= 0x80:
        count.append(value & 0x7F | 0x80)
        value >>= 7
    count.append(value)
    pieces = {0: XZ_MAGIC + b"\0\4"}
    end = MB + streams * (index + 24)
    footer = struct.pack("<IIH2s", 0, index // 4 - 1, 4, b"YZ")
    for stream in range(streams):
        at = MB + stream * (index + 24) + 12
        pieces[at] = b"\0" + bytes(count)
        pieces[at + index] = footer
    write_sparse(folder / DUMP, pieces, end)


def xz_with_dictionary(folder: Path, *, bits: int) -> None:
    """Write an xz file that asks for a dictionary; bits: as the format codes its size, 32 is 256 MiB."""
    packed = bytearray(lzma.compress(sample("complete"), preset=0))
    size = 4 * (packed[12] + 1)
    at = packed.index(b"\x21\x01", 12) + 2
    packed[at] = bits
    packed[12 + size - 4 : 12 + size] = struct.pack("<I", zlib.crc32(packed[12 : 12 + size - 4]))
    (folder / DUMP).write_bytes(packed)


def written(folder: Path, *, make: Callable[[], bytes]) -> None:
    """Write what a function makes."""
    (folder / DUMP).write_bytes(make())


def zstd_with_window(*, descriptor: int, content: bytes) -> bytes:
    """Return a zstd file that asks for a window: 0x88 is 128 MB, 0xA8 is 2 GB."""
    pieces = [content[at : at + 0x20000] for at in range(0, len(content), 0x20000)]
    return zstd_frame([(0, piece, len(piece)) for piece in pieces], descriptor)


def before_a_dump(folder: Path, *, nothing: bytes, count: int, packer: str) -> None:
    """Write so many packed streams of nothing and then a whole one."""
    (folder / DUMP).write_bytes(nothing * count + PACKERS[packer](sample("complete")))


def zeros_behind(folder: Path, *, packer: str) -> None:
    """Write a packed dump and a hole of 1 TB behind it."""
    write_sparse(folder / DUMP, {0: PACKERS[packer](sample("complete"))}, 1 << 40)


def skippable_holes(folder: Path) -> None:
    """Write a zstd file of frames to be skipped, 4 GB each, all holes."""
    step = 8 + 0xFFFFFFF0
    head = struct.pack("<II", 0x184D2A50, 0xFFFFFFF0)
    write_sparse(folder / DUMP, {step * index: head for index in range(100)}, 100 * step)


def gzip_with_long_name() -> bytes:
    """Return a gzip file whose header has a file name of 32 MB."""
    packed = gzip.compress(sample("complete"), mtime=0)
    return packed[:3] + b"\x08" + packed[4:10] + b"n" * (32 * MB) + b"\0" + packed[10:]


def xz_of_many_blocks(count: int) -> bytes:
    """Return an xz stream of a dump and then so many empty blocks."""
    header = _xz_block_header()
    empty = header + b"\0" + bytes(3)
    content = sample("complete")
    raw = lzma.compress(content, lzma.FORMAT_RAW, filters=[{"id": lzma.FILTER_LZMA2, "preset": 0}])
    first = header + raw + bytes(-len(raw) % 4)
    sizes = [(len(header) + len(raw), len(content)), *[(len(header) + 1, 0)] * count]
    index = b"\0" + _number(len(sizes)) + b"".join(_number(packed) + _number(size) for packed, size in sizes)
    index += bytes(-len(index) % 4)
    index += struct.pack("<I", zlib.crc32(index))
    flags = b"\0\0"
    end = struct.pack("<I", len(index) // 4 - 1) + flags
    return (
        XZ_MAGIC
        + flags
        + struct.pack("<I", zlib.crc32(flags))
        + first
        + empty * count
        + index
        + struct.pack("<I", zlib.crc32(end))
        + end
        + b"YZ"
    )


def _xz_block_header() -> bytes:
    head = bytes([2, 0, 0x21, 1, 18]) + bytes(3)  # 12 bytes; LZMA2 with a dictionary of 2 MiB
    return head + struct.pack("<I", zlib.crc32(head))


def _number(value: int) -> bytes:
    coded = bytearray()
    while value >= 0x80:
        coded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*coded, value])


def lzx_of_many_blocks(folder: Path, *, blocks: int, frames: int) -> None:
    """Write a CAB file whose LZX frames, but for the first, have so many blocks each.

    The first one is a block that is not packed: the start of a complete dump of as many bytes as the frames have.
    """
    pages = frames * BLOCK // 0x1000 - 2
    start = patch(sample("complete")[:BLOCK], {0x88: struct.pack("<IIQQQ", 1, 0, pages, 1, pages)})
    # type 3 and the size behind the bit that says that no calls are translated, up to a whole word, then the distances
    bits = 3 << 24 | BLOCK
    word = bits << 48 - 28
    big = word.to_bytes(6, "big")
    head = b"".join(big[at + 1 : at + 2] + big[at : at + 1] for at in range(0, 6, 2))[:4]
    first = head + struct.pack("<3I", 1, 1, 1) + start
    others = [(lzx_frame(blocks, fresh=False), BLOCK)] * (frames - 2)
    blocks_of_cab = [(first, BLOCK), (lzx_frame(blocks, fresh=True), BLOCK), *others]
    (folder / DUMP).write_bytes(cab_file(blocks_of_cab, frames * BLOCK, 3 | 15 << 8))


def zip_of_members(folder: Path, *, count: int, extra: bytes, name: bytes = b"%d.dmp") -> None:
    """Write a zip file whose directory has so many entries, all for the same bytes."""
    packed = zlib.compress(b"no dump", 9)[2:-4]
    entries, local = [], b""
    for number in range(count):
        shown = name % number if b"%" in name else name
        local, entry = zip_member(shown, packed, size=7, extra=extra)
        entries.append(entry)
    directory = b"".join(entries)
    (folder / DUMP).write_bytes(local + directory + zip_end(count, len(directory), len(local)))


def zip64_nonsense(folder: Path) -> None:
    """Write a zip file whose zip64 fields are all ones."""
    local, entry = zip_member(
        b"MEMORY.DMP",
        b"",
        size=0xFFFFFFFF,
        packed_size=0xFFFFFFFF,
        extra=struct.pack("<HH", 1, 24) + b"\xff" * 24,
        offset=0xFFFFFFFF,
    )
    end = b"PK\x06\x06" + b"\xff" * 52 + b"PK\x06\x07" + b"\xff" * 16 + zip_end(0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF)
    (folder / DUMP).write_bytes(local + entry + end)


def cab_of_names(*, names: tuple[bytes, ...], flags: int = 0, folder: int = 0, between: bytes = b"") -> bytes:
    """Return a CAB file with many members, or one of a set."""
    return cab_file([], 100, 1, names=names, flags=flags, folder=folder, between=between)


def nested(*, packers: tuple[str, ...]) -> bytes:
    """Return a dump packed again and again, the first packer inside."""
    data = sample("complete")
    for packer in packers:
        data = PACKERS[packer](data)
    return data


def cases() -> Iterator[Case]:
    """Yield the cases."""
    told = (dumpkind(0, 1, 3), dumpkind_json(0, 1, 3), minify(0, 1, 3), pagefilefit(0, 3))
    refused = (dumpkind(1, 3), dumpkind_json(1, 3), minify(3), pagefilefit(3))
    empty_gzip = gzip.compress(b"", mtime=0)
    empty_xz = lzma.compress(b"", preset=0)
    empty_zstd = b"\x28\xb5\x2f\xfd\x20\0\1\0\0"
    memory_limit = ("damaged", "copy the file again")
    for gigabytes in (4, 30):
        write = partial(zstd_of_claimed, gigabytes=gigabytes)
        yield Case(f"a .zst holds the {gigabytes} GB of zeros that its header claims", write, told)
    for kind in ("gzip", "xz"):
        write = partial(streams_of_claimed, gigabytes=4, kind=kind)
        yield Case(f"a {kind} file holds the 4 GB of zeros that its header claims", write, told, slow=True)
    yield Case("a zip file holds the 4 GB of zeros that its header claims", partial(zip_of_claimed, gigabytes=4), told)
    yield Case("a CAB file holds the 3 GB of zeros that its header claims", partial(cab_of_claimed, gigabytes=3), told)
    write = partial(stored_in_a_hole, gigabytes=8)
    yield Case("a zip file stores a dump of 8 GB, mostly a hole", write, told)
    for offset in (65 * MB, 4 * GB - BLOCK):
        write = partial(cab_of_claimed, gigabytes=0, offset=offset)
        yield Case(f"a CAB file's member begins {offset:,} bytes into its folder", write, told, slow=offset > GB)
    for streams, index, records in ((1, MB - 4, MB), (11, MB - 4, MB - 8), (100, MB - 4, MB - 8), (900, 65536, 65000)):
        write = partial(forged_xz_indexes, streams=streams, index=index, records=records)
        yield Case(f"{streams} forged xz indexes of {index:,} bytes are holes", write, refused)
    for bits, shown in ((32, "256 MiB"), (35, "768 MiB"), (40, "4 GiB")):
        commands = tuple(
            command for command in (minify(3, never=memory_limit), dumpkind(1, 3, never=memory_limit), pagefilefit(3))
        )
        yield Case(f"an xz file asks for a dictionary of {shown}", partial(xz_with_dictionary, bits=bits), commands)
    yield Case("an xz file asks for a dictionary of 192 MiB", partial(xz_with_dictionary, bits=31), told)
    for descriptor, shown in ((0xA0, "1 GB"), (0xA8, "2 GB"), (0xFF, "7.5 PB")):
        make = partial(zstd_with_window, descriptor=descriptor, content=sample("complete"))
        commands = (minify(3, never=memory_limit), dumpkind(1, 3, never=memory_limit), pagefilefit(3))
        yield Case(f"a zstd file asks for a window of {shown}", partial(written, make=make), commands)
    make = partial(zstd_with_window, descriptor=0x88, content=sample("complete"))
    yield Case("a zstd file asks for a window of 128 MB", partial(written, make=make), told)
    for nothing, packer, count in (
        (empty_gzip, "gzip", 100_000),
        (empty_gzip, "gzip", 1_000_000),
        (empty_xz, "xz", 90_000),
        (empty_zstd, "zstd", 99_000),
        (empty_zstd, "zstd", 2_000_000),
        (struct.pack("<II", 0x184D2A50, 0), "zstd", 99_000),
    ):
        write = partial(before_a_dump, nothing=nothing, count=count, packer=packer)
        what = "frames to be skipped" if nothing[:1] == b"\x50" else "empty streams"
        yield Case(f"{count:,} {what} come before a dump ({packer})", write, told, slow=count > 100_000)
    for packer in ("gzip", "xz", "zstd", "CAB"):
        yield Case(f"a hole of 1 TB is behind a dump ({packer})", partial(zeros_behind, packer=packer), told)
    yield Case("a zstd file is 400 GB of frames to be skipped, all holes", skippable_holes, refused)
    yield Case("a gzip file's header has a name of 32 MB", partial(written, make=gzip_with_long_name), told, slow=True)
    for count in (60_000, 400_000):
        make = partial(xz_of_many_blocks, count)
        yield Case(
            f"{count:,} empty blocks are in an xz stream", partial(written, make=make), told, slow=count > 60_000
        )
    for blocks, frames in ((64, 200), (64, 1900), (256, 60)):
        write = partial(lzx_of_many_blocks, blocks=blocks, frames=frames)
        slow = frames > 200
        yield Case(f"{frames} LZX frames of a CAB file have {blocks:,} blocks each", write, told, slow=slow)
    fields = struct.pack("<HH", 0xCAFE, 0) * 16383
    write = partial(zip_of_members, count=15, extra=fields)
    yield Case("15 entries of a zip file's directory have 16,383 extra fields each", write, refused)
    write = partial(zip_of_members, count=65_535, extra=b"", name=b"a.dmp")
    yield Case("65,535 entries of a zip file's directory name the same bytes", write, refused)
    write = partial(zip_of_members, count=18_000, extra=b"")
    yield Case("18,000 dumps are in a zip file", write, refused)
    write = partial(zip_of_members, count=3, extra=b"", name=b"\x1b[31m\xe2\x80\xae\n%d.dmp")
    yield Case("names in a zip file have escapes, a line end and a right-to-left mark", write, refused)
    yield Case("a zip file's zip64 fields are all ones", zip64_nonsense, refused)
    for count, name in ((65_535, b"a.dmp"), (30_000, b"\x1b[31m%d.dmp")):
        names = tuple(name % number if b"%" in name else name for number in range(count))
        make = partial(cab_of_names, names=names)
        yield Case(f"{count:,} files are in a CAB file", partial(written, make=make), refused)
    make = partial(cab_of_names, names=(b"MEMORY.DMP",), flags=3, folder=0xFFFF, between=b"a\0b\0c\0d\0")
    yield Case("a CAB file is the middle one of a set", partial(written, make=make), refused)
    for packers in (("gzip", "zip"), ("xz", "gzip"), ("zip", "CAB"), ("zstd",) * 20):
        commands = (dumpkind(3), dumpkind_json(3), minify(3), pagefilefit(3))
        yield Case(
            f"a dump is packed {len(packers)} times: {packers[0]} inside",
            partial(written, make=partial(nested, packers=packers)),
            commands,
        )
    tags = partial(large_dump, X64, lambda crashed: kernel_full_of_tags(crashed, X64), {"KdDebuggerDataBlock": 0})
    for packer in PACKERS:
        make = partial(lambda packer: PACKERS[packer](tags()), packer)
        sentence = f"a kernel image that aliases one page full of KDBG tags is in a {packer} file"
        yield Case(sentence, partial(written, make=make), (dumpkind(0, 1), minify(3)), slow=packer != "gzip")
