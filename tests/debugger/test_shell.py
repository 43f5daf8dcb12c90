"""Bang commands in a Python beside the debugger: standard input has what the debugger lists."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from support.command_line import ROOT, environment

from windbg_ext.debugger.installation import SHELL_BANG
from windbg_ext.debugger.listing import OpenSystem, open_system
from windbg_ext.debugger.shell import session_of

if TYPE_CHECKING:
    from pathlib import Path

COMPLETE = ROOT / "samples" / "complete.dmp"
SYSTEMS = f".  0 64-bit Full kernel dump: {COMPLETE}\r\n"


def bang(
    *words: str, listing: str = SYSTEMS, program: tuple[str, ...] = ("-m", "windbg_ext", "bang")
) -> tuple[int, str]:
    """Return the exit status and what the debugger would show."""
    done = subprocess.run(
        [sys.executable, *program, *words], input=listing.encode(), env=environment(), capture_output=True, check=False
    )
    assert done.stderr == b""
    return done.returncode, done.stdout.decode().strip("\n")


def aliases(*words: str) -> str:
    """Return what `al` lists in a script with arguments, in the columns that the engine prints."""
    lines = (f" {f'$arg{number}':<16} {word} \r\n" for number, word in enumerate(("C:\\s\\run.wds", *words)))
    return "  Alias            Value  \r\n -------          ------- \r\n" + "".join(lines)


def test_standard_input_tells_which_dump_is_open() -> None:
    status, shown = bang("dumpkind")
    assert status == 0
    assert shown.startswith(f"{COMPLETE}: complete memory dump\n")
    assert shown.endswith("Next: !analyze -v  !pagefilefit  !minify  !dumpkind /html")


def test_the_arguments_of_a_script_come_the_same_way(tmp_path: Path) -> None:
    small = tmp_path / "small; 50% & more.dmp"
    listing = SYSTEMS + aliases("minify", str(small), "/c", "<a> & b; c ^ %PATH%")
    if os.name == "nt":  # elsewhere a path begins with a slash, as a switch does
        status, _ = bang(listing=listing.replace(str(small), small.as_posix()), program=(str(SHELL_BANG),))
        assert status == 0
    relative = listing.replace(str(small), "small.dmp")
    done = subprocess.run(
        [sys.executable, str(SHELL_BANG)], input=relative.encode(), env=environment(), cwd=tmp_path, check=False
    )
    assert done.returncode == 0
    header = (tmp_path / "small.dmp").read_bytes()[0xFB0:].split(b"\0")[0]
    assert header == b"<a> & b; c ^ %PATH%"


@pytest.mark.parametrize("words", [("dumpkind", "x.dmp;"), ("dumpkind", ";", "k")])
def test_a_semicolon_that_would_end_the_command_is_refused_with_the_reason(words: tuple[str, ...]) -> None:
    status, shown = bang(*words)
    assert (status, shown) == (
        2,
        "windbg-ext: a ; does not end a command here, .shell hands it on: type one command a line",
    )
    assert bang("dumpkind", ";")[0] == 0  # which is what a script puts there


def test_a_live_target_is_refused_with_the_reason() -> None:
    status, shown = bang("minify", "small.dmp", listing=".  0 Remote KD: KdSrv:Server=@{<Local>},Trans=@{1394}\r\n")
    assert status == 2
    assert "reads files only: a live target needs pykd" in shown


@pytest.mark.parametrize(
    ("listing", "system"),
    [
        (".  0 64-bit Full kernel dump: C:\\a b\\x.dmp\n", OpenSystem("C:\\a b\\x.dmp", user=False)),
        (".  0 User mini dump: C:\\x.dmp\n", OpenSystem("C:\\x.dmp", user=True)),
        (
            "   0 64-bit Full kernel dump: C:\\x.dmp\n.  1 User mini dump: C:\\y.dmp\n",
            OpenSystem("C:\\y.dmp", user=True),
        ),
        (".  0 Live user mode: <Local>\n", OpenSystem(None, user=True)),
        (".  0 Remote KD: KdSrv:Server=@{<Local>}\n", OpenSystem(None, user=False)),
        ("", OpenSystem(None, user=False)),
    ],
)
def test_the_current_system_is_the_one_behind_the_dot(listing: str, system: OpenSystem) -> None:
    assert open_system(listing) == system


def test_a_dump_that_is_not_here_is_none() -> None:
    assert session_of(".  0 64-bit Full kernel dump: C:\\nowhere\\x.dmp\n").open_dump is None
