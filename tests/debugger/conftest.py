"""A stand-in for pykd, so that what surrounds it can be tested without a debugger."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Callable

import pytest

MAX_OUTPUT = 16 << 10


class StandIn(ModuleType):
    """answers: what the debugger prints for a command, or the exception that it raises. shown: (text, is it DML).

    is_extension: the debugger gets markup. is_attached: pykd is connected to the session.
    """

    class DbgException(Exception):  # noqa: N818 - the name is pykd's
        pass

    def __init__(self) -> None:
        super().__init__("pykd")
        self.answers: dict[str, str | Exception | None] = {}
        self.shown: list[tuple[str, bool]] = []
        self.status: list[str] = []
        self.is_dump = True
        self.is_extension = True
        self.is_attached = True

    def dbgCommand(self, text: str) -> str | None:  # noqa: N802 - the name is pykd's
        answer = self.answers.get(text)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def isWindbgExt(self) -> bool:  # noqa: N802 - the name is pykd's
        return self.is_extension

    def initialize(self) -> None:
        if self.is_attached:
            raise self.DbgException("pykd is already initialized")
        self.is_attached = True

    def isDumpAnalyzing(self) -> bool:  # noqa: N802 - the name is pykd's
        return self.is_dump

    def dprint(self, text: str, dml: bool = False) -> None:
        assert len(text) < MAX_OUTPUT, "the engine drops the rest"
        self.shown.append((text, dml))

    def setStatusMessage(self, text: str) -> None:  # noqa: N802 - the name is pykd's
        self.status.append(text)


@pytest.fixture
def pykd(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    module = StandIn()
    monkeypatch.setitem(sys.modules, "pykd", module)
    for name in [name for name in sys.modules if name.startswith("windbg_ext.debugger.")]:
        monkeypatch.delitem(sys.modules, name)
    return module


@pytest.fixture
def arguments_of_py(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def pass_on(*words: str) -> None:
        monkeypatch.setattr(sys, "argv", ["bang.py", *words])

    return pass_on
