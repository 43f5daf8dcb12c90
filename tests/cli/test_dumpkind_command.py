"""dumpkind on the command line: what it prints, in which order, and its exit statuses."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import struct
from typing import TYPE_CHECKING, Any

import pytest
from support.command_line import ROOT, Outcome, refusal_of, run, run_changed

from samples.builder import SAMPLES, build

if TYPE_CHECKING:
    from pathlib import Path

    from samples.builder.machine import Machine

SAMPLE_FOLDER = ROOT / "samples"
SMALL = SAMPLE_FOLDER / "small.dmp"
CONTRACT = {
    *("path", "kind", "dump_type", "architecture", "build", "processors", "bug_check", "system_time", "ram_bytes"),
    *("pages_in_file", "file_bytes", "expected_bytes", "complete", "attributes", "evidence", "problem"),
}
KINDS = {"complete", "active", "kernel", "small", "live", "header-only", "none"}
X64 = next(sample.machine for sample in SAMPLES if sample.file_name == "small.dmp")
CALL_STACK = 0x2000 + 0x28
"""CallStackOffset and SizeOfCallStack of TRIAGE_DUMP64, which the header of 8 KB is before (docs/formats/small.md)."""
FILETIME_2024 = 133_500_000_000_000_000


def dumps(outcome: Outcome) -> list[dict[str, Any]]:
    document = json.loads(outcome.out)
    assert set(document) == {"dumps"}
    listed: list[dict[str, Any]] = document["dumps"]
    return listed


def rows(outcome: Outcome) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(outcome.out)))


def dump(path: Path, **header: int | bytes) -> Path:
    """Write the small sample with changed header fields."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(build(SAMPLES[-1], header=header))
    return path


def place_of(machine: Machine, address: int) -> str:
    """Return an address as BlueScreenView shows it, from the description of the machine."""
    module = next(module for module in machine.modules if module.base <= address < module.end)
    return f"{module.name}+0x{address - module.base:x}"


def frames(text: str) -> list[list[str]]:
    """Return the rows of the stack in a report."""
    block = text.partition("\nStack (")[2].partition("\n\n")[0]
    return [line.split() for line in block.splitlines()[1:]]


def test_the_stack_of_a_single_file_is_shown_as_places_in_modules() -> None:
    for sample in SAMPLES[:3]:
        report = run("dumpkind", SAMPLE_FOLDER / sample.file_name).out
        assert frames(report)
        for place, address in frames(report):
            assert place == place_of(sample.machine, int(address, 16))


def deep_dump(path: Path) -> list[int]:
    """Write a small dump with thirty addresses of code on its stack, and return those in the order of the stack."""
    machine = SAMPLES[-1].machine
    code = [machine.modules[-1].base + 0x40 * number for number in range(30)]
    stack = struct.pack("<30Q", *code)
    data = build(SAMPLES[-1])
    offset, size = struct.unpack_from("<II", data, CALL_STACK)
    assert size >= len(stack)
    path.write_bytes(data[:offset] + stack + data[offset + len(stack) :])
    return code


def test_ten_addresses_of_the_stack_are_shown_and_all_with_v(tmp_path: Path) -> None:
    code = deep_dump(tmp_path / "deep.dmp")
    short, long = (run("dumpkind", tmp_path / "deep.dmp", *options).out for options in ((), ("-v",)))
    assert [int(row[1], 16) for row in frames(short)[:10]] == code[:10]
    assert " ".join(frames(short)[10]).startswith("... and ")
    assert [int(row[1], 16) for row in frames(long)[:30]] == code
    (some,), (every,) = (dumps(run("dumpkind", tmp_path / "deep.dmp", "--json", *o)) for o in ((), ("-v",)))
    assert len(some["stack"]) == 10
    assert every["stack"][:10] == some["stack"]
    assert len(every["stack"]) == some["stack_length"] == every["stack_length"] >= 30


def test_json_has_the_places_of_the_crash_in_modules() -> None:
    (found,) = dumps(run("dumpkind", SMALL, "--json"))
    for place in (found["crash_address"], *found["stack"]):
        assert f"{place['module']}+{place['offset']}" == place_of(X64, int(place["address"], 16))
    (bad,) = dumps(run("dumpkind", ROOT / "README.md", "--json"))
    assert (bad["crash_address"], bad["stack"], bad["stack_length"]) == (None, [], 0)


def test_one_file_is_told_in_full() -> None:
    outcome = run("dumpkind", SAMPLE_FOLDER / "complete-bitmap.dmp")
    assert (outcome.status, outcome.err) == (0, "")
    for said in (
        "complete memory dump",
        "0x1000007E SYSTEM_THREAD_EXCEPTION_NOT_HANDLED_M, the same as 0x7E SYSTEM_THREAD_EXCEPTION_NOT_HANDLED",
        "Windows 10 2004 to 22H2, build 19041",
        "2024-01-17 21:20:00 UTC",
        "Suspects (a hint",
        "faulty.sys",
        "DumpType",
    ):
        assert said in outcome.out


def test_every_sample_keeps_the_json_contract() -> None:
    outcome = run("dumpkind", SAMPLE_FOLDER, "--json")
    listed = dumps(outcome)
    assert outcome.status == 0
    assert len(listed) == len(SAMPLES)
    for found in listed:
        assert set(found) >= CONTRACT
        assert found["kind"] in KINDS
        assert found["complete"] is True
        assert found["problem"] is None
        assert isinstance(found["file_bytes"], int)


def test_json_gives_sizes_as_numbers_and_addresses_as_text() -> None:
    (found,) = dumps(run("dumpkind", SMALL, "--json"))
    assert found["bug_check"] == {
        "code": "0xD1",
        "name": "DRIVER_IRQL_NOT_LESS_OR_EQUAL",
        "parameters": [f"0x{value:x}" for value in SAMPLES[-1].machine.bug_check.parameters],
        "meanings": found["bug_check"]["meanings"],
    }
    assert found["system_time"] == "2024-01-17T21:20:00.000000Z"
    assert (found["dump_type"], found["build"], found["processors"]) == (4, 19041, 2)
    assert found["attributes"] is None
    assert found["pages_in_file"] is None
    assert found["file_bytes"] == SMALL.stat().st_size


def test_json_of_a_file_that_is_no_dump_says_what_it_is_and_the_status_is_3(tmp_path: Path) -> None:
    path = tmp_path / "app.mdmp"
    path.write_bytes(b"MDMP" + bytes(100))
    outcome = run("dumpkind", path, "--json")
    (found,) = dumps(outcome)
    assert (outcome.status, found["kind"], found["complete"]) == (3, "none", None)
    assert "user-mode minidump" in str(found["problem"])
    assert found["bug_check"] is None


def test_one_file_that_is_no_dump_is_one_line_with_the_next_step(tmp_path: Path) -> None:
    path = tmp_path / "app.mdmp"
    path.write_bytes(b"MDMP" + bytes(100))
    line = refusal_of(run("dumpkind", path))
    assert line.startswith(f"windbg-ext: {path}: Signature: ")
    assert line.endswith("; open it in WinDbg as it is; the kernel is not in it")


def test_a_file_that_may_not_be_read_is_refused_with_the_reason(tmp_path: Path) -> None:
    path = dump(tmp_path / "secret.dmp")
    path.chmod(0)

    def with_less_rights() -> None:
        if not os.geteuid():
            os.seteuid(65534)

    line = refusal_of(run_changed(with_less_rights, "dumpkind", path))
    assert "denied" in line
    assert line.endswith("; run as administrator, or get the right to read it")


def test_a_cut_file_has_status_1_and_says_what_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "cut.dmp"
    path.write_bytes(build(SAMPLES[0])[:-70000])
    outcome = run("dumpkind", path)
    assert (outcome.status, outcome.err) == (1, "")
    assert "70,000 of" in outcome.out
    assert "copy it again" in outcome.out


def test_a_folder_is_one_table_newest_first(tmp_path: Path) -> None:
    for name, year in (("old", 0), ("new", 2), ("middle", 1)):
        dump(tmp_path / "sub" / f"{name}.dmp", SystemTime=FILETIME_2024 + year * 315_360_000_000_000)
    outcome = run("dumpkind", tmp_path)
    assert outcome.status == 0
    table, _, below = outcome.out.partition("\n\n")
    assert [line.split()[0] for line in table.splitlines()[2:]] == ["new.dmp", "middle.dmp", "old.dmp"]
    assert below.startswith("Caused by: a hint")
    assert "Crash time" in outcome.out.splitlines()[0]
    assert "DRIVER_IRQL_NOT_LESS_OR_EQUAL" in outcome.out


def test_a_bad_file_is_a_row_with_its_problem_and_not_the_end(tmp_path: Path) -> None:
    dump(tmp_path / "good.dmp")
    (tmp_path / "bad.dmp").write_bytes(b"Raw_Dmp!")
    (tmp_path / "empty.DMP").write_bytes(b"")
    (tmp_path / "notes.txt").write_text("not looked at")
    outcome = run("dumpkind", tmp_path, "--csv")
    found = {row["Dump file"]: row["Problem"] for row in rows(outcome)}
    assert outcome.status == 1
    assert set(found) == {"good.dmp", "bad.dmp", "empty.DMP"}
    assert found["good.dmp"] == ""
    assert "raw off-line dump" in found["bad.dmp"]
    assert "is empty" in found["empty.DMP"]


def test_files_without_a_time_come_last(tmp_path: Path) -> None:
    (tmp_path / "a.dmp").write_bytes(b"")
    dump(tmp_path / "b.dmp")
    assert [row["Dump file"] for row in rows(run("dumpkind", tmp_path, "--csv"))] == ["b.dmp", "a.dmp"]
    assert [row["Dump file"] for row in rows(run("dumpkind", tmp_path, "--csv", "--reverse"))] == ["b.dmp", "a.dmp"]


@pytest.mark.parametrize(
    ("column", "order"),
    [("bug-check-code", ["b", "a", "c"]), ("dump-file", ["a", "b", "c"]), ("minor-version", ["c", "a", "b"])],
)
def test_the_table_is_sorted_by_the_column_that_is_asked_for(tmp_path: Path, column: str, order: list[str]) -> None:
    dump(tmp_path / "a.dmp", BugCheckCode=0xD1, MinorVersion=9600)
    dump(tmp_path / "b.dmp", BugCheckCode=0xA, MinorVersion=26100)
    dump(tmp_path / "c.dmp", BugCheckCode=0x1000007E, MinorVersion=7601)
    assert [row["Dump file"][0] for row in rows(run("dumpkind", tmp_path, "--csv", "--sort", column))] == order
    again = run("dumpkind", tmp_path, "--csv", "--sort", column, "--reverse")
    assert [row["Dump file"][0] for row in rows(again)] == order[::-1]


def test_a_column_that_does_not_exist_is_wrong_use(tmp_path: Path) -> None:
    outcome = run("dumpkind", tmp_path, "--sort", "colour")
    assert outcome.status == 2
    assert "bug-check-code" in outcome.err


def test_csv_has_the_columns_of_bluescreenview() -> None:
    (row,) = rows(run("dumpkind", SMALL, "--csv"))
    machine = SAMPLES[-1].machine
    assert row["Bug check string"] == "DRIVER_IRQL_NOT_LESS_OR_EQUAL"
    assert row["Bug check code"] == "0x000000D1"
    assert [row[f"Parameter {n}"] for n in (1, 2, 3, 4)] == [f"0x{value:x}" for value in machine.bug_check.parameters]
    assert row["Caused by driver"] == "faulty.sys"
    assert row["Caused by address"] == place_of(machine, machine.bug_check.parameters[3])
    assert row["Crash address"] == place_of(X64, X64.processors[X64.crashed].registers["Rip"])
    assert row["Full path"] == str(SMALL)
    assert (row["Processors count"], row["Major version"], row["Minor version"]) == ("2", "15", "19041")
    assert row["Dump file size"] == str(SMALL.stat().st_size)
    assert row["Crash time (UTC)"] == "2024-01-17 21:20:00"


@pytest.mark.parametrize("name", ["=cmd|'x'!A0.dmp", "+1.dmp", "-2.dmp", "@sum.dmp"])
def test_no_cell_of_the_csv_is_a_formula(tmp_path: Path, name: str) -> None:
    dump(tmp_path / name)
    (row,) = rows(run("dumpkind", tmp_path, "--csv"))
    assert row["Dump file"] == "'" + name


def test_names_and_comments_of_a_dump_cannot_reach_the_terminal_as_commands(tmp_path: Path) -> None:
    path = dump(tmp_path / "x\x1b[31m.dmp", Comment=b"\x1b]0;oops\x07\0".ljust(128, b"\0"))
    for options in ((), ("--csv",), ("-v",)):
        outcome = run("dumpkind", path, *options)
        assert "\x1b" not in outcome.out
        assert "\\x1b" in outcome.out


def test_wildcards_that_no_shell_has_expanded_are_expanded(tmp_path: Path) -> None:
    for name in ("a1.dmp", "a2.dmp", "b1.dmp"):
        dump(tmp_path / name)
    found = rows(run("dumpkind", tmp_path / "a*.dmp", "--csv"))
    assert sorted(row["Dump file"] for row in found) == ["a1.dmp", "a2.dmp"]
    assert "no file fits this wildcard" in refusal_of(run("dumpkind", tmp_path / "c*.dmp"))


def test_a_file_whose_name_looks_like_a_wildcard_is_that_file(tmp_path: Path) -> None:
    path = dump(tmp_path / "a[1].dmp")
    assert "small memory dump" in run("dumpkind", path).out


def test_a_file_that_is_named_twice_is_one_row(tmp_path: Path) -> None:
    path = dump(tmp_path / "a.dmp")
    assert len(rows(run("dumpkind", path, path, tmp_path, "--csv"))) == 1


def test_a_folder_without_dumps_says_so(tmp_path: Path) -> None:
    assert "holds no file whose name ends in .dmp" in refusal_of(run("dumpkind", tmp_path))


def test_packed_dumps_of_a_folder_are_looked_into(tmp_path: Path) -> None:
    (tmp_path / "a.dmp.gz").write_bytes(gzip.compress(SMALL.read_bytes()))
    (row,) = rows(run("dumpkind", tmp_path, "--csv"))
    assert (row["Kind"], row["Caused by driver"], row["Problem"]) == ("small", "faulty.sys", "")


def test_verbose_shows_the_map_the_header_and_the_modules() -> None:
    text = run("dumpkind", "-v", SAMPLE_FOLDER / "kernel.dmp").out
    for said in ("Physical memory:", "Secondary data:", "Modules (", "Header:", "PsLoadedModuleList", "faulty.sys"):
        assert said in text
    small = run("dumpkind", "-v", SMALL).out
    for said in ("Parts of the small dump:", "call stack", "Data blocks ("):
        assert said in small


def test_an_absurd_time_is_shown_as_a_number(tmp_path: Path) -> None:
    path = dump(tmp_path / "a.dmp", SystemTime=(1 << 64) - 1)
    assert "0xffffffffffffffff (no time)" in run("dumpkind", path).out
    (found,) = dumps(run("dumpkind", path, "--json"))
    assert found["system_time"] is None


def test_nothing_is_written_beside_the_dump(tmp_path: Path) -> None:
    path = tmp_path / "a.dmp.gz"
    path.write_bytes(gzip.compress(SMALL.read_bytes()))
    run("dumpkind", path, "-v")
    assert list(tmp_path.iterdir()) == [path]


def test_csv_and_json_together_are_wrong_use() -> None:
    assert run("dumpkind", SMALL, "--csv", "--json").status == 2


def test_help_explains_the_exit_statuses() -> None:
    text = " ".join(run("dumpkind", "--help").out.split())
    assert "Exit status 0: every file is a whole kernel dump; 1: one of them is not" in text
    assert "3: the one file that was named is no kernel dump" in text


@pytest.mark.parametrize("seed", range(40))
def test_a_header_of_random_bytes_ends_in_a_report(tmp_path: Path, seed: int) -> None:
    """Everything behind the signature is random, except the type, so that every reader is tested."""
    from random import Random

    random = Random(seed)
    data = bytearray(random.randbytes(0x6000))
    data[:8] = b"PAGEDU64"
    struct.pack_into("<I", data, 0xF98, seed % 11)
    if seed % 2:
        struct.pack_into("<I", data, 0x30, 0x8664)
    path = tmp_path / "random.dmp"
    path.write_bytes(data)
    outcome = run("dumpkind", path, "-v")
    assert outcome.status in (1, 3)
    assert "Traceback" not in outcome.err
    json_outcome = run("dumpkind", path, "--json", "-v")
    assert dumps(json_outcome)[0]["problem"]
