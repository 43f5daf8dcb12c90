"""`dumpkind`: its options and how it is run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from windbg_ext.interface.command import Argument, Command, Option

if TYPE_CHECKING:
    import argparse

    from windbg_ext.interface.console import Console


def run(options: argparse.Namespace, console: Console) -> int:
    """Look at the files, print what they are, and return the exit status."""
    from windbg_ext.commands.dumpkind import dumpkind, find_dumps, is_single  # --help should not wait for it
    from windbg_ext.errors import DumpError, UsageError
    from windbg_ext.render import dumpkind as render

    column = next((name for name in render.COLUMNS if render.sort_key(name) == options.sort), None)
    if column is None:
        raise UsageError(f"--sort: {options.sort!r} is none of {', '.join(map(render.sort_key, render.COLUMNS))}")
    if None in options.paths:  # in a debugger session on a live machine
        raise UsageError("there is no open dump: name one")
    if options.csv and options.json:
        raise UsageError("--csv and --json: choose one")
    reports = [dumpkind(path, details=options.verbose) for path in find_dumps(options.paths)]
    reports = render.sorted_reports(reports, column, reverse=options.reverse)
    unreadable = is_single(options.paths) and reports[0].kind == "none"
    if options.json:
        console.write(render.dumpkind_json(reports))
    elif options.csv:
        console.write(render.dumpkind_csv(reports))
    elif not is_single(options.paths):
        console.show(render.dumpkind_table_document(reports, details=options.verbose))
    elif not unreadable:
        console.show(render.dumpkind_document(reports[0]))
    if unreadable:
        field, _, why = reports[0].problems[0].partition(": ")
        raise DumpError(field, why, reports[0].advice, str(reports[0].path))
    return 0 if all(report.complete and not report.problems for report in reports) else 1


DUMPKIND = Command(
    name="dumpkind",
    summary="tell which kind of dump a file is, whether it is whole, and what crashed",
    description="""\
Tells of a file which kind of kernel dump it is and by what evidence, whether it is whole, and what crashed; of several
files, of folders and of wildcards in one table, newest first. Dumps inside .gz, .xz, .zst, .zip and .cab files are
looked into without unpacking them to disk. Exit status 0: every file is a whole kernel dump; 1: one of them is not, or
has a problem; 3: the one file that was named is no kernel dump or cannot be read.""",
    options=(
        Argument(
            "paths",
            "a dump, a folder (with its subfolders) or a wildcard",
            metavar="PATH",
            several=True,
            required=True,
        ),
        Option(("-v", "--verbose"), "show all there is: memory map, modules, header", action="store_true"),
        Option(("--sort",), "sort the table by a column, as in bug-check-code", default="time", metavar="COLUMN"),
        Option(("--reverse",), "turn the order of the table round", action="store_true"),
        Option(("--csv",), "print the table as CSV", action="store_true"),
        Option(("--json",), "print the reports as JSON", action="store_true"),
    ),
    run=run,
    next=("!analyze -v", "!pagefilefit", "!minify"),
    triage=1,
)
