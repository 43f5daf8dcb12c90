"""The options of `minify` and how it is run."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from windbg_ext.cli.options import byte_size, positive, processors
from windbg_ext.errors import DumpError, UsageError

if TYPE_CHECKING:
    import argparse

    from windbg_ext.cli.console import Console

NAME = "minify"
SUMMARY = "make a small memory dump out of a complete, active or kernel dump"
DESCRIPTION = """\
Writes a small memory dump that WinDbg opens and that answers what the large dump answered: registers and stacks of
every processor, modules, bug check, secondary data. Of a folder or a wildcard, every dump becomes a file
NAME-small.dmp, beside it or in the folder DESTINATION; what is done already is skipped, so the same command goes on
where an earlier run stopped. Exit status 1: something that a debugger needs was not in the source or did not fit, or
one of many files failed."""
READS_SESSIONS = True
"""The source may also be the target of a debugger session."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "source",
        nargs="?",
        help="the dump to read, for example MEMORY.DMP; a folder (with its subfolders) or a wildcard in quotes",
    )
    parser.add_argument(
        "destination", nargs="?", help="the file to write (default: a new name beside the source); of many, the folder"
    )
    parser.add_argument("-o", "--overwrite", action="store_true", help="replace the destination if it exists")
    parser.add_argument(
        "-u", "--unique", action="store_true", help="if it exists, put a number behind its name instead"
    )
    parser.add_argument("--size", type=byte_size, metavar="SIZE", help="the most that the file may take, such as 256K")
    parser.add_argument("-c", "--comment", metavar="TEXT", help="a comment for the header, as .dump /c writes it")
    parser.add_argument("--salvage", action="store_true", help="leave out what damaged kernel structures lead to")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.set_defaults(list=None, jobs=None)


def add_command_line_options(parser: argparse.ArgumentParser) -> None:
    """Declare what a debugger session has not: worker processes, since Python's executable is the debugger there."""
    parser.add_argument(
        "--list", metavar="FILE", help="of many, too: the dumps that FILE names, one a line; - is standard input"
    )
    parser.add_argument(
        "--jobs",
        type=positive,
        default=processors(),
        metavar="N",
        help="convert so many files at once (default: as there are processors, %(default)s)",
    )


def run(options: argparse.Namespace, console: Console) -> int:
    """Make the dump, or one of each of many, and print what went in; gives the exit status.

    In the debugger `options.source` is the target of the session where that has no file.
    """
    from windbg_ext.sources.find import is_single

    if options.list is not None:
        return _run_many(_listed(options), options.destination or options.source, options, console)
    if options.source is None:
        raise UsageError("name a dump, a folder, a wildcard or a --list")
    if isinstance(options.source, str) and not is_single([options.source]):
        return _run_many(options.source, options.destination, options, console)
    return _run_one(options, console)


def _run_one(options: argparse.Namespace, console: Console) -> int:
    from windbg_ext.commands.destination import unused  # only when it is run: --help should not wait for it
    from windbg_ext.commands.minify import MinifyOptions, minify, minify_target
    from windbg_ext.render.minify import minify_document, minify_json

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
        chosen = MinifyOptions(
            overwrite=options.overwrite, size=options.size, comment=options.comment, salvage=options.salvage
        )
        report = make(chosen, progress=progress)
    if options.json:
        console.write(minify_json(report))
    else:
        console.show(minify_document(report))
    return 0 if report.complete else 1


def _run_many(sources: str | list[str], destination: str | None, options: argparse.Namespace, console: Console) -> int:
    from windbg_ext.commands.minify.batch import minify_many
    from windbg_ext.render.batch import batch_document, batch_json

    if options.unique:
        raise UsageError("--unique: of many files, each small dump has the name of its source")
    reached = "no file was converted"

    def follow(doing: str, done: int, total: int) -> None:
        nonlocal reached
        reached = f"{done:,} of {total:,} files are done"
        show(doing, done, total)

    try:
        with console.progress() as show:
            report = minify_many(
                sources,
                destination,
                jobs=options.jobs,
                overwrite=options.overwrite,
                size=options.size,
                comment=options.comment,
                salvage=options.salvage,
                progress=follow,
            )
    except (KeyboardInterrupt, SystemExit):  # pykd turns Ctrl+Break into the end of the script
        again = "begins again" if options.overwrite else "goes on from there"
        raise KeyboardInterrupt(f"{reached}, none is half-written; the same command {again}") from None
    if options.json:
        console.write(batch_json(report))
    else:
        console.show(batch_document(report))
    return 0 if report.complete else 1


def _listed(options: argparse.Namespace) -> list[str]:
    from windbg_ext.sources.find import MAX_LIST, read_list

    if options.source is not None and options.destination is not None:
        raise UsageError("--list and a source: choose one")
    if options.list == "-":
        if sys.stdin is None:
            raise DumpError("standard input", "is closed", "name a file with --list")
        return read_list(sys.stdin.buffer.read(MAX_LIST + 1), "standard input")
    try:
        with Path(options.list).open("rb") as file:
            return read_list(file.read(MAX_LIST + 1), options.list)
    except OSError as error:
        raise DumpError("list", f"cannot be read ({error.strerror})", path=options.list) from None
