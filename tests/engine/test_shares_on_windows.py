r"""Names like \\server\share\MEMORY.DMP: Windows opens them itself, so the commands must leave them as they are.

Wine shows folders of its own as the shares of a server. Long names are in test_long_paths.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from support.dumps_at_hand import SAMPLES

from engine.windows_paths import answer_of, share_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.engine import Engine

SCRIPT = Path(__file__).with_name("on_a_share.py")


class Asked(NamedTuple):
    share: str
    folder: Path
    answer: dict[str, Any]


@pytest.fixture(scope="module")
def asked(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    folder = tmp_path_factory.mktemp("share")
    (folder / "sub").mkdir()
    shutil.copy(SAMPLES / "kernel.dmp", folder / "MEMORY.DMP")
    shutil.copy(SAMPLES / "complete.dmp", folder / "sub" / "complete.dmp")
    told = tmp_path_factory.mktemp("told") / "answer.json"
    with share_of(engine, folder) as share:
        yield Asked(share, folder, answer_of(engine, SCRIPT, told, share))


def test_files_folders_and_wildcards_on_a_share_are_found_and_named_as_unc_paths(asked: Asked) -> None:
    one, other = f"{asked.share}\\MEMORY.DMP", f"{asked.share}\\sub\\complete.dmp"
    paths = [[dump["path"] for dump in json.loads(output)["dumps"]] for _, _, output, _ in asked.answer["found"]]
    assert paths == [[one], [one], *[[one, other]] * 4, [other], [other]]
    assert {(status, error) for _, status, _, error in asked.answer["found"]} == {(0, "")}


def test_small_dumps_are_written_to_a_share_beside_the_dump_or_where_a_unc_path_says(asked: Asked) -> None:
    share, below = asked.share, asked.share[1:]  # a list's files keep their folders
    one, named, *many = [json.loads(output) for _, _, output, _ in asked.answer["made"]]
    assert (one["source"], one["destination"]) == (f"{share}\\MEMORY.DMP", f"{share}\\MEMORY-small.dmp")
    assert named["destination"] == f"{share}\\named.dmp"
    files = [[(file["destination"], file["outcome"]) for file in report["files"]] for report in many]
    assert files == [
        [(f"{share}\\out\\complete-small.dmp", "written")],
        [(f"{share}\\out\\complete-small.dmp", "skipped")],
        [
            (f"{share}\\listed{below}\\MEMORY-small.dmp", "written"),
            (f"{share}\\listed{below}\\sub\\complete-small.dmp", "written"),
        ],
    ]
    small = (asked.folder / "named.dmp").read_bytes()
    assert small[:8] == b"PAGEDU64"
    listed = asked.folder / "listed" / Path(*below[1:].split("\\")) / "MEMORY-small.dmp"
    for written in (asked.folder / "MEMORY-small.dmp", listed):
        assert written.read_bytes() == small


def test_the_source_is_known_under_another_spelling_and_missing_files_are_told_in_one_line(asked: Asked) -> None:
    share, said = asked.share, [(status, error) for _, status, _, error in asked.answer["refused"]]
    assert said[0] == (
        3,
        f"windbg-ext: {share}\\memory.dmp: destination: is the source itself; name another file\n",
    )
    assert [status for status, _ in said] == [3, 3, 3, 3]
    for (_, error), name in zip(said[1:], (f"{share}\\nothing.dmp", f"{share}\\nothing.dmp", f"{share}-none")):
        assert error.startswith(f"windbg-ext: {name}")
        assert error.count("\n") == 1
    assert (asked.folder / "MEMORY.DMP").read_bytes() == (SAMPLES / "kernel.dmp").read_bytes()


def test_pagefilefit_reads_a_dump_on_a_share(asked: Asked) -> None:
    _, status, output, error = asked.answer["pagefilefit"]
    assert (status, error, json.loads(output)["dump"]) == (0, "", f"{asked.share}\\MEMORY.DMP")
