"""The bang commands in a newer Python without pykd, which `.shell` starts: CPython 3.13 for Windows, under Wine."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from support.dumps_at_hand import SAMPLES, read_dump_header

from engine.bang_commands import (
    OF_SHELL,
    command_line,
    in_the_debugger,
    sessions,
    shell_answers,
    without_suggestions,
)
from engine.engine import windows_path
from engine.live_kernel import live
from samples.builder import SAMPLES as DESCRIPTIONS
from samples.builder.kernel import crash

if TYPE_CHECKING:
    from pathlib import Path

    from engine.bang_commands import Scripts
    from engine.engine import Engine
    from engine.kd import Kd

COMPLETE = SAMPLES / "complete.dmp"


def typed(kd: Kd, scripts: Scripts, target: Path | str, *commands: str) -> list[str]:
    return shell_answers(kd, target, scripts.load, *commands)


def test_loading_is_told_by_the_python_that_runs_the_commands(kd: Kd, without_pykd: Scripts) -> None:
    loaded, overview = typed(kd, without_pykd, COMPLETE, "!windbg-ext")
    assert re.fullmatch(r"windbg-ext \S+: !dumpkind, !minify, !pagefilefit, !windbg-ext .*", loaded)
    assert re.search(r"^runs in +Python 3\.13\.\d+, .*without pykd$", overview, re.MULTILINE)


def test_every_command_says_of_the_open_dump_what_the_command_line_says_of_its_file(
    engine: Engine, kd: Kd, without_pykd: Scripts, tmp_path: Path
) -> None:
    dump, small = windows_path(COMPLETE), tmp_path / "small.dmp"
    lines = [("dumpkind", "-v"), ("pagefilefit",), ("minify", "/o", windows_path(small))]
    answers = typed(kd, without_pykd, COMPLETE, *(" ".join((f"!{name}", *words)) for name, *words in lines))[1:]
    small.unlink()
    expected = [
        command_line(engine, tmp_path, "dumpkind", "-v", dump),
        command_line(engine, tmp_path, "pagefilefit", dump),
        command_line(engine, tmp_path, "minify", dump, windows_path(small)),
    ]
    assert list(map(without_suggestions, answers)) == list(map(in_the_debugger, expected))


def test_arguments_arrive_in_every_form_whatever_they_mean_to_cmd(
    kd: Kd, without_pykd: Scripts, tmp_path: Path
) -> None:
    folder = tmp_path / "with blanks; and %PATH% & more"
    folder.mkdir()
    first, second, third = (windows_path(folder / name) for name in ("first.dmp", "second.dmp", "third.dmp"))
    other = windows_path(SAMPLES / "kernel.dmp")
    answers = typed(
        kd,
        without_pykd,
        COMPLETE,
        f'!minify /o "{first}" /c "50%; <a> & b ^ c | d > e"',
        f'!minify /o /size 256K -comment %PATH% "{second}"',
        f'!minify /o {other} "{third}"',
        f'!minify -O "{second}"',
    )
    assert [answer.splitlines()[0].split(": ")[0] for answer in answers[1:]] == [first, second, third, second]
    comment = (folder / "first.dmp").read_bytes()[0xFB0:].split(b"\0")[0]
    assert comment == b"50%; <a> & b ^ c | d > e"
    header = read_dump_header(folder / "third.dmp")
    assert header is not None
    assert header.processors == 3  # kernel.dmp's; the open dump has four


def test_the_batch_script_converts_a_dump_tells_the_status_and_quits(
    kd: Kd, without_pykd: Scripts, tmp_path: Path
) -> None:
    small = tmp_path / "small.dmp"
    line = f"$$>a<{windows_path(without_pykd.folder / 'batch.wds')} minify {windows_path(small)}"
    done = kd.run_line(COMPLETE, line.replace("minify", "minify /o"))
    assert "windbg-ext: exit status 0" in done
    assert "Next: " not in done
    assert done.rstrip().endswith("quit:")
    assert small.read_bytes().startswith(b"PAGEDU64")


def test_a_live_target_is_refused_with_the_reason(kd: Kd, without_pykd: Scripts, tmp_path: Path) -> None:
    machine = next(sample.machine for sample in DESCRIPTIONS if sample.name == "complete")
    lines = [without_pykd.load, f"!minify {windows_path(tmp_path / 'small.dmp')}"]
    with live(crash(machine)) as connection:
        _, answer = shell_answers(kd, connection, *lines)
    assert answer == (
        "windbg-ext: this Python runs beside the debugger and reads files only: a live target needs pykd "
        "(windbg-setup tells how)"
    )


def test_a_command_that_takes_longer_than_shell_waits_by_default_is_waited_for_without_a_question(
    kd: Kd, without_pykd: Scripts, tmp_path: Path
) -> None:
    slow = tmp_path / "slow.py"
    slow.write_text("import time\ntime.sleep(11)\nprint('done')\n")
    run = (without_pykd.folder / "run.wds").read_text()
    scripts = without_pykd.variant(
        tmp_path / "variant", re.sub(r'"[^"]*shell_bang\.py"', windows_path(slow).replace("\\", r"\\"), run)
    )
    assert typed(kd, scripts, COMPLETE, "!dumpkind")[1] == "done"


@pytest.mark.parametrize("gone", ["python.exe", "shell_bang.py"])
def test_a_load_that_fails_says_what_to_do(gone: str, kd: Kd, without_pykd: Scripts, tmp_path: Path) -> None:
    scripts = without_pykd.variant(tmp_path / "variant", (without_pykd.folder / "run.wds").read_text())
    load = scripts.folder / "load.wds"
    load.write_text(re.sub(rf"(\.shell .*?){gone}", rf"\1gone-{gone}", load.read_text(), count=1))
    (answer,) = typed(kd, scripts, COMPLETE)
    assert "windbg-ext is not loaded, the line above says why: run windbg-setup again: " in answer
    assert "(-? behind each" not in answer


def test_the_session_on_the_page_is_what_the_engine_shows(kd: Kd, without_pykd: Scripts, tmp_path: Path) -> None:
    dump = tmp_path / "MEMORY.DMP"
    dump.write_bytes(COMPLETE.read_bytes())
    (_, session) = sessions("scripts/README.md")
    here = {"C:\\windbg-ext": windows_path(without_pykd.folder), "C:\\dumps": windows_path(tmp_path)}

    def placed(text: str) -> str:
        for there, path in here.items():
            text = text.replace(there, path)
        return text

    commands = [placed(command) for command, _ in session]
    answers = typed(kd, without_pykd, dump, *commands[1:])
    for (_, shown), answer in zip(session, answers):
        expected = re.escape(OF_SHELL.sub("", placed(shown)).strip("\n")).replace(re.escape("..."), ".*")
        assert re.fullmatch(re.sub(r"3\\\.13\\\.\d+", r"3\\.13\\.\\d+", expected), answer)
