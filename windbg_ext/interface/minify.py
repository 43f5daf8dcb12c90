"""`minify`: its options and how it is run."""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING

from windbg_ext.errors import DumpError, UsageError
from windbg_ext.interface.command import Argument, Command, Option
from windbg_ext.interface.engine import CLUSTER, SHARD
from windbg_ext.interface.html import HTML, html_file, write_report
from windbg_ext.interface.values import byte_size, positive, processors

if TYPE_CHECKING:
    import argparse
    from concurrent.futures import Executor
    from contextlib import AbstractContextManager

    from windbg_ext.commands.minify.options import MinifyOptions
    from windbg_ext.commands.privacy.scrubbing import Scrubbing
    from windbg_ext.interface.console import Console


def run(options: argparse.Namespace, console: Console) -> int:
    """Make the dump, or one of each of many, print what went in, and return the exit status.

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
    from functools import partial  # as all that only a run needs: --help should not wait for it
    from pathlib import Path

    from windbg_ext.commands.destination import is_folder
    from windbg_ext.commands.minify import minify, minify_target
    from windbg_ext.commands.output import output_of, unused_output
    from windbg_ext.render.document import FileCommand
    from windbg_ext.render.minify import minify_document, minify_json
    from windbg_ext.render.pages.minify import minify_page

    destination = None if options.destination is None else output_of(options.destination)
    if isinstance(destination, Path) and os.name == "nt" and re.search(r"[*?]", destination.name):
        raise UsageError(_meant(options, console))
    if isinstance(destination, Path) and is_folder(destination):
        destination /= _name_in_folder(options.source, console)
    if options.unique and destination is not None:
        destination = unused_output(destination)
    page = html_file(options.html, "minify", options.source, overwrite=options.overwrite)
    if page is not None and page == destination:
        raise UsageError("--html: the report and the small dump are one file: give another name")
    with console.progress() as progress:
        if isinstance(options.source, str):
            make = partial(minify, options.source, destination)
        elif destination is not None:
            make = partial(minify_target, options.source, destination, source=None)
        else:
            raise UsageError("this session has no dump file to write beside: name the file to write")
        report = make(minify_options(options), progress=progress)
    if options.json:
        console.write(minify_json(report))
    else:
        console.show(minify_document(report, details=options.verbose))
        path = str(report.destination)
        console.suggest(
            FileCommand(".opendump", path, ";g"),
            FileCommand("!dumpkind -v", path),
            FileCommand("!dumpkind", path, " /html"),
        )
    write_report(page, lambda: minify_page(report), options.overwrite, None if options.json else console)
    return 0 if report.complete else 1


def _name_in_folder(source: object, console: Console) -> str:
    """Return the name of the small dump of a source in a folder. Raise UsageError for a session without a file."""
    from windbg_ext.commands.destination import small_name

    path = source if isinstance(source, str) else console.open_dump
    if path is None:
        raise UsageError("this session has no dump file whose name could be taken: name the file to write")
    return small_name(re.split(r"[\\/]", path)[-1])


def _meant(options: argparse.Namespace, console: Console) -> str:
    """Return what to do instead of naming a wildcard as the file to write."""
    wildcard = options.destination
    if options.source == console.open_dump and console.open_dump is not None:
        how = (
            f'the only argument is the file to write; windbg-ext minify "{wildcard}" FOLDER converts the dumps that fit'
        )
    else:
        how = "a file has another name; name the file to write, or the folder"
    return f"{wildcard} is a wildcard: {how}"


def _run_many(sources: str | list[str], destination: str | None, options: argparse.Namespace, console: Console) -> int:
    from windbg_ext.commands.minify.batch import minify_many
    from windbg_ext.render.batch import batch_document, batch_json
    from windbg_ext.render.pages.minify import batch_page

    if options.unique:
        raise UsageError("--unique: of many files, each small dump has the name of its source")
    page = html_file(options.html, "minify", sources, overwrite=options.overwrite)
    reached = "no file was converted"

    def follow(doing: str, done: int, total: int) -> None:
        nonlocal reached
        reached = f"{done:,} of {total:,} files are done"
        show(doing, done, total)

    try:
        named = [sources] if isinstance(sources, str) else sources
        with console.progress() as show, _workers(named, destination, options, console) as executor:
            report = minify_many(
                sources,
                destination,
                minify_options(options),
                executor=executor,
                shard=options.shard,
                progress=follow,
            )
    except (KeyboardInterrupt, SystemExit):  # pykd turns Ctrl+Break into the end of the script
        again = "begins again" if options.overwrite else "goes on from there"
        raise KeyboardInterrupt(f"{reached}, none is half-written; the same command {again}") from None
    if options.json:
        for text in batch_json(report):
            console.write(text)
    else:
        console.show(batch_document(report))
    write_report(page, lambda: batch_page(report), options.overwrite, None if options.json else console)
    return 0 if report.complete else 1


def _workers(
    sources: list[str], destination: str | None, options: argparse.Namespace, console: Console
) -> AbstractContextManager[Executor | None]:
    from windbg_ext.interface.engine import workers

    if options.cluster is None:
        return workers(options, console, sources)
    from windbg_ext.commands.output import make_folder, output_of
    from windbg_ext.sources.find import folder_of

    if destination is not None:
        make_folder(output_of(destination))  # which the workers must see
    return workers(options, console, [folder_of(source) or "." for source in sources], destination)


def _listed(options: argparse.Namespace) -> list[str]:
    from windbg_ext.sources.find import open_list, read_list

    if options.source is not None and options.destination is not None:
        raise UsageError("--list and a source: choose one")
    if options.list == "-":
        if sys.stdin is None:
            raise DumpError("standard input", "is closed", "name a file with --list")
        return read_list(sys.stdin.buffer, "standard input")
    return open_list(options.list)


def minify_options(options: argparse.Namespace) -> MinifyOptions:
    """Return what the user chose about the small dump."""
    from windbg_ext.commands.minify.options import MinifyOptions

    return MinifyOptions(
        overwrite=options.overwrite,
        size=options.size,
        comment=options.comment,
        salvage=options.salvage,
        verify=options.verify,
        scrub=_scrubbing(options),
    )


def _scrubbing(options: argparse.Namespace) -> Scrubbing | None:
    """Return how the dump is scrubbed, None if it is not."""
    if not options.scrub and not options.scrub_strict:
        if options.rules is not None:
            raise UsageError("--rules: it belongs to --scrub")
        return None
    from windbg_ext.commands.privacy.scrubbing import Scrubbing
    from windbg_ext.commands.privacy.words import NO_WORDS, read_rules

    words = NO_WORDS if options.rules is None else read_rules(options.rules)
    return Scrubbing(strict=options.scrub_strict, words=words)


MINIFY = Command(
    name="minify",
    summary="make a small memory dump out of a complete, active or kernel dump",
    description="""\
Writes a small memory dump that WinDbg opens and that answers what the large dump answered: registers and stacks of
every processor, modules, bug check, secondary data. Of a folder or a wildcard, every dump becomes a file
NAME-small.dmp, beside it or in the folder DESTINATION; what is done already is skipped, so the same command goes on
where an earlier run stopped. Exit status 1: something that a debugger needs was not in the source or did not fit, or
--verify found a difference, or one of many files failed.""",
    options=(
        Argument(
            "source", "the dump to read, for example MEMORY.DMP; a folder (with its subfolders) or a wildcard in quotes"
        ),
        Argument("destination", "the file to write (default: a new name beside the source); of many, the folder"),
        Option(("-o", "--overwrite"), "replace the destination if it exists", action="store_true"),
        Option(("-u", "--unique"), "if it exists, put a number behind its name instead", action="store_true"),
        Option(
            ("--size",),
            "the most that the file may take, such as 256K (default: 96M, and 64M of secondary data)",
            type=byte_size,
            metavar="SIZE",
        ),
        Option(("-c", "--comment"), "a comment for the header, as .dump /c writes it", metavar="TEXT"),
        Option(("-v", "--verbose"), "show what went in, part by part", action="store_true"),
        Option(("--salvage",), "leave out what damaged kernel structures lead to", action="store_true"),
        Option(("--verify",), "read the file back and compare every answer with the source's", action="store_true"),
        Option(
            ("--scrub",),
            "leave out what could identify a person or a machine; then a small dump is a source, too",
            action="store_true",
        ),
        Option(
            ("--scrub-strict", "--scrub=strict"),
            "the same, with process names and all secondary data",
            action="store_true",
        ),
        Option(("--rules",), "with --scrub, leave out what the words and globs in FILE find, too", metavar="FILE"),
        Option(("--json",), "print the report as JSON", action="store_true"),
        HTML,
        Option(
            ("--list",),
            "of many, too: the dumps that FILE names, one a line; - is standard input",
            metavar="FILE",
            command_line_only=True,
        ),
        Option(
            ("--jobs",),
            "convert so many files at once (default: as there are processors, %(default)s)",
            type=positive,
            default=processors(),
            metavar="N",
            command_line_only=True,  # workers need Python's executable, which is the debugger there
        ),
        CLUSTER,
        SHARD,
    ),
    run=run,
    examples=(
        ("MEMORY.DMP small.dmp", "writes small.dmp"),
        ("small.dmp --scrub", "writes small-scrubbed.dmp, without what could identify a person or a machine"),
        ("C:\\dumps C:\\small --jobs 2", "converts every dump of a folder, two at once"),
    ),
    bang_examples=(
        ('C:\\out\\small.dmp /c "for the driver\'s team"', "saves the open dump or the live kernel, with a comment"),
        ('"C:\\dumps\\MEMORY.DMP" C:\\out', "converts another dump into a folder"),
    ),
    habits=(
        ("m[a-z]*r[a-z]*", "with /scrub: it leaves out what could identify a person or a machine"),
        ("m[a-z]*", "every dump that it writes is a small one, with all that a debugger needs"),
        ("ba?", "it writes no CAB, and small dumps are small enough to send as they are"),
        ("f|k|ka?", "it makes small dumps; .dump /f and /ka write the large ones"),
    ),
    triage=3,
    reads_sessions=True,
)
