"""A file on another machine as a source: small blocks in a bounded cache, asked for together, checked, tried again."""

from __future__ import annotations

import time
from _thread import RLock
from collections import OrderedDict
from typing import TYPE_CHECKING, TypeVar

from windbg_ext.errors import DumpError
from windbg_ext.sources.far import Traffic
from windbg_ext.sources.remote.transport import COPY_IT, MAX_REQUEST, TransientError
from windbg_ext.sources.source import Range
from windbg_ext.values import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Callable

    from windbg_ext.sources.remote.address import Address
    from windbg_ext.sources.remote.transport import RemoteFile

BLOCK = 0x1000
"""Bytes of a block: a page of a dump, in most of them."""
MAX_CACHED_BLOCKS = 16384
"""64 MB: the bitmap of 1 TiB of RAM, and as much again."""
MAX_GAP = 2
"""Blocks between two that are wanted which are cheaper to fetch, too, than another request."""
WIDTH = 1 << 16
"""Bytes of a round that wants less: what lies around it is often wanted next, and comes in the same time."""
LARGE_READ = 1 << 15
"""Bytes of a read from which on one that goes on where the last one ended is taken for reading all of the file."""
MAX_AHEAD = 1 << 20
"""Bytes that are then fetched at once."""


class Patience(NamedTuple):
    """How often a request that failed is tried, and the seconds of the first pause, each of which doubles the last."""

    tries: int = 5
    pause: float = 0.5
    longest: float = 30.0


DEFAULT_PATIENCE = Patience()
Result = TypeVar("Result")


class RemoteSource:
    """A file of another machine. Raise DumpError where it cannot be read, has changed, or its connection is lost.

    Once that has happened, every further read raises the same error: what was read before and what would be read now
    may not belong together.
    """

    def __init__(self, address: Address, opening: Callable[[], RemoteFile], patience: Patience | None = None) -> None:
        self.name, self.base_name = address.shown, address.base_name
        self._address, self._patience = address, patience or DEFAULT_PATIENCE
        self._lock = RLock()
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._failure: DumpError | None = None
        self._watcher: Callable[[Traffic], None] | None = None
        self._hinted: list[Range] = []
        self._next, self._ahead = 0, 0
        self._bytes = self._requests = self._rounds = 0
        self._file = self._retried(opening)
        self.size = self.reach = self._file.state.size
        first = self._file.first[: self.size]
        self._count(len(first), 1)
        self._keep(0, first if len(first) == self.size else first[: len(first) & -BLOCK])

    identity = None
    permissions = None

    @property
    def version(self) -> str:
        """ETag, generation or time of change when it was opened; empty where the server tells none."""
        return self._file.state.version

    @property
    def traffic(self) -> Traffic:
        """What reading it took so far."""
        return Traffic(self._bytes, self._requests, self._rounds)

    def beside(self, base_name: str) -> str | None:
        """Return the URL of a file in the same folder; None where none can be written."""
        return self._address.beside(base_name)

    def watch(self, on_round: Callable[[Traffic], None]) -> None:
        """Call a function after each round."""
        self._watcher = on_round

    def hint(self, wanted: Range) -> None:
        """Fetch a range along with the next round, which is not made for it."""
        self._hinted.append(wanted)

    def holds(self, offset: int, length: int) -> bool:
        """Tell whether a read would need no round trip, as one behind the end of the file."""
        end = min(offset + length, self.size)
        with self._lock:
            return offset >= end or all(block in self._blocks for block in range(offset // BLOCK, -(-end // BLOCK)))

    def read(self, offset: int, length: int) -> bytes:
        """Read up to `length` bytes from `offset`; fewer where the file ends."""
        with self._lock:
            goes_on = length >= LARGE_READ and offset == self._next
            self._ahead = min(max(2 * self._ahead, WIDTH), MAX_AHEAD) if goes_on else 0
            self._next = offset + length
            if self._ahead and not self.holds(offset, length):
                return self.read_many([Range(offset, length), Range(offset + length, self._ahead)])[0]
            return self.read_many([Range(offset, length)])[0]

    def read_many(self, ranges: Sequence[Range]) -> list[bytes]:
        """Read several ranges, each as `read` does, in one round at most."""
        with self._lock:
            if self._failure is not None:
                raise self._failure
            wanted = [self._blocks_of(asked) for asked in ranges]
            missing = {block for blocks in wanted for block in blocks if block not in self._blocks}
            fetched = self._fetch(missing) if missing else {}
            return [self._joined(blocks, asked, fetched) for blocks, asked in zip(wanted, ranges)]

    def confirm(self) -> None:
        """Raise DumpError where what was read is not to be trusted: the file has changed, or a read has failed."""
        with self._lock:
            if self._failure is not None:
                raise self._failure
            requests = self._retried(self._file.confirm)
            if requests:
                self._count(0, requests)

    def close(self) -> None:
        """Close the file."""
        self._blocks.clear()
        self._file.close()

    def _joined(self, blocks: range, asked: Range, fetched: dict[int, bytes]) -> bytes:
        pieces = [fetched[block] if block in fetched else self._cached(block) for block in blocks]
        start = asked.offset - blocks.start * BLOCK if blocks else 0
        whole = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        return whole if not start and asked.length == len(whole) else whole[start : start + asked.length]

    def _cached(self, block: int) -> bytes:
        self._blocks.move_to_end(block)
        return self._blocks[block]

    def _blocks_of(self, asked: Range) -> range:
        end = min(asked.offset + asked.length, self.size)
        return range(asked.offset // BLOCK, -(-end // BLOCK)) if asked.offset < end else range(0)

    def _fetch(self, missing: set[int]) -> dict[int, bytes]:
        """Fetch blocks in one round; return them, since they may be more than are kept."""
        fetched: dict[int, bytes] = {}
        missing |= self._around(list(_runs(sorted(missing))))
        for asked in self._hinted:
            missing.update(block for block in self._blocks_of(asked) if block not in self._blocks)
        self._hinted.clear()
        runs = list(_runs(sorted(missing)))
        for start, data in self._ask([Range(run.start * BLOCK, self._bytes_of(run)) for run in runs]):
            fetched.update(self._keep(start, data))
        return fetched

    def _bytes_of(self, run: range) -> int:
        return min(run.stop * BLOCK, self.size) - run.start * BLOCK

    def _around(self, runs: list[range]) -> set[int]:
        """Return the blocks behind runs of blocks that come along with them, where a round would bring little."""
        most = WIDTH // BLOCK // len(runs)
        last = -(-self.size // BLOCK)
        behind = (block for run in runs for block in range(run.stop, min(run.start + most, last)))
        return {block for block in behind if block not in self._blocks}

    def _keep(self, start: int, data: bytes) -> dict[int, bytes]:
        kept = {(start + at) // BLOCK: data[at : at + BLOCK] for at in range(0, len(data), BLOCK)}
        self._blocks.update(kept)
        while len(self._blocks) > MAX_CACHED_BLOCKS:
            self._blocks.popitem(last=False)
        return kept

    def _ask(self, ranges: Sequence[Range]) -> Iterator[tuple[int, bytes]]:
        """Yield offset and bytes of each range. What breaks off is asked for again after a pause, from where it did."""
        requests = [
            _Request(at, min(MAX_REQUEST, end - at))
            for start, end in _ends(ranges)
            for at in range(start, end, MAX_REQUEST)
        ]
        waiting, begun, attempt = requests, time.monotonic(), 0
        while waiting:
            answers = self._file.fetch([request.rest for request in waiting])
            self._count(sum(len(answer) for answer in answers if isinstance(answer, bytes)), len(waiting))
            problem = TransientError("the answer was cut short")
            for request, answer in zip(waiting, answers):
                if isinstance(answer, DumpError):
                    raise self._failed(answer)
                if isinstance(answer, TransientError):
                    problem = answer
                elif len(answer) > request.rest.length:
                    why = f"sent {len(answer):,} bytes at 0x{request.rest.offset:x} instead of {request.rest.length:,}"
                    raise self._failed(DumpError("server", why, COPY_IT))
                else:
                    request.data += answer
            waiting = [request for request in waiting if request.rest.length]
            if waiting:
                attempt += 1
                self._pause(problem, attempt, begun)
        for request in requests:
            yield request.start, bytes(request.data)

    def _retried(self, ask: Callable[[], Result]) -> Result:
        """Return what a function returns that may raise TransientError, after as many tries as patience has."""
        begun, attempt = time.monotonic(), 0
        while True:
            try:
                return ask()
            except TransientError as problem:
                attempt += 1
                self._pause(problem, attempt, begun)
            except DumpError as error:
                raise self._failed(error) from None

    def _pause(self, problem: TransientError, attempt: int, begun: float) -> None:
        """Wait before a further try. Raise DumpError where there were enough."""
        patience = self._patience
        if attempt >= patience.tries or problem.after > patience.longest:
            raise self._failed(_lost(problem, attempt, time.monotonic() - begun)) from None
        time.sleep(max(problem.after, min(patience.pause * 2 ** (attempt - 1), patience.longest)))

    def _failed(self, error: DumpError) -> DumpError:
        error.path = error.path or self.name
        self._failure = error
        return error

    def _count(self, received: int, requests: int) -> None:
        self._bytes += received
        self._requests += requests
        self._rounds += 1
        if self._watcher is not None:
            self._watcher(self.traffic)


class _Request:
    """A stretch of the file and what of it has come."""

    def __init__(self, start: int, length: int) -> None:
        self.start, self.length = start, length
        self.data = bytearray()

    @property
    def rest(self) -> Range:
        """What has not come yet."""
        return Range(self.start + len(self.data), self.length - len(self.data))


def _ends(ranges: Iterable[Range]) -> Iterator[tuple[int, int]]:
    for start, length in ranges:
        yield start, start + length


def _runs(blocks: Sequence[int]) -> Iterator[range]:
    """Yield runs of blocks, which are sorted; those with a small gap between them are one."""
    start = previous = blocks[0]
    for block in blocks[1:]:
        if block > previous + 1 + MAX_GAP:
            yield range(start, previous + 1)
            start = block
        previous = block
    yield range(start, previous + 1)


def _lost(problem: TransientError, attempts: int, seconds: float) -> DumpError:
    if problem.after:
        why = f"{problem.why}, and asks to come back in {problem.after:.0f} s"
        return DumpError("server", why, "try again then, or copy the file to this machine")
    tried = "tried once" if attempts == 1 else f"tried {attempts} times in {seconds:.0f} s"
    return DumpError("connection", f"{problem.why}; {tried}", "try again later, or copy the file to this machine")
