"""The current control set of a SYSTEM registry hive, a file: from a disk image, a backup, another Windows.

Read with regipy, the one pure-Python reader of hives that is both maintained and under a permissive licence. It follows
whatever a hive says, so it sees the file through a view that draws every read on the hive's budget.
"""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, NoReturn

from windbg_ext.commands.pagefilefit.hive_logs import HiveState, ReplayedHive, open_logs, replay, sequence_numbers
from windbg_ext.commands.pagefilefit.settings import RegistryValue, path_of
from windbg_ext.errors import DumpError
from windbg_ext.limits import MAX_HIVE_BYTES, MAX_HIVE_READS, MAX_HIVE_VALUES, MAX_VALUE, Budget, LimitError
from windbg_ext.sources import open_source
from windbg_ext.sources.archive import ArchiveMember
from windbg_ext.sources.far import confirm
from windbg_ext.sources.progress import no_progress

if TYPE_CHECKING:
    from regipy.registry import NKRecord
    from typing_extensions import Self

    from windbg_ext.sources import Source, SourceLike
    from windbg_ext.sources.progress import Progress

SIGNATURE = b"regf"
BASE_BLOCK = 0x1000
"""Bytes in front of the first bin; offsets of cells count from behind them."""
MAX_UNPACKED = 240 << 20
"""Bytes of a packed hive that are unpacked; the SYSTEM hive of a server takes some ten MB, a very large one 200 MB."""
INLINE = 0x80000000
"""Of the length of a value: its data stands in place of the offset."""
WINDOW = 0x1000
"""Bytes that are read from the source at once: most keys are read field by field."""
DAMAGED = "the hive is damaged or cut short: copy it again"


class SystemHive:
    """A `Registry` over a hive, which may be packed. Raise DumpError, with its name, if it is none or unreadable."""

    def __init__(self, hive: SourceLike, progress: Progress = no_progress) -> None:
        logging.getLogger("regipy").setLevel(logging.CRITICAL)  # what is wrong is said once, and by us
        try:
            self._source = open_source(hive)
        except DumpError as error:
            error.advice = error.advice.replace("the dump", "the hive")  # sources know no hives
            raise
        self._owns_source = self._source is not hive
        self._logs: list[Source] = []
        self._children: dict[str, dict[str, NKRecord]] = {}
        self._cells = _Cells(self._source, Budget())
        try:
            self.state = self._read_header(progress)
            self._control_set = f"ControlSet{self._current():03}"
        except BaseException as error:
            if isinstance(error, DumpError):
                error.path = error.path or self._source.name
            self.close()
            raise
        self.name = f"SYSTEM hive {self._source.base_name}, {self._control_set}"

    def __enter__(self) -> Self:
        """Return the hive."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Close the file; a stream or a source of the caller stays open."""
        if self._owns_source:
            self._source.close()
        for log in self._logs:
            log.close()

    def confirm(self) -> None:
        """Raise DumpError where what was read of a hive on another machine is not to be trusted."""
        for source in (self._source, *self._logs):
            confirm(source)

    def values(self, key: str) -> dict[str, RegistryValue]:
        """Return the values of a key; see `Registry`."""
        return self._values(self._path(key))

    def subkeys(self, key: str) -> list[str]:
        """Return the names of the keys below one; see `Registry`."""
        path = self._path(key)
        if path.lower() not in self._children:
            self._cells.field = path
            try:
                parent = self._find(path)
                self._children[path.lower()] = {} if parent is None else _subkeys(parent)
            except Exception as error:
                raise self._failure(path, error) from None
        return [child.name for child in self._children[path.lower()].values()]

    def _path(self, key: str) -> str:
        return path_of(f"{self._control_set}\\Control", key)

    def _find(self, path: str) -> NKRecord | None:
        """Return a key by its path from the root, None if there is no such key."""
        parent, _, name = path.rpartition("\\")
        if parent.lower() not in self._children:
            above = self._find(parent) if parent else self._root
            self._children[parent.lower()] = {} if above is None else _subkeys(above)
        return self._children[parent.lower()].get(name.lower())

    def _read_header(self, progress: Progress) -> HiveState:
        """Read the base block, lay the logs over the hive where Windows had not yet written everything, find the root.

        Return whether that was so.
        """
        from regipy.structs import REGF_HEADER  # only here: most runs read no hive

        if self._cells.read(len(SIGNATURE)) != SIGNATURE:
            if self._cells.failure is not None:
                raise self._cells.failure
            raise self._error("regf", "the file is no registry hive", r"name Windows\System32\config\SYSTEM")
        self._cells.seek(0)
        try:
            header = REGF_HEADER.parse_stream(self._cells)
            end = BASE_BLOCK + header.hive_bins_data_size
            if isinstance(self._source, ArchiveMember) and end > self._source.reach:
                self._source.unpack(end, min(end, MAX_UNPACKED), progress)
            self._cells.seek(0)
            numbers = sequence_numbers(self._cells.read(BASE_BLOCK))
            state = HiveState()
            if numbers is None or numbers[0] != numbers[1]:
                state = self._replay(header.secondary_sequence_num, header.hive_bins_data_size)
            self._root = self._key_at(header.root_key_offset)
        except Exception as error:
            raise self._failure("regf", error) from None
        return state

    def _replay(self, secondary: int, bins: int) -> HiveState:
        """Lay the logs over the hive. A stream or a source of the caller has none."""
        problems: list[str] = []
        if self._owns_source:
            self._logs, problems = open_logs(self._source)
        done = replay(secondary, bins, self._logs, problems, self._cells.budget)
        self._cells.lay_over(ReplayedHive(self._source, done))
        found = tuple(log.base_name for log in self._logs)
        return HiveState(dirty=True, found=found, logs=done.logs, entries=done.entries, problems=done.problems)

    def _key_at(self, offset: int) -> NKRecord:
        from regipy.registry import Cell, NKRecord

        self._cells.seek(BASE_BLOCK + offset + 4)  # behind the cell's length
        if self._cells.read(2) != b"nk":
            raise self._error("root key", "is no key", DAMAGED)
        return NKRecord(Cell(self._cells.tell(), "nk", 0), self._cells)

    def _current(self) -> int:
        """Return the number of the current control set."""
        current = self._values("Select").get("current")
        if current is None or not isinstance(current.data, int) or not 0 < current.data < 1000:
            advice = r"name Windows\System32\config\SYSTEM; other hives hold no crash settings"
            raise self._error(r"Select\Current", "names no control set", advice)
        return current.data

    def _values(self, key_path: str) -> dict[str, RegistryValue]:
        self._cells.field = key_path
        try:
            key = self._find(key_path)
            return {} if key is None else self._values_of(key, key_path)
        except Exception as error:
            raise self._failure(key_path, error) from None

    def _values_of(self, key: NKRecord, key_path: str) -> dict[str, RegistryValue]:
        self._cells.budget.draw(MAX_HIVE_VALUES, key.values_count, key_path)
        values = list(key.iter_values(trim_values=False))
        if len(values) < key.values_count:  # regipy ends where it meets the first one that is damaged
            raise self._error(key_path, f"only {len(values)} of its {key.values_count} values can be read", DAMAGED)
        return {value.name.lower(): RegistryValue(str(value.value_type), value.value) for value in values}

    def _failure(self, field: str, error: Exception) -> DumpError:
        """Return what to raise for an error out of regipy, which lets out whatever its parsers stumble over."""
        failure = self._cells.failure  # regipy may hide it or turn it into an error of its own
        if failure is None:
            failure = error if isinstance(error, DumpError) else None
        if failure is None:
            return self._error(field, f"cannot be read ({type(error).__name__})", DAMAGED)
        failure.path = failure.path or self._source.name
        return failure

    def _error(self, field: str, why: str, advice: str = "") -> DumpError:
        return DumpError(field, why, advice, self._source.name)


def _subkeys(key: NKRecord) -> dict[str, NKRecord]:
    """Return the keys below one by their names in lower case; of several with one name, the first."""
    found: dict[str, NKRecord] = {}
    for subkey in key.iter_subkeys():
        found.setdefault(subkey.name.lower(), subkey)
    return found


class _Cells:
    """The hive as the stream that regipy reads. Every read is drawn on the budget, and must not lead out of the file.

    field: what is being read, as errors name it; failure: the first error.
    """

    def __init__(self, source: Source, budget: Budget) -> None:
        self.budget = budget
        self.field = "regf"
        self.failure: DumpError | None = None
        self._source: Source | ReplayedHive = source
        self._at = 0
        self._window = b""
        self._window_at = 0

    def lay_over(self, replayed: ReplayedHive) -> None:
        """Read the hive with what its logs change from now on."""
        self._source = replayed
        self._window = b""

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Set where the next read begins."""
        self._at = self._source.size + offset if whence == os.SEEK_END else offset
        return self._at

    def tell(self) -> int:
        """Return where the next read begins."""
        return self._at

    def read(self, length: int) -> bytes:
        """Read up to `length` bytes; fewer where the hive ends."""
        if length & INLINE:  # regipy reads before it looks at that bit, and then uses the offset itself
            return b""
        length = max(0, min(length, self._source.size - self._at))
        try:
            if length > MAX_VALUE:
                why = f"has a value of {length:,} bytes, at most {MAX_VALUE:,} are read"
                raise LimitError(self.field, why, "the hive is damaged, or made to be a burden")
            self.budget.draw(MAX_HIVE_READS, 1, self.field)
            self.budget.draw(MAX_HIVE_BYTES, length, self.field)
            data = self._read(length)
        except OSError as error:
            self._fail(DumpError("file", f"cannot be read ({error.strerror})", "copy the hive again"))
        except DumpError as error:
            self._fail(error)
        self._at += len(data)
        return data

    def _read(self, length: int) -> bytes:
        if length > WINDOW:
            return self._source.read(self._at, length)
        start = self._at - self._window_at
        if not 0 <= start <= start + length <= len(self._window):
            self._window, self._window_at = self._source.read(self._at, WINDOW), self._at
            start = 0
        return self._window[start : start + length]

    def _fail(self, error: DumpError) -> NoReturn:
        self.failure = self.failure or error
        raise self.failure
