"""CAB files built byte by byte as [MS-CAB] describes them, and the LZX stream as the Cabinet SDK describes it."""

from __future__ import annotations

import struct
import zlib
from collections import Counter
from heapq import heapify, heappop, heappush
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

BLOCK = 0x8000
STORED, MSZIP, QUANTUM, LZX = 0, 1, 2, 3
VERBATIM, ALIGNED, UNCOMPRESSED = 1, 2, 3


def cab(
    files: dict[str, bytes],
    method: int = STORED,
    *,
    pack: Callable[[bytes], Iterable[bytes]] | None = None,
    reserve: bytes | None = None,
    checksums: bool = True,
) -> bytes:
    """Return a CAB file with one folder. pack: makes the blocks; reserve: the reserved bytes in each place."""
    content = b"".join(files.values())
    packed = list((pack or {STORED: blocks_of, MSZIP: mszip}[method & 0xF])(content))
    room = b"" if reserve is None else reserve
    data = b"".join(
        struct.pack("<IHH", checksum(block, size) if checksums else 0, len(block), size) + room + block
        for block, size in zip(packed, (len(block) for block in blocks_of(content)))
    )
    starts = accumulate((len(file) for file in files.values()), initial=0)
    members = b"".join(
        struct.pack("<IIHHHH", len(file), start, 0, 0x5921, 0x6000, 0x20) + name.encode() + b"\0"
        for (name, file), start in zip(files.items(), starts)
    )
    reserved = b"" if reserve is None else struct.pack("<HBB", len(room), len(room), len(room)) + room
    files_at = 36 + len(reserved) + 8 + len(room)
    data_at = files_at + len(members)
    flags = 0 if reserve is None else 4
    header = struct.pack(
        "<4sIIIIIBBHHHHH", b"MSCF", 0, data_at + len(data), 0, files_at, 0, 3, 1, 1, len(files), flags, 0, 0
    )
    return header + reserved + struct.pack("<IHH", data_at, len(packed), method) + room + members + data


def blocks_of(content: bytes) -> list[bytes]:
    return [content[at : at + BLOCK] for at in range(0, len(content), BLOCK)]


def checksum(packed: bytes, size: int) -> int:
    """Return the checksum of a block and of its two lengths."""
    result = 0
    for data in (packed, struct.pack("<HH", len(packed), size)):
        whole = len(data) & ~3
        for (word,) in struct.iter_unpack("<I", data[:whole]):
            result ^= word
        result ^= int.from_bytes(data[whole:], "big")
    return result


def mszip(content: bytes) -> Iterator[bytes]:
    """Yield Deflate blocks, each with the one before as its dictionary."""
    before = b""
    for block in blocks_of(content):
        packer = zlib.compressobj(9, zlib.DEFLATED, -15, zdict=before)
        yield b"CK" + packer.compress(block) + packer.flush()
        before = block


class Symbol(NamedTuple):
    """The code of a literal or a match: main symbol, match length symbol, bits behind a distance slot."""

    main: int
    match: int | None = None
    extra: int = 0
    extra_bits: int = 0
    length: int = 1


class LzxPacker:
    """Packs with LZX: blocks of each of the `kinds` in turn, each with `block` bytes of content.

    translate: calls are made absolute in a file of this many bytes.
    """

    def __init__(self, window_bits: int, kinds: tuple[int, ...], block: int, translate: int = 0) -> None:
        self.window, slots = 1 << window_bits, SLOTS[window_bits]
        self.kinds, self.block, self.translate = kinds, block, translate
        self.lengths = {"main": [0] * (256 + 8 * slots), "match": [0] * 249}
        self.recent = [1, 1, 1]
        self.seen: dict[bytes, int] = {}

    def __call__(self, content: bytes) -> Iterator[bytes]:
        bits = Bits()
        bits.put(int(self.translate > 0), 1)
        if self.translate:
            content = with_absolute_calls(content, self.translate)
            bits.put(self.translate, 32)
        for number, start in enumerate(range(0, len(content), self.block)):
            end = min(len(content), start + self.block)
            kind = self.kinds[number % len(self.kinds)]
            bits.put(kind, 3)
            bits.put(end - start, 24)
            if kind == UNCOMPRESSED:
                first = start
                bits.align(always=True)
                bits.put_bytes(struct.pack("<3I", *self.recent))
                while start < end:
                    stop = min(end, start + BLOCK - start % BLOCK)
                    bits.put_bytes(content[start:stop])
                    if stop == end and (end - first) % 2:
                        bits.put_bytes(b"\0")
                    start = stop
                    if start % BLOCK == 0:
                        yield bits.frame()
                continue
            symbols = list(self.symbols(content, start, end))
            codes = self.put_codes(bits, kind, symbols)
            for symbol in symbols:
                self.put_symbol(bits, kind, codes, symbol)
                start += symbol.length
                if start % BLOCK == 0:
                    yield bits.frame()
        if len(content) % BLOCK:
            yield bits.frame()

    def symbols(self, content: bytes, start: int, end: int) -> Iterator[Symbol]:
        """Yield literals, and matches that end within a frame."""
        at = start
        while at < end:
            key = content[at : at + 4]
            distance = at - self.seen.get(key, -self.window)
            self.seen[key] = at
            most = min(257, end - at, BLOCK - at % BLOCK)
            length = 0
            if distance < self.window - 3:
                while length < most and content[at - distance + length] == content[at + length]:
                    length += 1
            symbol = Symbol(content[at]) if length < 4 else self.match(length, distance)
            yield symbol
            at += symbol.length

    def match(self, length: int, distance: int) -> Symbol:
        if distance in self.recent:
            slot = self.recent.index(distance)
            self.recent[0], self.recent[slot] = self.recent[slot], self.recent[0]
            extra = bits = 0
        else:
            self.recent = [distance, *self.recent[:2]]
            slot = max(slot for slot, first in enumerate(FIRST) if first <= distance + 2)
            extra, bits = distance + 2 - FIRST[slot], EXTRA_BITS[slot]
        header = min(7, length - 2)
        return Symbol(256 + 8 * slot + header, length - 9 if header == 7 else None, extra, bits, length)

    def put_codes(self, bits: Bits, kind: int, symbols: list[Symbol]) -> dict[str, dict[int, tuple[int, int]]]:
        if kind == ALIGNED:
            for _ in range(8):
                bits.put(3, 3)
        used = {"main": [s.main for s in symbols], "match": [s.match for s in symbols if s.match is not None]}
        new = {name: lengths_of(used[name], len(self.lengths[name])) for name in used}
        for name, start, end in (("main", 0, 256), ("main", 256, len(new["main"])), ("match", 0, 249)):
            put_lengths(bits, self.lengths[name][start:end], new[name][start:end])
        self.lengths = new
        return {name: codes_of(lengths) for name, lengths in new.items()}

    def put_symbol(self, bits: Bits, kind: int, codes: dict[str, dict[int, tuple[int, int]]], symbol: Symbol) -> None:
        bits.put(*codes["main"][symbol.main])
        if symbol.match is not None:
            bits.put(*codes["match"][symbol.match])
        if kind == ALIGNED and symbol.extra_bits >= 3:
            bits.put(symbol.extra >> 3, symbol.extra_bits - 3)
            bits.put(symbol.extra & 7, 3)  # eight symbols of three bits are their own code
        else:
            bits.put(symbol.extra, symbol.extra_bits)


def with_absolute_calls(content: bytes, size: int) -> bytes:
    """Return content as LZX packs it: the distance behind each 0xE8 (a call on x86) becomes an absolute address."""
    data = bytearray(content)
    for frame in range(0, len(data), BLOCK):
        at, end = frame, min(frame + BLOCK, len(data)) - 10
        while frame < end and (at := data.find(b"\xe8", at, end)) >= 0:
            (distance,) = struct.unpack_from("<i", data, at + 1)
            if -at <= distance < size - at:
                struct.pack_into("<i", data, at + 1, distance + at)
            elif size - at <= distance < size:
                struct.pack_into("<i", data, at + 1, distance - size)
            at += 5
    return bytes(data)


SLOTS = {15: 30, 16: 32, 17: 34, 18: 36, 19: 38, 20: 42, 21: 50}
EXTRA_BITS = (0, 0, 0, 0, *(bits for bits in range(1, 17) for _ in range(2)), *[17] * 14)
FIRST = list(accumulate(EXTRA_BITS[:-1], lambda first, bits: first + (1 << bits), initial=0))


def lengths_of(symbols: list[int], count: int) -> list[int]:
    """Return the lengths of a Huffman code for these symbols: at least two, none of them longer than 16 bits."""
    counts = Counter(symbols)
    if not counts:
        return [0] * count
    least = len(symbols) // 1000 + 1
    queue: list[tuple[int, list[int]]] = [(max(n, least), [symbol]) for symbol, n in counts.items()]
    if len(queue) == 1:
        queue.append((1, [(queue[0][1][0] + 1) % count]))
    heapify(queue)
    lengths = [0] * count
    while len(queue) > 1:
        (rare, some), (less_rare, others) = heappop(queue), heappop(queue)
        for symbol in some + others:
            lengths[symbol] += 1
        heappush(queue, (rare + less_rare, some + others))
    assert max(lengths) <= 16
    return lengths


def codes_of(lengths: list[int]) -> dict[int, tuple[int, int]]:
    """Return the canonical code: (value, bits) of each symbol."""
    codes, value, before = {}, 0, 0
    for length, symbol in sorted((length, symbol) for symbol, length in enumerate(lengths) if length):
        value <<= length - before
        codes[symbol] = (value, length)
        value, before = value + 1, length
    return codes


PRETREE = [4] * 12 + [5] * 8


def put_lengths(bits: Bits, old: list[int], new: list[int]) -> None:
    """Put the lengths of a code as differences from the previous code; runs stay runs."""
    for length in PRETREE:
        bits.put(length, 4)
    codes = codes_of(PRETREE)
    at = 0
    while at < len(new):
        run = next((n for n in range(1, len(new) - at) if new[at + n] != new[at]), len(new) - at)
        if new[at] == 0 and run >= 20:
            run = min(run, 51)
            bits.put(*codes[18])
            bits.put(run - 20, 5)
        elif new[at] == 0 and run >= 4:
            run = min(run, 19)
            bits.put(*codes[17])
            bits.put(run - 4, 4)
        elif run >= 4:
            run = min(run, 5)
            bits.put(*codes[19])
            bits.put(run - 4, 1)
            bits.put(*codes[(old[at] - new[at]) % 17])
        else:
            run = 1
            bits.put(*codes[(old[at] - new[at]) % 17])
        at += run


class Bits:
    """A bit stream of little-endian 16-bit words, each filled from its highest bit."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.value = self.count = 0

    def put(self, value: int, count: int) -> None:
        self.value, self.count = self.value << count | value, self.count + count
        while self.count >= 16:
            self.count -= 16
            self.data += struct.pack("<H", self.value >> self.count & 0xFFFF)
        self.value &= (1 << self.count) - 1

    def align(self, *, always: bool = False) -> None:
        if self.count or always:
            self.put(0, 16 - self.count)

    def put_bytes(self, data: bytes) -> None:
        assert not self.count
        self.data += data

    def frame(self) -> bytes:
        """Take what makes up a frame."""
        self.align()
        data, self.data = bytes(self.data), bytearray()
        return data
