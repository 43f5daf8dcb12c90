"""The fuzzing targets: one for each reader, and one for each command on a whole file.

An input of the fuzzer is a few bytes: which file to start from, which options, then changes of that file (see
`mutations.decoded`). So inputs are small, pass the signatures, and hold no bytes of a dump.
A reader may refuse a file with a DumpError; what it returns must make sense.
"""

from __future__ import annotations

import gzip
import io
import lzma
import os
import struct
import tempfile
import zlib
from bisect import bisect_left
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Callable, NamedTuple

from support.command_line import run
from support.contract import check_minify, check_outcome
from support.dump_bytes import dump32
from support.mutations import (
    BITMAPS,
    BY_NAME,
    FIRST_PAGE,
    LARGE,
    RANGES,
    Original,
    Place,
    by_header,
    changed,
    decoded,
    original,
)
from support.packers import PACKERS, zip_file
from support.registry_hives import CRASH_CONTROL, ENVIRONMENT, HIVEXSH, MEMORY_MANAGEMENT, write_system_hive

from windbg_ext.dump import load_small_dump, open_dump, write_small_dump
from windbg_ext.dump.header import KnownFields, header_layouts, parse_header
from windbg_ext.dump.pages import BitmapPages, read_page_source
from windbg_ext.dump.secondary import read_secondary_data
from windbg_ext.dump.small import read_drivers, read_small_dump
from windbg_ext.errors import DumpError, MemoryReadError, NotInDumpError, NotMappedError
from windbg_ext.kernel import DumpTarget, read_kernel
from windbg_ext.kernel.debugger_data import read_debugger_data
from windbg_ext.limits import Budget
from windbg_ext.memory import PagedMemory
from windbg_ext.sources import open_source, read_field
from windbg_ext.sources.archive import UNKNOWN_SIZE, ArchiveMember
from windbg_ext.sources.local import LocalFile
from windbg_ext.structs.debugger_data import MAX_SIZE
from windbg_ext.structs.header import DumpType

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from support.registry_hives import Value

    from samples.builder import Sample
    from windbg_ext.dump import Dump
    from windbg_ext.dump.header import DumpHeader
    from windbg_ext.sources import Source

CORPUS = Path(__file__).parent / "corpus"
PAGE = 0x1000


@dataclass(frozen=True)
class Target:
    """Something that reads a file. make_bases: the files to change, by name; check: reads one and asserts what holds.

    check takes the path, and a byte of the input for options.
    """

    name: str
    make_bases: Callable[[], Mapping[str, Original]]
    check: Callable[[Path, int], None]

    @cached_property
    def bases(self) -> dict[int, Original]:
        """The files to change by a key that stays the same when others are added."""
        bases = self.make_bases()
        keyed = {key_of(name): base for name, base in bases.items()}
        assert len(keyed) == len(bases), "two names have one key: rename one"
        return dict(sorted(keyed.items()))

    def file(self, data: bytes) -> bytes:
        """Return the file that an input of the fuzzer stands for."""
        keys = list(self.bases)
        index = bisect_left(keys, int.from_bytes(data[:2], "big")) % len(keys)
        base = self.bases[keys[index]]
        return changed(base, decoded(data[3:], base))

    def corpus(self) -> list[bytes]:
        """Return inputs to begin with: every file unchanged, and what earlier runs found and kept."""
        unchanged = [key.to_bytes(2, "big") + b"\0" for key in self.bases]
        kept = CORPUS / f"{self.name}.txt"
        lines = kept.read_text().splitlines() if kept.exists() else ()
        return [*unchanged, *(bytes.fromhex(line.partition("#")[0]) for line in lines)]

    def check_bases(self) -> None:
        """Assert that every file is read while it is unchanged."""
        for key in self.bases:
            with _folder() as folder:
                (folder / "MEMORY.DMP").write_bytes(self.file(key.to_bytes(2, "big")))
                self.check(folder / "MEMORY.DMP", 0)

    def run(self, data: bytes) -> None:
        """Try one input. Any exception is a bug in a reader."""
        with _folder() as folder, suppress(DumpError):
            (folder / "MEMORY.DMP").write_bytes(self.file(data))
            self.check(folder / "MEMORY.DMP", data[2] if len(data) > 2 else 0)


IN_MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
"""A place for files in memory, if the system has one."""


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as folder:
        yield Path(folder)


def key_of(name: str) -> int:
    """Return a number of two bytes that is made of a file's name and selects it."""
    return zlib.crc32(name.encode()) & 0xFFFF


# --- files to start from ---


def _samples(
    *places: str, of: Callable[[Sample], bool] = lambda sample: True, cut: bool = False
) -> dict[str, Original]:
    """Return samples of which only some structures are changed. cut: without their pages."""
    chosen = {}
    for name, sample in BY_NAME.items():
        if of(sample):
            base = original(name)
            kept = tuple(place for place in base.places if not places or place.name in places)
            data = base.data[: _first_page(sample, base.data)] if cut else base.data
            chosen[name] = replace(base, data=data, places=kept)
    return chosen


def _first_page(sample: Sample, data: bytes) -> int:
    """Return the offset of the first page of a large dump."""
    end = sample.machine.architecture.layouts.header.SIZE
    form, offset = FIRST_PAGE.get(sample.format.dump_type, ("", 0))
    return int(struct.unpack_from(form, data, end + offset)[0]) if form else end


def _of_type(*types: DumpType) -> Callable[[Sample], bool]:
    return lambda sample: sample.format.dump_type in types


def _is_large(sample: Sample) -> bool:
    return sample.name in LARGE


def _headers() -> dict[str, Original]:
    return {name: replace(base, data=base.data[:0x2000]) for name, base in _samples("header").items()}


def _summaries() -> dict[str, Original]:
    bitmap = bytes(range(0x80))
    body = struct.pack("<8s4I8x", b"SDMPDUMP", 0, 0x2000, 8 * len(bitmap), sum(bin(byte).count("1") for byte in bitmap))
    odd = by_header(dump32(2, body + bitmap).ljust(0x2000, b"\0"))
    return {"summary": odd, **_samples("body", of=_of_type(DumpType.SUMMARY), cut=True)}


def _small(pointer_size: int) -> Callable[[], dict[str, Original]]:
    def has_pointers(sample: Sample) -> bool:
        return not _is_large(sample) and sample.machine.architecture.pointer_size == pointer_size

    return lambda: _samples(of=has_pointers)


def _chains() -> dict[str, Original]:
    chains = {}
    for name in BY_NAME:
        data = original(name).data
        start = data.rfind(b"DumpBlob")
        if start >= 0:
            chain = data[start:]
            chains[name] = Original(chain, (Place("chain", tuple(range(0, len(chain), 4))),), (len(chain), 0x20))
    return chains


def _packed() -> dict[str, Original]:
    small = original("small").data[:0x3000]
    halves = small[:0x1800], small[0x1800:]
    files = {
        **{kind: pack(small) for kind, pack in PACKERS.items() if kind != "gzip"},
        "gzip": gzip.compress(small, mtime=0),
        "gzip of two": b"".join(gzip.compress(half, mtime=0) for half in halves) + bytes(0x20),
        "xz of two": bytes(8).join(lzma.compress(half, preset=0) for half in halves),
        "xz without a dump": lzma.compress(bytes(1 << 20), check=lzma.CHECK_NONE),
        "zip of two": zip_file({"readme.txt": b"read me", "MEMORY.DMP": small}),
    }
    return {name: _anywhere(data) for name, data in files.items()}


def _packed_dumps() -> dict[str, Original]:
    """Return whole dumps in packed files, to be unpacked by a command."""
    data = original("ranges-kernel").data
    return {f"dump in {kind}": _anywhere(PACKERS[kind](data)) for kind in ("xz", "zstd", "zip", "CAB, MSZIP")}


def _anywhere(data: bytes) -> Original:
    size = len(data)
    places = (Place("start", tuple(range(min(size, 0x20)))), Place("end", tuple(range(max(0, size - 0x40), size))))
    return Original(data, (*places, Place("all", tuple(range(size)))), (size, 0x3000))


def _hives() -> dict[str, Original]:
    """Return a SYSTEM hive, or nothing if the program that writes it is missing."""
    if HIVEXSH is None:
        return {}
    crash: dict[str, Value] = {
        "CrashDumpEnabled": 7,
        "DumpFile": "%SystemRoot%\\MEMORY.DMP",
        "DedicatedDumpFile": "D:\\dedicated.sys",
    }
    memory: dict[str, Value] = {"PagingFiles": ["C:\\pagefile.sys 0 0", "D:\\pagefile.sys 16 4096"]}
    environment: dict[str, Value] = {"PROCESSOR_ARCHITECTURE": "AMD64"}
    with _folder() as folder:
        keys = {CRASH_CONTROL: crash, MEMORY_MANAGEMENT: memory, ENVIRONMENT: environment}
        data = write_system_hive(folder / "SYSTEM", keys).read_bytes()
    used = tuple(offset for offset in range(0, len(data), 2) if any(data[offset : offset + 4]))
    numbers = tuple(int.from_bytes(data[offset : offset + 4], "little") for offset in used[::7])
    return {"SYSTEM": Original(data, (Place("header", tuple(range(0, 0x100, 4))), Place("cells", used)), numbers)}


def _any_file() -> dict[str, Original]:
    return {**_samples(), **_headers_as_files(), **_summaries(), **_packed(), **_packed_dumps()}


def _headers_as_files() -> dict[str, Original]:
    bases = {f"header of {name}": base for name, base in _headers().items()}
    return {**bases, "of 32-bit Windows": by_header(dump32(1, runs=((1, 0x9E), (0x100, 2)), NumberProcessors=2))}


# --- readers ---


def _read_header(file: Source) -> DumpHeader:
    structure = header_layouts(file).header
    return parse_header(KnownFields(structure.parse(read_field(file, structure.NAME, 0, structure.SIZE))))


def check_header(path: Path, _option: int) -> None:
    """Assert that the header's structure has the same bytes as the header, and no more runs than fit in."""
    with closing(LocalFile(path)) as file:
        header = _read_header(file)
        assert header.raw.build() == file.read(0, header.size)
        assert len(header.physical_memory or ()) <= 86


def check_pages(path: Path, _option: int) -> None:
    """Assert that pages lie between header and end, no two in one place, and are those of the bitmap's bits."""
    with closing(LocalFile(path)) as file:
        header = _read_header(file)
        source = read_page_source(file, header, Budget())
        if source is None:
            return
        first = source.end - PAGE * (source.counted_pages if isinstance(source, BitmapPages) else source.page_count)
        taken: dict[int, int] = {}
        frames = {*range(0, 0x280, 3), *range(0x2FFE, 0x3004), source.frames - 1, source.frames, 1 << 40, 1 << 52}
        for pfn in sorted(pfn for pfn in frames if pfn >= 0):
            offset = source.offset_of(pfn)
            assert source.pages_below(pfn + 1) - source.pages_below(pfn) == (offset is not None)
            if offset is not None:
                assert header.size <= first <= offset <= source.end - PAGE
                assert (offset - first) % PAGE == 0
                assert taken.setdefault(offset, pfn) == pfn
            if isinstance(source, BitmapPages):
                bitmap = header.size + (0x20 if header.dump_type is DumpType.SUMMARY else 0x38)
                bit = file.read(bitmap + pfn // 8, 1)
                assert (offset is not None) == (pfn < source.frames and bit[0] >> pfn % 8 & 1 == 1)


def check_small(path: Path, _option: int) -> None:
    """Assert that what is read from a small dump can be written, and reads the same again."""
    with closing(LocalFile(path)) as file:
        header = _read_header(file)
        parts = read_small_dump(file, header, Budget())
        drivers = read_drivers(file, parts, Budget())
        dump = load_small_dump(file, header, parts, Budget())
        assert dump.drivers == drivers
        assert sum(len(block.data) for block in dump.data_blocks) <= file.size
    written = io.BytesIO()
    length = write_small_dump(dump, b"", written)
    assert length == len(written.getvalue()) <= 0x3000 + 8 * file.size
    path.write_bytes(written.getvalue())
    with closing(LocalFile(path)) as file:
        again = _read_header(file)
        back = load_small_dump(file, again, read_small_dump(file, again, Budget()), Budget())
    kept = ("unloaded_drivers", "call_stack", "debugger_data", "data_page", "data_blocks", "top_of_stack")
    assert {name: getattr(back, name) for name in kept} == {name: getattr(dump, name) for name in kept}
    assert [driver.name for driver in back.drivers] == [driver.name for driver in drivers]


def check_secondary(path: Path, _option: int) -> None:
    """Assert that the chain and each of its blobs lie in the file, one behind the other."""
    with closing(LocalFile(path)) as file:
        chain = read_secondary_data(file, 0, Budget())
        if chain is not None:
            assert 0 <= chain.size <= file.size
            end = 0x10
            for blob in chain.blobs:
                assert end + 0x20 <= blob.offset <= blob.offset + blob.size <= file.size
                assert len(str(blob.tag)) == 36
                end = blob.offset + blob.size


def check_packed(path: Path, _option: int) -> None:
    """Assert that a packed file's content is always the same, and as long as it says."""
    with closing(LocalFile(path)) as file:
        content = open_source(file)
        if not isinstance(content, ArchiveMember):
            return
        later = content.read(0x2000, 0x100)
        start = content.read(0, 0x2100)
        assert start[0x2000:] == later
        content.find_end()
        if content.size != UNKNOWN_SIZE:
            assert content.read(content.size - 8, 16) == content.read(content.size - 8, 8)
            assert content.read(content.size, 1) == b""
        assert content.read(0, 0x2100) == start


# --- memory and the kernel's structures ---


def check_debugger_data(path: Path, _option: int) -> None:
    """Assert that a debugger data block has its tag and a plausible size, wherever it was found."""
    with open_dump(path) as dump:
        memory, header = DumpTarget(dump).memory, dump.header
        for address in (header.kd_debugger_data_block, None):
            with suppress(DumpError):
                block = read_debugger_data(memory, address, header.ps_loaded_module_list, dump.budget)
                assert block.data[0x10:0x14] == b"KDBG"
                assert len(block.data) <= MAX_SIZE


def check_kernel(path: Path, _option: int) -> None:
    """Assert that no list exceeds its bound, and that no entry occurs twice."""
    with open_dump(path) as dump:
        kernel = read_kernel(DumpTarget(dump))
        assert len(kernel.processors) == dump.header.number_processors
        for listed in (kernel.modules, kernel.user_modules):
            entries = [module.entry_address for module in listed.modules]
            assert len(set(entries)) == len(entries) <= 4096
            assert all(
                len(module.name) <= 0x7FFF for module in listed.modules
            )  # a UNICODE_STRING has a 16-bit length in bytes
        assert len(kernel.unloaded_drivers or ()) <= 50
        assert all(len(driver.name) <= 12 for driver in kernel.unloaded_drivers or ())


def check_paging(path: Path, option: int) -> None:
    """Assert that a plain walk of the page tables finds the same page, and that all ways to read agree."""
    with open_dump(path) as dump:
        target = DumpTarget(dump)
        memory = target.memory
        assert isinstance(memory, PagedMemory)
        tables = TABLES[memory.paging.name]
        for address in _addresses(dump.header, option):
            if address >> 8 * memory.layouts.pointer_size:
                continue
            assert _translated(memory, address) == walk(dump, tables, address)
            length = 3 * PAGE >> option % 8
            pieces = list(memory.present(address, length))
            ends = [piece.address + len(piece.data) for piece in pieces]
            assert all(end <= piece.address for end, piece in zip(ends, pieces[1:]))
            assert all(address <= piece.address < address + length for piece in pieces)
            with suppress(MemoryReadError):
                assert memory.read(address, length) == b"".join(piece.data for piece in pieces)
        pages = target.count_kernel_pages()
        ram = sum(run.page_count for run in dump.header.physical_memory or ())
        assert pages is None or 0 <= pages.count <= ram


def _translated(memory: PagedMemory, address: int) -> int | None:
    """Translate an address as `walk` does."""
    try:
        return memory.translate(address)
    except NotMappedError:
        return None
    except NotInDumpError as missing:
        return missing.pfn


def _addresses(header: DumpHeader, option: int) -> list[int]:
    """Return addresses of the kernel, and some that no dump has."""
    named = (header.kd_debugger_data_block, header.ps_loaded_module_list, header.ps_active_process_head)
    odd = (0, 0xFFF, option << 39, option << 24, (1 << 47) - 8, 1 << 47, 1 << 63, (1 << 64) - PAGE)
    shared = (0xFFFFF780_00000000, 0xFFDF0000)
    halves = (*(index << 39 | 0xFFFF << 48 for index in range(256, 512, 32)), *range(1 << 31, 1 << 32, 1 << 28))
    return [*filter(None, named), *odd, *shared, *halves]


class Tables(NamedTuple):
    """Page tables. shifts: of the index into each, the root first; large: those whose entries may map a page."""

    entry_size: int
    shifts: tuple[int, ...]
    large: tuple[int, ...]
    address_bits: int
    frame: int = 0x000F_FFFF_FFFF_F000
    root: int = 0x000F_FFFF_FFFF_F000
    large_bit: int = 0x80
    is_large: int = 0x80


TABLES = {
    "x86": Tables(4, (22, 12), (22,), 32, frame=0xFFFF_F000, root=0xFFFF_F000),
    "x86 PAE": Tables(8, (30, 21, 12), (21,), 32, root=0xFFFF_FFE0),
    "x64": Tables(8, (39, 30, 21, 12), (30, 21), 48),
    "x64 LA57": Tables(8, (48, 39, 30, 21, 12), (30, 21), 57),
    "ARM64": Tables(
        *(8, (39, 30, 21, 12), (30, 21), 48), frame=0xFFFF_FFFF_F000, root=0xFFFF_FFFF_F000, large_bit=2, is_large=0
    ),
}
"""Sources: Intel SDM volume 3, chapter 4; Arm ARM, chapter D8."""


def walk(dump: Dump, tables: Tables, address: int) -> int | None:
    """Translate an address by a plain walk; an entry in transition leads on, too.

    Return None if nothing is mapped there, else a physical address, or the page frame of a table that is not in the
    dump.
    """
    assert dump.pages is not None
    above = address >> tables.address_bits - 1
    if tables.address_bits > 32 and above not in (0, (1 << 65 - tables.address_bits) - 1):
        return None
    table = dump.header.directory_table_base & tables.root
    for shift in tables.shifts:
        offset = dump.pages.offset_of(table >> 12)
        page = b"" if offset is None else dump.source.read(offset, PAGE)
        if len(page) < PAGE:
            return table >> 12
        top = tables.address_bits if shift == tables.shifts[0] else tables.shifts[tables.shifts.index(shift) - 1]
        at = table % PAGE + (address >> shift & (1 << top - shift) - 1) * tables.entry_size
        entry = int.from_bytes(page[at : at + tables.entry_size], "little")
        if not entry & 1 and entry & 0xC00 != 0x800:
            return None
        table = entry & tables.frame
        if entry & 1 and shift in tables.large and entry & tables.large_bit == tables.is_large:
            below = (1 << shift) - 1
            return table & ~below | address & below
    return table | address % PAGE


# --- commands ---

DUMPKIND = ((), ("-v",), ("--json",), ("--csv",), ("-v", "--json"))
PAGEFILEFIT = ((), ("--json",), ("--ram", "64G"), ("--pagefile", "16G"), ("--ram", "8G", "--json"))
MINIFY = (
    (),
    ("--salvage",),
    ("--salvage",),
    ("--size", "64K"),
    ("--size", "120K", "--salvage"),
    ("--size", "1G", "--salvage"),
    ("--json", "--salvage"),
    ("--comment", "a comment", "--salvage"),
)


def check_dumpkind(path: Path, option: int) -> None:
    """Assert that `dumpkind` reports what the file is."""
    options = DUMPKIND[option % len(DUMPKIND)]
    check_outcome(run("dumpkind", path, *options), always_report="--json" in options or "--csv" in options)


def check_pagefilefit(path: Path, option: int) -> None:
    """Assert that `pagefilefit` answers, or says why not."""
    check_outcome(run("pagefilefit", path, *PAGEFILEFIT[option % len(PAGEFILEFIT)]))


def check_hive(path: Path, _option: int) -> None:
    """Assert that `pagefilefit` answers from a SYSTEM hive, or says why not."""
    check_outcome(run("pagefilefit", "--system-hive", path, "--ram", "16G"))


def check_minify_command(path: Path, option: int) -> None:
    """Assert that `minify` writes a small dump, or nothing."""
    destination = path.with_name("small.dmp")
    check_minify(run("minify", path, destination, *MINIFY[option % len(MINIFY)]), path.parent)


def _large(*places: str) -> Callable[[], dict[str, Original]]:
    return lambda: _samples(*places, of=_is_large)


STRUCTURES = ("modules", "unloaded drivers", "processors", "threads", "processes", "registered blocks")

TARGETS = (
    Target("header", _headers, check_header),
    Target("bitmap", lambda: _samples("body", of=_of_type(*BITMAPS), cut=True), check_pages),
    Target("ranges", lambda: _samples("body", of=_of_type(*RANGES), cut=True), check_pages),
    Target("runs", lambda: _samples("header", of=_of_type(DumpType.FULL), cut=True), check_pages),
    Target("summary-32", _summaries, check_pages),
    Target("small", _small(8), check_small),
    Target("small-32", _small(4), check_small),
    Target("secondary", _chains, check_secondary),
    Target("packed", _packed, check_packed),
    Target("debugger-data", _large("debugger data", "header"), check_debugger_data),
    Target("kernel", _large(*STRUCTURES), check_kernel),
    Target("paging", _large("page tables", "header"), check_paging),
    Target("system-hive", _hives, check_hive),
    Target("dumpkind", _any_file, check_dumpkind),
    Target("pagefilefit", _any_file, check_pagefilefit),
    Target("minify", lambda: {**_samples(), **_packed_dumps()}, check_minify_command),
)
BY_TARGET = {target.name: target for target in TARGETS}
