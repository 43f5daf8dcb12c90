"""What the fuzzer takes for a finding, and that it makes its input small."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Callable

import pytest

from fuzz import findings
from fuzz.findings import CRASH, HEAD, MEMORY, RECORD, SLOW, Cost, Costliest, finding_of, measured, minimised, save

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="takes memory of a process from /proc")

CULPRIT = RECORD.pack(7, 0, 0, b"culprit\0")
OTHERS = [RECORD.pack(number, 1, 300, b"harmless") for number in range(10)]
INPUT = b"\x12\x34\x07" + b"".join([*OTHERS[:4], CULPRIT, *OTHERS[4:]])


def keep_busy(seconds: float) -> None:
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def crash() -> None:
    raise ZeroDivisionError


ACTIONS = {
    CRASH: crash,
    SLOW: lambda: keep_busy(0.15),
    MEMORY: lambda: bytearray(40 << 20).count(1),
    "": lambda: bytearray(1 << 20).count(1),
}


def reader(action: Callable[[], object]) -> Callable[[bytes], None]:
    """Return a reader that does something if the culprit is among the changes."""

    def run(data: bytes) -> None:
        if b"culprit" in data[HEAD:]:
            action()

    return run


@pytest.fixture(autouse=True)
def _low_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Little memory is much; no time is, however busy the machine, where a test does not ask for `_little_time`."""
    monkeypatch.setattr(findings, "MAX_SECONDS", findings.MOST_SECONDS)
    monkeypatch.setattr(findings, "MAX_MB", 30)


@pytest.fixture
def _little_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(findings, "MAX_SECONDS", 0.1)


@pytest.mark.parametrize("kind", [CRASH, MEMORY, ""])
def test_a_crash_and_an_input_that_takes_much_memory_are_findings(kind: str) -> None:
    assert finding_of(reader(ACTIONS[kind]), INPUT) == kind


@pytest.mark.usefixtures("_little_time")
def test_a_slow_input_is_a_finding() -> None:
    assert finding_of(reader(ACTIONS[SLOW]), INPUT) == SLOW


def test_an_input_that_never_ends_is_a_slow_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(findings, "MOST_SECONDS", 1)
    assert finding_of(reader(lambda: keep_busy(60)), INPUT) == SLOW


def test_memory_that_was_used_before_is_not_counted_again() -> None:
    before = bytearray(40 << 20)
    assert measured(reader(lambda: None), INPUT).finding == ""
    assert measured(reader(lambda: bytearray(40 << 20).count(1)), INPUT).finding == MEMORY
    assert measured(reader(lambda: None), INPUT).finding == ""
    assert len(before) == 40 << 20


@pytest.mark.parametrize("kind", [CRASH, MEMORY])
def test_a_finding_is_reduced_to_the_change_that_makes_it_one(kind: str) -> None:
    assert minimised(reader(ACTIONS[kind]), INPUT, kind) == b"\x12\x34\0" + RECORD.pack(0, 0, 0, b"culprit\0")


@pytest.mark.usefixtures("_little_time")
def test_a_slow_input_is_reduced_by_fewer_changes_that_are_as_slow() -> None:
    small = minimised(reader(ACTIONS[SLOW]), INPUT[: HEAD + 5 * RECORD.size], SLOW)
    assert small == b"\x12\x34\0" + RECORD.pack(0, 0, 0, b"culprit\0")


def test_a_finding_is_saved_as_a_line_of_the_corpus(tmp_path: Path) -> None:
    saved = save(tmp_path / "new", "minify", SLOW, INPUT)
    assert saved.name.startswith("minify-slow-")
    assert bytes.fromhex(saved.read_text().partition("#")[0]) == INPUT


def test_the_costliest_inputs_are_kept_by_time_and_by_memory() -> None:
    costliest = Costliest(kept=2)
    for number, cost in enumerate([Cost(0.1, 5), Cost(0.3, 1), Cost(0.2, 9), Cost(0.0, 7)]):
        costliest.add(bytes([number]), cost)
    assert costliest.inputs() == [b"\1", b"\2", b"\2", b"\3"]
    assert (costliest.slowest, costliest.largest) == ((0.3, b"\1"), 9)
