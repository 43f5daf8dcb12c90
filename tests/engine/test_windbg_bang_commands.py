"""The bang commands in a console debugger on the real engine, loaded by the scripts that windbg-setup wrote."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Callable

import pytest
from support.dumps_at_hand import LARGE, SAMPLES, SMALL, given_dumps, read_dump_header
from support.planted import leaks, planted_dump

from engine.agreement import measure_agreement
from engine.bang_commands import Scripts, command_line, in_the_debugger, without_suggestions
from engine.engine import windows_path
from engine.kd import REPOSITORY
from samples.builder import SAMPLES as DESCRIPTIONS
from samples.builder import build
from windbg_ext import MinifyOptions, Scrubbing, minify
from windbg_ext.interface.registry import COMMANDS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from engine.engine import Engine
    from engine.kd import Kd

NAMES = [command.name for command in COMMANDS]
KINDS = ["complete.dmp", "active.dmp", "kernel.dmp", "small.dmp"]
INTERPRETERS = ["-g", "-l"]  # one for all commands of a session, a fresh one for each
SECONDS_UNTIL_BREAK = "2"


@pytest.fixture(params=INTERPRETERS)
def scripts(request: pytest.FixtureRequest, written: Scripts, tmp_path: Path) -> Scripts:
    run = (written.folder / "run.wds").read_text()
    assert " -g " in run
    return written.variant(tmp_path / "variant", run.replace(" -g ", f" {request.param} "))


def test_one_line_loads_every_command_and_says_so(kd: Kd, scripts: Scripts) -> None:
    (loaded,) = kd.run(SAMPLES / "complete.dmp", [scripts.load])
    assert [f"!{name}" in loaded for name in NAMES] == [True] * len(NAMES), loaded


@pytest.mark.parametrize("kind", KINDS)
def test_every_command_says_of_the_open_dump_what_the_command_line_says_of_its_file(
    kind: str, engine: Engine, kd: Kd, scripts: Scripts, tmp_path: Path
) -> None:
    dump, small = SAMPLES / kind, tmp_path / "small.dmp"
    names = [name for name in NAMES if not (name == "minify" and kind == "small.dmp")]
    arguments = {name: [windows_path(small)] if name == "minify" else [] for name in names}
    answers = kd.run(dump, [scripts.load, *(" ".join((f"!{name}", *arguments[name])) for name in names)])[1:]
    small.unlink(missing_ok=True)
    expected = [command_line(engine, tmp_path, name, windows_path(dump), *arguments[name]) for name in names]
    assert all(expected)
    assert list(map(without_suggestions, answers)) == list(map(in_the_debugger, expected))


@pytest.mark.parametrize("dump", given_dumps(*LARGE, SMALL), ids=lambda path: path.name)
@pytest.mark.parametrize("options", ["-v", "--json"])
def test_a_long_report_comes_to_its_end(
    options: str, dump: Path, engine: Engine, kd: Kd, written: Scripts, unpacked: Callable[[Path], Path], tmp_path: Path
) -> None:
    dump = unpacked(dump)
    answer = kd.run(dump, [written.load, f"!dumpkind {options}"])[1]
    assert without_suggestions(answer) == command_line(engine, tmp_path, "dumpkind", options, windows_path(dump))


@pytest.mark.parametrize("kind", ["complete.dmp", "active.dmp", "kernel.dmp"])
def test_the_engine_answers_about_a_dump_made_in_the_debugger_as_about_its_source(
    kind: str, engine: Engine, kd: Kd, scripts: Scripts, tmp_path: Path
) -> None:
    small = tmp_path / "small.dmp"
    kd.run(SAMPLES / kind, [scripts.load, f"!minify {windows_path(small)}"])
    agreement = measure_agreement(engine, SAMPLES / kind, small)
    assert (agreement.asked, agreement.agreed) == (agreement.questions, agreement.questions)


@pytest.mark.parametrize("name", ["complete", "small"])
def test_scrubbing_in_the_debugger_leaves_out_what_it_leaves_out_outside(
    name: str, engine: Engine, kd: Kd, written: Scripts, tmp_path: Path
) -> None:
    source, inside, outside = (tmp_path / f"{one}.dmp" for one in ("planted", "inside", "outside"))
    source.write_bytes(planted_dump(name))
    minify(source, outside, MinifyOptions(scrub=Scrubbing()))
    report, found = kd.run(source, [written.load, f"!minify /scrub {windows_path(inside)}", "!dumpkind /privacy"])[1:]
    assert "Left out because it could identify a person or a machine" in report
    assert inside.read_bytes() == outside.read_bytes()
    assert list(leaks(inside.read_bytes())) == []
    expected = command_line(engine, tmp_path, "dumpkind", "--privacy", windows_path(source))
    assert without_suggestions(found) == in_the_debugger(expected)


def test_arguments_arrive_in_every_form(kd: Kd, scripts: Scripts, tmp_path: Path) -> None:
    folder = tmp_path / "with blanks; and more"
    folder.mkdir()
    first, second, third = (windows_path(folder / name) for name in ("first.dmp", "second.dmp", "third.dmp"))
    other = windows_path(SAMPLES / "kernel.dmp")
    answers = kd.run(
        SAMPLES / "complete.dmp",
        [
            scripts.load,
            f'!minify "{first}" /c "text with <blanks> & more"',
            f'!minify /size 256K -comment other "{second}"',
            f'!minify "{first}" --overwrite --comment replaced',
            f'!minify {other} "{third}"',
            f'!minify /O "{second}"',
        ],
    )
    assert [answer.splitlines()[0].split(": ")[0] for answer in answers[1:]] == [first, second, first, third, second]
    comments = [(folder / name).read_bytes()[0xFB0:].split(b"\0")[0] for name in ("first.dmp", "third.dmp")]
    assert comments[0] == b"replaced"
    header = read_dump_header(folder / "third.dmp")
    assert header is not None
    assert header.processors == 3  # kernel.dmp's; the open dump has four


def test_minify_without_a_destination_writes_beside_the_dump_under_a_new_name(
    kd: Kd, scripts: Scripts, tmp_path: Path
) -> None:
    dump = tmp_path / "MEMORY.DMP"
    dump.write_bytes((SAMPLES / "complete.dmp").read_bytes())
    kd.run(dump, [scripts.load, "!minify", "!minify"])
    assert {path.name for path in tmp_path.glob("*.[dD][mM][pP]")} == {
        "MEMORY.DMP",
        "MEMORY-small.dmp",
        "MEMORY-small2.dmp",
    }


@pytest.mark.parametrize("switch", ["-?", "/?", "--help"])
def test_help_shows_the_switches_in_the_debuggers_manner(switch: str, kd: Kd, scripts: Scripts) -> None:
    (_, answer) = kd.run(SAMPLES / "complete.dmp", [scripts.load, f"!minify {switch}"])
    assert answer.startswith("usage: !minify ")
    assert "/o" in answer
    assert "/size" in answer
    assert "Traceback" not in answer


def test_a_command_that_fails_says_so_in_one_line_and_leaves_the_session_usable(
    kd: Kd, scripts: Scripts, tmp_path: Path
) -> None:
    missing = windows_path(tmp_path / "no such folder" / "small.dmp")
    text = tmp_path / "text.dmp"
    text.write_text("not a dump")
    commands = [
        f'!minify "{missing}"',
        "!minify /nonsense",
        "!minify /size many",
        f'!minify "{windows_path(text)}" small.dmp',
    ]
    answers = kd.run(SAMPLES / "complete.dmp", [scripts.load, *commands, "!dumpkind", "r rip"])[1:]
    for command, answer in zip(commands, answers):
        assert answer.startswith("windbg-ext: "), command
        assert len(answer.splitlines()) == 1, answer
    assert "complete memory dump" in answers[-2]
    assert answers[-1].startswith("rip=")


FAULTY_COMMAND = """
import sys
sys.path.insert(0, {repository!r})
from windbg_ext.debugger import entry
from windbg_ext.interface.command import Argument, Command
def run(options, console):
        {body}
entry.COMMANDS = (Command("minify", "", "", (Argument("source", ""),), run),)
entry.main()
"""


def faulty(written: Scripts, folder: Path, body: str) -> Scripts:
    script = folder / "faulty.py"
    script.write_text(FAULTY_COMMAND.format(repository=windows_path(REPOSITORY), body=body))
    return written.variant(folder / "faulty", f"!pykd.pyd.py -g {windows_path(script)}")


def test_a_fault_of_ours_is_one_line_that_names_the_log_with_the_traceback(
    kd: Kd, written: Scripts, tmp_path: Path
) -> None:
    log = "sys.modules['tempfile'].tempdir"
    body = f"import sys, tempfile; {log} = {windows_path(tmp_path)!r}; 1 / 0"
    _, answer, alive = kd.run(SAMPLES / "small.dmp", [faulty(written, tmp_path, body).load, "!minify", "r rip"])
    path = tmp_path / "windbg-ext.log"
    assert answer == (f"windbg-ext: internal error (ZeroDivisionError), please report it with {windows_path(path)}")
    assert "ZeroDivisionError: division by zero" in path.read_text()
    assert alive.startswith("rip=")


WRITE_SLOWLY = """
        import time
        from pathlib import Path
        from windbg_ext.commands.destination import replace_file
        with replace_file(Path({destination!r}), None, overwrite=False) as file, \\
                console.progress() as progress:
            for done in range(600):
                file.write(b"some of it")
                progress("writing slowly", done, 600)
                time.sleep(0.05)
        return 0
"""


@pytest.mark.skipif(os.name == "nt", reason="Microsoft's kd has no option that breaks a command off")
def test_ctrl_break_ends_a_command_and_leaves_nothing_behind(kd: Kd, written: Scripts, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    slow = faulty(written, tmp_path, WRITE_SLOWLY.format(destination=windows_path(out / "small.dmp")))
    _, answer, alive = kd.run(
        SAMPLES / "small.dmp", [slow.load, "!minify", "r rip"], "-break", f"{SECONDS_UNTIL_BREAK}000"
    )
    assert "windbg-ext: interrupted; nothing was left behind" in answer
    assert "Traceback" not in answer
    assert list(out.iterdir()) == []
    assert alive.startswith("rip=")


def hostile_dump(path: Path) -> str:
    """Write a dump whose module name and comment look like commands, and return the name."""
    name = '<link cmd="q">x</link>'
    sample = next(sample for sample in DESCRIPTIONS if sample.file_name == "complete.dmp")
    modules = (*sample.machine.modules[:-1], replace(sample.machine.modules[-1], name=name))
    comment = b'"; q <exec cmd="q">\x1b[2J\r\n\x07&amp;'.ljust(128, b"\0")
    path.write_bytes(
        build(replace(sample, machine=replace(sample.machine, modules=modules)), header={"Comment": comment})
    )
    return name


def test_names_and_comments_that_look_like_markup_are_shown_as_they_are(
    kd: Kd, scripts: Scripts, tmp_path: Path
) -> None:
    name = hostile_dump(tmp_path / "hostile.dmp")
    _, plain = kd.run(tmp_path / "hostile.dmp", [scripts.load, "!dumpkind -v"])
    assert name in plain
    assert '"; q <exec cmd="q">\\x1b[2J\\r\\n\\x07&amp;' in plain
    assert "\x1b" not in plain


@pytest.mark.skipif(os.name == "nt", reason="Microsoft's kd does not show DML as it is")
def test_no_text_of_a_dump_becomes_markup_or_a_command(kd: Kd, scripts: Scripts, tmp_path: Path) -> None:
    hostile_dump(tmp_path / "hostile.dmp")
    _, markup = kd.run(tmp_path / "hostile.dmp", [scripts.load, "!dumpkind -v"], "-dml")
    commands = re.findall(r"<[^>]*>", markup)
    assert "&lt;link cmd=&quot;q&quot;&gt;x&lt;/link&gt;" in markup
    tags = {command for command in commands if not command.startswith("<link cmd=")}
    assert tags == {"</link>", "</col>", '<col fg="emphfg">'}
    linked = set(re.findall(r'<link cmd="([^"]*)">', markup))
    assert {
        command for command in linked if not re.fullmatch(r"(db|u) 0x[0-9a-f]+|lmvm \w+|![a-z]+( -v| /html)?", command)
    } == set()
    assert "!analyze -v" in linked
    assert "lmvm hal" in linked


def test_loading_twice_changes_nothing_and_unloading_takes_the_aliases_away(kd: Kd, scripts: Scripts) -> None:
    unload = f"$$><{windows_path(scripts.folder / 'unload.wds')}"
    _, once, _, twice, _, after = kd.run(SAMPLES / "small.dmp", [scripts.load, "al", scripts.load, "al", unload, "al"])
    assert once == twice
    assert re.findall(r"^ !([\w-]+)", once, re.MULTILINE) == sorted([*NAMES, "windbg-ext"])
    assert "!" not in after


def test_the_batch_script_converts_a_dump_tells_the_status_and_quits(
    engine: Engine, kd: Kd, written: Scripts, tmp_path: Path
) -> None:
    batch, small = windows_path(written.folder / "batch.wds"), tmp_path / "small.dmp"
    line = f"$$>a<{batch} minify {windows_path(small)}"
    done = kd.run_line(SAMPLES / "kernel.dmp", line)
    assert re.search(r"^windbg-ext: exit status [01]$", done, re.MULTILINE)
    assert done.rstrip().endswith("quit:")
    assert measure_agreement(engine, SAMPLES / "kernel.dmp", small).differences == ()
    again = kd.run_line(SAMPLES / "kernel.dmp", line)
    assert "windbg-ext: exit status 3" in again


def test_an_unknown_command_is_told(kd: Kd, scripts: Scripts) -> None:
    script = windows_path(scripts.folder / "run.wds")
    (_, answer) = kd.run(SAMPLES / "small.dmp", [scripts.load, f'$$>a<"{script}" nonsense'])
    assert answer.startswith("windbg-ext: 'nonsense' is not one of ")


def suggestions(answers: Sequence[str]) -> list[str]:
    return [line for answer in answers for line in answer.splitlines() if line.startswith("Next: ")]


def test_a_report_ends_with_what_to_try_next_but_json_does_not(kd: Kd, scripts: Scripts) -> None:
    answers = kd.run(SAMPLES / "complete.dmp", [scripts.load, "!dumpkind", "!dumpkind /json"])
    assert suggestions(answers) == ["Next: !analyze -v  !pagefilefit  !minify  !dumpkind /html"]
