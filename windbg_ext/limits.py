"""How much one file may ask for: a table of limits with their reasons, and the budget that every reader draws on.

A number in a file costs nothing to write. So whatever is read, kept, walked or written because a file says so is drawn
from the budget that its opener made, before the work is done. The limits are what the formats and Windows itself allow,
or a multiple of the largest that was seen; honest dumps stay far below all of them.
"""

from __future__ import annotations

from windbg_ext.errors import DumpError
from windbg_ext.values import NamedTuple

MB = 1 << 20


class LimitError(DumpError):
    """A file asks for more than any honest one does. `field` is what asks for it."""


class Limit(NamedTuple):
    """The most of something that one file may ask for. unit: what is counted, as an error says it; why: the reason.

    per_byte: how much more each byte of packed data allows that was really read; advice: what the user can do then.
    """

    most: int
    unit: str
    why: str
    per_byte: int = 0
    advice: str = "the file is damaged, or was made to use up time and memory"

    def check(self, amount: int, field: str, packed: int = 0) -> None:
        """Raise LimitError where a field of the file asks for more than this. packed: bytes that were really read."""
        most = self.most + self.per_byte * packed
        if amount > most:
            why = f"asks for {amount:,} {self.unit}, at most {most:,} are read: {self.why}"
            raise LimitError(field, why, self.advice)


class Budget:
    """What is left of each limit for one file."""

    def __init__(self) -> None:
        self._drawn: dict[Limit, int] = {}
        self._packed = 0

    def earn(self, packed: int) -> None:
        """Note that so many more bytes of packed data were really read."""
        self._packed += packed

    def draw(self, limit: Limit, amount: int, field: str) -> None:
        """Note that a field of the file asks for so much. Raise LimitError where that exceeds the limit."""
        drawn = self._drawn.get(limit, 0) + amount
        limit.check(drawn, field, self._packed)
        self._drawn[limit] = drawn


# Packed files

UNPACK_IT = "unpack the file first"

# Dumps of a machine that hardly used its RAM shrink to a fiftieth; pages that are not all zeros shrink to a third.
MAX_UNPACKED = Limit(
    1 << 30,
    "bytes of content",
    "1 GB, and 64 for each packed byte",
    per_byte=64,
    advice=UNPACK_IT,
)
MAX_TEMPORARY = Limit(
    192 * MB,
    "bytes of a temporary file",
    "192 MB, and 64 for each packed byte",
    per_byte=64,
    advice=UNPACK_IT,
)
MAX_SHORT_STREAMS = Limit(
    100_000,
    "packed streams with next to nothing in them",
    "bgzip makes a stream for each 64 KB, others one for the whole file",
)
MAX_SHORT_BLOCKS = Limit(
    10_000,
    "short blocks",
    "all blocks of a CAB file but the last of each folder hold 32 KB",
)
MAX_LZX_STEPS = Limit(
    8_000_000,
    "steps of unpacking LZX",
    "packers spend 4 bits or more on a literal or match, and make a block of codes for each 32 KB",
    per_byte=2,
    advice=UNPACK_IT,
)
MAX_INDEX = Limit(
    512 << 10,
    "bytes of index",
    "xz writes some 8 bytes for each 24 MB of content",
)
MAX_XZ_STREAMS = Limit(1000, "xz streams whose indexes are added up", "xz itself writes one")
MAX_DIRECTORY = Limit(
    1 * MB,
    "bytes",
    "some thousand files are listed in that",
    advice="unpack it and name the dump that comes out",
)

# Dumps of pages

MAX_PAGE_FRAMES = Limit(
    1 << 36, "page frames", "256 TB, the most that Windows Server 2025 uses without five-level paging"
)
"""Of a bitmap; one of so many bits has 8 GB."""
MAX_RANGES = Limit(1 << 22, "ranges", "as many as 16 GB have where no two pages touch")
MAX_UNSORTED_RANGES = Limit(1 << 18, "ranges out of order", "Windows writes them in ascending order")

# Small dumps

MAX_STRUCTURE = 0xFFFF
"""Bytes of the PRCB, process and thread: the debugger data block tells the size of each in 16 bits (WDBGEXTS.H)."""
MAX_CALL_STACK = Limit(1 << 20, "bytes", "a kernel stack has at most 72 KB, and those that it was expanded by as many")
MAX_DEBUGGER_DATA = Limit(1 << 16, "bytes", "KDDEBUGGER_DATA64 has less than 1 KB")
MAX_DATA_PAGE = Limit(1 << 16, "bytes", "a page has 4 KB")
MAX_DATA_BLOCKS = Limit(
    1 << 19, "data blocks", "96 MB in blocks of 0x100 bytes have fewer, small dumps of Windows a few thousand"
)
MAX_DRIVERS = Limit(10_000, "drivers", "Windows loads a few hundred")
MAX_UNLOADED_DRIVERS = Limit(1_000, "unloaded drivers", "Windows keeps 50")
MAX_NAME = Limit(0x8000, "characters in one name", "a path of Windows has at most 32,767")
MAX_DRIVER_NAMES = Limit(1 << 20, "characters in the names of drivers", "those of 250 drivers with paths take 14,000")
MAX_PDB_NAMES = Limit(1 << 20, "characters in the names of PDBs", "those of 250 modules have 3,000")
MAX_SMALL_DUMP = Limit(256 * MB, "bytes to load at once", "small dumps of Windows have up to 10 MB")
MAX_PIECES = Limit(
    500_000, "pieces of memory to read from data blocks", "what is read of a structure is in one data block, or two"
)

# What goes into a small dump, whatever size is asked for

MAX_WINDOW_PAGES = 1 << 16
"""Pages that windows at pointers touch, counted for each window: 16 MB of windows. Real dumps have 8,000 windows."""
MAX_STACKS = 96 * MB
"""Bytes of threads and their stacks, overlapping ones counted each time: 4,000 of 24 KB."""
MAX_PAGES_WITH_ENTRIES = 1 << 17
"""Pages whose page-table entries are collected: those of as many windows, and of the other parts."""

# Secondary data

MAX_BLOBS = Limit(0x10000, "blobs", "Windows and drivers add a few dozen")
MAX_SECONDARY_COPIED = 64 * MB
"""Bytes that a small dump takes over unless a size is asked for. Honest dumps have up to 10 MB."""

# Reports

MAX_LISTED = 1 << 14
"""Entries of one list that a report shows; it says how many more there are."""

# Looking for what is personal

MAX_PRIVACY = Limit(
    96 * MB,
    "bytes to look through",
    "small dumps of Windows have up to 10 MB, with their secondary data",
    advice="look through a part of it: a small dump that --size keeps short",
)
MAX_STRETCHES = Limit(1 << 17, "data blocks to look through", "8 MB in windows of 0x100 bytes have 32,768")
MAX_TEXT = Limit(10_000_000, "characters of text to look through", "a small dump of 4 MB has 200,000")
MAX_SMBIOS = Limit(
    20_000, "SMBIOS structures, or what looks like one", "a machine has some 100; in noise, 32 KB have one"
)
MAX_THREADS = Limit(20_000, "data blocks that look like a thread", "a small dump of Windows has a few hundred")
MAX_SEARCHED = Limit(
    30_000_000,
    "characters to look through for all rules",
    "a small dump of 4 MB takes 2,000,000, with 64 for each text that a rule looks into",
)
MAX_LEARNED_SEARCH = Limit(
    3_000_000_000,
    "bytes to look through for names",
    "a small dump of 10 MB takes 700,000,000 with 20 names, of which a few have letters beyond ASCII",
    advice="look through a part of it: a small dump that --size keeps short",
)
MAX_WORD_PLACES = Limit(
    500_000, "places that hold a name", "short names are in other words, too, but in some thousand places"
)
MAX_MATCHES = Limit(20_000, "personal things in one dump", "small dumps of real machines have some hundreds")
MAX_OCCURRENCES = MAX_MATCHES.most
"""Places of one sort that a report lists: pieces of user-mode memory are counted, and may be more than matches."""
MAX_RULES_FILE = 1 * MB
"""Bytes of a user's own rules."""
MAX_RULES = 1_000
"""Words and globs of a user. Each takes a millisecond for a small dump of 4 MB."""
MAX_RULE = 200
"""Characters of a word or glob."""

# Kernel structures and page tables

MAX_DEBUGGER_DATA_CANDIDATES = Limit(
    1024, "places in the kernel's image that look like a debugger data block", "a kernel has one"
)
MAX_MODULE_NAMES = Limit(2 * MB, "bytes of module names", "those of 250 drivers with their paths take 30,000")
"""As many characters as a small dump may have (MAX_DRIVER_NAMES), names and paths, of kernel and process together."""
MAX_KERNEL_PAGES = Limit(1 << 24, "pages that page tables map", "64 GB of kernel memory in pages of 4 KB")
MAX_KERNEL_TABLES = Limit(1 << 18, "page tables", "they map 512 GB of kernel memory in pages of 4 KB")
MAX_FRAME_BLOCKS = Limit(
    1 << 18, "different places of RAM that page tables map", "4 TB of RAM with a kernel page in every 16 MB"
)

# Registry hives: see their tests for what is read of a SYSTEM hive of Windows 10

MAX_HIVE_BYTES = Limit(1 * MB, "bytes of keys and values", "the keys that are read have some 30 KB")
MAX_HIVE_READS = Limit(300_000, "fields", "the keys that are read, and those beside them, have some 6,500")
MAX_HIVE_VALUES = Limit(2_000, "values", "the keys that are read have some 50")
MAX_LOG_ENTRIES = Limit(10_000, "entries", "Windows writes out a hive within an hour, some hundred entries")
MAX_LOG_SECTORS = Limit(1 << 18, "sectors of 512 bytes", "128 MB; a log of a SYSTEM hive has a few MB")
MAX_VALUE = 64 << 10
"""Bytes of one value: a path of 32,767 characters. Microsoft advises to keep more than 2,048 in a file (Registry
Element Size Limits). What regipy takes for a string of a REG_MULTI_SZ grows with the square of its length."""
MAX_COLLECTED_REPORT = Limit(256 << 10, "bytes", "a report of pagefilefit as JSON has 15 KB")
MAX_COLLECTED_TEXT = 400
"""Characters of a text in such a report."""
MAX_LISTED_DRIVERS = 64
"""Drivers of a kind, or certificates, that are looked at: a machine has a handful."""
MAX_PAGING_FILES = 16
"""Windows uses no more."""
MAX_WINDOWS_PATH = 32_767
"""Characters of a path: the length of a UNICODE_STRING is a 16-bit number of bytes."""

# Catalogues

MAX_CATALOG_STEPS = Limit(
    20_000_000,
    "steps of the database",
    "all that is asked of a catalogue takes less than one for each byte of it",
    per_byte=10,
    advice="the catalogue is damaged, or was made to use up time and memory",
)
MAX_CATALOG_SCHEMA_STEPS = Limit(
    300_000,
    "steps of the database",
    "a catalogue has three tables and some indexes",
    advice="the catalogue is damaged, or was made to use up time and memory",
)
MAX_CATALOG_PAGES = Limit(1 << 28, "pages", "1 TB; 1,000,000 dumps take 600 MB")
MAX_CATALOG_VALUE = 200_000
"""Bytes of a value or row: a path of 32,767 characters outside of ASCII."""
MAX_CATALOG_HEAP = 64 << 20
"""Bytes for SQLite, which sorts and groups on disk, where its values have no limit (CPython before 3.11)."""
MAX_CATALOG_LIST = 8_000_000
"""Characters of the dumps that an HTML report of a catalogue lists: 2,000 dumps have 1,000,000."""
