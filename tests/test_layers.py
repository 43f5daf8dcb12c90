"""The direction of the arrows between the layers of the package, read from the imports of every module."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "windbg_ext"
MODULES = sorted(PACKAGE.rglob("*.py"))

MAY_IMPORT = {
    "errors": set(),
    "version": set(),
    "sources": {"errors"},
    "structs": set(),
    "dump": {"sources", "structs", "errors"},
    "memory": {"sources", "structs", "dump", "errors"},
    "kernel": {"sources", "structs", "dump", "memory", "errors"},
    "commands": {"sources", "structs", "dump", "memory", "kernel", "errors"},
    "render": {"commands"},
    "debugger": {"commands", "render", "kernel", "memory", "cli", "errors", "version"},
    "cli": {"sources", "commands", "render", "debugger", "errors", "version"},  # debugger: to install itself there
    "__init__": {"commands", "errors", "version"},
    "__main__": {"cli"},
}
"""Layer: which others it may import, for types as well."""

ONLY_IN = {
    "construct": {"structs"},
    "tabulate": {"render"},
    "argparse": {"cli"},
    "tqdm": {"cli"},
    "pykd": {"debugger"},
    "signal": {"cli", "commands"},  # commands: for worker processes of its own
    "backports": {"sources"},
    "compression": {"sources"},
}
"""Module from outside: the layers that may know it."""

MAY_PRINT = {"cli", "debugger"}


def layer_of(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imports_of(path: Path) -> list[str]:
    """Every module that a file imports, also those that only its types need, and those inside functions."""
    found: list[str] = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.extend(name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            assert node.module is not None
            if node.module == "windbg_ext":
                found.extend(f"windbg_ext.{name.name}" for name in node.names)
            else:
                found.append(node.module)
    return found


each_module = pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))


def test_every_layer_has_modules_and_every_module_a_layer() -> None:
    layers = {layer_of(path) for path in MODULES}
    assert layers <= set(MAY_IMPORT)
    assert set(MAY_IMPORT) - layers <= {"debugger"}


@each_module
def test_a_module_imports_only_what_stands_left_of_its_layer(path: Path) -> None:
    layer = layer_of(path)
    used = {name.split(".")[1] for name in imports_of(path) if name.startswith("windbg_ext.")}
    assert used <= MAY_IMPORT[layer] | {layer}


@each_module
def test_a_module_knows_only_the_outside_that_its_layer_is_for(path: Path) -> None:
    outside = {name.split(".")[0] for name in imports_of(path)}
    assert {name for name in outside if name in ONLY_IN and layer_of(path) not in ONLY_IN[name]} == set()


@each_module
def test_nothing_below_the_command_line_prints(path: Path) -> None:
    if layer_of(path) not in MAY_PRINT:
        nodes = list(ast.walk(ast.parse(path.read_text())))
        assert "print" not in {node.id for node in nodes if isinstance(node, ast.Name)}
        assert {"stdout", "stderr"}.isdisjoint(node.attr for node in nodes if isinstance(node, ast.Attribute))


@each_module
def test_every_module_says_what_it_is_for(path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert not tree.body or len((ast.get_docstring(tree) or "").split()) > 3
