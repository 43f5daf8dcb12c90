"""JSON of many reports: shown piece by piece, it is what it would be at once."""

from __future__ import annotations

import json
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windbg_ext.errors import DumpError
from windbg_ext.render import kept_texts
from windbg_ext.render.json_text import PIECE, json_pieces, write_json
from windbg_ext.render.kept_texts import KeptTexts

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda below: st.lists(below) | st.dictionaries(st.text(), below),
)


@settings(max_examples=30)
@given(st.dictionaries(st.text(), VALUES, min_size=1), st.sets(st.integers(0, 9)))
def test_pieces_are_the_lines_of_the_whole(document: dict[str, object], in_pieces: set[int]) -> None:
    """in_pieces: which of the values come as items, where they are lists."""
    told = {
        name: map(write_json, value) if isinstance(value, list) and number in in_pieces else value
        for number, (name, value) in enumerate(document.items())
    }
    assert "\n".join(json_pieces(told)) == json.dumps(document, indent=2)


def test_pieces_are_small_however_long_a_list_is() -> None:
    pieces = list(json_pieces({"numbers": map(str, range(100_000))}))
    assert max(map(len, pieces)) < 2 * PIECE
    assert json.loads("\n".join(pieces)) == {"numbers": [*range(100_000)]}


@pytest.mark.parametrize("in_memory", [0, 10, 1 << 20])
def test_texts_are_kept_in_memory_and_beyond(in_memory: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_texts, "IN_MEMORY", in_memory)
    with KeptTexts() as kept:
        assert [kept.add(text * 3) for text in ("a", "", "bc")] == [0, 1, 2]
        assert list(kept.texts([2, 0])) == ["bcbcbc", "aaa"]
        assert kept.add("late") == 3
        assert list(kept.texts()) == ["aaa", "", "bcbcbc", "late"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no limit on the size of a process's files")
def test_a_full_disk_is_told_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    import resource  # POSIX only

    monkeypatch.setattr(kept_texts, "IN_MEMORY", 1)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, hard))
    try:
        with KeptTexts() as kept, pytest.raises(DumpError, match=r"temporary folder .*: cannot be written") as raised:
            kept.add("x" * 1_000_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "TMPDIR" in raised.value.advice
