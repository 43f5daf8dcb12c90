"""The words behind a bang command, and the options that the command gets."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from windbg_ext.debugger.parser import BangParser, asks_for_help
from windbg_ext.errors import UsageError
from windbg_ext.interface.dumpkind import DUMPKIND
from windbg_ext.interface.minify import MINIFY
from windbg_ext.interface.pagefilefit import PAGEFILEFIT
from windbg_ext.interface.registry import COMMANDS

if TYPE_CHECKING:
    from windbg_ext.interface.command import Command

OPEN = r"C:\dumps\MEMORY.DMP"
SESSION = object()


def parse(command: Command, *words: str, open_dump: str | None = OPEN) -> dict[str, Any]:
    return vars(BangParser(command).parse(words, open_dump, lambda: SESSION))


def test_without_arguments_every_command_reads_the_open_dump() -> None:
    assert parse(MINIFY)["source"] == OPEN
    assert parse(PAGEFILEFIT)["source"] == OPEN
    assert parse(DUMPKIND)["paths"] == [OPEN]


def test_one_argument_of_minify_is_the_destination_and_two_are_source_and_destination() -> None:
    one, two = parse(MINIFY, "small.dmp"), parse(MINIFY, "other.dmp", "small.dmp")
    assert (one["source"], one["destination"]) == (OPEN, "small.dmp")
    assert (two["source"], two["destination"]) == ("other.dmp", "small.dmp")


def test_a_dump_that_is_named_is_read_instead_of_the_open_one() -> None:
    assert parse(PAGEFILEFIT, "other.dmp")["source"] == "other.dmp"
    assert parse(DUMPKIND, "a.dmp", "b.dmp")["paths"] == ["a.dmp", "b.dmp"]


def test_a_path_on_a_share_is_no_switch_whichever_way_its_slashes_lean() -> None:
    for path in (r"\\server\share\x.dmp", "//server/share/x.dmp"):
        assert parse(PAGEFILEFIT, path)["source"] == r"\\server\share\x.dmp"
        assert parse(MINIFY, "/o", path)["destination"] == r"\\server\share\x.dmp"


@pytest.mark.parametrize("switch", ["/o", "/O", "-o", "/overwrite", "-overwrite", "--overwrite", "/OVERWRITE"])
def test_a_switch_has_every_spelling(switch: str) -> None:
    assert parse(MINIFY, switch)["overwrite"] is True


@pytest.mark.parametrize("switch", ["/size", "-size", "--size", "/SIZE"])
def test_a_value_follows_its_switch_in_any_spelling(switch: str) -> None:
    assert parse(MINIFY, switch, "256K", "small.dmp")["size"] == 256 << 10


def test_text_with_blanks_is_one_value_even_if_it_begins_with_a_slash() -> None:
    assert parse(MINIFY, "/c", "/text with blanks; and more")["comment"] == "/text with blanks; and more"


@pytest.mark.parametrize("word", ["/x", "/nonsense"])
def test_an_unknown_switch_is_wrong_use_and_no_file_of_that_name(word: str) -> None:
    with pytest.raises(UsageError, match=f"!minify: there is no switch {word}; !minify -[?] shows"):
        parse(MINIFY, word)


@pytest.mark.parametrize("words", [("a", "b", "c"), ("/size",), ("/size", "many"), ("--nonsense",)])
def test_wrong_use_is_one_line_and_does_not_end_the_process(words: tuple[str, ...]) -> None:
    with pytest.raises(UsageError) as raised:
        parse(MINIFY, *words)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("word", ["-?", "/?", "-h", "/H", "--help"])
def test_help_is_asked_for_as_anywhere(word: str) -> None:
    assert asks_for_help(["small.dmp", word])


def test_a_path_asks_for_no_help() -> None:
    assert not asks_for_help([OPEN, "/o", "?", "h"])


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_the_help_of_every_command_fits_the_debugger(command: Command) -> None:
    text = BangParser(command).format_help()
    assert text.startswith(f"usage: !{command.name} ")
    assert text.isascii()
    switches = re.findall(r"^  ([-/]\S+)", text, re.MULTILINE)
    assert switches
    assert [switch for switch in switches if not switch.startswith("/")] == []


def test_a_session_without_a_file_is_the_source_of_a_command_that_reads_sessions() -> None:
    assert parse(MINIFY, "small.dmp", open_dump=None)["source"] is SESSION


def test_a_command_that_reads_files_only_says_so_of_a_session_without_one() -> None:
    with pytest.raises(UsageError, match="this session has no dump file here: name one"):
        parse(DUMPKIND, open_dump=None)


def test_a_file_can_be_named_in_a_session_without_one() -> None:
    assert parse(DUMPKIND, "a.dmp", open_dump=None)["paths"] == ["a.dmp"]


@pytest.mark.parametrize("word", ["/mr", "/mR", "-mr", "/mrR", "/mir"])
def test_who_is_used_to_dump_mr_is_told_of_scrub(word: str) -> None:
    with pytest.raises(UsageError, match="with /scrub: it leaves out what could identify"):
        parse(MINIFY, word, "small.dmp")


def test_a_session_has_the_switches_for_what_is_personal() -> None:
    assert parse(MINIFY, "/scrub", "small.dmp")["scrub"] is True
    strict = parse(MINIFY, "/scrub=strict", "small.dmp", "/rules", "words.txt")
    assert (strict["scrub_strict"], strict["rules"], strict["destination"]) == (True, "words.txt", "small.dmp")
    shown = parse(DUMPKIND, "/privacy", "/show", "/v")
    assert (shown["privacy"], shown["show"], shown["verbose"], shown["paths"]) == (True, True, True, [OPEN])
