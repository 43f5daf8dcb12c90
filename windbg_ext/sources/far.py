"""Sources whose reads cost a round trip over a network: what the layers above may ask them, and others need not answer.

A file of this machine answers none of it, and is read as before. Whoever is about to read many places of a far source
asks for them with one `read_many`; they are then at hand for the reads themselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from windbg_ext.sources.progress import no_progress
from windbg_ext.sources.source import Range
from windbg_ext.values import NamedTuple

if TYPE_CHECKING:
    from typing import Callable

    from windbg_ext.sources.progress import Progress
    from windbg_ext.sources.source import Source

    class FarSource(Source, Protocol):  # only for type checkers: a protocol takes long to define
        """A source on another machine."""

        @property
        def traffic(self) -> Traffic:
            """What reading it took so far."""

        def holds(self, offset: int, length: int) -> bool:
            """Tell whether a read would need no round trip, as one behind the end of the file."""

        def hint(self, wanted: Range) -> None:
            """Fetch a range along with the next round, which is not made for it."""

        def confirm(self) -> None:
            """Raise DumpError where what was read is not to be trusted: the file has changed, or a read has failed."""

        def watch(self, on_round: Callable[[Traffic], None]) -> None:
            """Call a function after each round."""


MAX_PAGES_AT_ONCE = 4096
"""Pages that are asked for together: 16 MB, and a quarter of what a far source keeps."""


class Traffic(NamedTuple):
    """What reading a far source took. bytes: received, of the file itself; rounds: how often an answer was waited for.

    Requests that are under way at the same time are one round.
    """

    bytes: int = 0
    requests: int = 0
    rounds: int = 0


def as_far(source: Source) -> FarSource | None:
    """Return a source that is far away as what it is, None for any other."""
    return source if hasattr(source, "holds") else None  # type: ignore[return-value]


def hint(source: Source, offset: int, length: int) -> None:
    """Let a far source fetch a range along with its next round."""
    far = as_far(source)
    if far is not None:
        far.hint(Range(offset, length))


def confirm(source: Source) -> None:
    """Raise DumpError where what was read of a far source, or of a packed file there, is not to be trusted."""
    check: Callable[[], None] | None = getattr(source, "confirm", None)
    if check is not None:
        check()


def traffic_of(source: Source) -> Traffic | None:
    """Return what reading a far source, or a packed file there, took so far; None for any other."""
    traffic: Traffic | None = getattr(source, "traffic", None)
    return traffic


def watched(source: Source, progress: Progress) -> Progress:
    """Return what tells progress, too, how much of a far source was received; and again after each round."""
    watch: Callable[[Callable[[Traffic], None]], None] | None = getattr(source, "watch", None)
    if watch is None or traffic_of(source) is None or progress is no_progress:
        return progress
    doing, done, total = "reading", 0, 1

    def follow(now: str, so_far: int, of: int) -> None:
        nonlocal doing, done, total
        doing, done, total = now, so_far, of
        show(traffic_of(source) or Traffic())

    def show(traffic: Traffic) -> None:
        received = f"{traffic.bytes / 1e6:,.1f} MB in {traffic.rounds:,} round trips"
        progress(f"{doing} ({received})", done, total)

    watch(show)
    return follow
