"""The bang commands with pykd's bootstrapper loaded, whose `!py` passes arguments on: through it and beside it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.dumps_at_hand import SAMPLES

from engine.bang_commands import Scripts, command_line, in_the_debugger, without_suggestions
from engine.engine import SETUP_HINT, windows_path
from engine.live_kernel import live
from samples.builder import SAMPLES as DESCRIPTIONS
from samples.builder.kernel import crash
from windbg_ext.debugger.installation import BANG

if TYPE_CHECKING:
    from engine.engine import Engine
    from engine.kd import Kd

OPEN_DUMP = SAMPLES / "complete.dmp"
SCRIPT = f'"{windows_path(BANG)}"'
INTERPRETERS = ["-g", "-l"]


@pytest.fixture(scope="session")
def load(kd: Kd) -> str:
    """Return the command that loads the bootstrapper: the one that WINDBG_EXT_BOOTSTRAPPER names, or that of wine/."""
    given = os.environ.get("WINDBG_EXT_BOOTSTRAPPER")
    library = Path(given) if given else kd.program.with_name("windows") / "bootstrapper" / "pykd.dll"
    if not library.exists():
        if os.environ.get("WINDBG_EXT_REQUIRE_ENGINE") == "1" and os.name != "nt":
            pytest.fail(f"no bootstrapper at {library}; {SETUP_HINT}")
        pytest.skip(f"no bootstrapper at {library}; WINDBG_EXT_BOOTSTRAPPER names another")
    return f".load {windows_path(library)}"


@pytest.fixture
def kernel_dump(tmp_path: Path) -> Path:
    dump = tmp_path / "path with blanks; and more.dmp"
    dump.write_bytes((SAMPLES / "kernel.dmp").read_bytes())
    return dump


@pytest.mark.parametrize("interpreter", INTERPRETERS)
def test_arguments_that_py_passes_on_give_what_the_command_line_says(
    interpreter: str, engine: Engine, kd: Kd, load: str, kernel_dump: Path, tmp_path: Path
) -> None:
    dump, small = windows_path(kernel_dump), windows_path(tmp_path / "small dump.dmp")
    lines = [
        ("dumpkind", "-v", dump),
        ("dumpkind", "--json", dump),
        ("pagefilefit", dump),
        ("minify", dump, small, "--comment", "text with <blanks> & more"),
    ]
    typed = [" ".join([line[0], *(f'"{word}"' for word in line[1:])]) for line in lines]
    answers = kd.run(OPEN_DUMP, [load, *(f"!py -3.9 {interpreter} {SCRIPT} {line}" for line in typed)])[1:]
    made = (tmp_path / "small dump.dmp").read_bytes()
    (tmp_path / "small dump.dmp").unlink()
    assert list(map(without_suggestions, answers)) == [
        in_the_debugger(command_line(engine, tmp_path, *line)) for line in lines
    ]
    assert made == (tmp_path / "small dump.dmp").read_bytes()


@pytest.mark.parametrize("interpreter", INTERPRETERS)
def test_aliases_of_one_line_work_on_the_open_dump(
    interpreter: str, engine: Engine, kd: Kd, load: str, tmp_path: Path
) -> None:
    small = windows_path(tmp_path / "small.dmp")
    aliases = [f"aS !{name} !py {interpreter} {SCRIPT} {name}" for name in ("dumpkind", "pagefilefit", "minify")]
    commands = ["!dumpkind -v", "!pagefilefit", f"!minify {small}", "!minify /nonsense", "r rip"]
    answers = kd.run(OPEN_DUMP, [load, *aliases, *commands])[1 + len(aliases) :]
    (tmp_path / "small.dmp").unlink()
    dump = windows_path(OPEN_DUMP)
    expected = [
        command_line(engine, tmp_path, *line)
        for line in (("dumpkind", "-v", dump), ("pagefilefit", dump), ("minify", dump, small))
    ]
    assert list(map(without_suggestions, answers[:3])) == list(map(in_the_debugger, expected))
    assert answers[3].startswith("windbg-ext: ")
    assert len(answers[3].splitlines()) == 1
    assert answers[4].startswith("rip=")


def test_a_live_kernel_is_saved_as_the_aliases_save_it(kd: Kd, load: str, written: Scripts, tmp_path: Path) -> None:
    machine = next(sample.machine for sample in DESCRIPTIONS if sample.name == "complete")
    told = []
    for number, lines in enumerate(([written.load, "!minify"], [load, f"!py -g {SCRIPT} minify"])):
        small = tmp_path / f"small{number}.dmp"
        with live(crash(machine)) as connection:
            answer = kd.run(connection, [lines[0], f"{lines[1]} {windows_path(small)}"])[1]
        assert answer.startswith(f"{windows_path(small)}: ")
        told.append(answer.replace(small.name, ""))
    assert told[0] == told[1]


def loading(order: str, load: str, scripts: Scripts) -> list[str]:
    return {"before": [load, scripts.load], "after": [scripts.load, load]}[order]


@pytest.mark.parametrize("order", ["before", "after"])
def test_the_scripts_of_windbg_setup_work_whether_the_bootstrapper_comes_before_or_after_them(
    order: str, engine: Engine, kd: Kd, load: str, written: Scripts, kernel_dump: Path, tmp_path: Path
) -> None:
    dump = windows_path(kernel_dump)
    commands = [
        f'!dumpkind -v "{dump}"',
        f'!py -3.9 -g {SCRIPT} dumpkind -v "{dump}"',  # whichever `!py` this is, the aliases still work
        "!pagefilefit",
        f'!dumpkind -v "{dump}"',
    ]
    answers = list(map(without_suggestions, kd.run(OPEN_DUMP, [*loading(order, load, written), *commands])[2:]))
    expected = command_line(engine, tmp_path, "dumpkind", "-v", dump)
    assert (answers[0], answers[3]) == (expected, expected)
    assert answers[2] == in_the_debugger(command_line(engine, tmp_path, "pagefilefit", windows_path(OPEN_DUMP)))


@pytest.mark.parametrize("order", ["before", "after"])
def test_the_aliases_run_the_pykd_that_they_loaded_although_the_bootstrapper_has_its_name(
    order: str, kd: Kd, load: str, written: Scripts, tmp_path: Path
) -> None:
    script = tmp_path / "script.py"
    script.write_text("import sys\nprint(type(sys.stdout))")
    run = (written.folder / "run.wds").read_text()
    assert windows_path(BANG) in run
    scripts = written.variant(tmp_path / "variant", run.replace(windows_path(BANG), windows_path(script)))
    commands = ["!dumpkind", f"!pykd.dll.py -g {windows_path(script)}", "!dumpkind"]
    first, bootstrapper, last = kd.run(OPEN_DUMP, [*loading(order, load, scripts), *commands])[2:]
    assert first == last == "<class 'pykd.dout'>"
    assert bootstrapper != first


@pytest.mark.skipif(os.name == "nt", reason="Microsoft's kd does not show DML as it is")
def test_markup_is_the_same_with_and_without_the_bootstrapper(kd: Kd, load: str, written: Scripts) -> None:
    (_, with_it), (_, without) = (
        kd.run(OPEN_DUMP, lines, "-dml")
        for lines in ([load, f"!py -g {SCRIPT} dumpkind -v"], [written.load, "!dumpkind -v"])
    )
    assert "<link cmd=" in with_it
    assert with_it == without
