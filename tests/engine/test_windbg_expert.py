"""What an expert expects of the bang commands, in sessions on the real engine."""

from __future__ import annotations

import html
import os
import re
import struct
from typing import TYPE_CHECKING

import pytest
from support.dumps_at_hand import SAMPLES
from support.small_dump_file import SmallDumpFile

from engine.bang_commands import sessions
from engine.engine import windows_path

if TYPE_CHECKING:
    from pathlib import Path

    from engine.bang_commands import Scripts
    from engine.kd import Kd

COMPLETE, KERNEL = SAMPLES / "complete.dmp", SAMPLES / "kernel.dmp"
LETTERS = "gr\N{LATIN SMALL LETTER U WITH DIAERESIS}\N{LATIN SMALL LETTER SHARP S}e"


def typed(kd: Kd, scripts: Scripts, dump: Path, *commands: str) -> list[str]:
    return kd.run(dump, [scripts.load, *commands])[1:]


def process_dump(path: Path) -> Path:
    """Write a user-mode minidump that the engine opens: a system, a thread with its registers, no modules.

    Layout: minidumpapiset.h (MINIDUMP_HEADER, MINIDUMP_SYSTEM_INFO, MINIDUMP_THREAD), winnt.h (CONTEXT).
    """
    context = bytearray(0x4D0)
    struct.pack_into("<I", context, 0x30, 0x10000B)
    struct.pack_into("<H", context, 0x38, 0x33)
    struct.pack_into("<QQ", context, 0xF8, 0x7FF700001000, 0)
    system = struct.pack("<HHHBBIIIIIHHQQQ", 9, 6, 0, 1, 1, 10, 0, 19041, 2, 0, 0x100, 0, 0, 0, 0)[:56]
    at = 32 + 3 * 12
    system = system[:24] + struct.pack("<I", at + 56) + system[28:]  # an empty CSDVersion
    at_context = at + 64
    at_threads = at_context + len(context)
    at_modules = at_threads + 52 + 16
    thread = struct.pack("<IIIIIQQIIII", 1, 0x1234, 0, 0, 0, 0, 0x10000, 16, at_threads + 52, len(context), at_context)
    streams = struct.pack("<9I", 7, 56, at, 3, len(thread), at_threads, 4, 4, at_modules)
    header = struct.pack("<4sIIIIIQ", b"MDMP", 0xA793, 3, 32, 0, 1700000000, 0)
    path.write_bytes(header + streams + system + bytes(8) + bytes(context) + thread + bytes(16) + bytes(4))
    return path


def test_a_complete_dump_is_never_replaced_and_the_message_says_how_to_convert_it(
    kd: Kd, written: Scripts, tmp_path: Path
) -> None:
    precious = tmp_path / "precious.dmp"
    precious.write_bytes(COMPLETE.read_bytes())
    path = windows_path(precious)
    answers = typed(kd, written, KERNEL, f"!minify {path}", f"!minify /o {path}", f'!minify "{path}" {path}2.dmp')
    for answer in answers[:2]:
        assert answer == (
            f"windbg-ext: {path}: destination: is a complete memory dump, which is never replaced; name another file; "
            f'to convert it: !minify "{path}" DESTINATION'
        )
    assert precious.read_bytes() == COMPLETE.read_bytes()
    assert answers[2].startswith(f"{path}2.dmp: ")


@pytest.mark.parametrize("gone", ["bang", "pykd"])
def test_a_load_that_fails_does_not_say_that_it_worked_but_what_to_do(
    gone: str, kd: Kd, written: Scripts, tmp_path: Path
) -> None:
    scripts = written.variant(tmp_path / "variant", (written.folder / "run.wds").read_text())
    load = scripts.folder / "load.wds"
    old, new = ("bang.py", "gone.py") if gone == "bang" else ("!pykd.pyd.", "!gone.pyd.")
    load.write_text(load.read_text().replace(old, new))
    answer, aliases = kd.run(COMPLETE, [scripts.load, "al"])
    assert "-bit): run windbg-setup again: " in answer.splitlines()[-1]
    assert answer.splitlines()[-1].startswith(
        "windbg-ext is not loaded, the lines above say why (the debugger must be "
    )
    assert "(-? behind each" not in answer
    assert "windbg_ext_loading" not in aliases


def test_a_load_that_works_says_so_once_and_leaves_nothing_but_the_commands(kd: Kd, written: Scripts) -> None:
    loaded, aliases, kind = kd.run(COMPLETE, [written.load, "al", "!dumpkind"])
    assert re.fullmatch(r"windbg-ext \S+: !dumpkind, !minify, !pagefilefit, !windbg-ext \(-\? behind each .*\)", loaded)
    assert "windbg_ext_loading" not in aliases
    assert "complete memory dump" in kind


def test_a_folder_gets_the_small_dump_of_the_open_one_and_a_wildcard_gets_a_hint(
    kd: Kd, written: Scripts, tmp_path: Path
) -> None:
    folder, wildcard = windows_path(tmp_path), windows_path(tmp_path) + "\\*.dmp"
    first, second = typed(kd, written, COMPLETE, f"!minify {folder}", f"!minify {wildcard}")
    assert first.startswith(f"{folder}\\complete-small.dmp: ")
    SmallDumpFile(tmp_path / "complete-small.dmp")
    assert second == (
        f"windbg-ext: {wildcard} is a wildcard: the only argument is the file to write; "
        f'!minify "{wildcard}" FOLDER converts the dumps that fit'
    )


def test_figures_of_a_paging_file_need_no_kernel_dump(kd: Kd, written: Scripts, tmp_path: Path) -> None:
    user = process_dump(tmp_path / "user.dmp")
    systems, answer, kind = typed(kd, written, user, "||", "!pagefilefit /ram 16G /pagefile 16G", "!dumpkind")
    assert "User mini dump: " in systems
    assert re.search(r"^RAM +16,384 MB, from /ram; x64$", answer, re.MULTILINE)
    assert "user-mode minidump of one process" in kind


def test_letters_are_shown_and_messages_name_switches_as_they_were_typed(
    kd: Kd, written: Scripts, tmp_path: Path
) -> None:
    small = windows_path(tmp_path / f"{LETTERS}.dmp")
    answers = typed(
        kd,
        written,
        COMPLETE,
        f"!dumpkind {small}",
        "!minify /size 5 x.dmp",
        "!minify -Size 5 x.dmp",
        f"!minify -O {windows_path(tmp_path / 'a.dmp')}",
        f"!minify {windows_path(tmp_path / 'a.dmp')}",
        "!minify /size 64K /O " + windows_path(tmp_path / "a.dmp"),
    )
    assert f"\\{LETTERS}.dmp: file: cannot be opened" in answers[0]
    assert answers[1].startswith("windbg-ext: /size: 5 bytes are too few")
    assert answers[2].startswith("windbg-ext: -Size: 5 bytes are too few")
    assert answers[3].startswith(windows_path(tmp_path / "a.dmp"))
    assert answers[4].endswith("destination: exists; give another name or /o")
    assert "does not fit into /size 65536" in answers[5]


def test_what_is_suggested_fits_what_was_done(kd: Kd, written: Scripts, tmp_path: Path) -> None:
    small = windows_path(tmp_path / "small.dmp")
    other = windows_path(SAMPLES / "active.dmp")
    made, named, many, no, opened = typed(
        kd,
        written,
        COMPLETE,
        f"!minify {small}",
        f"!dumpkind {other}",
        f"!dumpkind {windows_path(SAMPLES)}",
        f"!minify {small}",
        f".opendump {small}",
    )
    assert made.splitlines()[-1].startswith(f"Next: .opendump {small};g  !dumpkind -v {small}")
    assert named.splitlines()[-1].startswith(f"Next: .opendump {other};g")
    assert "Next:" not in many
    assert "Next:" not in no
    assert f"Opened '{small}'" in opened  # the engine takes the link's command


def test_a_small_dump_is_not_told_to_be_made_smaller(kd: Kd, written: Scripts) -> None:
    (answer,) = typed(kd, written, SAMPLES / "small.dmp", "!dumpkind")
    assert answer.splitlines()[-1].startswith("Next: !analyze -v  !pagefilefit")
    assert "!minify" not in answer


def test_habits_from_dump_get_the_answer_what_to_type(kd: Kd, written: Scripts) -> None:
    habits = ["/m", "/mr", "/ba", "/f", "/ka"]
    for habit, answer in zip(habits, typed(kd, written, COMPLETE, *(f"!minify {habit} x.dmp" for habit in habits))):
        assert answer.startswith(f"windbg-ext: !minify: {habit} is a switch of .dump: type !minify FILE here, ")


def test_help_has_a_clear_usage_line_and_two_examples_that_work(kd: Kd, written: Scripts, tmp_path: Path) -> None:
    answers = typed(kd, written, COMPLETE, "!minify -?", "!dumpkind -?", "!pagefilefit -?", "!windbg-ext")
    usage = [
        "!minify [switches] [destination] or !minify [switches] source destination",
        "!dumpkind [switches] [PATH ...]",
    ]
    assert [answer.splitlines()[0] for answer in answers[:2]] == [f"usage: {line}" for line in usage]
    examples = [line.strip() for answer in answers[:3] for line in answer.partition("\nexamples:")[2].splitlines()[::1]]
    commands = [line for line in examples if line.startswith("!")]
    assert len(commands) == 6
    here = [
        command.replace("C:\\out\\small.dmp", windows_path(tmp_path / "small.dmp"))
        .replace("C:\\dumps\\MEMORY.DMP", windows_path(KERNEL))
        .replace("C:\\out", windows_path(tmp_path))
        .replace("C:\\dumps", windows_path(SAMPLES))
        for command in commands
    ]
    for command, answer in zip(here, typed(kd, written, COMPLETE, *here)):
        assert not answer.startswith("windbg-ext: "), command
    for said in ("windbg-ext 0", "!dumpkind -?", "!minify -?", "!pagefilefit -?", "\\docs\\windbg.md"):
        assert said in answers[3]


def test_a_table_is_no_wider_than_the_window(kd: Kd, written: Scripts) -> None:
    narrow, wide = typed(
        kd, written, COMPLETE, f"!dumpkind {windows_path(SAMPLES)}", f"!dumpkind -v {windows_path(SAMPLES)}"
    )
    assert max(map(len, narrow.splitlines())) <= 110
    assert "faulty.sys+0x1010" in narrow
    assert "Stack address 3" in wide


@pytest.mark.skipif(os.name == "nt", reason="Microsoft's kd does not show DML as it is")
def test_links_lead_to_code_data_modules_and_dumps_and_counts_are_none(kd: Kd, written: Scripts) -> None:
    folder = windows_path(SAMPLES)
    _, one, table = kd.run(COMPLETE, [written.load, "!dumpkind", f"!dumpkind {folder}"], "-dml")
    (parameters,) = re.findall(r"^  parameters  (.*)$", one, re.MULTILINE)
    pool, code = "0xffffe00010080000", "0xfffff80512991010"
    assert parameters == f'<link cmd="db {pool}">{pool}</link> 0x2 0x1 <link cmd="u {code}">{code}</link>'
    assert '<link cmd="lmvm faulty">faulty.sys</link>' in one
    assert f'<link cmd="u {code}">faulty.sys+0x1010</link>' in one
    opened = {html.unescape(path) for path in re.findall(r'<link cmd="\.opendump ([^"]*);g">', table)}
    assert opened == {f"{folder}\\{path.name}" for path in SAMPLES.glob("*.dmp")}
    assert '<col fg="emphfg">yes: ' in one
    commands = dict.fromkeys(re.findall(r'<link cmd="((?:u|db|lmvm) [^"]*)">', one))
    answers = kd.run(COMPLETE, list(commands))
    assert not [answer for answer in answers if "error" in answer.lower()]


PAGES = ["scripts/README.md", "docs/windbg.md"]


@pytest.mark.parametrize("page", PAGES)
def test_a_session_on_a_page_is_what_the_engine_shows(page: str, kd: Kd, written: Scripts, tmp_path: Path) -> None:
    session = sessions(page)[0]
    for name in ("MEMORY.DMP", "precious.dmp"):
        (tmp_path / name).write_bytes(COMPLETE.read_bytes())
    here = {"C:\\windbg-ext": windows_path(written.folder), "C:\\dumps": windows_path(tmp_path)}

    def placed(text: str) -> str:
        for there, path in here.items():
            text = text.replace(there, path)
        return text

    answers = kd.run(tmp_path / "MEMORY.DMP", [placed(command) for command, _ in session])
    for (command, shown), answer in zip(session, answers):
        expected = re.escape(placed(shown).strip("\n")).replace(re.escape("..."), ".*")
        assert re.fullmatch(expected, answer), command
