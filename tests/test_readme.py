"""The examples of the README are what the program prints."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest

from windbg_ext import minify
from windbg_ext.cli import main

REPOSITORY = Path(__file__).parents[1]
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```\n\$ windbg-ext (.*)\n([^`]*)^```$", README, re.MULTILINE)


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with samples/ in it, as after a clone."""
    (tmp_path / "samples").mkdir()
    for sample in (REPOSITORY / "samples").glob("*.dmp"):
        shutil.copy(sample, tmp_path / "samples")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_readme_has_an_example_of_each_command() -> None:
    commands = {shlex.split(command)[0] for command, _ in EXAMPLES}
    assert commands == {"minify", "dumpkind", "pagefilefit"}


@pytest.mark.usefixtures("checkout")
@pytest.mark.parametrize(("command", "output"), EXAMPLES, ids=[command for command, _ in EXAMPLES])
def test_an_example_prints_what_the_readme_shows(command: str, output: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A line of three dots stands for any lines."""
    main(shlex.split(command))
    printed = "\n".join(line.rstrip() for line in capsys.readouterr().out.splitlines())
    shown = "(?:.*\n)*?".join(re.escape(part) for part in re.split(r"^\.\.\.\n", output, flags=re.MULTILINE))
    assert re.fullmatch(shown, printed + "\n"), printed


@pytest.mark.usefixtures("checkout")
def test_the_three_lines_of_python_run(capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    exec(code.replace("MEMORY.DMP", "samples/complete.dmp"), {})
    expected = minify("samples/complete.dmp", "again.dmp")
    assert capsys.readouterr().out == f"{expected.bytes} {expected.left_out}\n"
