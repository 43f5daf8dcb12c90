"""Reports of `pagefilefit --this-machine --json` that were collected from machines.

Whoever can write to the share that they are collected on can write anything into them: every value is checked.
"""

from __future__ import annotations

import codecs
import json
from typing import TYPE_CHECKING, Any, TypeVar

from windbg_ext.commands.pagefilefit.judge import Verdict
from windbg_ext.commands.pagefilefit.machine_row import MachineRow
from windbg_ext.dump.kinds import CRASH_DUMP_KINDS
from windbg_ext.errors import DumpError
from windbg_ext.limits import MAX_COLLECTED_REPORT, MAX_COLLECTED_TEXT

if TYPE_CHECKING:
    from windbg_ext.sources import Source

T = TypeVar("T")
STARTS = (b"{", codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
"""Of JSON as programs write it, and as PowerShell does."""
MAX_BYTES = 1 << 60
MAX_CHECKS, MAX_QUESTION = 32, 100
"""Questions of a report, and characters of one."""
RUN_AGAIN = "collect it again: pagefilefit --this-machine --json"


def is_report(start: bytes) -> bool:
    """Return whether a file that begins so may be one."""
    return start.startswith(STARTS) or start[:2] in STARTS


def read_report(source: Source) -> MachineRow:
    """Return the row of a machine. Raise DumpError where the file is no such report, or a value makes no sense."""
    report = _Values(_parsed(source), "")
    verdict = report.one_of("verdict", {verdict.value: verdict for verdict in Verdict})
    if verdict is None:
        raise DumpError("verdict", "is missing", RUN_AGAIN)
    space = report.below("boot_pagefile") or report.below("dedicated_dump_file")
    kinds = {kind.value: kind for kind in CRASH_DUMP_KINDS}
    advised = report.one_of("advised_kind", kinds)
    told = {kind.one_of("kind", kinds): kind for kind in report.listed("kinds", len(kinds))}
    checks = report.listed("checks", MAX_CHECKS)
    answers = [
        (check.text("question", MAX_QUESTION), check.switch("answer"), check.switch("decides")) for check in checks
    ]
    needs = told.get(advised)
    return MachineRow(
        name=report.text("computer") or source.name,
        path=source.name,
        kind=report.one_of("configured_kind", kinds),
        verdict=verdict,
        headline=report.text("headline"),
        fits={kind: values.switch("fits") for kind, values in told.items() if kind is not None},
        room=0 if space is None else space.size("bytes"),
        at_most=0 if space is None else space.size("maximum_bytes"),
        needs=None if needs is None else needs.size("needs_bytes"),
        ram=report.size("ram_bytes"),
        place="" if space is None else space.text("path"),
        no=tuple(question for question, good, _ in answers if good is False),
        unknown=tuple(question for question, good, _ in answers if good is None),
        decided=tuple(question for question, good, decides in answers if good is False and decides),
    )


def _parsed(source: Source) -> dict[str, Any]:
    MAX_COLLECTED_REPORT.check(source.size, "report")
    data = source.read(0, source.size)
    encoding = "utf-16" if data.startswith(STARTS[2:]) else "utf-8-sig"
    try:
        parsed = json.loads(data.decode(encoding))
    except (ValueError, RecursionError):  # no JSON, no text; lists in lists without end
        raise DumpError("report", "is no JSON", RUN_AGAIN) from None
    if not isinstance(parsed, dict):
        raise DumpError("report", "is no report of a machine", RUN_AGAIN)
    return parsed


class _Values:
    """The values of an object by type. Raise DumpError where one is of another type than the report has."""

    def __init__(self, values: dict[str, Any], where: str) -> None:
        self._values = values
        self._where = where

    def text(self, name: str, longest: int = MAX_COLLECTED_TEXT) -> str:
        value: object = self._values.get(name)
        if value is None:
            return ""
        if not isinstance(value, str) or len(value) > longest:
            raise self._odd(name, "no text, or too long")
        return value

    def size(self, name: str) -> int | None:
        value: object = self._values.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_BYTES:
            raise self._odd(name, "no number of bytes")
        return value

    def switch(self, name: str) -> bool | None:
        value: object = self._values.get(name)
        if value is not None and not isinstance(value, bool):
            raise self._odd(name, "neither true, false nor null")
        return value

    def one_of(self, name: str, choices: dict[str, T]) -> T | None:
        value = self.text(name)
        if value and value not in choices:
            raise self._odd(name, f"none of {', '.join(choices)}")
        return choices.get(value)

    def below(self, name: str) -> _Values | None:
        value = self._values.get(name)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise self._odd(name, "no object")
        return _Values(value, f"{self._where}{name}.")

    def listed(self, name: str, most: int) -> list[_Values]:
        value = self._values.get(name, [])
        if not isinstance(value, list) or len(value) > most or not all(isinstance(item, dict) for item in value):
            raise self._odd(name, "no list of objects, or too long")
        return [_Values(item, f"{self._where}{name}.") for item in value]

    def _odd(self, name: str, why: str) -> DumpError:
        return DumpError(f"{self._where}{name}", f"is {why}", RUN_AGAIN)
