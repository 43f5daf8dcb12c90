"""The named tuples of this package, beside those of the standard library."""

from __future__ import annotations

import pickle
import typing

import pytest

from windbg_ext.values import NamedTuple


class Run(NamedTuple):
    """Pages."""

    first: int
    length: int = 1
    note: str | None = None

    @property
    def end(self) -> int:
        """Behind the last one."""
        return self.first + self.length


class TypingRun(typing.NamedTuple):
    """Pages."""

    first: int
    length: int = 1
    note: str | None = None

    @property
    def end(self) -> int:
        """Behind the last one."""
        return self.first + self.length


def test_they_behave_like_those_of_typing() -> None:
    ours, theirs = Run(5, note="x"), TypingRun(5, note="x")
    assert tuple(ours) == tuple(theirs) == (5, 1, "x")
    assert (ours.first, ours.length, ours.note, ours.end) == (theirs.first, theirs.length, theirs.note, theirs.end)
    assert ours._replace(length=3).end == theirs._replace(length=3).end == 8
    assert ours._asdict() == theirs._asdict()
    assert repr(ours) == repr(theirs).replace("TypingRun", "Run")
    for attribute in ("_fields", "_field_defaults", "__doc__", "__module__"):
        assert getattr(Run, attribute) == getattr(TypingRun, attribute)
    assert Run.__qualname__ == "Run"


def test_a_missing_field_and_an_unknown_one_are_errors() -> None:
    with pytest.raises(TypeError):
        Run()  # type: ignore[call-arg]  # that is the point
    with pytest.raises(TypeError):
        Run(1, of="RAM")  # type: ignore[call-arg]


def test_they_do_not_change_and_can_be_pickled() -> None:
    run = Run(7)
    with pytest.raises(AttributeError):
        run.first = 8  # type: ignore[misc]
    assert pickle.loads(pickle.dumps(run)) == run
    assert type(pickle.loads(pickle.dumps(run))) is Run
