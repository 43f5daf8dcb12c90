"""The options of `minify` and how it is run."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from windbg_ext.cli.options import byte_size
from windbg_ext.errors import UsageError

if TYPE_CHECKING:
    import argparse

    from windbg_ext.cli.console import Console

NAME = "minify"
SUMMARY = "make a small memory dump out of a complete, active or kernel dump"
DESCRIPTION = """\
Writes a small memory dump that WinDbg opens and that answers what the large dump answered: registers and stacks of
every processor, modules, bug check, secondary data. Exit status 1: it was written, but something that a debugger needs
was not in the source or did not fit."""
READS_SESSIONS = True
"""The source may also be the target of a debugger session."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("source", help="the dump to read, for example MEMORY.DMP")
    parser.add_argument("destination", nargs="?", help="the file to write (default: a new name beside the source)")
    parser.add_argument("-o", "--overwrite", action="store_true", help="replace the destination if it exists")
    parser.add_argument(
        "-u", "--unique", action="store_true", help="if it exists, put a number behind its name instead"
    )
    parser.add_argument("--size", type=byte_size, metavar="SIZE", help="the most that the file may take, such as 256K")
    parser.add_argument("-c", "--comment", metavar="TEXT", help="a comment for the header, as .dump /c writes it")
    parser.add_argument("--salvage", action="store_true", help="leave out what damaged kernel structures lead to")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")


def run(options: argparse.Namespace, console: Console) -> int:
    """Make the dump and print what went in; gives the exit status.

    In the debugger `options.source` is the target of the session where that has no file.
    """
    from windbg_ext.commands.destination import unused  # only when it is run: --help should not wait for it
    from windbg_ext.commands.minify import minify, minify_target
    from windbg_ext.render.minify import minify_json, minify_text

    destination = None if options.destination is None else Path(options.destination)
    if options.unique and destination is not None:
        destination = unused(destination)
    with console.progress() as progress:
        if isinstance(options.source, str):
            make = partial(minify, options.source, destination)
        elif destination is not None:
            make = partial(minify_target, options.source, destination, source=None)
        else:
            raise UsageError("this session has no dump file to write beside: name the file to write")
        report = make(
            overwrite=options.overwrite,
            size=options.size,
            comment=options.comment,
            salvage=options.salvage,
            progress=progress,
        )
    console.write(minify_json(report) if options.json else minify_text(report))
    return 0 if report.complete else 1
