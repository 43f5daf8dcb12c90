"""The last changes of a registry hive, which Windows keeps in transaction logs beside it until it writes them out.

Layout and rules: "Windows registry file format specification" (M. Suhanov), and `recovery` of regipy, which copies the
whole hive and replays every entry of a log, those of earlier rounds included. Here, sectors of the logs are laid over
the hive as it is read. Hashes of entries are not checked.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from windbg_ext.errors import DumpError
from windbg_ext.limits import MAX_LOG_ENTRIES, MAX_LOG_SECTORS
from windbg_ext.sources.beside import open_beside
from windbg_ext.values import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from windbg_ext.limits import Budget
    from windbg_ext.sources import Source

ENDINGS = (".LOG1", ".LOG2", ".LOG")
"""Windows Vista and later write the first two in turn, Windows XP the third."""
SECTOR = 512
BASE_BLOCK_IN_LOG = SECTOR
"""A log begins with the first sector of the hive's base block."""
BASE_BLOCK = 0x1000
BASE = struct.Struct("<4sIIQ7I")
"""Signature, primary and secondary sequence number, time, version (2), type, format, root key, bytes of bins, 1."""
CHECK_SUM_AT = 508
ENTRY = struct.Struct("<4s5I16s")
"""Signature, size, flags, sequence number, bytes of bins, count of pages, hashes: logs of Windows 8.1 and later."""
ENTRY_SIGNATURE, VECTOR_SIGNATURE = b"HvLE", b"DIRT"
"""The second one: a bitmap of the changed sectors, and the sectors: logs up to Windows 8."""


class Replay(NamedTuple):
    """What the logs of a hive change. sectors: by number, counted from the first bin, where the new one lies (source,
    offset); bins: bytes of all bins; entries: how many were applied; logs: names of those that they came from;
    problems: of logs that cannot be read.
    """

    sectors: dict[int, tuple[Source, int]]
    bins: int
    entries: int
    logs: tuple[str, ...]
    problems: tuple[str, ...]


@dataclass(frozen=True)
class HiveState:
    """Whether a hive is up to date. dirty: Windows had not yet written everything to it.

    found: the logs beside it; logs, entries: those that had the rest, and how many changes; problems: of logs.
    """

    dirty: bool = False
    found: tuple[str, ...] = ()
    logs: tuple[str, ...] = ()
    entries: int = 0
    problems: tuple[str, ...] = ()

    @property
    def outdated(self) -> bool:
        """Whether changes may be missing."""
        return self.dirty and not self.entries

    @property
    def notes(self) -> tuple[str, ...]:
        """What the reader of a report has to know."""
        if not self.dirty:
            return ()
        if self.outdated:
            told = (
                "the hive was not written out in full, as when it is copied from a running Windows: the last changes "
                "of the kind of dump, of paging files and of dump files may be missing; "
            )
            if self.found:
                told += f"{' and '.join(self.found)} beside it do not go on from it: copy all of them at once"
            else:
                told += "they are in SYSTEM.LOG1 and SYSTEM.LOG2: put those beside it"
        else:
            changes = f"{self.entries:,} changes" if self.entries != 1 else "1 change"
            told = f"the hive was not written out in full: the rest, {changes}, was taken from {', '.join(self.logs)}"
        return (told, *self.problems)


class _Entry(NamedTuple):
    """Changes that Windows made at once. pages: (offset from the first bin, bytes, offset in the log)."""

    sequence: int
    bins: int
    log: Source
    pages: tuple[tuple[int, int, int], ...]


def sequence_numbers(base: bytes) -> tuple[int, int] | None:
    """Return the sequence numbers of a base block; None if it is none, or was not written in full.

    The first one rises before Windows writes to a hive, the second one when it has done so.
    """
    if len(base) < SECTOR or base[:4] != b"regf":
        return None
    check_sum = 0
    for word in struct.unpack_from("<127I", base):
        check_sum ^= word
    # two values stand for others, which Windows never writes
    check_sum = {0: 1, 0xFFFFFFFF: 0xFFFFFFFE}.get(check_sum, check_sum)
    if struct.unpack_from("<I", base, CHECK_SUM_AT)[0] != check_sum:
        return None
    fields = BASE.unpack_from(base)
    return fields[1], fields[2]


def open_logs(hive: Source) -> tuple[list[Source], list[str]]:
    """Open the logs that lie beside a hive, and return them with what is wrong with others.

    A packed hive may have packed logs: SYSTEM.LOG1.xz, or SYSTEM.LOG1, beside SYSTEM.xz.
    """
    logs: list[Source] = []
    problems: list[str] = []
    for names in _names(hive.base_name):
        for name in names:
            try:
                log = open_beside(hive, name)
            except DumpError as error:
                problems.append(f"{name}: {error.why}")
                break
            if log is not None:
                logs.append(log)
                break
    return logs, problems


def _names(base_name: str) -> Iterator[list[str]]:
    """Yield the names that each log may have."""
    stem, dot, packed = base_name.rpartition(".")
    for ending in ENDINGS:
        names = [base_name + ending, base_name + ending.lower()]
        if dot:
            names += [f"{stem}{ending}.{packed}", stem + ending]
        yield names


def replay(secondary: int, bins: int, logs: Sequence[Source], problems: Iterable[str], budget: Budget) -> Replay:
    """Return what the logs change in a hive, from its secondary sequence number on. bins: bytes of its bins."""
    entries: list[_Entry] = []
    told = list(problems)
    for log in logs:
        try:
            entries += _entries(log, budget)
        except (DumpError, OSError) as error:
            why = error.why if isinstance(error, DumpError) else f"cannot be read ({error.strerror})"
            told.append(f"{log.base_name}: {why}")
    sectors: dict[int, tuple[Source, int]] = {}
    applied: list[_Entry] = []
    for entry in sorted((entry for entry in entries if entry.sequence >= secondary), key=_sequence):
        if applied and entry.sequence > applied[-1].sequence + 1:
            break  # what lies between is lost
        applied.append(entry)
        for at, length, offset in entry.pages:
            for step in range(0, length, SECTOR):
                sectors[(at + step) // SECTOR] = entry.log, offset + step
    return Replay(
        sectors,
        applied[-1].bins if applied else bins,
        len(applied),
        tuple(dict.fromkeys(entry.log.base_name for entry in applied)),
        tuple(told),
    )


def _sequence(entry: _Entry) -> int:
    return entry.sequence


def _entries(log: Source, budget: Budget) -> Iterator[_Entry]:
    """Yield the entries of a log; none of an empty one, or one that Windows had begun to write."""
    base = log.read(0, SECTOR)
    numbers = sequence_numbers(base)
    if numbers is None:
        return
    signature = log.read(BASE_BLOCK_IN_LOG, 4)
    if signature == ENTRY_SIGNATURE:
        yield from _new_entries(log, budget)
    elif signature == VECTOR_SIGNATURE and numbers[0] == numbers[1]:
        yield _old_entry(log, numbers[0], BASE.unpack_from(base)[9], budget)


def _new_entries(log: Source, budget: Budget) -> Iterator[_Entry]:
    """Yield the entries of a log of Windows 8.1 or later, up to one that is of an earlier round or cut off."""
    at, expected = BASE_BLOCK_IN_LOG, None
    while True:
        head = log.read(at, ENTRY.size)
        if len(head) < ENTRY.size:
            return
        signature, size, _, sequence, bins, count, _ = ENTRY.unpack(head)
        pages_at = at + ENTRY.size + 8 * count
        whole = pages_at <= at + size <= log.size and size % SECTOR == 0
        if signature != ENTRY_SIGNATURE or not whole or (expected is not None and sequence != expected):
            return
        budget.draw(MAX_LOG_ENTRIES, 1, "entries")
        budget.draw(MAX_LOG_SECTORS, size // SECTOR, "pages")
        pages = list(_pages(log.read(at + ENTRY.size, 8 * count), pages_at))
        if any(offset % SECTOR or length % SECTOR or end > at + size for offset, length, end in pages):
            return
        placed = tuple((offset, length, end - length) for offset, length, end in pages)
        yield _Entry(sequence, bins, log, placed)
        at, expected = at + size, sequence + 1


def _pages(references: bytes, at: int) -> Iterator[tuple[int, int, int]]:
    """Yield (offset from the first bin, bytes, where they end in the log) of each page of an entry."""
    for offset, length in struct.iter_unpack("<II", references):
        at += length
        yield offset, length, at


def _old_entry(log: Source, sequence: int, bins: int, budget: Budget) -> _Entry:
    """Return the changes in a log up to Windows 8: a bit for each sector of the bins, and the sectors that changed."""
    start = BASE_BLOCK_IN_LOG + len(VECTOR_SIGNATURE)
    budget.draw(MAX_LOG_SECTORS, bins // SECTOR // 64, "bitmap")
    bitmap = log.read(start, bins // SECTOR // 8)
    budget.draw(MAX_LOG_SECTORS, bin(int.from_bytes(bitmap, "little")).count("1"), "bitmap")
    changed = [number * 8 + bit for number, byte in enumerate(bitmap) if byte for bit in range(8) if byte >> bit & 1]
    data = -(-(start + bins // SECTOR // 8) // SECTOR) * SECTOR
    if data + len(changed) * SECTOR > log.size:
        raise DumpError("bitmap", "names more sectors than the log has")
    pages = tuple((number * SECTOR, SECTOR, data + index * SECTOR) for index, number in enumerate(changed))
    return _Entry(sequence, bins, log, pages)


class ReplayedHive:
    """A hive as it is with what its logs change."""

    def __init__(self, hive: Source, replayed: Replay) -> None:
        self._hive = hive
        self._sectors = replayed.sectors
        self.size = max(hive.size, BASE_BLOCK + replayed.bins) if replayed.entries else hive.size

    def read(self, offset: int, length: int) -> bytes:
        """Read up to `length` bytes from `offset`; fewer where the hive ends. Raise OSError as the system does."""
        length = max(0, min(length, self.size - offset))
        data = bytearray(self._hive.read(offset, length))
        data += bytes(length - len(data))  # a hive that has grown: all of the new bins are in the logs
        first, end = (offset - BASE_BLOCK) // SECTOR, offset - BASE_BLOCK + length
        for number in range(max(0, first), -(-end // SECTOR)):
            found = self._sectors.get(number)
            if found is not None:
                log, at = found
                sector = log.read(at, SECTOR)
                start = BASE_BLOCK + number * SECTOR - offset
                clipped = sector[max(0, -start) : length - start]
                data[max(0, start) : max(0, start) + len(clipped)] = clipped
        return bytes(data)
