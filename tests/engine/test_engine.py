"""Sessions of the engine: the answers to commands."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from support.dumps_at_hand import SAMPLES

from engine.engine import Engine, EngineError, MissingEngineError

if TYPE_CHECKING:
    from pathlib import Path

KERNEL_SAMPLE = SAMPLES / "kernel.dmp"


def test_a_session_gives_one_answer_a_command_in_their_order_also_for_equal_commands(engine: Engine) -> None:
    session = engine.ask(KERNEL_SAMPLE, [".echo one", "r", ".echo one", "nonsense of no use"])
    assert "Kernel Bitmap Dump File" in session.opening.text
    first, registers, again, refused = session.answers
    assert first.outputs == again.outputs == (("Normal", "one\n"),)
    assert registers.text.startswith("rax=")
    assert refused.of_kinds("Error")


def test_a_file_that_is_no_dump_is_an_error_that_names_it(engine: Engine, tmp_path: Path) -> None:
    no_dump = tmp_path / "no dump.dmp"
    no_dump.write_bytes(b"PAGE" * 0x1000)
    with pytest.raises(EngineError, match=r"no dump\.dmp: the engine did not open it"):
        engine.ask(no_dump, ["r"])


@pytest.mark.skipif(sys.platform == "win32", reason="ENGINE_HOME is for the engine under Wine")
def test_without_an_engine_the_reason_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ENGINE_HOME", str(tmp_path))
    with pytest.raises(MissingEngineError, match=r"run tests/engine/setup\.sh"):
        Engine.find()
