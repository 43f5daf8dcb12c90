"""Unpacking LZX, the compression of the CAB files that WinDbg writes.

Format: Microsoft's "LZX Data Compression Format" of the Cabinet SDK (its sibling is [MS-PATCH]). The stream comes in
frames of 32 KB of content, each in 16-bit words of its own, whose bits are taken from the highest on. Blocks, each with
its own codes, do not keep to frames.
"""

from __future__ import annotations

import struct
import sys
from array import array
from itertools import accumulate

from windbg_ext.limits import MAX_LZX_STEPS, Budget
from windbg_ext.sources.archive import DamagedError
from windbg_ext.values import NamedTuple

FRAME = 0x8000
SLOTS = {15: 30, 16: 32, 17: 34, 18: 36, 19: 38, 20: 42, 21: 50}
"""Distance slots by the window's bits."""
EXTRA_BITS = tuple(min(max(0, slot // 2 - 1), 17) for slot in range(50))
"""Bits of a distance after its slot."""
FIRST_DISTANCES = tuple(first - 2 for first in accumulate((1 << bits for bits in EXTRA_BITS[:-1]), initial=0))
VERBATIM, ALIGNED, UNCOMPRESSED = 1, 2, 3
LENGTH_SYMBOLS = 249
SHORTEST_MATCH = 2
BLOCK_STEPS, CODE_STEPS, LENGTH_STEPS = 700, 1500, 6
"""What beginning a block, setting up one of its codes and reading a length take at most, measured in literals."""
TRANSLATED_FRAMES = 0x8000
CALL = b"\xe8"
"""The x86 instruction whose operand is translated back, from absolute to relative."""


class Code(NamedTuple):
    """A Huffman code. table: for the next `bits` bits, the symbol << 5 | the bits that it takes."""

    bits: int
    table: array[int]


class LzxUnpacker:
    """Unpacks the frames of one stream in order. Raises DamagedError for damaged ones, LimitError for costly ones."""

    def __init__(self, window_bits: int, budget: Budget | None = None) -> None:
        self._window = 1 << window_bits
        self._budget = Budget() if budget is None else budget
        self._lengths = bytearray(256 + 8 * SLOTS[window_bits])  # of the codes, kept from block to block
        self._match_lengths = bytearray(LENGTH_SYMBOLS)
        self._main = self._match = self._aligned = Code(0, array("I"))
        self._recent = (1, 1, 1)
        self._block, self._left, self._pad = 0, 0, False
        self._history = bytearray()
        self._frames = 0
        self._translated_size = 0

    def unpack(self, packed: bytes, size: int) -> bytes:
        """Unpack a frame of `size` bytes."""
        bits = _Bits(packed)
        if not self._frames and bits.take(1):
            self._translated_size = bits.take(16) << 16 | bits.take(16)
        self._frames += 1
        if len(self._history) > 2 * self._window:
            del self._history[: -self._window]
        end = len(self._history) + size
        while (here := len(self._history)) < end:
            if not self._left:
                self._draw(BLOCK_STEPS)
                self._begin_block(bits)
            most = min(end, here + self._left)
            if self._block == UNCOMPRESSED:
                self._history += bits.take_bytes(most - here)
                if len(self._history) < most:
                    raise DamagedError("an LZX frame ends too early")
            else:
                self._unpack_codes(bits, most)
            if len(self._history) > most or bits.overrun:
                raise DamagedError("an LZX match goes on behind its block or frame, or the frame ends too early")
            self._left -= len(self._history) - here
        if self._pad and not self._left and bits.take_bytes(1):
            self._pad = False
        return self._translated(bytes(self._history[-size:]))

    def _draw(self, steps: int) -> None:
        self._budget.draw(MAX_LZX_STEPS, steps, "content of the CAB file")

    def _begin_block(self, bits: _Bits) -> None:
        if self._pad:  # behind an odd number of bytes
            bits.take_bytes(1)
            self._pad = False
        self._block = bits.take(3)
        self._left = bits.take(24)
        if self._block not in (VERBATIM, ALIGNED, UNCOMPRESSED) or not self._left:
            raise DamagedError("an LZX block is of no known type, or empty")
        if self._block == UNCOMPRESSED:
            bits.align()
            self._recent = struct.unpack("<3I", bits.take_bytes(12).ljust(12, b"\0"))
            self._pad = self._left % 2 == 1
            return
        if self._block == ALIGNED:
            self._aligned = _code(bytes(bits.take(3) for _ in range(8)))
        lengths, match_lengths = bytes(self._lengths), bytes(self._match_lengths)
        read = _read_lengths(bits, self._lengths, 0, 256)
        read += _read_lengths(bits, self._lengths, 256, len(self._lengths))
        read += _read_lengths(bits, self._match_lengths, 0, LENGTH_SYMBOLS)
        self._draw(LENGTH_STEPS * read)
        if lengths != self._lengths:
            self._draw(CODE_STEPS)
            self._main = _code(self._lengths)
        if match_lengths != self._match_lengths:
            self._draw(CODE_STEPS)
            self._match = _code(self._match_lengths)

    def _unpack_codes(self, bits: _Bits, end: int) -> None:
        """Unpack literals and matches until there are `end` bytes."""
        start = len(self._history)
        try:
            matches, matched = self._unpack_symbols(bits, end)
        except IndexError:
            raise DamagedError("an LZX frame ends too early, or uses a code without symbols") from None
        self._draw(len(self._history) - start - matched + 2 * matches)

    def _unpack_symbols(self, bits: _Bits, end: int) -> tuple[int, int]:
        """Unpack; return the number of matches and of the bytes that they made. Raise IndexError if bits are missing.

        Most of the time is spent here, so bits are taken without a call, from the 32 bits at each 16-bit word.
        """
        history, window = self._history, self._window
        words, at = bits.words(), bits.at
        main, main_shift = self._main.table, 16 - self._main.bits
        lengths, length_shift = self._match.table, 16 - self._match.bits
        aligned, aligned_shift = self._aligned.table, 16 - self._aligned.bits
        is_aligned = self._block == ALIGNED
        first, second, third = self._recent
        matches = matched = 0
        here = len(history)
        while here < end:
            entry = main[(words[at >> 4] >> 16 - (at & 15) & 0xFFFF) >> main_shift]
            at += entry & 31
            code = entry >> 5
            if code < 256:
                history.append(code)
                here += 1
                continue
            slot, length = divmod(code - 256, 8)
            if length == 7:
                entry = lengths[(words[at >> 4] >> 16 - (at & 15) & 0xFFFF) >> length_shift]
                at += entry & 31
                length += entry >> 5
            length += SHORTEST_MATCH
            if slot == 0:
                pass
            elif slot == 1:
                first, second = second, first
            elif slot == 2:
                first, third = third, first
            else:
                extra = EXTRA_BITS[slot]
                distance = FIRST_DISTANCES[slot]
                if is_aligned and extra >= 3:
                    bits.at = at
                    distance += bits.take(extra - 3) << 3
                    at = bits.at
                    entry = aligned[(words[at >> 4] >> 16 - (at & 15) & 0xFFFF) >> aligned_shift]
                    at += entry & 31
                    distance += entry >> 5
                elif extra:
                    bits.at = at
                    distance += bits.take(extra)
                    at = bits.at
                first, second, third = distance, first, second
            start = here - first
            if start < 0 or not 0 < first <= window:
                raise DamagedError("an LZX match begins before the content does")
            if first >= length:
                history += history[start : start + length]
            else:
                history += (history[start:] * (length // first + 1))[:length]
            here += length
            matches += 1
            matched += length
        bits.at = at
        self._recent = first, second, third
        return matches, matched

    def _translated(self, frame: bytes) -> bytes:
        """Undo the translation of x86 calls: packers replace their distances by addresses, which repeat more often."""
        size = self._translated_size
        if not size or self._frames > TRANSLATED_FRAMES or len(frame) <= 10 or CALL not in frame:
            return frame
        self._draw(2 * frame.count(CALL))
        data, base, at = bytearray(frame), (self._frames - 1) * FRAME, 0
        while 0 <= (at := data.find(CALL, at)) < len(data) - 10:
            (address,) = struct.unpack_from("<i", data, at + 1)
            if -(base + at) <= address < size:
                distance = address - (base + at) if address >= 0 else address + size
                struct.pack_into("<I", data, at + 1, distance & 0xFFFFFFFF)
            at += 5
        return bytes(data)


class _Bits:
    """The bits of a frame. at: how many were taken. Zeros follow its end; `overrun` tells whether they were taken."""

    def __init__(self, packed: bytes) -> None:
        self._begin(packed)

    def _begin(self, packed: bytes) -> None:
        words = array("H", packed + b"\0" * (len(packed) % 2))
        words.byteswap()
        self._packed, self._swapped = packed, words.tobytes() + bytes(8)
        self._words: list[int] = []
        self.at = 0

    @property
    def overrun(self) -> bool:
        return self.at > 8 * len(self._packed)

    def words(self) -> list[int]:
        """Return the 32 bits from each 16-bit word on."""
        if not self._words:
            count = len(self._swapped) // 2
            one, other = struct.unpack(f">{count}H", self._swapped), struct.unpack(f">{count - 1}H", self._swapped[2:])
            self._words = [high << 16 | low for high, low in zip(one, other)]
        return self._words

    def take(self, count: int) -> int:
        """Take at most 32 bits as a number."""
        at = self.at
        self.at = at + count
        window = int.from_bytes(self._swapped[at >> 3 : (at >> 3) + 5], "big")
        return window >> 40 - (at & 7) - count & (1 << count) - 1

    def symbol(self, code: Code) -> int:
        """Take a symbol of a Huffman code."""
        at = self.at
        window = int.from_bytes(self._swapped[at >> 3 : (at >> 3) + 3], "big")
        if not code.bits:
            raise DamagedError("an LZX code without symbols is used")
        entry = code.table[window >> 24 - (at & 7) - code.bits & (1 << code.bits) - 1]
        self.at = at + (entry & 31)
        return entry >> 5

    def align(self) -> None:
        """Skip to the next whole word; 16 bits where one begins here."""
        self.at += 16 - self.at % 16

    def take_bytes(self, count: int) -> bytes:
        """Take bytes as they are, fewer at the end. The words start again after them, perhaps at an odd byte."""
        rest = self._packed[self.at >> 3 :]
        self._begin(rest[count:])
        return rest[:count]


def _code(lengths: bytes | bytearray) -> Code:
    """Return the code whose symbols have these lengths in bits. An array is faster to build than a list of 65,536."""
    bits = max(lengths)
    if bits and sum(lengths.count(length) << bits - length for length in range(1, bits + 1)) != 1 << bits:
        raise DamagedError("the lengths of an LZX code make no code")
    used = sorted(length << 10 | symbol for symbol, length in enumerate(lengths) if length)
    pieces = [
        ((entry & 0x3FF) << 5 | entry >> 10).to_bytes(4, sys.byteorder) * (1 << bits - (entry >> 10)) for entry in used
    ]
    return Code(bits, array("I", b"".join(pieces)))


def _read_lengths(bits: _Bits, lengths: bytearray, at: int, end: int) -> int:
    """Change the lengths of a code's symbols by the coded differences in the frame; return the number of these."""
    code = _code(bytes(bits.take(4) for _ in range(20)))
    steps = 0
    while at < end:
        steps += 1
        step, count = bits.symbol(code), 1
        if step == 17:
            count, value = 4 + bits.take(4), 0
        elif step == 18:
            count, value = 20 + bits.take(5), 0
        else:
            if step == 19:
                count, step = 4 + bits.take(1), bits.symbol(code)
            value = (lengths[at] - step) % 17
        count = min(count, end - at)
        lengths[at : at + count] = bytes([value]) * count
        at += count
    return steps
