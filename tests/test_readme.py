"""The README is short, and its examples are what the program prints."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from support.page_examples import Example, check, scripts, terminals

from windbg_ext import minify

REPOSITORY = Path(__file__).parents[1]
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
EXAMPLES = terminals("README.md", README)
SET_UP = (
    "python -m pip install . && windbg-ext minify samples/complete.dmp small.dmp",
    "python -m pip install -e '.[test]' && python -m pytest -n auto --dist worksteal",
)
"""The commands that .ci/run finds at the start of a line and runs word for word."""
MAX_LINES = 150


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with samples/ in it, as after a clone."""
    shutil.copytree(REPOSITORY / "samples", tmp_path / "samples", ignore=shutil.ignore_patterns("*.py*", "*.md"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_readme_is_at_most_150_lines_long() -> None:
    assert len(README.splitlines()) <= MAX_LINES


@pytest.mark.parametrize("command", SET_UP)
def test_the_readme_has_the_commands_that_set_up_and_test(command: str) -> None:
    assert command in README.splitlines()


def test_the_readme_has_an_example_of_each_command() -> None:
    commands = {command.split()[1] for example in EXAMPLES for command, _ in example.commands}
    assert commands == {"minify", "dumpkind", "pagefilefit"}


@pytest.mark.usefixtures("checkout")
@pytest.mark.parametrize("example", EXAMPLES, ids=str)
def test_an_example_prints_what_the_readme_shows(example: Example, capsys: pytest.CaptureFixture[str]) -> None:
    check(example, capsys)


@pytest.mark.usefixtures("checkout")
def test_the_three_lines_of_python_run(capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = scripts(README)
    exec(code.replace("MEMORY.DMP", "samples/complete.dmp"), {})
    expected = minify("samples/complete.dmp", "again.dmp")
    assert capsys.readouterr().out == f"{expected.bytes} {expected.left_out}\n"


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)#]+)", README))
def test_every_link_of_the_readme_leads_to_a_file(link: str) -> None:
    assert (REPOSITORY / link).is_file()
