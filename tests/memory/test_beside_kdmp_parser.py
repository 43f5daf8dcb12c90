"""Another parser of dumps, kdmp-parser, finds the same pages and translates the same addresses; where not, it is known.

The same holds for samples with changed bitmaps and page tables: whatever the two make of damage, they agree on it.
"""

from __future__ import annotations

import random
import struct
from typing import TYPE_CHECKING, Any

import pytest
from support.dumps_at_hand import content, large_64_bit_dumps
from support.mutations import LARGE, Overwrite, changed, original

from samples.builder.kernel import crash
from samples.builder.page_tables import X64
from windbg_ext.dump import open_dump
from windbg_ext.errors import MemoryReadError
from windbg_ext.kernel import DumpTarget
from windbg_ext.memory import PagedMemory

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from windbg_ext.dump import Dump

kdmp_parser = pytest.importorskip(
    "kdmp_parser", reason="kdmp-parser has no working wheel for this Python", exc_type=ImportError
)

PAGE = 0x1000
FRAME = 0x000F_FFFF_FFFF_F000
PRESENT, LARGE_PAGE, PROTOTYPE, TRANSITION = 1, 0x80, 0x400, 0x800
ADDRESSES = 3000
"""Mapped addresses of a dump that are translated, and a tenth of it of random ones."""

IN_TRANSITION = "an entry in transition is not valid, and kdmp-parser goes no further"
NOT_CANONICAL = "kdmp-parser does not look at the bits above those that page tables translate"
ABOVE_48_BITS = "kdmp-parser takes 36 bits of a page frame number, not 40"
LARGE_NOT_ALIGNED = "kdmp-parser adds the offset in a large page to a page frame whose low bits are not zero"
KNOWN = {IN_TRANSITION, NOT_CANONICAL, ABOVE_48_BITS, LARGE_NOT_ALIGNED}
"""Why the two may translate an address differently."""


OTHER_TABLES = {name for name, sample in LARGE.items() if sample.machine.page_tables is not X64}
"""kdmp-parser 0.7 knows page tables of x64 with four levels only."""
DUMPS = large_64_bit_dumps()
BITMAPS = [name for name in LARGE if original(name).data[0x2004:0x2008] == b"DUMP"]
each_dump = pytest.mark.parametrize("path", DUMPS, ids=lambda path: path.name)
each_dump_of_four_levels = pytest.mark.parametrize(
    "path", [path for path in DUMPS if path.name.rpartition(".dmp")[0] not in OTHER_TABLES], ids=lambda path: path.name
)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Where a test puts a dump for both parsers."""
    return tmp_path / "MEMORY.DMP"


def compare_pages(copy: Path, data: bytes) -> tuple[int, int]:
    """Assert that both parsers find the same pages, and where the file has them the same bytes.

    Gives how many pages were compared, and how many were missing.
    """
    parser = open_both(copy, data)
    theirs = {address >> 12 for address in parser.pages}
    with open_dump(copy) as dump:
        assert dump.pages is not None
        frames = (*theirs, *(pfn + step for pfn in theirs for step in (-1, 1)), *range(0x300))
        compared = 0
        for pfn in sorted({pfn for pfn in frames if pfn >= 0}):
            offset = dump.pages.offset_of(pfn)
            assert (offset is not None) == (pfn in theirs), hex(pfn)
            if offset is not None and offset + PAGE <= len(data):  # kdmp-parser does not look how long the file is
                assert parser.read_physical_page(pfn << 12) == data[offset : offset + PAGE], hex(pfn)
                compared += 1
    return compared, len(theirs)


def open_both(copy: Path, data: bytes) -> Any:
    """Write a dump, and open it with kdmp-parser.

    kdmp-parser 0.7 does not look into the last byte of a bitmap if it is not full: its copy says that it is, with the
    bits behind the last page frame zero.
    """
    copy.write_bytes(data)
    theirs = copy
    if data[0x2004:0x2008] == b"DUMP":
        (bits,) = struct.unpack_from("<Q", data, 0x2030)
        end = 0x2038 + bits // 8
        last = bytes([data[end] & (1 << bits % 8) - 1]) if bits % 8 else b""
        theirs = copy.with_name("full.dmp")
        full = struct.pack("<Q", -(-bits // 8) * 8)
        theirs.write_bytes(data[:0x2030] + full + data[0x2038:end] + last + data[end + len(last) :])
    return kdmp_parser.KernelDumpParser(theirs)


@each_dump
def test_both_find_the_same_pages(path: Path, copy: Path) -> None:
    compared, pages = compare_pages(copy, content(path))
    assert compared == pages > 50


@pytest.mark.parametrize("name", BITMAPS)
@pytest.mark.parametrize("seed", range(4))
def test_both_find_the_same_pages_behind_a_changed_bitmap(name: str, seed: int, copy: Path) -> None:
    chance, data = random.Random(seed), bytearray(original(name).data)
    (bits,) = struct.unpack_from("<Q", data, 0x2030)
    for _ in range(3 ** (seed + 2)):
        bit = chance.randrange(min(bits, 0x1000 if chance.random() < 0.5 else bits))
        data[0x2038 + bit // 8] ^= 1 << bit % 8
    compared, _ = compare_pages(copy, bytes(data))
    assert compared > 30


class Both:
    """Both parsers on one dump, and why they may give different answers."""

    def __init__(self, parser: Any, dump: Dump, root: int) -> None:
        self.parser = parser
        memory = DumpTarget(dump).memory_of(root)
        assert isinstance(memory, PagedMemory)
        self.memory, self.root = memory, root
        assert dump.pages is not None
        self._pages, self._file = dump.pages, dump.source
        self.differences: set[str] = set()

    def compare(self, address: int) -> bool:
        """Assert that both give the same physical address and the same page, or that it is known why not.

        Gives whether there was a page to be compared.
        """
        ours = self._ours(address)
        theirs = self.parser.translate_virtual(address, self.root)
        if ours != theirs:
            why = self._why(address)
            assert why, f"0x{address:x}: {ours and hex(ours)}, kdmp-parser {theirs and hex(theirs)}"
            self.differences.add(why)
            return False
        if ours is None or self._pages.offset_of(ours >> 12) is None:
            return False
        page = self.parser.read_virtual_page(address & -PAGE, self.root)
        assert self.memory.read(address & -PAGE, PAGE) == page, hex(address)
        return True

    def _ours(self, address: int) -> int | None:
        try:
            return self.memory.translate(address)
        except MemoryReadError:
            return None

    def table(self, frame: int) -> tuple[int, ...]:
        """Return the entries of a page table, none where it is not in the dump."""
        offset = self._pages.offset_of(frame)
        data = b"" if offset is None else self._file.read(offset, PAGE)
        return struct.unpack("<512Q", data) if len(data) == PAGE else ()

    def _why(self, address: int) -> str | None:
        if address >> 47 not in (0, (1 << 17) - 1):
            return NOT_CANONICAL
        frame = self.root >> 12
        for shift in (39, 30, 21, 12):
            entries = self.table(frame)
            entry = entries[address >> shift & 0x1FF] if entries else 0
            if not entry & PRESENT:
                return IN_TRANSITION if entry & (TRANSITION | PROTOTYPE) == TRANSITION else None
            frame = (entry & FRAME) >> 12
            if frame >> 36:
                return ABOVE_48_BITS
            if entry & LARGE_PAGE and shift in (30, 21):
                return LARGE_NOT_ALIGNED if frame & (1 << shift - 12) - 1 else None
        return None


def mapped_addresses(both: Both) -> list[int]:
    """Find what is mapped by going through all page tables, each one once for every level; of large pages both ends."""
    found: list[int] = []
    seen: set[tuple[int, int]] = set()

    def walk(frame: int, shift: int, start: int) -> None:
        if (frame, shift) in seen:
            return
        seen.add((frame, shift))
        for index, entry in enumerate(both.table(frame)):
            if entry & (PRESENT | TRANSITION):
                at = start | index << shift
                if shift == 12 or (entry & LARGE_PAGE and shift < 39):
                    found.extend((at, at + (1 << shift) - PAGE))
                else:
                    walk((entry & FRAME) >> 12, shift - 9, at)

    walk(both.root >> 12, 39, 0)
    return [address | (0xFFFF << 48 if address >> 47 & 1 else 0) for address in found]


def random_addresses(chance: random.Random, mapped: list[int]) -> Iterator[int]:
    for _ in range(ADDRESSES // 20):
        yield chance.getrandbits(64)
        yield chance.choice(mapped) ^ 1 << chance.randrange(64)


def compare_memory(
    copy: Path, data: bytes, chance: random.Random, directory_table_base: int | None = None
) -> tuple[int, set[str]]:
    """Compare what both make of addresses, mapped and not. Gives how many pages there were, and known differences.

    directory_table_base: of a process; without it, the one in the header.
    """
    parser = open_both(copy, data)
    with open_dump(copy) as dump:
        root = dump.header.directory_table_base if directory_table_base is None else directory_table_base
        both = Both(parser, dump, root & FRAME)
        mapped = mapped_addresses(both)
        chosen = chance.sample(mapped, min(ADDRESSES, len(mapped)))
        addresses = [address + chance.randrange(PAGE) for address in chosen]
        compared = sum(both.compare(address) for address in (*addresses, *random_addresses(chance, mapped)))
    return compared, both.differences


@each_dump_of_four_levels
def test_both_translate_alike(path: Path, copy: Path) -> None:
    compared, differences = compare_memory(copy, content(path), random.Random(1))
    assert compared > 50
    assert differences <= {IN_TRANSITION, NOT_CANONICAL}  # sound page tables have no others


each_x64_sample = pytest.mark.parametrize(
    "name", [name for name, sample in LARGE.items() if sample.machine.page_tables is X64]
)


@each_x64_sample
def test_both_translate_alike_in_every_process(name: str, copy: Path) -> None:
    crashed = crash(LARGE[name].machine)
    assert len(crashed.spaces) > 1
    for space in crashed.spaces.values():
        root = crashed.directory_table_base(space)
        compared, differences = compare_memory(copy, original(name).data, random.Random(2), root)
        assert compared > 50
        assert differences <= {IN_TRANSITION, NOT_CANONICAL}


@each_x64_sample
def test_both_translate_alike_through_changed_page_tables(name: str, copy: Path) -> None:
    chance, base = random.Random(name), original(name)
    entries = next(place.offsets for place in base.places if place.name == "page tables")
    compared, differences = 0, set[str]()
    for _ in range(8):
        changes = [
            Overwrite(offset, changed_entry(chance, base.data, offset, base.values))
            for offset in chance.sample(entries, len(entries) // chance.choice((4, 20, 100)))
        ]
        pages, why = compare_memory(copy, changed(base, changes), chance)
        compared, differences = compared + pages, differences | why
    assert compared > 200
    assert {IN_TRANSITION, NOT_CANONICAL} <= differences <= KNOWN


def changed_entry(chance: random.Random, data: bytes, offset: int, values: tuple[int, ...]) -> bytes:
    """Return an entry that differs in a bit, leads where another one does, or is anything."""
    (entry,) = struct.unpack_from("<Q", data, offset)
    changed = (
        entry ^ 1 << chance.randrange(64),
        entry ^ chance.choice((PRESENT, LARGE_PAGE, PRESENT | TRANSITION)),
        chance.choice(values),
        chance.getrandbits(64),
    )
    return struct.pack("<Q", chance.choice(changed))
