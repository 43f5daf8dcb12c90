"""The engine reads from a small dump what the parameters of its bug check point at."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from support.source_memory import SourceMemory

from samples.builder import write
from samples.builder.bug_checks import BUG_CHECKS
from windbg_ext import minify

if TYPE_CHECKING:
    from pathlib import Path

    from engine.engine import Engine

ENDS = 0x100
"""Bytes at either end of a range that the engine is asked for."""
QUADWORD = re.compile(r"\b[0-9a-f]{8}`[0-9a-f]{8}\b|\?{8}`\?{8}")


def pieces(address: int, length: int) -> list[tuple[int, int]]:
    """Return (address, quadwords) at the beginning and at the end of a range."""
    count = min(length, ENDS) // 8
    return [(address, count), (address + (length - 8 * count & -8), count)]


def quadwords(text: str) -> list[int | None]:
    """Return the values that `dq` printed; None for memory that is not there."""
    found: list[int | None] = []
    for line in text.splitlines():
        found += [None if "?" in value else int(value.replace("`", ""), 16) for value in QUADWORD.findall(line)[1:]]
    return found


@pytest.mark.parametrize("name", BUG_CHECKS)
def test_the_engine_reads_what_the_parameters_point_at(name: str, engine: Engine, tmp_path: Path) -> None:
    bug_check = BUG_CHECKS[name]
    source, small, memory = tmp_path / "MEMORY.DMP", tmp_path / "small.dmp", SourceMemory(bug_check.sample)
    write(bug_check.sample, source)
    minify(source, small)
    asked = [piece for where in bug_check.expected for piece in pieces(*where)]
    session = engine.ask(small, [".bugcheck", *(f"dq 0x{address:x} L0x{count:x}" for address, count in asked)])
    told, *answers = (answer.text for answer in session.answers)
    assert f"Bugcheck code {bug_check.sample.machine.bug_check.code:08X}" in told
    for (address, count), answer in zip(asked, answers):
        data = memory.read(address, 8 * count)
        expected = [int.from_bytes(data[at : at + 8], "little") for at in range(0, len(data), 8)]
        assert quadwords(answer) == expected, hex(address)
