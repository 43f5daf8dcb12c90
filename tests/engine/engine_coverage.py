#!/usr/bin/env python3
"""Measure how much of the memory of the engine's own `.dump /m` is in another small dump of the same machine.

usage: python tests/engine/engine_coverage.py SOURCE OURS [--min PERCENT] [--max-ratio R]

This makes the engine's small dump of SOURCE. Then it prints the share of the quadwords in its data blocks that OURS
has, too (the same bytes at the same addresses), and how many times as large OURS is. Quadwords of zeros do not count:
the engine also writes zeros for memory that it could not read.
"""

from __future__ import annotations

import argparse
import bisect
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parents[1]))  # this is also a script

from support.small_dump_file import Block, SmallDumpFile

from engine.engine import Engine, EngineError, MissingEngineError, windows_path

if TYPE_CHECKING:
    from collections.abc import Iterator

QUADWORD = 8


@dataclass(frozen=True)
class Coverage:
    """`covered` of the `quadwords` that the engine saved; file sizes in bytes."""

    quadwords: int
    covered: int
    engine_bytes: int
    our_bytes: int

    @property
    def percent(self) -> float:
        return 100 * self.covered / self.quadwords if self.quadwords else 0.0

    @property
    def ratio(self) -> float:
        return self.our_bytes / self.engine_bytes

    def __str__(self) -> str:
        return (
            f"{self.covered} of {self.quadwords} quadwords that the engine saves are in ours: {self.percent:.2f} %; "
            f"{self.our_bytes} bytes, {self.ratio:.2f} times the engine's"
        )


class Memory:
    """The memory of a small dump by virtual address.  Blocks may overlap; the first one that holds an address wins."""

    def __init__(self, blocks: list[Block]) -> None:
        self._blocks = sorted(blocks, key=lambda block: block.address)
        self._addresses = [block.address for block in self._blocks]
        self._longest = max((len(block.data) for block in blocks), default=0)

    def holds(self, address: int, data: bytes) -> bool:
        """Tell whether all of `data` is at `address`, in one block or across adjacent blocks."""
        while data:
            known = self._at(address, len(data))
            if not known or known != data[: len(known)]:
                return False
            address, data = address + len(known), data[len(known) :]
        return True

    def _at(self, address: int, size: int) -> bytes:
        index = bisect.bisect_right(self._addresses, address) - 1
        while index >= 0 and self._addresses[index] + self._longest > address:
            block = self._blocks[index]
            if address < block.end:
                offset = address - block.address
                return block.data[offset : offset + size]
            index -= 1
        return b""


def memory_of(dump: SmallDumpFile) -> Memory:
    """Return data blocks, call stack and debugger data block: all parts whose address is in the file."""
    stack = Block(dump.top_of_stack, dump.call_stack)
    return Memory([*dump.blocks, stack, Block(dump.debugger_data_address, dump.debugger_data)])


def quadwords_not_zero(blocks: list[Block]) -> Iterator[tuple[int, bytes]]:
    for block in blocks:
        for offset in range(0, len(block.data), QUADWORD):
            data = block.data[offset : offset + QUADWORD]
            if any(data):
                yield block.address + offset, data


def measure_coverage(engine_made: Path, ours: Path) -> Coverage:
    reference, our_dump = SmallDumpFile(engine_made), SmallDumpFile(ours)
    wanted = dict(quadwords_not_zero(reference.blocks))  # the same quadword may be in several blocks
    our_memory = memory_of(our_dump)
    covered = sum(our_memory.holds(address, data) for address, data in wanted.items())
    return Coverage(len(wanted), covered, len(reference.data), len(our_dump.data))


def make_engine_dump(engine: Engine, source: Path, destination: Path) -> None:
    """Let the engine write its own small dump of `source`. Raise EngineError if it fails."""
    answer = engine.ask(source, [f".dump /m {windows_path(destination)}"]).answers[0]
    if "Dump successfully written" not in answer.text:
        raise EngineError(f"{source}: the engine did not write its small dump: {answer.text[-200:]}")


def main() -> int:
    parser = argparse.ArgumentParser(description="How much of what the engine's `.dump /m` of SOURCE saves is in OURS.")
    parser.add_argument("source", type=Path)
    parser.add_argument("ours", type=Path)
    parser.add_argument("--min", type=float, default=98.0, metavar="PERCENT", help="exit with 1 below (default 98)")
    parser.add_argument("--max-ratio", type=float, default=1.25, help="exit with 1 above (default 1.25)")
    options = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory() as folder:
            engine_made = Path(folder, "engine.dmp")
            make_engine_dump(Engine.find(), options.source, engine_made)
            coverage = measure_coverage(engine_made, options.ours)
    except (MissingEngineError, EngineError) as error:
        print(error, file=sys.stderr)
        return 3
    print(coverage)
    return 0 if coverage.percent >= options.min and coverage.ratio <= options.max_ratio else 1


if __name__ == "__main__":
    sys.exit(main())
