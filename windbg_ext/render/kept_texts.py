"""Texts that are ready before it is their turn to be shown."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from typing import TYPE_CHECKING

from windbg_ext.sources.temporary import unusable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import TracebackType

    from windbg_ext.errors import DumpError

IN_MEMORY = 16 << 20
"""Bytes that are kept in memory: some hundred reports of small dumps."""


class KeptTexts:
    """Texts, kept by number. Beyond IN_MEMORY they lie in a temporary file, which nobody else sees.

    Use it in a `with` block: at its end, the file is gone. `add` and `texts` raise DumpError where there is no room.
    """

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY, prefix="windbg-ext-")  # noqa: SIM115 - it is ours
        self._places: list[tuple[int, int]] = []
        self._end = 0

    def __enter__(self) -> KeptTexts:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with suppress(OSError):  # what could not be written is tried once more, and told already
            self._file.close()

    def add(self, text: str) -> int:
        """Keep a text, in ASCII. Return its number: 0, 1 and so on."""
        data = text.encode("ascii")
        try:
            self._file.seek(self._end)
            self._file.write(data)
        except OSError as error:
            raise _unusable("written", error) from None
        self._places.append((self._end, len(data)))
        self._end += len(data)
        return len(self._places) - 1

    def texts(self, numbers: Iterable[int] | None = None) -> Iterator[str]:
        """Yield the texts with these numbers, or all, as they came."""
        for number in range(len(self._places)) if numbers is None else numbers:
            start, length = self._places[number]
            try:
                self._file.seek(start)
                data = self._file.read(length)
            except OSError as error:
                raise _unusable("read", error) from None
            yield data.decode("ascii")


def _unusable(done: str, error: OSError) -> DumpError:
    return unusable(f"cannot be {done} ({error.strerror or error})", "room for what is printed, or name fewer files")
