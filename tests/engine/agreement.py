#!/usr/bin/env python3
"""Count the real engine's answers about a dump that it repeats for the small dump made of it.

usage: python tests/engine/agreement.py SOURCE SMALL [-v] [--min PERCENT]

This prints "N of M engine answers agree". M counts the questions that the engine answers without an error for SOURCE.
An answer agrees if the engine prints the same for SMALL, again without an error.
"""

from __future__ import annotations

import argparse
import difflib
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parents[1]))  # this is also a script

from support.dumps_at_hand import AMD64, ARM64, I386, read_dump_header

from engine.engine import Answer, Engine, EngineError, MissingEngineError, Session

if TYPE_CHECKING:
    from collections.abc import Iterator

MACHINE_QUESTIONS = ("vertarget", ".bugcheck", "lm", ".lastevent", ".thread", ".process", ".enumtag")
STACK_QUESTIONS = {I386: "dd @esp L80", AMD64: "dq @rsp L40", ARM64: "dq @sp L40"}
"""The words on a processor's stack."""
# Without symbols the engine looks for each image on this machine's disk, and says once that it is not there.
IMAGE_LOADING = re.compile(r"Unable to load image |\*\*\* (WARNING|ERROR): ")
NOT_SWITCHED = re.compile("is not a valid processor number|Can't switch processors")
# What follows a module's name in `lm`: a letter if the time stamp is not verified, and the state of its symbols.
SYMBOL_STATE = re.compile(r"\s+([A-Z] )?\([a-z -]+\)\s*$")


@dataclass(frozen=True)
class Question:
    """A command, and its processor; None is the processor that the engine chooses when it opens the dump."""

    command: str
    processor: int | None = None

    def __str__(self) -> str:
        return self.command if self.processor is None else f"processor {self.processor}: {self.command}"


@dataclass(frozen=True)
class Reply:
    """What the engine printed, and the part of it that is about the dump: None if the answer is an error."""

    printed: str
    meaning: str | None


@dataclass(frozen=True)
class Difference:
    """A question with an answer of the source that the small dump does not repeat."""

    question: Question
    expected: Reply
    actual: Reply

    def __str__(self) -> str:
        if self.expected.meaning is None or self.actual.meaning is None:
            return f"=== {self.question}\nonly the source answers, the small dump: {self.actual.printed.strip()}"
        source, small = self.expected.meaning.splitlines(), self.actual.meaning.splitlines()
        difference = difflib.unified_diff(source, small, "source", "small", n=1, lineterm="")
        return "\n".join((f"=== {self.question}", *difference))


@dataclass(frozen=True)
class Agreement:
    """Of `questions` put, the source answered `asked`; all but `differences` of these answers agree."""

    questions: int
    asked: int
    differences: tuple[Difference, ...]

    @property
    def agreed(self) -> int:
        return self.asked - len(self.differences)

    @property
    def percent(self) -> float:
        return 100 * self.agreed / self.asked if self.asked else 0.0

    def __str__(self) -> str:
        return f"{self.agreed} of {self.asked} engine answers agree: {self.percent:.1f} %"


def processor_questions(dump: Path) -> tuple[str, str, str]:
    header = read_dump_header(dump)
    return ("r", "kn", STACK_QUESTIONS[AMD64 if header is None else header.machine])


def questions(dump: Path, processors: int) -> list[str]:
    """Return the commands for a dump of a machine with this many processors."""
    per_processor = processor_questions(dump)
    commands = [*MACHINE_QUESTIONS, *per_processor]
    for processor in range(processors):
        commands += [f"~{processor}s", *per_processor]
    return commands


def replies(commands: list[str], session: Session) -> Iterator[tuple[Question, Reply]]:
    """Yield the replies to all commands except the switches to another processor (~Ns)."""
    processor: int | None = None
    switched = True
    for command, answer in zip(commands, session.answers):
        switch = re.fullmatch(r"~(\d+)s", command)
        if switch:
            processor = int(switch.group(1))
            switched = not NOT_SWITCHED.search(answer.text)
        elif switched:
            yield Question(command, processor), Reply(answer.text, meaning(command, answer))
        else:
            yield Question(command, processor), Reply("the engine did not switch to this processor", None)


def meaning(command: str, answer: Answer) -> str | None:
    """Return an answer without what is not about the dump: missing images, the time of day, the state of symbols."""
    if any(line.strip() and not IMAGE_LOADING.match(line) for line in answer.of_kinds("Error").split("\n")):
        return None
    printed = answer.of_kinds("Normal", "Warning").split("\n")  # not splitlines: a dump's text may hold its separators
    lines = [line.rstrip(" ") for line in printed if not IMAGE_LOADING.match(line)]
    if command == ".lastevent":
        lines = [line for line in lines if not line.startswith("  debugger time: ")]
    elif command == "lm":
        lines = [SYMBOL_STATE.sub("", line) for line in lines]
    return "\n".join(lines).strip("\n") or None


def measure_agreement(engine: Engine, source: Path, small: Path) -> Agreement:
    """Ask both dumps every question. Raise EngineError, also if one of them does not open."""
    header = read_dump_header(source)
    commands = questions(source, header.processors if header else 1)
    return compare(*(dict(replies(commands, engine.ask(dump, commands))) for dump in (source, small)))


def compare(expected: dict[Question, Reply], actual: dict[Question, Reply]) -> Agreement:
    """Compare the replies about two dumps. Both must have the same questions."""
    asked = {question: reply for question, reply in expected.items() if reply.meaning is not None}
    differences = tuple(
        Difference(question, reply, actual[question])
        for question, reply in asked.items()
        if actual[question].meaning != reply.meaning
    )
    return Agreement(len(expected), len(asked), differences)


def main() -> int:
    parser = argparse.ArgumentParser(
        description="Counts the answers about SOURCE that the engine also gives about SMALL."
    )
    parser.add_argument("source", type=Path)
    parser.add_argument("small", type=Path)
    parser.add_argument("-v", action="store_true", help="show the answers that differ")
    parser.add_argument("--min", type=float, default=100.0, metavar="PERCENT", help="exit with 1 below (default 100)")
    options = parser.parse_args()
    try:
        agreement = measure_agreement(Engine.find(), options.source, options.small)
    except (MissingEngineError, EngineError) as error:
        print(error, file=sys.stderr)
        return 3
    for difference in agreement.differences if options.v else ():
        print(difference)
    print(agreement)
    return 0 if agreement.asked and agreement.percent >= options.min else 1


if __name__ == "__main__":
    sys.exit(main())
