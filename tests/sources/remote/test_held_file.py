"""Files that a server holds open for a connection: what is done after one is lost, without a network."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from windbg_ext.errors import DumpError
from windbg_ext.sources.remote import held
from windbg_ext.sources.remote.held import HeldFile
from windbg_ext.sources.remote.transport import FIRST_BYTES, State, TransientError
from windbg_ext.sources.source import Range

if TYPE_CHECKING:
    from collections.abc import Sequence

DATA = bytes(range(256)) * 1000


class Memory:
    """A handle on bytes. raises: what the next request does; done: what was asked of it."""

    def __init__(self) -> None:
        self.data, self.version = DATA, "first"
        self.is_open = False
        self.raises: list[Exception] = []
        self.seconds = 0.0
        self.done: list[str] = []

    def _answer(self, asked: str) -> None:
        self.done.append(asked)
        self.is_open = True
        if self.raises:
            raise self.raises.pop(0)
        time.sleep(self.seconds)

    def state(self) -> State:
        self._answer("state")
        return State(len(self.data), self.version)

    def renew(self) -> int:
        self.done.append("renew")
        return 3

    def read(self, ranges: Sequence[Range]) -> list[bytes]:
        self._answer("read")
        return [self.data[at : at + length] for at, length in ranges]

    def explain(self, error: BaseException) -> TransientError | DumpError:
        return TransientError(f"explained {error}")

    def close(self, *, broken: bool) -> None:
        self.done.append("broken" if broken else "close")
        self.is_open = False


def test_opening_brings_state_and_first_bytes_and_reads_what_is_asked_for() -> None:
    file = HeldFile(Memory())
    assert file.state == State(len(DATA), "first")
    assert file.first == DATA[:FIRST_BYTES]
    assert file.fetch([Range(70_000, 5), Range(100_000, 300)]) == [DATA[70_000:70_005], DATA[100_000:100_300]]


def test_an_empty_file_is_not_read() -> None:
    handle = Memory()
    handle.data = b""
    assert HeldFile(handle).first == b""
    assert handle.done == ["state"]


def test_after_a_failure_the_connection_is_given_up_and_the_next_request_makes_sure_of_the_file() -> None:
    handle = Memory()
    file = HeldFile(handle)
    handle.done.clear()
    handle.raises = [OSError("reset")]
    (first, second) = file.fetch([Range(0, 1), Range(1, 1)])
    assert isinstance(first, TransientError)
    assert (first.why, second) == ("explained reset", first)
    assert file.fetch([Range(0, 1)]) == [DATA[:1]]
    assert handle.done == ["read", "broken", "state", "read"]


def test_a_file_that_is_another_one_after_connecting_anew_is_an_error_and_not_read() -> None:
    handle = Memory()
    file = HeldFile(handle)
    handle.raises = [EOFError()]
    file.fetch([Range(0, 1)])
    handle.version = "second"
    handle.done.clear()
    (answer,) = file.fetch([Range(0, 1)])
    assert isinstance(answer, DumpError)
    assert answer.why == "has changed while it was read (it was written again)"
    assert "read" not in handle.done


def test_confirming_asks_anew_and_tells_how_many_requests_that_took() -> None:
    handle = Memory()
    file = HeldFile(handle)
    handle.done.clear()
    assert file.confirm() == 3
    assert handle.done == ["renew", "state"]
    handle.data += b"more"
    with pytest.raises(DumpError, match="its size was 256,000, now it is 256,004"):
        file.confirm()


def test_a_server_that_says_nothing_is_given_up_but_a_slow_line_has_the_time_that_much_data_takes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    handle = Memory()
    file = HeldFile(handle)
    monkeypatch.setattr(held, "STALL_SECONDS", 0.01)
    monkeypatch.setattr(held, "SLOWEST", 1000)
    handle.seconds = 0.3
    (answer,) = file.fetch([Range(0, 10)])
    assert isinstance(answer, TransientError)
    assert not handle.is_open
    handle.seconds = 0.15
    assert file.fetch([Range(0, 10_000)]) == [DATA[:10_000]]
