"""What Microsoft's engine says about scrubbed small dumps: what it says of the source, but for what was left out."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Callable

import pytest
from support.dumps_at_hand import LARGE, SMALL, given_dumps
from support.planted import USER, planted_dump

from engine.agreement import Agreement, Difference, measure_agreement
from windbg_ext import MinifyOptions, Scrubbing, minify

if TYPE_CHECKING:
    from pathlib import Path

    from _pytest.mark import ParameterSet

    from engine.engine import Engine
    from windbg_ext import MinifyReport

PLANTED = ("complete", "complete-bitmap", "kernel", "x86-complete", "x86-pae-complete", "arm64-complete", "small")
GONE = re.compile(r"^\?{8}(`\?{8})?$|Unknown_Module")
STACKS = ("dq @rsp L40", "dq @sp L40", "dd @esp L80")
UNNAMED = re.compile("Unknown_Module|Missing image name")
PERSONAL = re.compile(f"{USER}|sample")
BLOB = re.compile(r"(?m)^(?=\{)")


def given() -> list[ParameterSet]:
    missing = pytest.mark.skip(reason="WINDBG_EXT_DUMPS names no folder with such dumps")
    found = [pytest.param(path, id=path.name) for path in given_dumps(*LARGE, SMALL)]
    return found or [pytest.param(None, marks=missing, id="none")]


def unexplained(difference: Difference, *, in_user_mode: bool) -> list[str]:
    """Return what of a lost answer is not what scrubbing leaves out.

    in_user_mode: the processor that the question is about ran a program, whose code and stack are gone.
    """
    source, small = difference.expected.meaning or "", difference.actual.meaning or ""
    command = difference.question.command
    if command == ".enumtag":  # blobs are whole or not there
        there = {blob.strip() for blob in BLOB.split(source)}
        return [blob for blob in BLOB.split(small) if blob.strip() and blob.strip() not in there]
    if command == "lm":  # names that hold a match: a module without a name, an unloaded driver that is not shown
        old, new = source.splitlines(), small.splitlines()
        secret = [line for line in old if line not in new and not PERSONAL.search(line)]
        return [*secret, *(line for line in new if line not in old and not UNNAMED.search(line))]
    if in_user_mode and command == "kn":  # the first frame, whose return address is on the stack
        return [] if _first_frame(small) == _first_frame(source) else [small]
    if in_user_mode and command == "r":  # the registers are there, the instruction is not
        return [line for line in small.splitlines() if line not in source.splitlines() and "??" not in line]
    lost = [
        f"{command}: {old} / {new}"
        for old, new in zip(source.splitlines(), small.splitlines())
        if any(word != now and not GONE.search(now) for word, now in zip(old.split(), new.split()))
    ]
    return lost if len(source.splitlines()) == len(small.splitlines()) else [f"{command}: {small}"]


def _first_frame(trace: str) -> tuple[str, str]:
    """Return the number and the place of the first frame of `kn`."""
    words = next(line for line in trace.splitlines() if line.startswith("00 ")).split()
    return words[0], words[-1]


def _is_user(stack: str) -> bool:
    """Tell whether the first address of some memory is one of user mode: its highest bit is not set."""
    address = stack.split()[0].replace("`", "") if stack else "f"
    return int(address[0], 16) < 8


def in_user_mode(agreement: Agreement) -> set[int | None]:
    """Return the processors whose stacks begin at addresses of user mode."""
    stacks = [difference for difference in agreement.differences if difference.question.command in STACKS]
    return {difference.question.processor for difference in stacks if _is_user(difference.expected.meaning or "")}


def must_be_explained(agreement: Agreement, report: MinifyReport) -> None:
    print(agreement, sorted(str(difference.question) for difference in agreement.differences))
    assert report.scrub is not None
    assert report.scrub.rows
    programs = in_user_mode(agreement)
    lost = [
        line
        for difference in agreement.differences
        for line in unexplained(difference, in_user_mode=difference.question.processor in programs)
    ]
    assert lost == []
    assert agreement.asked


@pytest.mark.parametrize(
    ("name", "strict"),
    [*((name, False) for name in PLANTED), ("complete", True), ("x86-complete", True)],
    ids=lambda value: value if isinstance(value, str) else "strict" if value else "standard",
)
def test_every_answer_that_is_lost_is_one_about_what_was_left_out(
    name: str, strict: bool, engine: Engine, tmp_path: Path
) -> None:
    source, scrubbed = tmp_path / "source.dmp", tmp_path / "scrubbed.dmp"
    source.write_bytes(planted_dump(name))
    report = minify(source, scrubbed, MinifyOptions(scrub=Scrubbing(strict=strict)))
    must_be_explained(measure_agreement(engine, source, scrubbed), report)


@pytest.mark.parametrize("dump", given())
def test_of_real_dumps_only_blobs_that_identify_and_stacks_in_user_mode_are_lost(
    dump: Path, engine: Engine, unpacked: Callable[[Path], Path], tmp_path: Path
) -> None:
    source, scrubbed = unpacked(dump), tmp_path / "scrubbed.dmp"
    report = minify(source, scrubbed, MinifyOptions(scrub=Scrubbing()))
    agreement = measure_agreement(engine, source, scrubbed)
    must_be_explained(agreement, report)
    assert {difference.question.command for difference in agreement.differences} <= {".enumtag", *STACKS}
