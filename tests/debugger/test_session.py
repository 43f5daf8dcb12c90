"""Facts about the session from what the debugger prints. The listings are the engine's (dbgeng 10.0.15063)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable

if TYPE_CHECKING:
    from pathlib import Path

    from debugger.conftest import StandIn

ALIASES = r"""  Alias            Value  
 -------          ------- 
 !minify          $$>a<"C:\scripts\run.wds" minify 
 $arg0            C:\scripts\run.wds 
 $arg1            minify 
 $arg2            C:\with blanks\small.dmp 
 $arg3            /c 
 $arg4              text with two blanks before it 
"""  # noqa: W291 - so the engine prints it


def test_the_arguments_of_the_script_are_those_that_py_lost(
    pykd: StandIn, arguments_of_py: Callable[..., None]
) -> None:
    from windbg_ext.debugger.session import arguments, script_name

    pykd.answers["al"] = ALIASES
    arguments_of_py("", "")  # the right number of arguments, but empty
    assert arguments() == ["minify", r"C:\with blanks\small.dmp", "/c", "  text with two blanks before it"]
    assert script_name() == "run.wds"


def test_ten_arguments_and_more_keep_their_order(pykd: StandIn, arguments_of_py: Callable[..., None]) -> None:
    from windbg_ext.debugger.session import arguments

    listed = sorted(range(13), key=str)  # 0, 1, 10, 11, 12, 2 ...
    pykd.answers["al"] = "".join(f" {f'$arg{number}':<16} {number} \n" for number in listed)
    arguments_of_py()
    assert arguments() == [str(number) for number in range(1, 13)]


def test_arguments_that_the_bootstrapper_passes_on_are_taken(
    pykd: StandIn, arguments_of_py: Callable[..., None]
) -> None:
    from windbg_ext.debugger.session import arguments

    pykd.answers["al"] = ALIASES
    arguments_of_py("dumpkind", "-v")
    assert arguments() == ["dumpkind", "-v"]


def test_pykd_that_is_not_connected_to_the_session_is_connected_once(pykd: StandIn) -> None:
    from windbg_ext.debugger.session import attach

    pykd.is_attached = False
    attach()
    assert pykd.is_attached
    attach()  # pykd refuses a second time


def test_the_open_dump_is_the_one_of_the_current_system(pykd: StandIn, tmp_path: Path) -> None:
    from windbg_ext.debugger.session import dump_path

    dump = tmp_path / "with blanks; and \N{LATIN SMALL LETTER U WITH DIAERESIS}.dmp"
    dump.write_bytes(b"")
    pykd.answers["||"] = f"   0 64-bit Kernel full dump: {tmp_path}\n.  1 64-bit Kernel bitmap dump: {dump}\n"
    assert dump_path() == str(dump)


def test_a_live_target_and_a_file_of_another_machine_are_no_open_dump(pykd: StandIn, tmp_path: Path) -> None:
    from windbg_ext.debugger.session import dump_path

    pykd.answers["||"] = f".  0 64-bit Kernel full dump: {tmp_path / 'missing.dmp'}\n"
    assert dump_path() is None
    present = tmp_path / "present.dmp"
    present.write_bytes(b"")
    pykd.answers["||"] = f".  0 Live kernel: {present}\n"
    pykd.is_dump = False
    assert dump_path() is None


def test_a_command_that_fails_prints_nothing(pykd: StandIn) -> None:
    from windbg_ext.debugger.session import command

    pykd.answers.update({"nonsense": pykd.DbgException("failed"), ".echo": None})
    assert (command("nonsense"), command(".echo")) == ("", "")
