"""`minify` of the machine behind a session, read through pykd, against `minify` of the file that is open in it."""

from __future__ import annotations

import json
import os
import struct
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

import pytest
from support.dumps_at_hand import LARGE, SAMPLES, given_dumps

from engine.agreement import measure_agreement
from engine.engine import windows_path
from engine.kd import REPOSITORY
from engine.kernel_symbols import PUBLIC
from engine.samples_for_the_engine import OPENED
from windbg_ext import minify
from windbg_ext.render.minify import minify_json

if TYPE_CHECKING:
    from engine.engine import Engine
    from engine.kernel_symbols import WriteDump

SCRIPT = Path(__file__).with_name("session_minify.py")
HEADER = 0x2000
KD_DEBUGGER_DATA_BLOCK = 0x80
"""Offset in DUMP_HEADER64."""
SESSION_COMMANDS = (".enumtag", "vertarget")
"""What only a file has: secondary data, and the time if the page that all processes share is missing."""

LARGE_SAMPLES = [SAMPLES / sample.file_name for sample in OPENED if sample.format.dump_type in LARGE]
GIVEN = [pytest.param(path, id=path.name) for path in given_dumps(*LARGE)]
EVERY_LARGE_DUMP = [*(pytest.param(path, id=path.name) for path in LARGE_SAMPLES), *GIVEN]


def session_minify(engine: Engine, dump: Path, destination: Path, *options: str) -> dict[str, Any]:
    """Return the report of `minify` in the session."""
    answer = destination.with_suffix(".json")
    environment = {**os.environ, "PYTHONPATH": windows_path(REPOSITORY)}
    environment["_NT_SYMBOL_PATH"] = windows_path(destination.parent)
    command = [*engine.python, *map(windows_path, (SCRIPT, dump, destination, answer)), *options]
    quiet = subprocess.DEVNULL
    subprocess.run(command, env=environment, stdin=quiet, stdout=quiet, stderr=quiet, timeout=300)
    report: dict[str, Any] = json.loads(answer.read_text())
    assert "problem" not in report, report
    return report


def without_paths(report: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in report.items() if key not in ("source", "destination")}


@pytest.mark.parametrize("dump", EVERY_LARGE_DUMP)
def test_the_session_gives_the_report_and_the_memory_that_the_file_gives(
    dump: Path, engine: Engine, unpacked: Callable[[Path], Path], tmp_path: Path
) -> None:
    dump = unpacked(dump)
    from_file = json.loads(minify_json(minify(dump, tmp_path / "file.dmp")))
    from_session = session_minify(engine, dump, tmp_path / "session.dmp")
    assert without_paths(from_session) == without_paths(from_file)
    assert (tmp_path / "session.dmp").read_bytes()[HEADER:] == (tmp_path / "file.dmp").read_bytes()[HEADER:]


@pytest.mark.parametrize("dump", EVERY_LARGE_DUMP)
def test_a_session_without_a_file_gives_a_small_dump_with_the_same_answers_but_for_what_only_a_file_has(
    dump: Path, engine: Engine, unpacked: Callable[[Path], Path], tmp_path: Path
) -> None:
    dump = unpacked(dump)
    report = session_minify(engine, dump, tmp_path / "session.dmp", "--without-file")
    assert "secondary data" not in [part["part"] for part in report["parts"]]
    agreement = measure_agreement(engine, dump, tmp_path / "session.dmp")
    different = [
        difference for difference in agreement.differences if difference.question.command not in SESSION_COMMANDS
    ]
    assert agreement.asked > len(SESSION_COMMANDS)
    assert not different, "\n".join(map(str, different))


def test_a_session_without_a_file_finds_the_debugger_data_block_by_its_symbol(
    engine: Engine, dump_with_symbols: WriteDump, tmp_path: Path
) -> None:
    dump, block = dump_with_symbols(tmp_path, PUBLIC)
    session_minify(engine, dump, tmp_path / "session.dmp", "--without-file")
    header = (tmp_path / "session.dmp").read_bytes()[:HEADER]
    assert struct.unpack_from("<Q", header, KD_DEBUGGER_DATA_BLOCK) == (block,)
