"""The command line itself: help, wrong use, exit statuses, and where its output goes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.command_line import ROOT, command, contents, environment, refusal_of, run, run_process

SAMPLES = ROOT / "samples"
OPTIONS = (
    *("--overwrite", "--unique", "--size", "--comment", "--salvage", "--html", "--json", "--list", "--jobs"),
    *("--verbose", "--verify"),
    *("--cluster", "--shard"),
    *("--scrub", "--scrub-strict", "--scrub=strict", "--rules"),
)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Return a dump whose small dump lacks nothing essential."""
    return Path(shutil.copy(SAMPLES / "complete.dmp", tmp_path / "MEMORY.DMP"))


# --- help, version, wrong use ---


def test_version_is_the_one_of_the_package() -> None:
    import windbg_ext

    outcome = run("--version")
    assert (outcome.status, outcome.err) == (0, "")
    assert outcome.out == f"windbg-ext {windbg_ext.__version__}\n"


def test_help_names_the_command_and_the_exit_statuses() -> None:
    outcome = run("--help")
    assert (outcome.status, outcome.err) == (0, "")
    assert "minify" in outcome.out
    assert "Exit status: 0 done, 1 the answer is no, 2 wrong use, 3" in " ".join(outcome.out.split())


def test_help_of_minify_explains_every_option() -> None:
    outcome = run("minify", "--help")
    assert (outcome.status, outcome.err) == (0, "")
    explanations = outcome.out.split("positional arguments:", 1)[1]
    for word in ("source", "destination", *OPTIONS):
        explanation = explanations.split(word, 1)[1].split("\n  -", 1)[0]
        assert len(explanation.split()) > 3, word


def test_the_options_of_the_help_are_all_that_there_are() -> None:
    found = {word.strip("[],") for word in run("minify", "--help").out.split() if word.strip("[],").startswith("--")}
    assert found == {*OPTIONS, "--help"}


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["compress"],
        ["minify"],
        ["minify", "SOURCE", "DESTINATION", "third.dmp"],
        ["minify", "SOURCE", "--fast"],
        ["minify", "SOURCE", "--size"],
        ["minify", "SOURCE", "--size", "large"],
        ["minify", "SOURCE", "--size", "-1"],
        ["minify", "SOURCE", "--size", "1.5M"],
        ["minify", "SOURCE", "--size", "256X"],
        ["minify", "SOURCE", "--size", ""],
        ["minify", "SOURCE", "--size", "\u0661\u0662\u0663\u0664\u0665\u0666\u0667"],
        ["minify", "SOURCE", "--size", "64\u212a"],
        ["minify", "SOURCE", "--size", "1048577T"],
        ["minify", "SOURCE", "--size", "0"],
        ["minify", "SOURCE", "--size", "63K"],
        ["minify", "SOURCE", "--size", "65535"],
        ["minify", "SOURCE", "--comment"],
        ["minify", "SOURCE", "--comment", "x" * 128],
        ["minify", "SOURCE", "--comment", "f\u00fcr Elise"],
        ["minify", "SOURCE", "--comment", "\U0001f4a5"],
    ],
)
def test_wrong_use_is_exit_status_2_and_leaves_no_file(source: Path, arguments: list[str]) -> None:
    before = contents(source.parent)
    outcome = run(*(str(source) if argument == "SOURCE" else argument for argument in arguments))
    assert outcome.status == 2
    assert outcome.out == ""
    assert outcome.err.startswith("windbg-ext: ")
    assert outcome.err.count("\n") == 1
    assert contents(source.parent) == before


@pytest.mark.parametrize("size", ["64K", "64k", "65536", "64KB", "64 K", "1M", "1G", "1T"])
def test_sizes_may_be_written_with_units(source: Path, size: str) -> None:
    assert run("minify", source, "--size", size).status in (0, 1)


# --- exit status 0 and 1 ---


def test_everything_that_a_debugger_needs_is_exit_status_0(source: Path) -> None:
    outcome = run("minify", source)
    assert (outcome.status, outcome.err) == (0, "")
    assert "Left out:" not in outcome.out


def test_something_essential_left_out_is_exit_status_1(source: Path) -> None:
    outcome = run("minify", source, "--size", "64K")
    assert (outcome.status, outcome.err) == (1, "")
    assert "Left out:" in outcome.out


# --- the report ---


def test_the_answer_is_what_was_made_of_what_how_much_smaller_and_what_is_missing(source: Path) -> None:
    destination = source.with_name("small.dmp")
    lines = run("minify", source, destination).out.splitlines()
    made, original = destination.stat().st_size, source.stat().st_size
    assert lines == [
        f"{destination}: {made / 1024:.1f} KB",
        f"  made from  {source}, {original / 1024:.1f} KB: {original / made:.1f} times the size",
        "  holds      4 processors, 9 modules",
        "  missing    nothing",
    ]


def test_what_is_missing_is_told_with_the_reason(source: Path) -> None:
    outcome = run("minify", source, "--size", "64K")
    assert outcome.status == 1
    assert "\n  missing    something that a debugger needs, or may need; see below\n" in outcome.out
    assert "does not fit into --size 65536" in outcome.out.partition("Left out:")[2]
    assert "What went in" not in outcome.out


def test_with_v_a_table_of_parts_follows(source: Path) -> None:
    destination = source.with_name("small.dmp")
    lines = run("minify", source, destination, "-v").out.splitlines()
    begin = lines.index(next(line for line in lines if line.startswith("What went in")))
    assert lines[begin].split() == ["What", "went", "in", "Bytes", "Blocks"]
    parts = {line[:30].strip(): line[30:].split() for line in lines[begin + 2 :]}
    machine_prcb = 0x4D00
    assert parts["KPRCB"] == [f"{machine_prcb:,}", "1"]
    assert parts["secondary data"] == [f"{0x10 + 3 * 0x20 + 75 + 5 + 8 + 256 + 4 + 3 + 13:,}", "1"]


def test_json_is_one_document_and_nothing_else(source: Path) -> None:
    outcome = run("minify", source, "--json")
    assert (outcome.status, outcome.err) == (0, "")
    assert isinstance(json.loads(outcome.out), dict)


def test_an_error_is_one_line_with_json_too(source: Path) -> None:
    source.write_bytes(b"")
    assert "is empty" in refusal_of(run("minify", source, "--json"))


# --- as a process of its own ---


def test_python_m_windbg_ext_and_the_installed_script_do_the_same(source: Path) -> None:
    script = shutil.which("windbg-ext", path=str(Path(sys.executable).parent))
    if script is None:
        pytest.skip("the package is not installed in this environment")
    for arguments, status in ((["minify", source, source.with_name("small.dmp"), "--overwrite"], 0), (["minify"], 2)):
        by_module = run_process(*arguments)
        done = subprocess.run([script, *map(str, arguments)], env=environment(), capture_output=True, check=False)
        assert (done.returncode, done.stdout.decode()) == (by_module.status, by_module.out)
        assert done.returncode == status


def test_the_program_is_called_windbg_ext_however_it_is_started() -> None:
    outcome = run_process("minify", "--nonsense")
    assert (
        outcome.err == "windbg-ext: unrecognized arguments: --nonsense; windbg-ext minify --help shows how it is used\n"
    )


def test_a_large_dump_that_is_cut_before_its_kernel_says_so_and_what_to_do(tmp_path: Path) -> None:
    cut = tmp_path / "cut.dmp"
    cut.write_bytes((ROOT / "samples" / "complete.dmp").read_bytes()[:200_000])
    outcome = run("minify", cut, tmp_path / "small.dmp")
    assert outcome.status == 3
    assert "the source is cut short: 168,640 of 368,640 bytes are missing" in outcome.err
    assert outcome.err.endswith("; without it no kernel structure can be found: copy it again from where it was made\n")


ENCODINGS = [
    {},
    {"LC_ALL": "C"},
    {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
    {"PYTHONIOENCODING": "ascii"},
    {"PYTHONIOENCODING": "cp437"},
    {"PYTHONIOENCODING": "utf-16"},
]
NAMES = ["with blanks and 'quotes'.dmp", "gr\u00fc\u00dfe \u4f60\u597d \U0001f4a5.dmp"]


@pytest.mark.parametrize("name", [pytest.param(NAMES[0], marks=pytest.mark.slow), NAMES[1]])
@pytest.mark.parametrize("variables", ENCODINGS, ids=str)
def test_any_name_works_under_any_encoding(tmp_path: Path, name: str, variables: dict[str, str]) -> None:
    shutil.copy(SAMPLES / "complete.dmp", tmp_path / name)
    encoding = variables.get("PYTHONIOENCODING", "utf-8")
    arguments = ("minify", tmp_path / name, tmp_path / ("small " + name))
    done = subprocess.run(command(*arguments), env=environment(**variables), capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert "made from" in done.stdout.decode(encoding)
    assert set(contents(tmp_path)) == {name, "small " + name}
    done = subprocess.run(command(*arguments), env=environment(**variables), capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (3, b"")
    assert len(done.stderr.decode(encoding).splitlines()) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not allow such names")
def test_a_name_that_is_no_text_works(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9 \xff.dmp")
    shutil.copy(SAMPLES / "complete.dmp", tmp_path / name)
    for json_option in ([], ["--json"]):
        done = subprocess.run(
            command("minify", tmp_path / name, *json_option), env=environment(), capture_output=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, b"")
        assert b"udce9" in done.stdout
    assert len(contents(tmp_path)) == 3


@pytest.mark.skipif(os.name == "nt", reason="needs a pipe whose other end is closed")
@pytest.mark.parametrize("arguments", [["minify", "SOURCE"], ["minify", "SOURCE", "--json"], ["--help"], ["--version"]])
@pytest.mark.parametrize("buffered", ["", "1"])
def test_a_reader_that_has_gone_is_no_error(source: Path, arguments: list[str], buffered: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    arguments = [str(source) if argument == "SOURCE" else argument for argument in arguments]
    done = subprocess.run(
        command(*arguments),
        env=environment(PYTHONUNBUFFERED=buffered),
        stdout=writing,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_output_that_cannot_be_written_is_one_line_of_error(source: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            command("minify", source), env=environment(), stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert done.returncode == 3
    assert done.stderr.decode().splitlines() == [
        "windbg-ext: standard output: cannot be written (No space left on device)"
    ]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["minify", "--help"]])
def test_help_that_cannot_be_written_is_an_error(arguments: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command(*arguments), env=environment(), stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 3
    assert done.stderr == b"windbg-ext: standard output: cannot be written (No space left on device)\n"


@pytest.mark.skipif(os.name == "nt", reason="needs a shell")
@pytest.mark.parametrize("redirection", ["2>/dev/full", "2>&-", "2</dev/null", "2>/dev/full >/dev/full", "2>&- >&-"])
@pytest.mark.parametrize(("arguments", "status"), [(["minify", "missing.dmp"], 3), (["minify", "--nonsense"], 2)])
def test_the_exit_status_tells_of_an_error_that_cannot_be_shown(
    tmp_path: Path, arguments: list[str], status: int, redirection: str
) -> None:
    shell = ["sh", "-c", f'"$@" {redirection}', "sh", *command(*arguments)]
    assert subprocess.run(shell, env=environment(), cwd=tmp_path, check=False).returncode == status


@pytest.mark.skipif(os.name == "nt", reason="needs a pipe whose other end is closed")
def test_the_exit_status_tells_of_an_error_whose_reader_has_gone(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(command("minify", "x.dmp"), env=environment(), cwd=tmp_path, stderr=writing, check=False)
    os.close(writing)
    assert done.returncode == 3


def test_what_an_error_names_is_escaped_and_cut() -> None:
    error = run("minify", "a", "b", "\x1b[31m\r\n\u202e" + "x" * 10_000).err
    assert error.startswith("windbg-ext: unrecognized arguments: \\x1b[31m\\r\\n\\u202exxx")
    assert error.endswith("xxx; windbg-ext minify --help shows how it is used\n")
    assert len(error) < 2100


@pytest.mark.skipif(os.name == "nt", reason="needs a shell that can close a stream")
@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">&- 2>&- <&-"])
def test_closed_streams_do_not_keep_it_from_working(source: Path, closed: str) -> None:
    destination = source.with_name("small.dmp")
    shell = f'"$@" {closed}'
    done = subprocess.run(
        ["sh", "-c", shell, "sh", *command("minify", source, destination)],
        env=environment(),
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert destination.stat().st_size > 1 << 16
    assert ("made from" in done.stdout.decode()) == (not closed.startswith(">"))
