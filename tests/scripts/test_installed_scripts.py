"""The scripts that windbg-setup writes: every path in its place, XML as the extension gallery documents it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest

from windbg_ext.debugger import installation
from windbg_ext.debugger.installation import FILES, Parts, fits_a_script, remove_scripts, scripts, write_scripts
from windbg_ext.interface.registry import COMMANDS
from windbg_ext.version import __version__

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = r"C:\Users\me & you\AppData\Local\windbg-ext"
PARTS = Parts(r"C:\Python39\python39.dll", r"C:\Python39\pykd\pykd.pyd", r"C:\Python39\windbg_ext\debugger\bang.py")
NAMES = [command.name for command in COMMANDS]
ALIASES = [*NAMES, "windbg-ext"]


@pytest.fixture(scope="session")
def written() -> dict[str, str]:
    return scripts(PARTS, FOLDER, COMMANDS)


def test_there_is_a_script_for_every_template_and_no_place_is_left_open(written: dict[str, str]) -> None:
    folder = installation.SCRIPTS
    templates = {str(path.relative_to(folder).as_posix()) for path in folder.rglob("*") if path.is_file()}
    assert set(written) == set(FILES) == templates - {"README.md"}
    assert [name for name, text in written.items() if re.search(r"@\w+@", text)] == []
    assert all(text.isascii() for text in written.values())


def test_the_load_script_loads_pythons_dll_before_pykd_and_defines_an_alias_for_each_command(
    written: dict[str, str],
) -> None:
    lines = written["load.wds"].splitlines()
    assert lines[:2] == [f".load {PARTS.python}", f".load {PARTS.pykd}"]
    named = lines[2 : 2 + len(ALIASES)]
    assert named == [rf'aS ${{/v:!{name}}} $$>a<"{FOLDER}\run.wds" {name}' for name in ALIASES]
    assert "windbg-ext is not loaded" in lines[2 + len(ALIASES)]
    assert not any(__version__ in line for line in lines)  # what says that all is loaded is Python


def test_without_pykd_the_scripts_start_the_python_and_load_nothing() -> None:
    parts = Parts(r"C:\Program Files\Python313\python.exe", None, r"C:\x\shell_bang.py")
    written = scripts(parts, FOLDER, COMMANDS)
    start = r'.shell -ci "||;al" -t 8640 "C:\Program Files\Python313\python.exe" "C:\x\shell_bang.py"'
    assert written["run.wds"] == f".block {{ {start} }}\n"
    assert written["batch.wds"] == f".block {{ {start} }}\n.block {{ q }}\n"
    assert ".load" not in written["load.wds"]
    assert f"{start} windbg-ext /loaded & if errorlevel 1 echo windbg-ext is not loaded" in written["load.wds"]


def test_no_line_that_the_load_script_echoes_has_a_semicolon_in_it(written: dict[str, str]) -> None:
    # `$$><` joins all lines with semicolons; aS ends at one, and .echo would, too
    assert ";" not in written["load.wds"]


def test_the_aliases_lead_to_the_script_of_this_package(written: dict[str, str]) -> None:
    assert written["run.wds"].strip() == f'!pykd.pyd.py -g "{PARTS.bang}"'
    assert installation.BANG.is_file()


def test_the_unload_script_removes_what_the_load_script_defined(written: dict[str, str]) -> None:
    defined = re.findall(r"^aS (\S+!\S+)", written["load.wds"], re.MULTILINE)
    removed = re.findall(r"^ad /q (\S+)", written["unload.wds"], re.MULTILINE)
    assert removed == defined


def test_the_menu_has_an_entry_for_each_command(written: dict[str, str]) -> None:
    lines = written["menu.txt"].splitlines()
    assert lines[0] == "windbg ANSI Command Tree 1.0"
    assert lines[2:4] == ["body", '{"windbg-ext"}']
    assert [re.fullmatch(r' \{"([^"{}]+)"\} \{"!([^"{}]+)"\}', line)[2] for line in lines[4:]] == NAMES  # type: ignore[index]


def setting(settings: ElementTree.Element, name: str) -> tuple[str | None, str | None]:
    (found,) = [element for element in settings.iter("Setting") if element.get("Name") == name]
    return found.get("Type"), found.get("Value")


def test_the_gallery_configuration_names_the_folder(written: dict[str, str]) -> None:
    settings = ElementTree.fromstring(written["config.xml"])
    assert (settings.tag, settings.get("Version")) == ("Settings", "1")
    spaces = [element.get("Name") for element in settings.iter("Namespace")]
    assert spaces == ["Extensions", "ExtensionRepositories", "windbg-ext"]
    assert setting(settings, "ExtensionRepository") == ("VT_BSTR", "Implicit")
    assert setting(settings, "LocalCacheRootFolder") == ("VT_BSTR", FOLDER)
    assert setting(settings, "IsEnabled") == ("VT_BOOL", "true")
    assert setting(settings, "Id")[1]


def test_the_gallery_manifest_offers_the_script_and_a_function_alias_for_each_command(written: dict[str, str]) -> None:
    packages = ElementTree.fromstring(written["Manifest/manifest.1.xml"])
    assert packages.tag == "ExtensionPackages"
    assert packages.get("Compression") == "none"
    component = packages.find("ExtensionPackage/Components/ScriptComponent")
    assert component is not None
    assert (component.get("Type"), component.get("FilePathKind")) == ("Engine", "RepositoryRelative")
    file = component.get("File") or ""
    assert file.startswith(".\\")
    assert file[2:] in written
    aliases = component.findall("FunctionAliases/FunctionAlias")
    assert [alias.get("Name") for alias in aliases] == NAMES
    assert [alias.findtext("AliasItem/Syntax") for alias in aliases] == [f"!{name}" for name in NAMES]


def test_the_versions_of_the_gallery_agree_and_have_four_numbers(written: dict[str, str]) -> None:
    packages = ElementTree.fromstring(written["Manifest/manifest.1.xml"])
    schema, version, manifest = written["ManifestVersion.txt"].splitlines()
    assert (schema, manifest) == ("1", "1")
    assert version == packages.get("Version") == packages.findtext("ExtensionPackage/Version")
    assert re.fullmatch(r"\d+\.\d+\.\d+\.\d+", version)
    assert version.startswith(__version__)


def test_scripts_are_written_with_windows_line_ends_and_removed_without_a_trace(
    written: dict[str, str], tmp_path: Path
) -> None:
    folder = tmp_path / "scripts"
    write_scripts(folder, written)
    assert {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} == set(FILES)
    for name, text in written.items():
        assert (folder / name).read_bytes() == text.replace("\n", "\r\n").encode()
    assert len(remove_scripts(folder)) == len(FILES)
    assert not folder.exists()
    assert remove_scripts(folder) == []


def test_removing_leaves_what_others_put_there(written: dict[str, str], tmp_path: Path) -> None:
    write_scripts(tmp_path, written)
    (tmp_path / "mine.wds").write_text("mine")
    remove_scripts(tmp_path)
    assert list(tmp_path.iterdir()) == [tmp_path / "mine.wds"]


@pytest.mark.parametrize(
    ("path", "fits"),
    [
        (r"C:\Users\me\AppData\Local\windbg-ext", True),
        (r"C:\Program Files (x86)\Python39\python39.dll", True),
        (r"C:\Users\J" + "\N{LATIN SMALL LETTER U WITH DIAERESIS}" + r"rgen\x", False),
        (r"C:\a;b\x", False),
        (r"C:\{x}\y", False),
        ('C:\\"quoted"', False),
        (r"C:\${alias}\x", False),
    ],
)
def test_a_path_fits_a_script_unless_it_would_be_read_as_something_else(path: str, fits: bool) -> None:
    assert fits_a_script(path) is fits
