"""Assertions that hold after any run of a command, whatever its input was."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from support.command_line import contents
from support.small_dump_file import SmallDumpFile
from windbg_ext.dump import load_small_dump, open_dump

if TYPE_CHECKING:
    from pathlib import Path

    from support.command_line import Outcome


def check_outcome(outcome: Outcome, *, always_report: bool = False) -> None:
    """Assert that a run printed a report or one line of error, without control characters for a terminal.

    always_report: for scripts, there is also a report about a file that cannot be read.
    """
    if outcome.status == 3:
        assert bool(outcome.out) == always_report
        assert outcome.err.startswith("windbg-ext: ")
        assert outcome.err.endswith("\n")
        assert outcome.err[:-1].isprintable()
    else:
        assert outcome.status in (0, 1), outcome
        assert outcome.err == ""
        assert outcome.out
    assert all(line.isprintable() for line in outcome.out.split("\n"))
    if outcome.out.startswith("{"):
        json.loads(outcome.out)


def check_minify(outcome: Outcome, folder: Path) -> None:
    """Assert the same for `minify` from MEMORY.DMP to small.dmp in a folder, and that it left a small dump or none."""
    check_outcome(outcome)
    files = set(contents(folder))
    if outcome.status == 3:
        assert files == {"MEMORY.DMP"}
    else:
        assert files == {"MEMORY.DMP", "small.dmp"}
        check_small_dump(folder / "small.dmp")


def check_small_dump(path: Path) -> None:
    """Assert that every part of a small dump lies in the file, that its data blocks are in order, and that it opens."""
    small = SmallDumpFile(path)
    assert small.bytes_at(small.triage(0x08), 4) == b"TRGD"
    assert len(small.call_stack) <= 0x20000
    assert small.debugger_data[0x10:0x14] == b"KDBG" or not small.debugger_data
    assert all(driver.size < 1 << 32 for driver in small.drivers)
    blocks = small.blocks
    for (address, data), (following, _) in zip(blocks, blocks[1:]):
        assert address + len(data) < following
    with open_dump(path) as dump:
        assert dump.small is not None
        assert dump.header.required_dump_space == len(small.data)
        read = load_small_dump(dump.source, dump.header, dump.small, dump.budget)
    assert [(block.address, block.data) for block in read.data_blocks] == blocks
    assert [driver.name for driver in read.drivers] == [driver.name for driver in small.drivers]
