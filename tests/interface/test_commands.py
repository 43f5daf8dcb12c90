"""The declarations of the commands are consistent, and a made-up command needs only its own declaration."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.command_line import run

from windbg_ext.debugger.installation import Parts, scripts
from windbg_ext.debugger.parser import BangParser
from windbg_ext.interface import registry
from windbg_ext.interface.command import Argument, Command, Option
from windbg_ext.interface.registry import COMMANDS
from windbg_ext.interface.values import byte_size, positive

if TYPE_CHECKING:
    from argparse import Namespace

    from windbg_ext.interface.console import Console

DUMP = r"C:\dumps\MEMORY.DMP"
PARTS = Parts(r"C:\python39.dll", r"C:\pykd.pyd", r"C:\bang.py")


def show_what_was_typed(options: Namespace, console: Console) -> int:
    console.write(f"{options.source} {options.how_many} {options.list}")
    return 1


MADE_UP = Command(
    name="made-up",
    summary="made up",
    description="Is made up.",
    options=(
        Argument("source", "a dump"),
        Option(("-n", "--how-many"), "a number", type=positive, metavar="N", default=7),
        Option(("--list",), "a list", command_line_only=True),
    ),
    run=show_what_was_typed,
    triage=4,
)


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.setattr(registry, "COMMANDS", (*COMMANDS, MADE_UP))
    return MADE_UP


def test_a_command_in_the_tuple_is_one_of_the_command_line(made_up: Command) -> None:
    assert (run("made-up", "a.dmp", "-n", 3).out, run("made-up").out) == ("a.dmp 3 None\n", "None 7 None\n")
    assert run("made-up").status == 1
    assert "made up" in run("--help").out
    assert "--how-many N" in run("made-up", "--help").out


def test_the_error_of_a_value_is_in_the_words_of_its_reader(made_up: Command) -> None:
    outcome = run("made-up", "--how-many", "many")
    assert outcome.status == 2
    assert "argument -n/--how-many: 'many' is not a number from 1 up; " in outcome.err


def test_a_bang_command_has_the_same_options_but_those_of_the_command_line_only() -> None:
    parser = BangParser(MADE_UP)
    options = parser.parse(["/how-many", "3"], DUMP, lambda: None)
    assert (options.source, options.how_many, options.list) == (DUMP, 3, None)
    assert "/how-many N" in parser.format_help()
    assert "list" not in parser.format_help()


def test_the_scripts_have_an_alias_a_menu_entry_and_a_step_of_the_triage_for_it() -> None:
    written = scripts(PARTS, r"C:\scripts", (*COMMANDS, MADE_UP))
    assert "!made-up" in written["load.wds"]
    assert ' {"made up"} {"!made-up"}' in written["menu.txt"]
    assert 'const COMMANDS = ["dumpkind", "pagefilefit", "minify", "made-up"];' in written["triage.js"]


@pytest.mark.parametrize(
    ("option", "dest"),
    [
        (Option(("-o", "--overwrite"), ""), "overwrite"),
        (Option(("--system-hive",), ""), "system_hive"),
        (Option(("-v",), ""), "v"),
    ],
)
def test_the_name_of_an_option_is_its_first_long_spelling(option: Option, dest: str) -> None:
    assert option.dest == dest


def test_no_two_commands_have_the_same_place_in_the_triage() -> None:
    places = [command.triage for command in COMMANDS if command.triage is not None]
    assert len(places) == len(set(places))


@pytest.mark.parametrize(
    ("text", "size"), [("7", 7), ("256K", 256 << 10), ("2 m", 2 << 20), ("64GB", 64 << 30), (" 1T ", 1 << 40)]
)
def test_sizes_have_units_of_powers_of_1024(text: str, size: int) -> None:
    assert byte_size(text) == size


@pytest.mark.parametrize("text", ["", "K", "1.5G", "-1", "1P", "9" * 19])
def test_what_is_no_size_is_told(text: str) -> None:
    with pytest.raises(ValueError, match="is not a size such as 256K or 64G"):
        byte_size(text)
