"""Sources and destinations with any name, behind links, on shares, and files that change while they are read."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Callable

import pytest
from support.command_line import ROOT, refusal, refusal_of, run, run_process
from support.dump_file import copy_with_blob

from samples.builder import SAMPLES, build
from windbg_ext import MinifyOptions, dumpkind, minify
from windbg_ext.commands.minify import minify_target
from windbg_ext.dump import open_dump
from windbg_ext.errors import DumpError
from windbg_ext.kernel import DumpTarget
from windbg_ext.sources.local import system_path

if TYPE_CHECKING:
    from windbg_ext.commands.minify import LeftOut

KERNEL = build(next(sample for sample in SAMPLES if sample.name == "kernel"))

# --- names ---

NAMES = {
    "quotes": 'it\'s "quoted" `here`',
    "blanks": "  two  blanks \t tab ",
    "a new line and a terminal's commands": "two\nlines\r\x1b[2J\x9b1m",
    "what a shell would expand": "$HOME *?[a-z]{b,c} ~ & ; | > <",
    "what Python would format": "{0} %s %(name)s \\n",
    "other scripts": "\u0434\u0430\u043c\u043f \u30c0\u30f3\u30d7 \u202e right to left",
    "bytes that are no UTF-8": os.fsdecode(b"\xff\xfe\xc3\x28") if os.name != "nt" else "plain",
}
each_name = pytest.mark.parametrize("what", NAMES)
on_posix = pytest.mark.skipif(os.name == "nt", reason="Windows has no files with such names")


@on_posix
@each_name
@pytest.mark.parametrize(
    "pack", [pytest.param(bytes, id="plain"), pytest.param(gzip.compress, id="gzip", marks=pytest.mark.slow)]
)
def test_a_source_and_a_destination_may_have_any_name(
    tmp_path: Path, what: str, pack: Callable[[bytes], bytes]
) -> None:
    source, destination = tmp_path / f"{NAMES[what]}.dmp", tmp_path / f"{NAMES[what]}.small"
    source.write_bytes(pack(KERNEL))
    for arguments in (
        ("dumpkind", source),
        ("dumpkind", "-v", source),
        ("dumpkind", tmp_path),
        ("dumpkind", "--csv", source),
        ("minify", source, destination),
        ("minify", source),
        ("pagefilefit", source),
    ):
        outcome = run_process(*arguments) if arguments == ("minify", source) else run(*arguments)
        assert outcome.status in (0, 1), outcome
        assert outcome.err == ""
        assert all(character.isprintable() or character == "\n" for character in outcome.out), outcome
    assert dumpkind(destination).kind == "small"
    shown = str(source).encode("utf-8", "backslashreplace").decode()  # bytes that are no text stand as \\udcff
    assert json.loads(run("dumpkind", "--json", source).out)["dumps"][0]["path"] == shown
    assert "destination: exists" in refusal(tmp_path, source, destination)
    assert "is the source itself" in refusal(tmp_path, source, source, "--overwrite")


@on_posix
@each_name
def test_a_file_with_any_name_that_is_no_dump_is_one_line(tmp_path: Path, what: str) -> None:
    source = tmp_path / f"{NAMES[what]}.dmp"
    source.write_bytes(b"no dump at all")
    for line in (
        refusal(tmp_path, source, tmp_path / "small.dmp"),
        refusal_of(run("dumpkind", source)),
        refusal_of(run("pagefilefit", source)),
        refusal(tmp_path, tmp_path / f"{NAMES[what]} gone", tmp_path / "small.dmp"),
    ):
        assert line.isprintable()


# --- links ---


@pytest.fixture(params=["a dump", "a packed dump"])
def link(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A link to a dump in another folder."""
    (tmp_path / "elsewhere").mkdir()
    target = tmp_path / "elsewhere" / "MEMORY.DMP"
    target.write_bytes(KERNEL if request.param == "a dump" else gzip.compress(KERNEL))
    (tmp_path / "link.dmp").symlink_to(target)
    return tmp_path / "link.dmp"


def test_a_link_to_a_dump_is_as_good_as_the_dump(link: Path) -> None:
    assert dumpkind(link).kind == "kernel"
    assert run("pagefilefit", link).status == 0
    report = minify(link)
    assert report.destination == link.with_name("link-small.dmp")
    minify(link.resolve(), link.with_name("other.dmp"))
    assert Path(report.destination).read_bytes() == link.with_name("other.dmp").read_bytes()


def test_a_link_to_the_source_is_no_destination(link: Path) -> None:
    assert "is the source itself" in refusal(link.parent, link.resolve(), link, "--overwrite")
    assert "is the source itself" in refusal(link.parent, link, link.resolve(), "--overwrite")


def test_a_link_to_nothing_is_told_as_one(tmp_path: Path) -> None:
    link = tmp_path / "link.dmp"
    link.symlink_to(tmp_path / "gone\n.dmp")
    for line in (
        refusal(tmp_path, link, tmp_path / "small.dmp"),
        refusal_of(run("dumpkind", link)),
        refusal_of(run("pagefilefit", link)),
    ):
        assert "is a link to " in line
        assert "gone\\n.dmp, which is not there; name the dump itself" in line


# --- paths of Windows ---


@pytest.mark.skipif(os.name == "nt", reason="Windows does")
def test_no_path_is_changed_where_the_system_takes_any(tmp_path: Path) -> None:
    path = str(tmp_path / ("x" * 255) / ("y" * 255))
    assert system_path(path) == path


@pytest.mark.parametrize("path", [r"\\server\share\x.dmp", "//server/share/x.dmp", r"\\?\C:\x.dmp", r"C:\a b\x.dmp"])
def test_a_path_that_is_not_there_is_named_as_it_was_given(path: str) -> None:
    if os.name == "nt" and "server" in path:
        pytest.skip("Windows would look for the server")
    outcome = run("minify", path, "small.dmp")
    assert outcome.status == 3
    assert outcome.err.startswith(f"windbg-ext: {Path(path)}: file: cannot be opened")


# --- files that change while they are read ---


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "MEMORY.DMP"
    path.write_bytes(KERNEL)
    return path


def minified_after(source: Path, change: Callable[[], object]) -> tuple[bytes, tuple[LeftOut, ...]]:
    """Change a file between its opening and its reading; gives the small dump and what was left out."""
    destination = source.with_name("small.dmp")
    with open_dump(source) as dump:
        change()
        report = minify_target(DumpTarget(dump), destination, MinifyOptions(overwrite=True), source=dump.source)
    return destination.read_bytes(), report.left_out


@pytest.mark.parametrize("length", range(0, len(KERNEL), len(KERNEL) // 25))
def test_of_a_file_that_shrinks_the_rest_is_saved_or_one_line_says_why_not(source: Path, length: int) -> None:
    _, usually_left_out = minified_after(source, lambda: None)
    source.with_name("small.dmp").unlink()
    try:
        _, left_out = minified_after(source, lambda: os.truncate(source, length))
    except DumpError as error:
        said, left_out = str(error), ()
    else:
        said = ""
    if said:
        assert len(said.splitlines()) == 1
        assert [path.name for path in source.parent.iterdir()] == ["MEMORY.DMP"]
    else:
        assert {lost.part for lost in left_out} >= {lost.part for lost in usually_left_out}
        assert set(left_out) - set(usually_left_out)  # something more, or for another reason


def test_secondary_data_that_shrinks_away_is_listed(tmp_path: Path) -> None:
    source = copy_with_blob(ROOT / "samples" / "kernel.dmp", tmp_path, 1 << 20)
    _, left_out = minified_after(source, lambda: os.truncate(source, source.stat().st_size - 100))
    (why,) = [lost.why for lost in left_out if lost.part.startswith("secondary data")]
    assert "the file has become shorter since it was opened" in why


def test_of_a_file_that_grows_what_it_was_when_it_was_opened_counts(source: Path) -> None:
    usual = minified_after(source, lambda: None)

    def grow() -> None:
        with source.open("ab") as file:
            file.write(KERNEL)

    assert minified_after(source, grow) == usual


def test_a_packed_file_that_shrinks_is_damaged(tmp_path: Path) -> None:
    source = tmp_path / "MEMORY.DMP.gz"
    plain = copy_with_blob(ROOT / "samples" / "complete.dmp", tmp_path, 70 << 20)
    source.write_bytes(gzip.compress(plain.read_bytes(), 1))
    length = source.stat().st_size

    def shrink(doing: str, _done: int, _total: int) -> None:
        if doing.startswith("unpacking"):
            os.truncate(source, length // 2)

    with pytest.raises(DumpError, match="it ends too early"):
        minify(source, tmp_path / "small.dmp", progress=shrink)
    assert not (tmp_path / "small.dmp").exists()
