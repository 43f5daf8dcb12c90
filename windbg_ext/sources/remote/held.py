"""A file that its server holds open for one connection, which is made anew after whatever went wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

from windbg_ext.errors import DumpError
from windbg_ext.sources.remote.transport import (
    FIRST_BYTES,
    SLOWEST,
    STALL_SECONDS,
    TransientError,
    difference,
    within,
)
from windbg_ext.sources.source import Range

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Callable

    from windbg_ext.sources.remote.transport import Answer, Failure, State

Result = TypeVar("Result")


class Handle(Protocol):
    """An open file of one protocol. Whatever is asked of it opens it, where it is not open; any exception may come."""

    @property
    def is_open(self) -> bool:
        """Whether there is a connection."""

    def state(self) -> State:
        """Return size and version, as the server tells them."""

    def renew(self) -> int:
        """See to it that the server tells a state of now. Return the requests that this and `state` take."""

    def read(self, ranges: Sequence[Range]) -> list[bytes]:
        """Send requests for all ranges, then take the answers; fewer bytes where the file ends."""

    def explain(self, error: BaseException) -> Failure:
        """Return what an exception means."""

    def close(self, *, broken: bool) -> None:
        """Close the file and its connection. broken: no answer would come any more. The next request opens it anew."""


class HeldFile:
    """A `RemoteFile` over a handle."""

    def __init__(self, handle: Handle) -> None:
        self._handle = handle
        self.state, self.first = self._guarded(self._begin)

    def fetch(self, ranges: Sequence[Range]) -> list[Answer]:
        """Ask for all ranges at once. A file that was opened anew must be what it was."""
        try:
            return self._guarded(lambda: self._fetch(ranges), sum(asked.length for asked in ranges))
        except (TransientError, DumpError) as error:
            return [error for _ in ranges]

    def confirm(self) -> int:
        """Raise TransientError or DumpError where the file was written meanwhile."""
        return self._guarded(self._confirm)

    def close(self) -> None:
        """Close the file and its connection."""
        self._handle.close(broken=False)

    def _guarded(self, ask: Callable[[], Result], length: int = 0) -> Result:
        """Return what a function returns; after whatever it raises, the next request connects anew.

        length: bytes that are to come, for which a slow line has the time that it takes.
        """
        try:
            return within(3 * STALL_SECONDS + length / SLOWEST, ask)
        except (TransientError, DumpError):
            self._handle.close(broken=True)
            raise
        except Exception as error:
            self._handle.close(broken=True)
            raise self._handle.explain(error) from None

    def _begin(self) -> tuple[State, bytes]:
        state = self._handle.state()
        length = min(FIRST_BYTES, state.size)
        return state, self._handle.read([Range(0, length)])[0] if length else b""

    def _fetch(self, ranges: Sequence[Range]) -> list[Answer]:
        if not self._handle.is_open:
            self._check()
        return list(self._handle.read(ranges))

    def _confirm(self) -> int:
        requests = self._handle.renew()
        self._check()
        return requests

    def _check(self) -> None:
        now = self._handle.state()
        if now != self.state:
            raise difference(self.state, now)
