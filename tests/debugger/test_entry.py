"""From a bang command to its output, also if something goes wrong, with a stand-in for pykd."""

from __future__ import annotations

import html
import importlib
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Callable

import pytest

from samples.builder import SAMPLES, build
from windbg_ext.errors import DumpError, UsageError
from windbg_ext.interface.minify import MINIFY
from windbg_ext.render.document import Address, Document, Facts, ModuleName, Section, Table

if TYPE_CHECKING:
    from debugger.conftest import StandIn


def run(pykd: StandIn, *words: str) -> str:
    """Return what the bang command shows, as markup."""
    from windbg_ext.debugger.entry import main

    pykd.answers["al"] = "".join(f" {f'$arg{n}':<16} {word} \n" for n, word in enumerate(("run.wds", *words)))
    main()
    assert all(dml for _, dml in pykd.shown)
    return "".join(text for text, _ in pykd.shown).rstrip("\n")


@pytest.fixture
def dump(pykd: StandIn, tmp_path: Path, arguments_of_py: Callable[..., None]) -> Path:
    arguments_of_py()
    path = tmp_path / "MEMORY.DMP"
    path.write_bytes(build(SAMPLES[0]))
    pykd.answers["||"] = f".  0 64-bit Kernel full dump: {path}\n"
    return path


def replace_minify(monkeypatch: pytest.MonkeyPatch, run: Callable[..., int]) -> None:
    """Let `!minify` run something else."""
    entry = importlib.import_module("windbg_ext.debugger.entry")  # as it was imported with the stand-in for pykd
    monkeypatch.setattr(entry, "COMMANDS", (MINIFY._replace(run=run),))


def divide_by_zero(*_: object) -> int:
    raise ZeroDivisionError("division by zero")


def test_minify_writes_beside_the_open_dump_and_clears_the_status_bar(pykd: StandIn, dump: Path) -> None:
    shown = run(pykd, "minify")
    assert dump.with_name("MEMORY-small.dmp").is_file()
    assert "made from" in shown
    assert pykd.status[-1] == ""


def test_minify_of_a_folder_starts_no_process_where_python_is_the_debugger(
    pykd: StandIn, dump: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a process was started")

    monkeypatch.setattr("multiprocessing.process.BaseProcess.start", refuse)
    dump.with_name("other.dmp").write_bytes(b"no dump")
    monkeypatch.chdir(tmp_path)  # a relative path: one that begins with a slash would be a switch
    shown = run(pykd, "minify", ".", "out")
    assert (tmp_path / "out" / "MEMORY-small.dmp").is_file()
    assert "2 files: 1 written, 1 failed" in shown
    assert pykd.status[-1] == ""


@pytest.mark.parametrize("switch", ["/jobs", "/list"])
def test_what_needs_a_process_of_its_own_is_no_switch_of_a_session(pykd: StandIn, dump: Path, switch: str) -> None:
    assert f"there is no switch {switch}" in run(pykd, "minify", switch, "2")
    pykd.shown.clear()
    assert switch not in run(pykd, "minify", "-?")


def test_an_interrupted_folder_says_how_far_it_came(
    pykd: StandIn, dump: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise SystemExit("CTRL+BREAK")

    monkeypatch.setattr("windbg_ext.commands.minify.batch.minify", interrupt)
    monkeypatch.chdir(tmp_path)
    shown = run(pykd, "minify", ".", "out")
    assert "interrupted; 0 of 1 files are done, none is half-written; the same command goes on from there" in shown


@pytest.mark.parametrize(
    "error",
    [
        UsageError("that makes no sense"),
        DumpError("Field", "is damaged", "get another", "x.dmp"),
        KeyboardInterrupt(),
        SystemExit("CTRL+BREAK"),
        ZeroDivisionError("division by zero"),
        RecursionError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_whatever_goes_wrong_is_one_line(
    error: BaseException, pykd: StandIn, dump: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> int:
        raise error

    replace_minify(monkeypatch, fail)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    shown = run(pykd, "minify")
    assert shown.startswith("windbg-ext: ")
    assert "\n" not in shown
    assert "Traceback" not in shown


def test_a_fault_of_ours_leaves_its_traceback_in_the_log(
    pykd: StandIn, dump: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace_minify(monkeypatch, divide_by_zero)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    shown = run(pykd, "minify")
    log = tmp_path / "windbg-ext.log"
    assert str(log) in shown
    assert "ZeroDivisionError: division by zero" in log.read_text()


@pytest.mark.skipif(os.name == "nt", reason="the folder for temporary files is the user's own there")
@pytest.mark.parametrize("trap", ["link", "link to nothing", "another name", "pipe"])
def test_what_others_put_in_the_place_of_the_log_is_not_written_to(
    pykd: StandIn, dump: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trap: str
) -> None:
    replace_minify(monkeypatch, divide_by_zero)
    folder, victim = tmp_path / "temporary", tmp_path / "victim"
    folder.mkdir()
    victim.write_text("mine")
    log = folder / "windbg-ext.log"
    {
        "link": lambda: log.symlink_to(victim),
        "link to nothing": lambda: log.symlink_to(tmp_path / "new"),
        "another name": lambda: os.link(victim, log),
        "pipe": lambda: os.mkfifo(log),
    }[trap]()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    shown = run(pykd, "minify")
    assert "internal error (ZeroDivisionError)" in shown
    assert "cannot be written" in shown
    assert victim.read_text() == "mine"
    assert not (tmp_path / "new").exists()


def test_a_log_that_cannot_be_written_is_told_in_the_same_line(
    pykd: StandIn, dump: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace_minify(monkeypatch, divide_by_zero)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    shown = run(pykd, "minify")
    assert "internal error (ZeroDivisionError)" in shown
    assert "cannot be written" in shown
    assert "\n" not in shown


def test_an_installation_that_is_not_whole_is_one_line(
    pykd: StandIn, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import windbg_ext.debugger

    script = Path(windbg_ext.debugger.__file__).with_name("bang.py")
    monkeypatch.setattr(sys, "argv", [str(script)])
    monkeypatch.setitem(sys.modules, "windbg_ext.debugger.entry", None)  # as if it could not be imported
    exec(compile(script.read_text(), "bang.py", "exec"), {"__name__": "__main__"})
    said = capsys.readouterr().out
    assert said.startswith("windbg-ext: ")
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize("words", [(), ("nonsense",)])
def test_a_command_that_there_is_not_is_told(words: tuple[str, ...], pykd: StandIn, dump: Path) -> None:
    assert re.fullmatch(r"windbg-ext: '(nonsense)?' is not one of [a-z, ]+: load the aliases .*", run(pykd, *words))


OFFER = ("!dumpkind /html", "!dumpkind /html")


def test_what_to_try_next_are_links(pykd: StandIn, dump: Path) -> None:
    shown = run(pykd, "dumpkind")
    links = re.findall(r'<link cmd="([^"]*)">([^<]*)</link>', shown.rsplit("Next: ", 1)[1])
    assert links == [("!analyze -v", "!analyze -v"), ("!pagefilefit", "!pagefilefit"), ("!minify", "!minify"), OFFER]


def test_where_pykd_does_not_reach_the_debuggers_markup_the_report_is_plain_text(pykd: StandIn, dump: Path) -> None:
    from windbg_ext.debugger.entry import main

    pykd.is_extension = False
    pykd.answers["al"] = f" {'$arg1':<16} dumpkind \n"
    main()
    shown = "".join(text for text, _ in pykd.shown)
    assert not any(dml for _, dml in pykd.shown)
    assert "<link" not in shown
    assert shown.endswith("\nNext: !analyze -v  !pagefilefit  !minify  !dumpkind /html\n")


def test_a_session_without_a_dump_is_not_told_to_try_what_wants_one(
    pykd: StandIn, dump: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pykd.is_dump = False
    monkeypatch.chdir(dump.parent)
    shown = run(pykd, "dumpkind", dump.name)
    links = re.findall(r'<link cmd="([^"]*)">', shown.rsplit("Next: ", 1)[1])
    assert links == [f".opendump {dump.name};g"]


def test_progress_comes_to_the_status_bar_at_most_five_times_a_second(
    pykd: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    from windbg_ext.debugger.console import DebuggerConsole

    clock = iter(step / 100 for step in range(10_000))
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    with DebuggerConsole().progress() as progress:
        for done in range(200):
            progress("counting", done, 200)
    assert 5 < len(pykd.status) < 15
    assert re.fullmatch(r"counting: \d+ of 200", pykd.status[0])
    assert pykd.status[-1] == ""


@pytest.mark.parametrize(
    "text",
    [
        "".join(f"line {number} of many, at 0xfffff80512991010\n" for number in range(3000)),
        '"<&>' * 20_000,
        "0xfffff80512991010 " * 5000,
        "",
    ],
)
def test_a_report_of_any_length_is_shown_to_its_end(text: str, pykd: StandIn) -> None:
    from windbg_ext.debugger.console import DebuggerConsole

    DebuggerConsole().write(text)
    markup = "".join(shown for shown, _ in pykd.shown)
    assert html.unescape(re.sub(r"<[^>]*>", "", markup)) == text + "\n"


@pytest.mark.parametrize(
    ("is_extension", "expected"),
    [
        (True, 'process  <link cmd="lmvm a">a.exe</link>\nat       <link cmd="db 0x123456789">0x123456789</link>\n'),
        (False, "process  a.exe\nat       0x123456789\n"),
    ],
)
def test_a_document_has_links_where_the_debugger_takes_markup(is_extension: bool, expected: str, pykd: StandIn) -> None:
    from windbg_ext.debugger.console import DebuggerConsole

    pykd.is_extension = is_extension
    facts = Facts((("process", (ModuleName("a.exe"),)), ("at", (Address(0x123456789),))))
    DebuggerConsole().show(Document((Section("", (facts,)),)))
    assert pykd.shown == [(expected, is_extension)]


@pytest.mark.parametrize("is_extension", [True, False])
def test_a_document_of_any_length_is_shown_to_its_end(is_extension: bool, pykd: StandIn) -> None:
    from windbg_ext.debugger.console import DebuggerConsole

    pykd.is_extension = is_extension
    modules = Table(tuple(((Address(number << 40),), (ModuleName(f"a{number}.sys"),)) for number in range(1, 3000)))
    DebuggerConsole().show(Document((Section("", (modules,)),)))
    text = re.sub(r"<[^>]*>", "", "".join(shown for shown, _ in pykd.shown))
    assert re.findall(r"a(\d+)\.sys$", text, re.MULTILINE) == [str(number) for number in range(1, 3000)]


def test_the_script_leaves_the_path_of_a_shared_interpreter_without_its_own_folder(
    pykd: StandIn, dump: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import windbg_ext.debugger

    folder = Path(windbg_ext.debugger.__file__).parent
    others = ["", "site-packages", *(entry for entry in sys.path if entry != str(folder.parents[1]))]
    for path in ([str(folder), *others], others):  # pykd puts the script's folder in front
        monkeypatch.setattr(sys, "path", list(path))
        monkeypatch.setattr(sys, "argv", [str(folder / "bang.py")])
        exec(compile((folder / "bang.py").read_text(), "bang.py", "exec"), {"__name__": "__main__"})
        assert str(folder) not in sys.path
        assert sys.path.count(str(folder.parents[1])) == 1
        assert set(others) <= set(sys.path)
    assert "is not one of" in pykd.shown[0][0]  # it ran, without arguments
