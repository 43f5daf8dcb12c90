"""`windbg-setup`, a command of the command line only: its options and how it is run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from windbg_ext.errors import UsageError
from windbg_ext.interface.command import Command, Option

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from windbg_ext.debugger.installation import Parts
    from windbg_ext.interface.console import Console


def run(options: argparse.Namespace, console: Console) -> int:
    """Write, print or remove the scripts, and return the exit status."""
    from pathlib import Path  # as all that only a run needs: --help and --version should not wait for it

    from windbg_ext.debugger import installation
    from windbg_ext.interface.registry import COMMANDS

    folder = installation.default_folder() if options.folder is None else Path(options.folder)
    if folder is not None and options.remove:
        removed = installation.remove_scripts(folder.absolute())
        console.write("\n".join(f"removed {path}" for path in removed) or f"there was nothing of this in {folder}")
        return 0
    found = list(installation.problems())
    for problem in found:
        console.complain(problem)
    if found:
        return 1
    if folder is None:
        raise UsageError("--folder: LOCALAPPDATA is not set, so name the folder for the scripts")
    folder = folder.absolute()
    if not options.print:
        installation.write_scripts(folder, {})  # makes the folder: only one that is there has a short name
    place = installation.script_path(folder)
    if not installation.fits_a_script(place):
        raise UsageError(f"--folder: a debugger script cannot hold {folder}; name one with plain characters")
    parts = installation.find_parts()
    files = installation.scripts(parts, place, COMMANDS)
    if options.print:
        console.write(files["load.wds"].rstrip())
        return 0
    installation.write_scripts(folder, files)
    console.write("\n".join(_advice(place, parts)))
    return 0


def _advice(folder: str, parts: Parts) -> Iterator[str]:
    from pathlib import PureWindowsPath

    from windbg_ext.debugger.installation import bitness, hints, setup_command

    def path(name: str) -> str:
        return str(PureWindowsPath(folder, name))

    load = f"$$><{path('load.wds')}"
    batch = path("batch.wds")
    if " " in batch:  # within the quotes of -c
        batch = f'\\"{batch}\\"'
    how = f"This Python is {bitness()}-bit: so must be the debugger." if parts.pykd else f"They start {parts.python}."
    yield f"The scripts are in {folder}. {how}"
    yield from hints()
    yield ""
    yield "In WinDbg, kd or cdb:"
    yield f"  {load}"
    yield "At every start, in the shortcut:"
    yield f'  windbg -c "{load}"'
    yield "Convert a dump and quit:"
    yield f'  kd -z MEMORY.DMP -c "$$>a<{batch} minify small.dmp"'
    yield "As a menu:"
    yield f"  .cmdtree {path('menu.txt')}"
    yield "Where WinDbg has a JavaScript provider, as extension commands, or a whole triage at once:"
    yield f"  .scriptload {path('windbg-ext.js')}"
    yield f"  .scriptrun {path('triage.js')}"
    yield "As a package of the extension gallery, loaded when it is needed:"
    yield f"  .settings load {path('config.xml')}"
    yield "To be rid of it:"
    yield f"  $$><{path('unload.wds')}    in an open session"
    yield f"  {setup_command(folder)} --remove"


WINDBG_SETUP = Command(
    name="windbg-setup",
    summary="write the scripts that bring these commands into WinDbg, kd and cdb",
    description="""\
Writes the scripts that bring these commands into WinDbg, kd and cdb, with the paths of this installation, and tells
what to type there. With pykd the commands run inside the debugger; without it any Python runs them beside it, and they
read dumps only. Exit status 1: something is not where it should be, or does not fit.""",
    options=(
        Option(("--folder",), "where the scripts go (default: %%LOCALAPPDATA%%\\windbg-ext)"),
        Option(
            ("--print",), "print the load script instead of writing anything", action="store_true", one_of="instead"
        ),
        Option(("--remove",), "remove what an earlier run wrote", action="store_true", one_of="instead"),
    ),
    run=run,
)
