"""The current control set of a SYSTEM registry hive, a file: from a disk image, a backup, another Windows.

Read with regipy, the one pure-Python reader of hives that is both maintained and under a permissive licence.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from windbg_ext.commands.pagefilefit.settings import RegistryValue
from windbg_ext.errors import DumpError

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from regipy.registry import NKRecord, RegistryHive

SIGNATURE = b"regf"
LARGEST_HIVE = 512 << 20
"""Bytes. regipy reads the whole file; the SYSTEM hive of a server takes some ten MB."""
MOST_SUBKEYS, MOST_VALUES = 20_000, 2_000
"""Far more than these keys have: a damaged hive may name the same key without end."""
DAMAGED = "the hive is damaged or cut short: copy it again"


class SystemHive:
    """A `Registry` over a hive file. DumpError, with the path in it, if it is none or cannot be read."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = str(path)
        logging.getLogger("regipy").setLevel(logging.CRITICAL)  # what is wrong is said once, and by us
        self._hive = self._open()
        self._control_set = f"ControlSet{self._current():03}"
        self.name = f"SYSTEM hive {Path(path).name}, {self._control_set}"

    @property
    def dirty(self) -> bool:
        """Whether Windows had not yet written everything: the rest is in the .LOG files, which are not read."""
        header = self._hive.header
        return bool(header.primary_sequence_num != header.secondary_sequence_num)

    def values(self, key: str) -> dict[str, RegistryValue]:
        """Give the values of a key below `Control` by their names in lower case; nothing if there is no such key."""
        return self._values(f"{self._control_set}\\Control\\{key}")

    def _open(self) -> RegistryHive:
        from regipy.registry import RegistryHive  # only here: most runs read no hive

        path = Path(self._path)
        try:
            if path.is_fifo() or path.is_dir():
                raise self._error("file", "is no file", "name the SYSTEM hive itself")
            size = path.stat().st_size
            with path.open("rb") as file:
                start = file.read(len(SIGNATURE))
        except OSError as error:
            raise self._error("file", f"cannot be read ({error.strerror})") from None
        if start != SIGNATURE:
            raise self._error("regf", "the file is no registry hive", r"name Windows\System32\config\SYSTEM")
        if size > LARGEST_HIVE:
            raise self._error("file", f"{size:,} bytes are more than a SYSTEM hive has")
        try:
            return RegistryHive(self._path)
        except OSError as error:
            raise self._error("file", f"cannot be read ({error.strerror})", "copy the hive again") from None
        except Exception as error:  # regipy lets out whatever its parsers stumble over
            raise self._error("regf", f"cannot be read ({type(error).__name__})", DAMAGED) from None

    def _current(self) -> int:
        """Give the number of the current control set."""
        current = self._values("Select").get("current")
        if current is None or not isinstance(current.data, int) or not 0 < current.data < 1000:
            advice = r"name Windows\System32\config\SYSTEM; other hives hold no crash settings"
            raise self._error(r"Select\Current", "names no control set", advice)
        return current.data

    def _values(self, key_path: str) -> dict[str, RegistryValue]:
        try:
            key: NKRecord | None = self._hive.root
            for name in key_path.split("\\"):
                key = self._subkey(key, name) if key is not None else None
            return {} if key is None else self._values_of(key, key_path)
        except DumpError:
            raise
        except Exception as error:  # as above
            raise self._error(key_path, f"cannot be read ({type(error).__name__})", DAMAGED) from None

    def _subkey(self, key: NKRecord, name: str) -> NKRecord | None:
        subkeys: Iterator[NKRecord] = key.iter_subkeys()
        for count, subkey in enumerate(subkeys):
            if subkey.name.lower() == name.lower():
                return subkey
            if count > MOST_SUBKEYS:
                raise self._error(name, "is not among the first subkeys, of which there is no end", DAMAGED)
        return None

    def _values_of(self, key: NKRecord, key_path: str) -> dict[str, RegistryValue]:
        if key.values_count > MOST_VALUES:
            raise self._error(key_path, f"has {key.values_count:,} values, which makes no sense", DAMAGED)
        values = list(key.iter_values(trim_values=False))
        if len(values) < key.values_count:  # regipy ends where it meets the first one that is damaged
            raise self._error(key_path, f"only {len(values)} of its {key.values_count} values can be read", DAMAGED)
        return {value.name.lower(): RegistryValue(str(value.value_type), value.value) for value in values}

    def _error(self, field: str, why: str, advice: str = "") -> DumpError:
        return DumpError(field, why, advice, self._path)
