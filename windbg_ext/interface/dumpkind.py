"""`dumpkind`: its options and how it is run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from windbg_ext.interface import catalog
from windbg_ext.interface.command import Argument, Command, Option
from windbg_ext.interface.engine import CLUSTER, SHARD, check_engine, workers
from windbg_ext.interface.html import HTML, OVERWRITE, html_file, write_report
from windbg_ext.interface.values import positive

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from windbg_ext.commands.dumpkind import DumpReport
    from windbg_ext.interface.console import Console
    from windbg_ext.render.document import FileCommand
    from windbg_ext.render.page import Page


def run(options: argparse.Namespace, console: Console) -> int:
    """Look at the files, print what they are, and return the exit status."""
    from windbg_ext.commands.dumpkind import is_single  # --help should not wait for it
    from windbg_ext.errors import DumpError, UsageError
    from windbg_ext.render.document import of_files
    from windbg_ext.render.dumpkind import dumpkind_document
    from windbg_ext.render.dumpkind_table import (
        COLUMNS,
        dumpkind_csv,
        dumpkind_table_document,
        sort_key,
        sorted_reports,
    )

    column = next((name for name in COLUMNS if sort_key(name) == options.sort), None)
    if column is None:
        raise UsageError(f"--sort: {options.sort!r} is none of {', '.join(map(sort_key, COLUMNS))}")
    if None in options.paths:  # in a debugger session on a live machine
        raise UsageError("there is no open dump: name one")
    if options.csv and options.json:
        raise UsageError("--csv and --json: choose one")
    check_engine(options)
    catalog.check(options)
    if not options.paths and options.catalog is None:
        raise UsageError("name a dump, a folder or a wildcard, or a --catalog to show")
    if options.symbols:
        from windbg_ext.interface.symbols import run_symbols

        return run_symbols(options, console)
    if options.manifest:
        raise UsageError("--manifest: it belongs to --symbols")
    if options.privacy:
        from windbg_ext.interface.privacy import run_privacy

        return run_privacy(options, console)
    if options.show or options.rules is not None:
        raise UsageError("--show and --rules: they belong to --privacy")
    if options.catalog is not None:
        return catalog.run(options, console)
    single = is_single(options.paths) and options.shard is None
    page = html_file(options.html, "dumpkind", options.paths[0], overwrite=options.overwrite)
    reports = _reports(options, console, details=options.verbose or (single and page is not None))
    reports = sorted_reports(reports, column, reverse=options.reverse)
    with_details, unreadable = reports, single and reports[0].kind == "none"
    if not options.verbose:
        reports = [report._replace(details=None) for report in reports]
    if options.json:
        from windbg_ext.render.dumpkind_json import dumpkind_json  # only those who ask for JSON wait for it

        console.write(dumpkind_json(reports))
    elif options.csv:
        console.write(dumpkind_csv(reports))
    elif not single:
        table = dumpkind_table_document(reports, details=options.verbose)
        console.show(of_files(table, [report.path for report in reports], console.open_dump))
    elif not unreadable:
        console.show(of_files(dumpkind_document(reports[0]), [reports[0].path], console.open_dump))
        pictures = () if options.html else ("!dumpkind /html",)
        console.suggest(*_next(reports[0], console.open_dump, pictures))
    if unreadable:
        field, _, why = reports[0].problems[0].partition(": ")
        raise DumpError(field, why, reports[0].advice, str(reports[0].path))
    quiet = options.json or options.csv
    write_report(page, lambda: _page(with_details, single=single), options.overwrite, None if quiet else console)
    return 0 if all(report.complete and not report.problems for report in reports) else 1


def _page(reports: Sequence[DumpReport], *, single: bool) -> Page:
    if single:
        from windbg_ext.render.pages.dumpkind import dumpkind_page

        return dumpkind_page(reports[0])
    from windbg_ext.render.pages.dumps import dumps_page

    return dumps_page(reports)


LARGE = ("complete", "active", "kernel")


def _next(report: DumpReport, open_dump: str | None, pictures: tuple[str, ...]) -> tuple[str | FileCommand, ...]:
    """Return what to do next about a dump: to open it or, if it is open, to analyse it. pictures: to look at it."""
    from windbg_ext.render.document import FileCommand

    if report.path != open_dump:
        return (FileCommand(".opendump", report.path, ";g"),)
    return ("!analyze -v", "!pagefilefit", *(("!minify",) if report.kind in LARGE else ()), *pictures)


def _reports(options: argparse.Namespace, console: Console, *, details: bool) -> list[DumpReport]:
    from windbg_ext.commands.dumpkind import dumpkind, find_dumps

    if options.jobs is None and options.cluster is None and options.shard is None:
        return [dumpkind(path, details=details) for path in find_dumps(options.paths)]
    from windbg_ext.commands.dumpkind.many import dumpkind_many

    with console.progress() as show, workers(options, console, options.paths) as executor:
        return dumpkind_many(options.paths, details=details, executor=executor, shard=options.shard, progress=show)


DUMPKIND = Command(
    name="dumpkind",
    summary="tell which kind of dump a file is, whether it is whole, and what crashed",
    description="""\
Tells of a file which kind of kernel dump it is and by what evidence, whether it is whole, and what crashed; of several
files, of folders and of wildcards in one table, newest first. Dumps inside .gz, .xz, .zst, .zip and .cab files are
looked into without unpacking them to disk. Exit status 0: every file is a whole kernel dump; 1: one of them is not, or
has a problem; 3: the one file that was named is no kernel dump or cannot be read, or the catalogue cannot be used.""",
    options=(
        Argument(
            "paths",
            "a dump, a folder (with its subfolders) or a wildcard",
            metavar="PATH",
            several=True,
        ),
        Option(("-v", "--verbose"), "show all there is: memory map, modules, header", action="store_true"),
        Option(("--sort",), "sort the table by a column, as in bug-check-code", default="time", metavar="COLUMN"),
        Option(("--reverse",), "turn the order of the table round", action="store_true"),
        Option(("--csv",), "print the table as CSV", action="store_true"),
        Option(
            ("--symbols",),
            "tell what a symbol server needs for each module (exit status 1: some have no key)",
            action="store_true",
        ),
        Option(("--manifest",), "with --symbols, print it for symchk /im", action="store_true"),
        Option(
            ("--privacy",),
            "tell what could identify a person or a machine, and where it is (exit status 1: there is something)",
            action="store_true",
        ),
        Option(("--show",), "with --privacy, show the values themselves, too", action="store_true"),
        Option(("--rules",), "with --privacy, look for the words and globs in FILE, too", metavar="FILE"),
        Option(("--json",), "print the reports as JSON", action="store_true"),
        HTML,
        OVERWRITE,
        *catalog.OPTIONS,
        Option(
            ("--jobs",),
            "read so many files at once (default: 1; with --catalog, as there are processors)",
            type=positive,
            metavar="N",
            command_line_only=True,
        ),
        CLUSTER,
        SHARD,
    ),
    run=run,
    examples=(
        ("MEMORY.DMP", "tells what that file is, whether it is whole, and what crashed"),
        ("C:\\dumps --csv", "tells the same of every dump of a folder, for a spreadsheet"),
    ),
    bang_examples=(
        ("/v", "shows all there is to know about the open dump"),
        ("C:\\dumps", "shows the dumps of a folder, each with a link that opens it"),
    ),
    triage=1,
)
