"""A live kernel with the real engine attached: what the commands print there, and the small dump that is saved."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from engine.agreement import measure_agreement
from engine.engine import windows_path
from engine.live_kernel import StoppedKernel, live
from samples.builder import SAMPLES, Sample, write
from samples.builder.kernel import crash
from samples.builder.writers import Complete
from windbg_ext.dump.header import BugCheck
from windbg_ext.structs.amd64 import Context64

if TYPE_CHECKING:
    from pathlib import Path

    from engine.bang_commands import Scripts
    from engine.engine import Engine
    from engine.kd import Kd
    from samples.builder.crashed_machine import CrashedMachine
    from samples.builder.machine import Machine

MACHINE = next(sample.machine for sample in SAMPLES if sample.name == "complete")
PHYSICAL_PAGES = 0x80000
POOLS = r"Kernel uses +about [\d.]+ MB now: paged pool 18\.2 MB, nonpaged pool 42 MB, \d+ drivers"
"""0x1234 and 0x2A00 pages (samples/builder/kernel.py)."""
KUSER_SHARED_DATA_NUMBER_OF_PHYSICAL_PAGES = 0xFFFFF780_00000000 + 0x2E8


class RunningKernel(StoppedKernel):
    """Has no registers, like a running machine under a local kernel debugger."""

    def context(self, processor: int) -> bytes:
        return b""


def stopped_machine() -> CrashedMachine:
    """Return the sample's machine, stopped instead of crashed: its current processor's context buffer is empty."""
    machine = crash(replace(MACHINE, bug_check=BugCheck(0, (0, 0, 0, 0))))
    machine.write(MACHINE.processors[MACHINE.crashed].context, bytes(Context64.SIZE))
    machine.write_u64(KUSER_SHARED_DATA_NUMBER_OF_PHYSICAL_PAGES, PHYSICAL_PAGES)
    return machine


def differing(engine: Engine, machine: Machine, small: Path) -> set[str]:
    """Return the commands that the small dump and a complete dump of the crashed machine answer differently."""
    complete = small.with_name("complete.dmp")
    write(Sample("complete", "", machine, Complete()), complete)
    agreement = measure_agreement(engine, complete, small)
    assert agreement.asked == agreement.questions
    return {str(difference.question) for difference in agreement.differences}


@pytest.mark.parametrize("name", ["complete", "active"])
def test_minify_of_a_machine_that_has_crashed_answers_what_its_complete_dump_answers(
    name: str, engine: Engine, kd: Kd, written: Scripts, tmp_path: Path
) -> None:
    machine, small = next(sample.machine for sample in SAMPLES if sample.name == name), tmp_path / "small.dmp"
    with live(crash(machine)) as connection:
        _, told, exception = kd.run(connection, [written.load, f"!minify {windows_path(small)}", ".exr -1"])
    assert told.startswith(f"{windows_path(small)}: "), told
    assert differing(engine, machine, small) == {".enumtag"}  # no secondary data before there is a dump
    assert engine.ask(small, [".exr -1"]).answers[0].text.strip() == exception.strip()


def test_minify_of_a_machine_that_has_only_stopped_shows_every_processor_where_it_stopped(
    engine: Engine, kd: Kd, written: Scripts, tmp_path: Path
) -> None:
    small = tmp_path / "small.dmp"
    with live(stopped_machine()) as connection:
        _, told, alive = kd.run(connection, [written.load, f"!minify {windows_path(small)}", "r rip"])
    assert f"  {len(MACHINE.processors)} processors, {len(MACHINE.modules) + 2} modules" in told
    assert alive == f"rip={MACHINE.processors[MACHINE.crashed].registers['Rip']:016x}"
    assert differing(engine, MACHINE, small) == {".enumtag", ".bugcheck"}
    asked = [f"~{number}s;r rip;r rsp;r rbx" for number in range(len(MACHINE.processors))]
    *shown, bug_check = (answer.text for answer in engine.ask(small, [*asked, ".bugcheck"]).answers)
    for text, processor in zip(shown, MACHINE.processors):
        values = dict(re.findall(r"(r\w+)=(\w+)", text))
        assert {name.lower(): f"{processor.registers[name]:016x}" for name in ("Rip", "Rsp", "Rbx")} == values
    assert bug_check.startswith("Bugcheck code 00000000\n")


def test_what_wants_a_file_says_so_in_one_line_and_what_does_not_works(
    kd: Kd, written: Scripts, tmp_path: Path
) -> None:
    small = windows_path(tmp_path / "small.dmp")
    commands = ["!dumpkind", "!minify", "!pagefilefit", f"!minify {small}", f"!minify {small}", f"!dumpkind {small}"]
    with live(stopped_machine()) as connection:
        _, kind, minify, fit, saved, again, read = kd.run(connection, [written.load, *commands])
    assert kind == (
        "windbg-ext: !dumpkind: this session has no dump file here: name one; !dumpkind -? shows how it is used"
    )
    assert minify == "windbg-ext: this session has no dump file to write beside: name the file to write"
    assert f"Taken from this session: /ram {PHYSICAL_PAGES * 0x1000}\n" in fit
    assert re.search(POOLS, fit), fit
    assert saved.splitlines()[-1].startswith("Next: .opendump ")  # the file that was written, not the session
    assert re.fullmatch(r"windbg-ext: .*small\.dmp: destination: exists; .*", again)
    assert "small memory dump" in read


def test_a_machine_that_runs_on_is_not_saved_but_its_ram_counts(kd: Kd, written: Scripts, tmp_path: Path) -> None:
    small = tmp_path / "small.dmp"
    with live(stopped_machine(), RunningKernel) as connection:
        _, minify, fit = kd.run(connection, [written.load, f"!minify {windows_path(small)}", "!pagefilefit"])
    assert minify.splitlines()[-1].startswith(
        "windbg-ext: session: the debugger does not tell the register cr3; stop the machine "
    )
    assert not small.exists()
    assert "Kernel uses" not in fit
    assert f"Taken from this session: /ram {PHYSICAL_PAGES * 0x1000}\n" in fit
