"""What the bang commands answer on the real engine: the answer first, the rest on request; colours are markup."""

from __future__ import annotations

import os
import re
import shutil
import struct
from dataclasses import replace
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING

import pytest
from support.dumps_at_hand import SAMPLES

from engine.bang_commands import Scripts, command_line, shell_answers
from engine.engine import windows_path
from samples.builder import SAMPLES as DESCRIPTIONS
from samples.builder import build

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.engine import Engine
    from engine.kd import Kd
    from samples.builder import Sample

COMPLETE = SAMPLES / "complete.dmp"
DESCRIBED = next(sample for sample in DESCRIPTIONS if sample.name == "complete")
FAULTY = DESCRIBED.machine.modules[-1].base
COOKIE = 0x0000A1B2_C3D4E5F6
RETURNS = [FAULTY + 0x1000 + 16 * number for number in range(1, 15)]
"""Addresses of code in faulty.sys, for a stack with more of them than are shown at first."""
only_markup = pytest.mark.skipif(os.name == "nt", reason="Microsoft's kd does not show DML as it is")


def typed(kd: Kd, scripts: Scripts, dump: Path, commands: Sequence[str], *options: str) -> list[str]:
    return kd.run(dump, [scripts.load, *commands], *options)[1:]


def cookies_and_a_long_stack(path: Path) -> Path:
    """Write a dump of a 0xF7, whose parameters are cookies, with a longer stack than the sample has."""
    machine, sample = DESCRIBED.machine, DESCRIBED
    crashed = machine.processors[machine.crashed]
    threads = tuple(
        replace(thread, words=tuple(RETURNS)) if thread.address == crashed.current_thread else thread
        for thread in machine.threads
    )
    registers = {**crashed.registers, "Rsp": next(t.kernel_stack for t in threads if t.words == tuple(RETURNS))}
    processors = [*machine.processors]
    processors[machine.crashed] = replace(crashed, registers=registers)
    check = replace_bug_check(sample, 0xF7, (COOKIE, COOKIE + 1, 0xFFFFFFFF_FFFFFFFF ^ COOKIE, 0))
    changed = replace(check.machine, threads=threads, processors=tuple(processors))
    path.write_bytes(build(replace(sample, machine=changed)))
    return path


def replace_bug_check(sample: Sample, code: int, parameters: tuple[int, int, int, int]) -> Sample:
    bug_check = sample.machine.bug_check._replace(code=code, parameters=parameters)
    return replace(sample, machine=replace(sample.machine, bug_check=bug_check))


def test_minify_says_what_it_made_and_shows_the_parts_and_the_check_if_asked(
    kd: Kd, written: Scripts, tmp_path: Path
) -> None:
    names = [windows_path(tmp_path / f"{name}.dmp") for name in "abc"]
    brief, parts, verified = typed(
        kd, written, COMPLETE, [f"!minify {names[0]}", f"!minify /v {names[1]}", f"!minify /verify {names[2]}"]
    )
    before, after = COMPLETE.stat().st_size, (tmp_path / "a.dmp").stat().st_size
    assert brief.splitlines()[:4] == [
        f"{names[0]}: {after / 1024:.1f} KB",
        f"  made from  {windows_path(COMPLETE)}, {before / 1024:.1f} KB: {before / after:.1f} times the size",
        "  holds      4 processors, 9 modules",
        "  missing    nothing",
    ]
    assert "call stack" not in brief
    assert re.search(r"^call stack +[\d,]+ +1$", parts, re.MULTILINE)
    assert "verified" not in brief
    kept = re.search(r"^  verified +(\d+) of (\d+) answers kept$", verified, re.MULTILINE)
    assert kept is not None
    assert kept[1] == kept[2]


def test_pagefilefit_begins_with_the_verdict_then_what_to_do_then_figures_bars_advice_and_on_request_sources(
    kd: Kd, written: Scripts
) -> None:
    asked = "!pagefilefit /ram 16G /pagefile 2G"
    brief, full, unknown = typed(kd, written, COMPLETE, [asked, f"{asked} /v", "!pagefilefit"])
    assert "The paging file is large enough for an automatic dump: " in brief.splitlines()[0]
    verdict, what_to_do, *_ = unknown.splitlines()
    assert verdict == "Whether the next crash leaves an automatic dump cannot be told: no paging file was named."
    assert what_to_do.startswith("- Certainty takes a paging file on C: of ")
    places = [
        brief.index(text) for text in ("\nDump           Needs", "\nautomatic |", "\nMore to know\n", "\nNotes\n")
    ]
    assert places == sorted(places)
    assert "Where the figures are from" not in brief
    assert re.search(r"^Where the figures are from\n  small +2 MB  safe: 2 MB \[", full, re.MULTILINE)
    # one figure for certainty, that of the table, rounded up to what a paging file can have
    (needs,) = re.findall(r"^automatic +([\d.]+) MB", unknown, re.MULTILINE)
    (certain,) = re.findall(r"^- Certainty takes a paging file on C: of (\d+) MB", unknown, re.MULTILINE)
    assert int(certain) - 1 < float(needs) <= int(certain)
    assert "To be sure" not in brief + full + unknown


def test_with_v_or_as_csv_the_table_has_every_column_and_addresses_are_those_of_modules(
    kd: Kd, written: Scripts
) -> None:
    folder = windows_path(SAMPLES)
    wide, csv = typed(kd, written, COMPLETE, [f"!dumpkind -v {folder}", f"!dumpkind /csv {folder}"])
    header = csv.splitlines()[0].lstrip("\ufeff").split(",")
    assert [header.index(name) for name in ("Crash address", "Stack address 3", "Full path", "Problem")]
    assert re.split(r" {2,}", wide.splitlines()[0].strip()) == header
    (row,) = [line for line in csv.splitlines() if line.startswith("complete.dmp,")]
    cells = dict(zip(header, row.split(",")))
    assert cells["Caused by address"] == "faulty.sys+0x1010"
    assert cells["Crash address"] == "ntoskrnl.exe+0x1100"
    assert cells["Stack address 2"] == "faulty.sys+0x1010"


def test_ten_addresses_of_the_stack_are_shown_and_all_on_request(kd: Kd, written: Scripts, tmp_path: Path) -> None:
    dump = cookies_and_a_long_stack(tmp_path / "f7.dmp")
    brief, full = typed(kd, written, dump, ["!dumpkind", "!dumpkind /v"])
    names = [f"faulty.sys+0x{address - FAULTY:x}" for address in RETURNS]
    of_stack = [answer.partition("\nStack ")[2].partition("\n\n")[0] for answer in (brief, full)]
    assert re.findall(r"^  (faulty\.sys\S+)", of_stack[0], re.MULTILINE) == names[:10]
    assert re.findall(r"^  (faulty\.sys\S+)", of_stack[1], re.MULTILINE)[: len(names)] == names


@only_markup
def test_cookies_are_no_links_and_what_is_said_of_another_dump_links_to_nothing_of_the_open_one(
    kd: Kd, written: Scripts, tmp_path: Path
) -> None:
    dump = cookies_and_a_long_stack(tmp_path / "f7.dmp")
    here, other, table = typed(
        kd,
        written,
        dump,
        ["!dumpkind", f"!dumpkind {windows_path(COMPLETE)}", f"!dumpkind {windows_path(SAMPLES)}"],
        "-dml",
    )
    (parameters,) = re.findall(r"^  parameters  (.*)$", here, re.MULTILINE)
    assert parameters == f"0x{COOKIE:x} 0x{COOKIE + 1:x} 0x{0xFFFFFFFF_FFFFFFFF ^ COOKIE:x} 0x0"
    assert f'<link cmd="u 0x{RETURNS[0]:x}">' in here
    for answer in (other, table):
        assert set(re.findall(r'<link cmd="(\S+) ', answer)) == {".opendump"}


@only_markup
def test_verdicts_and_problems_have_colours_as_markup_and_none_without_it(
    kd: Kd, written: Scripts, tmp_path: Path
) -> None:
    cut = tmp_path / "cut.dmp"
    cut.write_bytes(COMPLETE.read_bytes()[:-100])
    commands = ["!dumpkind", f"!dumpkind {windows_path(cut)}", "!pagefilefit /ram 16G /pagefile 1G"]
    markup = typed(kd, written, COMPLETE, commands, "-dml")
    assert '  whole       <col fg="emphfg">yes: ' in markup[0]
    assert '  whole       <col fg="errfg">no: ' in markup[1]
    assert '<col fg="errfg">does not fit</col>' in markup[2]
    plain = typed(kd, written, COMPLETE, commands)
    assert not [answer for answer in plain if "\x1b" in answer or "<" in answer.replace("=<", "")]
    assert [len(answer.splitlines()) for answer in plain] == [len(answer.splitlines()) for answer in markup]


@only_markup
def test_a_batch_has_neither_suggestions_nor_links_to_what_to_do_next(kd: Kd, written: Scripts, tmp_path: Path) -> None:
    small = windows_path(tmp_path / "small.dmp")
    batch = f"$$>a<{windows_path(written.folder / 'batch.wds')}"
    done = kd.run_line(COMPLETE, f"{batch} minify {small}", "-dml")
    assert "windbg-ext: exit status 0" in done
    assert "Next" not in done
    assert ".opendump" not in done


@only_markup
def test_letters_of_every_script_are_shown_and_marks_of_the_direction_are_escaped(
    kd: Kd, written: Scripts, tmp_path: Path
) -> None:
    names = [
        "gr\N{LATIN SMALL LETTER O WITH DIAERESIS}\N{LATIN SMALL LETTER SHARP S}e.dmp",
        "\N{CYRILLIC CAPITAL LETTER PE}\N{CYRILLIC SMALL LETTER ER}.dmp",
        "\N{CJK UNIFIED IDEOGRAPH-6587}\N{CJK UNIFIED IDEOGRAPH-4EF6}.dmp",
    ]
    reversed_name = "a\N{RIGHT-TO-LEFT OVERRIDE}pmd.dmp"
    for name in (*names, reversed_name):
        shutil.copy(COMPLETE, tmp_path / name)
    (table,) = typed(kd, written, COMPLETE, [f"!dumpkind {windows_path(tmp_path)}"], "-dml")
    for name in names:
        assert f">{name}</link>" in table
    assert "a\\u202epmd.dmp" in table
    assert "\N{RIGHT-TO-LEFT OVERRIDE}" not in table


LARGE_KINDS = {
    "complete": "a complete memory dump",
    "complete-bitmap": "a complete memory dump",
    "active": "an active memory dump",
    "kernel": "a kernel memory dump",
}


def test_no_large_dump_is_replaced_in_a_session_by_a_batch_or_by_the_command_line(
    engine: Engine, kd: Kd, written: Scripts, tmp_path: Path
) -> None:
    sources, there = tmp_path / "sources", tmp_path / "there"
    sources.mkdir()
    there.mkdir()
    for name in LARGE_KINDS:
        shutil.copy(SAMPLES / "complete.dmp", sources / f"{name}.dmp")
        shutil.copy(SAMPLES / f"{name}.dmp", there / f"{name}-small.dmp")
    paths = {name: windows_path(there / f"{name}-small.dmp") for name in LARGE_KINDS}
    folders = f"{windows_path(sources)} {windows_path(there)}"
    *answers, many = typed(
        kd, written, COMPLETE, [*(f"!minify /o {path}" for path in paths.values()), f"!minify /o {folders}"]
    )
    for (name, path), answer in zip(paths.items(), answers):
        assert answer == (
            f"windbg-ext: {path}: destination: is {LARGE_KINDS[name]}, which is never replaced; name another file; "
            f'to convert it: !minify "{path}" DESTINATION'
        )
    for name, path in paths.items():
        assert f"destination: exists and is {LARGE_KINDS[name]}, which is never replaced; move it away; " in many
        assert f'to convert it: !minify "{path}" DESTINATION' in many
    said = command_line(engine, tmp_path, "minify", "--overwrite", windows_path(COMPLETE), paths["kernel"], errors=True)
    assert "is a kernel memory dump, which is never replaced" in said
    assert f'minify "{paths["kernel"]}" DESTINATION' in said
    said = command_line(engine, tmp_path, "minify", "--overwrite", *folders.split(), errors=True)
    assert said.count("which is never replaced") == len(LARGE_KINDS)
    for name in LARGE_KINDS:
        assert (there / f"{name}-small.dmp").read_bytes() == (SAMPLES / f"{name}.dmp").read_bytes()


def test_a_debugger_of_other_bits_does_not_say_that_anything_was_loaded(
    kd: Kd, written: Scripts, tmp_path: Path
) -> None:
    """The DLLs are marked as 32-bit here; a 32-bit debugger refuses 64-bit ones in the same way."""
    load = (written.folder / "load.wds").read_text()
    scripts = written.variant(tmp_path / "variant", (written.folder / "run.wds").read_text())
    for line, name in zip(re.findall(r"^\.load (.*)$", load, re.MULTILINE), ("python.dll", "wrong.pyd")):
        image = bytearray(existing(line).read_bytes()[:0x1000])
        at = struct.unpack_from("<I", image, 0x3C)[0]
        struct.pack_into("<H", image, at + 4, 0x14C)  # IMAGE_FILE_MACHINE_I386
        struct.pack_into("<H", image, at + 24, 0x10B)  # IMAGE_NT_OPTIONAL_HDR32_MAGIC
        other = tmp_path / name
        other.write_bytes(image)
        script = scripts.folder / "load.wds"
        # another name, because the folder of the real one is where the stand-in for kd.exe looks for extensions
        changed = script.read_text().replace(line, windows_path(other)).replace("!pykd.pyd.", "!wrong.pyd.")
        script.write_text(changed)
    (answer,) = kd.run(COMPLETE, [scripts.load])
    assert answer.count("Win32 error 0n193") >= 2  # ERROR_BAD_EXE_FORMAT
    assert "windbg-ext is not loaded, the lines above say why (the debugger must be 64-bit): " in answer
    assert "(-? behind each" not in answer


def existing(path: str) -> Path:
    """Return a file that is named as Windows names files, in letters of any case."""
    found = Path(f"{Path(path).drive}\\") if os.name == "nt" else Path("/")
    for part in PureWindowsPath(path).parts[1:]:
        found = next(entry for entry in found.iterdir() if entry.name.lower() == part.lower())
    return found


def test_an_alias_of_ones_own_over_shell_takes_arguments_and_refuses_a_semicolon(
    kd: Kd, without_pykd: Scripts, tmp_path: Path
) -> None:
    (python,) = set(re.findall(r'\.shell -ci "\|\|;al" -t 8640 (\S+) ', (without_pykd.folder / "run.wds").read_text()))
    alias = f'aS ${{/v:!mine}} .shell -ci "||" -t 8640 {python} -m windbg_ext bang dumpkind'
    other = windows_path(SAMPLES / "active.dmp")
    answers = shell_answers(kd, COMPLETE, alias, "!mine", f'!mine "{other}"', "!mine -v; k")
    assert f"{windows_path(COMPLETE)}: complete memory dump" in answers[1]
    assert f"{other}: active memory dump" in answers[2]
    assert answers[3] == ("windbg-ext: a ; does not end a command here, .shell hands it on: type one command a line")
