"""`dumpkind`: its options and how it is run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from windbg_ext.interface import catalog
from windbg_ext.interface.command import Argument, Command, Option
from windbg_ext.interface.engine import CLUSTER, SHARD, check_engine, workers
from windbg_ext.interface.html import HTML, OVERWRITE, html_file, write_report
from windbg_ext.interface.json_of_dumps import show_dumps
from windbg_ext.interface.values import positive

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from typing import Callable

    from windbg_ext.commands.dumpkind import DumpReport
    from windbg_ext.interface.console import Console
    from windbg_ext.render.document import FileCommand
    from windbg_ext.render.page import Page


def run(options: argparse.Namespace, console: Console) -> int:
    """Look at the files, print what they are, and return the exit status."""
    from windbg_ext.commands.dumpkind import is_single  # --help should not wait for it
    from windbg_ext.errors import UsageError

    column = _column(options.sort)
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
    reports = _look_at_one(options, console) if single else _look_at_many(options, console, column)
    return 0 if all(report.complete and not report.problems for report in reports) else 1


def _column(name: str) -> str:
    from windbg_ext.errors import UsageError
    from windbg_ext.render.dumpkind_table import COLUMNS, sort_key

    column = next((column for column in COLUMNS if sort_key(column) == name), None)
    if column is None:
        raise UsageError(f"--sort: {name!r} is none of {', '.join(map(sort_key, COLUMNS))}")
    return column


def _look_at_one(options: argparse.Namespace, console: Console) -> list[DumpReport]:
    from windbg_ext.errors import DumpError
    from windbg_ext.render.document import of_files
    from windbg_ext.render.dumpkind import dumpkind_document
    from windbg_ext.render.dumpkind_table import dumpkind_csv

    page = html_file(options.html, "dumpkind", options.paths[0], overwrite=options.overwrite)
    (report,) = _reports(options, console, details=options.verbose or page is not None)
    shown = report if options.verbose else report._replace(details=None)
    if options.json:
        show_dumps([_as_json(shown)], console)
    elif options.csv:
        console.write(dumpkind_csv([shown]))
    elif report.kind != "none":
        console.show(of_files(dumpkind_document(shown), [report.path], console.open_dump))
        pictures = () if options.html else ("!dumpkind /html",)
        console.suggest(*_next(report, console.open_dump, pictures))
    if report.kind == "none":
        field, _, why = report.problems[0].partition(": ")
        raise DumpError(field, why, report.advice, str(report.path))
    quiet = options.json or options.csv
    write_report(page, lambda: _page_of_one(report), options.overwrite, None if quiet else console)
    return [report]


def _look_at_many(options: argparse.Namespace, console: Console, column: str) -> list[DumpReport]:
    from windbg_ext.render.document import of_files
    from windbg_ext.render.dumpkind_table import dumpkind_csv, dumpkind_table_document, sorted_reports

    page = html_file(options.html, "dumpkind", options.paths[0], overwrite=options.overwrite)
    if options.json:
        reports = _show_json_of_many(options, console, column)
    else:
        reports = sorted_reports(_reports(options, console, details=False), column, reverse=options.reverse)
        if options.csv:
            console.write(dumpkind_csv(reports))
        else:
            table = dumpkind_table_document(reports, details=options.verbose)
            console.show(of_files(table, [report.path for report in reports], console.open_dump))
    quiet = options.json or options.csv
    write_report(page, lambda: _page_of_many(reports), options.overwrite, None if quiet else console)
    return reports


def _show_json_of_many(options: argparse.Namespace, console: Console, column: str) -> list[DumpReport]:
    """Show the files in the order of a column. Their details, which take most of the memory, are not kept there."""
    from windbg_ext.render.dumpkind_table import sorted_reports
    from windbg_ext.render.kept_texts import KeptTexts

    with KeptTexts() as kept:
        numbers: dict[str, int] = {}

        def keep(report: DumpReport) -> DumpReport:
            numbers[report.path] = kept.add(_as_json(report))
            return report._replace(details=None)

        reports = _reports(options, console, details=options.verbose, keep=keep)
        reports = sorted_reports(reports, column, reverse=options.reverse)
        show_dumps(kept.texts(numbers[report.path] for report in reports), console)
    return reports


def _as_json(report: DumpReport) -> str:
    from windbg_ext.render.dumpkind_json import dumpkind_json  # only those who ask for JSON wait for it

    return dumpkind_json(report)


def _page_of_one(report: DumpReport) -> Page:
    from windbg_ext.render.pages.dumpkind import dumpkind_page

    return dumpkind_page(report)


def _page_of_many(reports: Sequence[DumpReport]) -> Page:
    from windbg_ext.render.pages.dumps import dumps_page

    return dumps_page(reports)


LARGE = ("complete", "active", "kernel")


def _next(report: DumpReport, open_dump: str | None, pictures: tuple[str, ...]) -> tuple[str | FileCommand, ...]:
    """Return what to do next about a dump: to open it or, if it is open, to analyse it. pictures: to look at it."""
    from windbg_ext.render.document import FileCommand

    if report.path != open_dump:
        return (FileCommand(".opendump", report.path, ";g"),)
    return ("!analyze -v", "!pagefilefit", *(("!minify",) if report.kind in LARGE else ()), *pictures)


def _reports(
    options: argparse.Namespace,
    console: Console,
    *,
    details: bool,
    keep: Callable[[DumpReport], DumpReport] = lambda report: report,
) -> list[DumpReport]:
    """Return the reports in the order in which the files were found. keep: what of each is kept, as soon as it is."""
    from windbg_ext.commands.dumpkind import dumpkind, find_dumps

    if options.jobs is None and options.cluster is None and options.shard is None:
        return [keep(dumpkind(path, details=details)) for path in find_dumps(options.paths)]
    from windbg_ext.commands.dumpkind.many import find_of_shard, look_at_many

    with console.progress() as show, workers(options, console, options.paths) as executor:
        paths = find_of_shard(options.paths, options.shard)
        arriving = look_at_many(paths, details=details, executor=executor, progress=show)
        reports = {report.path: keep(report) for report in arriving}
    return [reports[path] for path in paths]


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
