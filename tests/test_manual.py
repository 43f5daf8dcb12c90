"""The manual matches the program: its examples, every option of every command, every key of the JSON."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.hive_file import system_hive
from support.page_examples import Example, check, json_keys, names_in, pages_below, scripts, terminals
from support.registry_hives import CRASH_CONTROL, MEMORY_MANAGEMENT

import windbg_ext
from windbg_ext.cli import main
from windbg_ext.cli.windbg_setup import WINDBG_SETUP
from windbg_ext.interface.registry import COMMANDS as REGISTERED
from windbg_ext.sources.formats import FORMATS

if TYPE_CHECKING:
    from support.registry_hives import Value

    from windbg_ext.sources.formats import Format

REPOSITORY = Path(__file__).parents[1]
PAGES = pages_below(REPOSITORY / "docs")
EXAMPLES = [example for page, text in PAGES.items() for example in terminals(page, text)]
COMMANDS = tuple(command.name for command in (*REGISTERED, WINDBG_SETUP))
LIBRARY = scripts(PAGES["docs/library.md"])


MACHINES = {
    "PC-003": (7, "?:\\pagefile.sys"),
    "PC-014": (7, "D:\\pagefile.sys 0 0"),
    "SRV-01": (1, "C:\\pagefile.sys 16641 16641"),
    "SRV-02": (1, "?:\\pagefile.sys"),
}
"""Kind of dump and paging file of the machines in the folder `collected`."""


def hive_of(name: str, kind: int, paging_file: str) -> bytes:
    """Return a machine's SYSTEM hive."""
    crash: dict[str, Value] = {"CrashDumpEnabled": kind, "AutoReboot": 1, "DumpFilters": ["dumpfve.sys"]}
    return system_hive(
        {
            "Control\\ComputerName\\ComputerName": {"ComputerName": name},
            CRASH_CONTROL: crash,
            MEMORY_MANAGEMENT: {"PagingFiles": [paging_file]},
        }
    )


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with samples/ in it, as after a clone, and the other files that the pages name."""
    shutil.copytree(REPOSITORY / "samples", tmp_path / "samples", ignore=shutil.ignore_patterns("*.py*", "*.md"))
    complete = (tmp_path / "samples" / "complete.dmp").read_bytes()
    (tmp_path / "MEMORY.DMP").write_bytes(complete)
    (tmp_path / "cut.dmp").write_bytes(complete[:200_000])
    (tmp_path / "program.dmp").write_bytes(b"MDMP")
    (tmp_path / "collected").mkdir()
    for name, (kind, paging_file) in MACHINES.items():
        (tmp_path / "collected" / name).write_bytes(hive_of(name, kind, paging_file))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_a_page_with_an_example(command: str) -> None:
    page = f"docs/commands/{command}.md"
    assert [example for example in EXAMPLES if example.page == page]


@pytest.mark.usefixtures("checkout")
@pytest.mark.parametrize("example", EXAMPLES, ids=str)
def test_an_example_prints_what_the_manual_shows(example: Example, capsys: pytest.CaptureFixture[str]) -> None:
    check(example, capsys)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_page_of_a_command_names_every_option(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    main([command, "--help"])
    options = set(re.findall(r"(?<![\w-])--?[a-z][\w-]*", capsys.readouterr().out)) - {"-h", "--help"}
    assert options <= names_in(PAGES[f"docs/commands/{command}.md"])


@pytest.mark.parametrize("packed", FORMATS, ids=lambda packed: packed.name)
def test_pages_and_help_name_every_packed_file_that_is_read(packed: Format, capsys: pytest.CaptureFixture[str]) -> None:
    main(["dumpkind", "--help"])
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    for text in (capsys.readouterr().out, readme, PAGES["docs/first-steps.md"]):
        assert all(ending in text for ending in packed.endings)
    for page in ("docs/limits.md", "docs/commands/dumpkind.md", "docs/architecture.md"):
        assert packed.name in PAGES[page]


@pytest.mark.usefixtures("checkout")
@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        ("minify", ["samples/complete.dmp", "--json"]),
        ("minify", ["samples", "small", "--json"]),
        ("dumpkind", ["-v", "samples", "--json"]),
        ("pagefilefit", ["samples/complete.dmp", "--pagefile", "16M", "--json"]),
        ("pagefilefit", ["--ram", "16G", "--dedicated", "16G", "--kind", "complete", "--json"]),
        ("pagefilefit", ["--system-hive", "collected", "--json"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else value,
)
def test_the_page_of_a_command_names_every_key_of_its_json(
    command: str, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    main([command, *arguments])
    document = json.loads(capsys.readouterr().out)
    for dump in document.get("dumps", ()):
        dump["details"]["header"] = {}  # the fields of the header, which the pages on formats describe
    assert json_keys(document) <= names_in(PAGES[f"docs/commands/{command}.md"])


@pytest.mark.usefixtures("checkout")
def test_the_page_on_fleets_names_every_key_of_the_json_of_a_catalogue(capsys: pytest.CaptureFixture[str]) -> None:
    main(["dumpkind", "samples", "program.dmp", "--catalog", "fleet.db", "--jobs", "1", "--json", "--signature", "D1"])
    assert json_keys(json.loads(capsys.readouterr().out)) <= names_in(PAGES["docs/fleet.md"])


@pytest.mark.usefixtures("checkout")
@pytest.mark.parametrize("code", LIBRARY, ids=lambda code: code.splitlines()[0])
def test_a_script_of_the_library_page_prints_what_the_page_shows(code: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The output of a script is the code block behind it, if there is one."""
    exec(code, {"__name__": "__main__"})
    block = re.escape(f"```python\n{code}```\n\n```text\n")
    shown = re.search(block + "(.*?)```", PAGES["docs/library.md"], re.DOTALL)
    assert capsys.readouterr().out == (shown[1] if shown else "")


def test_the_api_reference_names_every_public_name() -> None:
    documented = re.findall(r"^::: windbg_ext\.(\w+)$", PAGES["docs/reference.md"], re.MULTILINE)
    assert sorted(documented) == sorted(name for name in windbg_ext.__all__ if not name.startswith("__"))
