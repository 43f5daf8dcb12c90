"""`windbg-ext pagefilefit`: options, exit statuses, the text, JSON and its contract, wrong use, bad input."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from support.command_line import ROOT, Outcome, run, run_process
from support.hive_file import system_hive
from support.registry_hives import CRASH_CONTROL

from samples.builder import SAMPLES, build

if TYPE_CHECKING:
    from pathlib import Path

MB, GB = 1 << 20, 1 << 30
BY_NAME = {sample.name: sample for sample in SAMPLES}
KINDS = ["small", "kernel", "automatic", "active", "complete"]


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    path = tmp_path / "MEMORY.DMP"
    path.write_bytes(build(BY_NAME["complete"]))
    return path


def answer(*arguments: object) -> dict[str, Any]:
    """Run with --json and return the document."""
    outcome = run("pagefilefit", *arguments, "--json")
    assert (outcome.status, outcome.err) == (0, ""), outcome
    document: dict[str, Any] = json.loads(outcome.out)
    return document


def complete(*arguments: object) -> dict[str, Any]:
    """Return the answer about a complete dump."""
    kind: dict[str, Any] = answer(*arguments)["kinds"][4]
    assert kind["kind"] == "complete"
    return kind


def one_line(outcome: Outcome, status: int) -> str:
    assert outcome.status == status, outcome
    assert outcome.out == ""
    lines = outcome.err.splitlines()
    assert "Traceback" not in outcome.err
    if status == 3:
        assert len(lines) == 1
    return lines[-1]


# --- JSON ---


def test_json_has_the_keys_that_scripts_rely_on(dump: Path) -> None:
    document = answer(dump, "--pagefile", "16G")
    assert document["ram_bytes"] == sum(run.page_count for run in BY_NAME["complete"].machine.ram) * 0x1000
    assert document["boot_pagefile"]["path"] == "C:\\pagefile.sys"
    assert document["boot_pagefile"]["bytes"] == document["boot_pagefile"]["maximum_bytes"] == 16 * GB
    assert [kind["kind"] for kind in document["kinds"]] == KINDS
    for kind in document["kinds"]:
        assert kind.keys() >= {"kind", "needs_bytes", "floor_bytes", "measured_bytes", "fits", "sources"}
        assert kind["fits"] is True
        for source in kind["sources"]:
            assert source.keys() == {"role", "says", "bytes", "page", "as_of"}


@pytest.mark.parametrize(
    ("size", "verdict", "fits"),
    [
        ("16641M", "fits", True),
        ("16384M", "does not fit", False),
        ("16G..17G", "only if it grows", None),
        ("16500M", "cannot be told", None),
    ],
)
def test_fits_is_true_false_or_null(size: str, verdict: str, fits: bool | None) -> None:
    kind = complete("--ram", "16G", "--pagefile", size)
    assert (kind["verdict"], kind["fits"]) == (verdict, fits)


def test_what_is_not_known_is_null() -> None:
    document = answer("--ram", "16G")
    assert document["boot_pagefile"] is None
    assert document["dump"] is None
    assert document["configured_kind"] is None
    assert {kind["fits"] for kind in document["kinds"]} == {None}
    assert {kind["measured_bytes"] for kind in document["kinds"]} == {None}


def test_without_a_paging_file_there_is_no_boot_pagefile_and_nothing_fits() -> None:
    document = answer("--ram", "16G", "--pagefile", "0")
    assert document["boot_pagefile"] is None
    assert {kind["fits"] for kind in document["kinds"]} == {False}


def test_json_has_the_settings_to_change_one_by_one() -> None:
    advice = answer("--ram", "16G", "--pagefile", "16G", "--kind", "complete")["advice"]
    settings = [setting for item in advice if item["restart"] for setting in item["settings"]]
    assert settings[0] == {
        "key": "HKLM\\SYSTEM\\CurrentControlSet\\Control\\Session Manager\\Memory Management",
        "name": "PagingFiles",
        "type": "REG_MULTI_SZ",
        "data": "C:\\pagefile.sys 16641 16641",
        "command": 'reg add "HKLM\\SYSTEM\\CurrentControlSet\\Control\\Session Manager\\Memory Management" '
        '/v PagingFiles /t REG_MULTI_SZ /d "C:\\pagefile.sys 16641 16641" /f',
    }


# --- options ---


@pytest.mark.parametrize(
    ("options", "now", "maximum"),
    [
        (("--pagefile", "16G"), 16 * GB, 16 * GB),
        (("--pagefile", "C:=16G..48G"), 16 * GB, 48 * GB),
        (("--pagefile", "c:=16g..48g"), 16 * GB, 48 * GB),
        (("--pagefile", "2048M..1T"), 2 * GB, 1024 * GB),
        (("--pagefile", "D:=9G", "--pagefile", "C:=8G"), 8 * GB, 8 * GB),
        (("--pagefile", "D:=9G", "--boot-volume", "D:"), 9 * GB, 9 * GB),
        (("--pagefile", "9G", "--boot-volume", "d:"), 9 * GB, 9 * GB),
        (("--system-managed",), 2 * GB, 48 * GB),
        (("--system-managed", "--pagefile", "5G"), 5 * GB, 48 * GB),
        (("--system-managed", "--free-space", "11G"), 2 * GB, 12 * GB),
        (("--system-managed", "--pagefile", "5G", "--free-space", "11G"), 5 * GB, 15 * GB),
        (("--system-managed", "--volume-size", "80G"), 2 * GB, 10 * GB),
        (("--pagefile", "8G..64G", "--free-space", "10G"), 8 * GB, 18 * GB),
    ],
)
def test_the_paging_file_by_hand(options: tuple[str, ...], now: int, maximum: int) -> None:
    pagefile = answer("--ram", "16G", *options)["boot_pagefile"]
    assert (pagefile["bytes"], pagefile["maximum_bytes"]) == (now, maximum)


def test_a_dedicated_dump_file_goes_before_the_paging_file() -> None:
    document = answer("--ram", "64G", "--pagefile", "1G", "--dedicated", "70G")
    assert document["boot_pagefile"] is None
    assert document["dedicated_dump_file"]["bytes"] == 70 * GB
    assert {kind["fits"] for kind in document["kinds"]} == {True}


def test_the_architecture_by_hand() -> None:
    assert answer("--ram", "4G", "--architecture", "x86")["kinds"][1]["needs_bytes"] == 2064 * MB
    assert answer("--ram", "4G")["kinds"][1]["needs_bytes"] == 4224 * MB


@pytest.mark.parametrize("kind", KINDS)
def test_the_advice_is_for_the_kind_that_is_set(kind: str) -> None:
    document = answer("--ram", "4G", "--pagefile", "8G", "--kind", kind)
    assert document["configured_kind"] == document["advised_kind"] == kind
    assert f"{kind} dump" in document["headline"]


@pytest.mark.parametrize(
    ("pagefile", "status"), [("16641M", 0), ("16640M", 1), ("16384M", 1), ("1G..64G", 1), ("0", 1)]
)
def test_require_makes_the_exit_status_the_answer(pagefile: str, status: int) -> None:
    outcome = run("pagefilefit", "--ram", "16G", "--pagefile", pagefile, "--require", "complete")
    assert outcome.status == status
    assert outcome.err == ""
    assert "complete" in outcome.out


def test_without_require_a_no_is_status_0() -> None:
    assert run("pagefilefit", "--ram", "16G", "--pagefile", "0").status == 0


# --- text ---


def test_the_text_shows_every_figure_with_its_page_if_asked() -> None:
    text = run("pagefilefit", "--ram", "16G", "--pagefile", "16G", "--kind", "complete", "-v").out
    row = next(line.split("  ") for line in text.splitlines() if line.startswith("complete *"))
    cells = [cell.strip() for cell in row if cell.strip()]
    assert cells == ["complete *", "16,641 MB", "16,385 MB", "-", "16,384 MB", "16,384 MB", "does not fit"]
    for figure in ("16,641 MB", "16,385 MB", "16,484 MB", "16,684 MB"):
        assert any(line.startswith("  complete") and figure in line for line in text.splitlines()), figure
    for page in ("KB254649", "complete-memory-dump", "windows-based-computer-freeze-troubleshooting"):
        assert page in text


def test_a_bar_for_each_kind_is_drawn_to_one_scale() -> None:
    """A paging file of 32 GB is not quite half of the bar, which is 64 GB and 257 MB."""
    text = run("pagefilefit", "--ram", "64G", "--pagefile", "32G").out
    bars = {line.split()[0]: line.split("|")[1] for line in text.splitlines() if line.count("|") == 2}
    assert list(bars) == ["room", *KINDS]
    assert bars["room"] == "=" * 19 + " " * 21
    assert bars["small"] == "-" + " " * 39
    assert bars["complete"] == "-" * 40


def test_no_bars_are_drawn_where_only_a_small_dump_would_have_one(tmp_path: Path) -> None:
    """Without RAM, nothing tells how long the others are: empty ones would say that they take nothing."""
    hive, page = tmp_path / "SYSTEM", tmp_path / "report.html"
    hive.write_bytes(system_hive({CRASH_CONTROL: {"CrashDumpEnabled": 7}}))
    assert "|" not in run("pagefilefit", "--system-hive", hive, "--html", page).out
    assert "to one scale" not in page.read_text("utf-8")
    assert "|" in run("pagefilefit", "--system-hive", hive, "--ram", "4G", "--html", page, "--overwrite").out
    assert "to one scale" in page.read_text("utf-8")


def test_what_a_dump_usually_takes_is_marked_as_no_bound_in_every_report(tmp_path: Path) -> None:
    """A third of 16 GB is what a kernel dump usually takes; that a complete one takes RAM + 1 MB is a bound."""
    page = tmp_path / "report.html"
    text = run("pagefilefit", "--ram", "16G", "--pagefile", "16G", "--html", page).out
    for told in (text, page.read_text("utf-8")):
        assert "~5,461.3 MB" in told
        assert "~16,385 MB" not in told


def test_a_megabyte_too_little_shows_in_the_bar() -> None:
    text = run("pagefilefit", "--ram", "16G", "--pagefile", "16640M").out
    bars = {line.split()[0]: line.split("|")[1] for line in text.splitlines() if line.count("|") == 2}
    assert len(bars["room"].rstrip()) < len(bars["complete"].rstrip())


def test_what_was_measured_is_drawn(dump: Path) -> None:
    text = run("pagefilefit", dump, "--pagefile", "1G").out
    assert any(line.startswith("kernel ") and "#" in line for line in text.splitlines())


def test_the_text_is_ascii_without_control_characters(tmp_path: Path) -> None:
    path = tmp_path / "d\u00fcmp\x1b[2J.dmp"
    path.write_bytes(build(BY_NAME["kernel"]))
    text = run("pagefilefit", path, "--system-managed").out
    assert text.isascii()
    assert all(character.isprintable() or character == "\n" for character in text)


def test_it_works_as_a_process(dump: Path) -> None:
    outcome = run_process("pagefilefit", dump, "--pagefile", "16G", "--require", "kernel")
    assert (outcome.status, outcome.err) == (0, "")


# --- wrong use: status 2 ---


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "nothing to go by"),
        (("--pagefile", "16G"), "--ram"),
        (("--ram", "0"), "--ram"),
        (("--ram", "64"), "such as 64G"),
        (("--ram", "1025T"), "--ram"),
        (("--ram", "-4G"), "--ram"),
        (("--ram", "lots"), "--ram"),
        (("--ram", "16X"), "--ram"),
        (("--ram", ""), "--ram"),
        (("--ram", "16G", "--pagefile", "16GG"), "--pagefile"),
        (("--ram", "16G", "--pagefile", "16"), "such as 64G"),
        (("--ram", "16G", "--pagefile", "1G", "--pagefile", "d:=1G", "--boot-volume", "D:"), "two sizes for D:"),
        (("--ram", "16G", "--pagefile", "48G..16G"), "less than the initial size"),
        (("--ram", "16G", "--pagefile", "1G..2G..3G"), "--pagefile"),
        (("--ram", "16G", "--pagefile", "CD:=1G"), "--pagefile"),
        (("--ram", "16G", "--pagefile", "9999999T"), "make no sense"),
        (("--ram", "16G", "--pagefile", "1G", "--pagefile", "2G"), "two sizes for C:"),
        (("--ram", "16G", "--pagefile", "1G", "--pagefile", "c:=2G"), "two sizes for C:"),
        (("--ram", "16G", "--pagefile", "1G", "--pagefile", "0"), "--pagefile 0"),
        (("--ram", "16G", "--pagefile", "0", "--system-managed"), "--pagefile 0"),
        (("--ram", "16G", "--pagefile", "1G..2G", "--system-managed"), "--system-managed"),
        (("--ram", "16G", "--dedicated", "0"), "--dedicated"),
        (("--ram", "16G", "--dedicated", "9999999T"), "--dedicated"),
        (("--ram", "16G", "--boot-volume", "Windows"), "--boot-volume"),
        (("--ram", "16G", "--boot-volume", "1:"), "--boot-volume"),
        (("--ram", "16G", "--free-space", "2T", "--volume-size", "1T"), "--free-space"),
        (("--ram", "16G", "--kind", "huge"), "--kind"),
        (("--ram", "16G", "--require", "all"), "--require"),
        (("--ram", "16G", "--architecture", "mips"), "--architecture"),
        (("--this-machine", "--system-hive", "SYSTEM"), "two machines"),
        (("--this-machine",), "only on Windows"),
    ],
)
def test_wrong_use_is_status_2_and_says_what(arguments: tuple[str, ...], said: str) -> None:
    assert said in one_line(run("pagefilefit", *arguments), 2)


# --- bad input: status 3 ---


def test_a_dump_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "MEMORY.DMP"
    path.write_bytes(bytes(0x3000))
    assert str(path) in one_line(run("pagefilefit", path), 3)


def test_a_small_dump_without_ram_asks_for_it(tmp_path: Path) -> None:
    path = tmp_path / "small.dmp"
    path.write_bytes(build(BY_NAME["small"], header={"PhysicalMemoryBlock": b"PAGE" * 175}))
    assert "give --ram, such as --ram 64G" in one_line(run("pagefilefit", path), 3)


def test_an_absurd_ram_in_the_header_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "MEMORY.DMP"
    block = (1).to_bytes(8, "little") + (-1).to_bytes(8, "little", signed=True)
    path.write_bytes(build(BY_NAME["kernel"], header={"PhysicalMemoryBlock": block.ljust(700, b"\1")}))
    assert "PhysicalMemoryBlock" in one_line(run("pagefilefit", path), 3)


def test_a_file_that_is_no_hive_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "SYSTEM"
    path.write_bytes(b"no hive")
    assert "no registry hive" in one_line(run("pagefilefit", "--system-hive", path, "--ram", "1G"), 3)


def test_a_dump_cut_anywhere_is_an_answer_or_one_line(tmp_path: Path) -> None:
    path = tmp_path / "MEMORY.DMP"
    data = build(BY_NAME["complete-bitmap"])
    for length in range(0, len(data), len(data) // 60):
        path.write_bytes(data[:length])
        outcome = run("pagefilefit", path, "--pagefile", "1G")
        assert outcome.status in (0, 3)
        if outcome.status == 3:
            one_line(outcome, 3)


def test_help_explains_every_option() -> None:
    outcome = run("pagefilefit", "--help")
    assert outcome.status == 0
    for option in ("--ram", "--pagefile", "--system-hive", "--this-machine", "--dedicated", "--require", "--json"):
        assert f"  {option}" in outcome.out


def test_only_a_hive_waits_for_the_reader_of_hives() -> None:
    script = "import sys; from windbg_ext.cli import main; main(['pagefilefit', '--ram', '1G']); print(*sys.modules)"
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = done.stdout.split()
    assert "windbg_ext.commands.pagefilefit.command" in loaded
    assert {"regipy", "construct"}.isdisjoint(loaded)


# --- the answer first ---


def sections(*arguments: object) -> list[str]:
    """Return the text of a report in its parts, which a blank line divides."""
    return run("pagefilefit", *arguments).out.rstrip("\n").split("\n\n")


def test_the_answer_and_what_to_do_come_first_then_the_table_with_bars_then_what_else_to_know() -> None:
    answer, facts, table, bars, advice = sections("--ram", "16G", "--pagefile", "16G", "--kind", "complete")
    first, what, command, *_ = answer.replace("\n  now:", " now:").splitlines()
    assert first == "The next crash leaves no complete dump: there is less room than the least that it takes."
    assert what.startswith("- Give the boot volume C: a paging file of at least 16,641 MB from the start")
    assert command.startswith('    > reg add "HKLM\\SYSTEM\\CurrentControlSet\\Control\\Session Manager')
    assert facts.startswith("RAM ")
    assert table.startswith("Dump ")
    assert bars.startswith("room ")
    assert advice.startswith("More to know\n- ")


def test_sources_are_shown_only_if_asked_for() -> None:
    figures = ("--ram", "16G", "--pagefile", "16G", "--kind", "complete")
    assert not any(part.startswith("Where the figures are from") for part in sections(*figures))
    (sources,) = (part for part in sections(*figures, "--verbose") if part.startswith("Where the figures are from"))
    assert "KB254649" in sources


def settings_advised(*arguments: object) -> list[str]:
    """Return the names of the values that are to be set now."""
    advice = answer(*arguments)["advice"]
    return [setting["name"] for item in advice if item["to_do"] for setting in item["settings"]]


FIXED = ["PagingFiles", "DedicatedDumpFile", "DumpFileSize"]


@pytest.mark.parametrize(
    ("options", "advised"),
    [
        (("--system-managed",), []),
        (("--pagefile", "16G"), []),
        (("--pagefile", "16G..17G", "--kind", "complete"), []),
        (("--pagefile", "16500M", "--kind", "complete"), []),
        (("--pagefile", "16G", "--kind", "complete"), [*FIXED, "CrashDumpEnabled"]),
        (
            (
                "--pagefile",
                "0",
            ),
            FIXED,
        ),
        (("--system-managed", "--certain"), FIXED),
        (("--pagefile", "16G", "--certain"), FIXED),
        (("--pagefile", "17G", "--certain"), []),
        (("--pagefile", "16G..17G", "--kind", "complete", "--certain"), FIXED),
    ],
)
def test_fixed_sizes_are_advised_only_for_certainty_or_where_the_kind_that_is_set_cannot_fit(
    options: tuple[str, ...], advised: list[str]
) -> None:
    assert settings_advised("--ram", "16G", *options) == advised


COMPLETE = ("--ram", "64G", "--kind", "complete")
"""64 GB and 257 MB are 65,793 MB."""


@pytest.mark.parametrize(
    ("options", "room", "drive"),
    [
        (("--system-managed", "--free-space", "40G"), "C: has 40,960 MB free", "D:"),
        (("--pagefile", "8G", "--free-space", "56G"), "C: has 57,344 MB free", "D:"),
        (("--pagefile", "8G", "--volume-size", "60G"), "C: has 61,440 MB in all", "D:"),
        (("--pagefile", "D:=8G", "--free-space", "9G", "--boot-volume", "D:"), "D: has 9,216 MB free", "E:"),
    ],
)
def test_no_paging_file_is_advised_that_the_boot_volume_has_no_room_for(
    options: tuple[str, ...], room: str, drive: str
) -> None:
    names = settings_advised(*COMPLETE, *options)
    assert names[:2] == ["DedicatedDumpFile", "DumpFileSize"]
    text = " ".join(sections(*COMPLETE, *options)[0].split())
    assert f"- {room}, too little for a paging file of 65,793 MB." in text
    assert f'/d "{drive}\\dedicateddumpfile.sys"' in text


def test_a_paging_file_that_just_finds_room_is_advised() -> None:
    """It has 8,192 MB now, and 57,601 MB are free."""
    assert settings_advised(*COMPLETE, "--pagefile", "8G", "--free-space", "57601M")[:1] == ["PagingFiles"]
    assert settings_advised(*COMPLETE, "--pagefile", "8G", "--free-space", "57600M")[:1] == ["DedicatedDumpFile"]


def test_certainty_that_the_boot_volume_has_no_room_for_is_told_so() -> None:
    first = " ".join(sections("--ram", "64G", "--system-managed", "--free-space", "20G", "--kind", "kernel")[0].split())
    assert "65,664 MB from the start, which C: has no room for: it has 20,480 MB free. --certain shows how" in first


@pytest.mark.parametrize(
    ("options", "advised"),
    [
        (("--system-managed", "--free-space", "40G"), ["CrashDumpEnabled"]),  # it fits most of the time
        (("--pagefile", "30G"), ["CrashDumpEnabled"]),  # a third of RAM
        (("--pagefile", "4G"), ["CrashDumpEnabled", "PagingFiles"]),
        (("--pagefile", "D:=99G"), ["CrashDumpEnabled", "PagingFiles"]),
        (("--dedicated", "30G"), ["CrashDumpEnabled"]),
        (("--dedicated", "4G"), []),
    ],
)
def test_an_automatic_dump_is_advised_with_a_paging_file_that_takes_it(
    options: tuple[str, ...], advised: list[str]
) -> None:
    advice = [item for item in answer(*COMPLETE, *options)["advice"] if "automatic dump, which" in item["text"]]
    settings = [setting for item in advice for setting in item["settings"]]
    assert [setting["name"] for setting in settings] == advised
    assert [setting["data"] for setting in settings[1:]] == ["?:\\pagefile.sys"] * (len(advised) - 1 if advised else 0)


def test_a_paging_file_that_windows_does_not_make_is_told_as_the_reason() -> None:
    first = sections("--ram", "16G", "--pagefile", "1M", "--kind", "small")[0].splitlines()[0]
    why = "the paging file's maximum is under 2 MB, and Windows makes none so small"
    assert first == f"The next crash leaves no small dump: {why}."


def test_what_happens_if_a_dump_that_usually_fits_does_not_and_what_certainty_costs_are_told() -> None:
    """16,512 MB is RAM and 128 MB, the worst case; the file has an eighth of RAM now."""
    first = sections("--ram", "16G", "--system-managed", "--kind", "automatic")[0].replace("\n  ", " ")
    assert "(LastCrashTime) and keeps the paging file larger for 4 weeks, so that the next one fits." in first
    assert "a paging file on C: of 16,512 MB from the start, 14,464 MB more of the disk than now" in first
    assert "--certain shows how" in first


def test_a_measurement_and_the_worst_case_are_not_both_called_certain(dump: Path) -> None:
    """352 KB of RAM and 128 MB is the worst case: nothing else is certain."""
    for options in (("--system-managed",), ("--pagefile", "0"), ("--pagefile", "0", "--certain")):
        text = " ".join(run("pagefilefit", dump, *options, "--kind", "kernel").out.split())
        assert "as measured" not in text
        assert "at least 1 MB" not in text
    assert "a paging file of at least 129 MB from the start" in text
