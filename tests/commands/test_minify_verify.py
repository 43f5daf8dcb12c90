"""minify --verify: what was written is compared with the source, and whatever differs is found and told."""

from __future__ import annotations

import json
import random
import struct
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, BinaryIO

import pytest
from support.command_line import run
from support.small_dump_file import SmallDumpFile

from samples.builder import SAMPLES, write
from windbg_ext import DumpError, MinifyOptions, Outcome, minify, minify_many, verify
from windbg_ext.commands.minify import command
from windbg_ext.dump import load_small_dump, open_dump, write_small_dump
from windbg_ext.dump.small_file import write_headers, write_parts

if TYPE_CHECKING:
    from pathlib import Path

    from samples.builder import Sample
    from windbg_ext import Verification
    from windbg_ext.dump.small_file import SmallDump
    from windbg_ext.structs.layouts import TriageDump

LARGE = tuple(sample for sample in SAMPLES if sample.large)
BY_NAME = {sample.name: sample for sample in SAMPLES}
BROKEN = ("active", "x86-pae-complete", "arm64-kernel", "complete-bitmap")
"""Samples whose small dumps are broken on purpose: one of each architecture, and one with an exception."""


@dataclass(frozen=True)
class Made:
    """A sample and the small dump of it."""

    source: Path
    small: SmallDumpFile

    def broken_at(self, offset: int) -> Verification:
        """Verify the small dump with a byte changed."""
        data = bytearray(self.small.data)
        data[offset] ^= 0xFF
        path = self.source.with_name("broken.dmp")
        path.write_bytes(data)
        return verify(self.source, path)


def make(sample: Sample, folder: Path) -> Made:
    source, small = folder / "MEMORY.DMP", folder / "small.dmp"
    write(sample, source)
    minify(source, small)
    return Made(source, SmallDumpFile(small))


slow = pytest.mark.slow


@pytest.fixture(scope="module", params=[BROKEN[0], *(pytest.param(name, marks=slow) for name in BROKEN[1:])])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Made:
    return make(BY_NAME[request.param], tmp_path_factory.mktemp("verified"))


@pytest.mark.parametrize(
    "sample",
    [pytest.param(sample, id=sample.name, marks=[] if sample.name in BROKEN else slow) for sample in LARGE],
)
def test_every_answer_is_kept_in_the_small_dump_of_a_sample(sample: Sample, tmp_path: Path) -> None:
    write(sample, tmp_path / "MEMORY.DMP")
    found = minify(tmp_path / "MEMORY.DMP", tmp_path / "small.dmp", MinifyOptions(verify=True)).verification
    assert found is not None
    assert (found.kept, found.differences) == (found.asked, ())
    small, machine = SmallDumpFile(tmp_path / "small.dmp"), sample.machine
    listed = len(small.drivers) + len(machine.unloaded_drivers) + len(machine.secondary)
    assert found.asked > small.block_count + listed + 3 * len(machine.processors)


def parts(small: SmallDumpFile) -> dict[str, tuple[int, int]]:
    """Return where the parts of a small dump lie in its file: offset and bytes, found by the independent reader."""
    header, offsets = small.offsets.header, small.offsets
    wide = offsets.pointer == 8
    sizes = {name: struct.unpack_from("<H", small.debugger_data, at)[0] for name, at in SIZES.items()}
    count, unloaded, *_ = offsets.unloaded
    found = {
        "bug check code": (0x38 if wide else 0x28, 4),
        "bug check parameters": (0x40 if wide else 0x2C, 4 * offsets.pointer),
        "directory table base": (0x10, offsets.pointer),
        "context": (0x348 + 0x78 if wide else 0x320 + 0x9C, 0x20),
        "exception": (0xF00 if wide else 0x7D0, 4),
        "system time": (0xFA8 if wide else 0xFC0, 8),
        "MM information": (small.triage(0x14), 0x10),
        "unloaded drivers": (small.triage(0x18) + count, unloaded),
        "KPRCB": (small.triage(0x1C), sizes["KPRCB"]),
        "EPROCESS": (small.triage(0x20), sizes["EPROCESS"]),
        "ETHREAD": (small.triage(0x24), sizes["ETHREAD"]),
        "call stack": (small.triage(0x28), small.triage(0x2C)),
        "debugger data block": (small.triage(offsets.debugger_data), small.triage(offsets.debugger_data + 4)),
        "driver list": (small.triage(0x30), offsets.driver[0] * small.triage(0x34)),
        "names of drivers": (small.triage(0x38) + 4, 0x20),
        "offset of a block": (small.triage(offsets.data_blocks) + 8, 4),
        "size of a block": (small.triage(offsets.data_blocks) + 12, 4),
        "end mark": (small.triage(0x8), 4),
        "header of the secondary data": (small.size_of_dump, 16),
        "secondary data": (small.size_of_dump + 0x10, len(small.secondary) - 0x10),
    }
    found.update((f"TRIAGE_DUMP + 0x{at:x}", (header + at, 4)) for at in range(0, offsets.data_blocks + 8, 4))
    return found


SIZES = {"EPROCESS": 0x2A8, "KPRCB": 0x2B0, "ETHREAD": 0x2C0}
"""Offsets in KDDEBUGGER_DATA64 (WDBGEXTS.H)."""


def test_a_changed_byte_is_found_in_each_part_at_its_beginning_in_the_middle_and_at_its_end(made: Made) -> None:
    kept = {
        (part, offset)
        for part, (begin, size) in parts(made.small).items()
        for offset in (begin, begin + size // 2, begin + size - 1)
        if made.broken_at(offset).passed
    }
    assert kept == set()


def test_a_changed_byte_is_found_in_every_block_of_memory(made: Made) -> None:
    blocks = made.small.block_extents()
    chosen = random.Random(1).sample(blocks, min(30, len(blocks)))
    for offset, size in chosen:
        found = made.broken_at(offset + size - 1)
        assert any(differs.answer.startswith("memory at 0x") for differs in found.differences), hex(offset)


def test_what_differs_is_named_with_both_answers(made: Made) -> None:
    (found,) = (
        differs
        for differs in made.broken_at(parts(made.small)["bug check code"][0]).differences
        if "BugCheckCode" in differs.answer
    )
    code = made.small.u32(parts(made.small)["bug check code"][0])
    assert found.answer == "header, BugCheckCode"
    assert (found.source, found.small) == (f"0x{code:x}", f"0x{code ^ 0xFF:x}")


@pytest.mark.parametrize("lost", ["driver", "unloaded driver", "blob", "processor", "end of the file"])
def test_what_a_small_dump_lost_is_found_even_where_the_rest_fits_together(made: Made, lost: str) -> None:
    with open_dump(made.source.with_name("small.dmp")) as dump:
        assert dump.small is not None
        assert dump.secondary is not None
        loaded = load_small_dump(dump.source, dump.header, dump.small, dump.budget)
        chain = dump.source.read(dump.secondary.offset, dump.secondary.size)
        first, second, *_ = (blob.start - dump.secondary.offset for blob in dump.secondary.blobs)
    if lost == "driver":
        loaded = replace(loaded, drivers=loaded.drivers[:-1])
    elif lost == "unloaded driver":
        assert loaded.unloaded_drivers is not None
        loaded = replace(loaded, unloaded_drivers=loaded.unloaded_drivers[1:])
    elif lost == "blob":
        chain = chain[:first] + chain[second:]
    elif lost == "processor":
        largest = max(loaded.data_blocks, key=lambda block: len(block.data))
        loaded = replace(loaded, data_blocks=tuple(block for block in loaded.data_blocks if block is not largest))
    path = made.source.with_name("fewer.dmp")
    with path.open("w+b") as out:
        write_small_dump(loaded, chain, out)
    if lost == "end of the file":
        path.write_bytes(path.read_bytes()[:-5])
    assert not verify(made.source, path).passed


def test_a_file_that_is_no_small_dump_keeps_no_answer(made: Made) -> None:
    found = verify(made.source, made.source)
    assert (found.asked, found.kept) == (1, 0)
    assert "no small memory dump" in found.differences[0].small


def test_a_small_dump_of_another_crash_is_found(tmp_path: Path) -> None:
    one, other = (tmp_path / name for name in ("one", "other"))
    for folder in (one, other):
        folder.mkdir()
    made = make(BY_NAME["ranges-kernel"], one)
    machine = BY_NAME["ranges-kernel"].machine
    make(replace(BY_NAME["ranges-kernel"], machine=replace(machine, system_up_time=machine.system_up_time + 1)), other)
    found = verify(made.source, other / "small.dmp")
    assert [differs.answer for differs in found.differences][:1] == ["header, SystemUpTime"]


def test_a_source_that_is_a_small_dump_itself_is_refused(made: Made) -> None:
    with pytest.raises(DumpError, match="small memory dump itself"):
        verify(made.source.with_name("small.dmp"), made.source.with_name("small.dmp"))


def test_no_more_than_256_differences_are_told_and_all_are_counted(tmp_path: Path) -> None:
    made = make(BY_NAME["active"], tmp_path)
    data = bytearray(made.small.data)
    for offset, size in made.small.block_extents():
        data[offset : offset + size] = bytes(byte ^ 0xFF for byte in data[offset : offset + size])
    (tmp_path / "broken.dmp").write_bytes(data)
    found = verify(made.source, tmp_path / "broken.dmp")
    assert found.asked - found.kept >= made.small.block_count
    assert len(found.differences) == min(256, found.asked - found.kept)


# --- the command ---


def test_the_command_tells_in_one_line_that_every_answer_is_kept(tmp_path: Path) -> None:
    write(BY_NAME["complete"], tmp_path / "MEMORY.DMP")
    outcome = run("minify", tmp_path / "MEMORY.DMP", tmp_path / "small.dmp", "--verify", "--comment", "a comment")
    assert outcome.status == 0
    (line,) = (line for line in outcome.out.splitlines() if "answers kept" in line)
    kept, asked = line.split()[1], line.split()[3]
    assert kept == asked
    assert "Not kept" not in outcome.out


def break_what_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the writer change the highest byte of the EPROCESS."""

    def broken(dump: SmallDump, triage: TriageDump, out: BinaryIO) -> int:
        last = triage.thread_offset - 1
        out.seek(last)
        byte = out.read(1)[0]
        out.seek(last)
        out.write(bytes([byte ^ 0xFF]))
        return write_headers(dump, triage, out)

    monkeypatch.setattr(command, "write_headers", broken)


def test_a_difference_is_told_and_is_exit_status_1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    break_what_is_written(monkeypatch)
    write(BY_NAME["complete"], tmp_path / "MEMORY.DMP")
    arguments = ("minify", tmp_path / "MEMORY.DMP", tmp_path / "small.dmp", "--overwrite")
    assert run(*arguments).status == 0
    outcome = run(*arguments, "--verify")
    assert outcome.status == 1
    assert "Not kept:\n  EPROCESS: the source has " in outcome.out
    outcome = run(*arguments, "--verify", "--json")
    report = json.loads(outcome.out)
    assert (outcome.status, report["complete"]) == (1, False)
    assert report["verify"]["asked"] == report["verify"]["kept"] + 1
    assert [differs["answer"] for differs in report["verify"]["differences"]] == ["EPROCESS"]


@pytest.mark.parametrize("lost", ["a block", "the address of a block"])
def test_a_block_that_was_not_written_as_it_was_meant_to_be_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    def written(dump: SmallDump, out: BinaryIO) -> TriageDump:
        blocks = list(dump.data_blocks)
        last = blocks.pop()
        if lost != "a block":
            blocks.append(last._replace(address=blocks[0].address))
        return write_parts(replace(dump, data_blocks=tuple(blocks)), out)

    monkeypatch.setattr(command, "write_parts", written)
    write(BY_NAME["complete"], tmp_path / "MEMORY.DMP")
    found = minify(tmp_path / "MEMORY.DMP", tmp_path / "small.dmp", MinifyOptions(verify=True)).verification
    assert found is not None
    assert "addresses of memory" in [differs.answer for differs in found.differences]


def test_the_report_has_no_comparison_that_was_not_asked_for(tmp_path: Path) -> None:
    write(BY_NAME["complete"], tmp_path / "MEMORY.DMP")
    outcome = run("minify", tmp_path / "MEMORY.DMP", tmp_path / "small.dmp", "--json")
    assert json.loads(outcome.out)["verify"] is None


def test_of_many_files_one_that_differs_is_incomplete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    break_what_is_written(monkeypatch)
    write(BY_NAME["complete"], tmp_path / "MEMORY.DMP")
    report = minify_many(tmp_path, tmp_path / "small", MinifyOptions(verify=True))
    (file,) = report.files
    assert file.outcome is Outcome.INCOMPLETE
    assert file.problem.startswith("1 of ")
    assert file.problem.endswith(" answers differ from the source's")
