"""`pagefilefit` of many machines: hives and collected reports as one table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from windbg_ext.errors import UsageError
from windbg_ext.interface.html import html_file, write_report
from windbg_ext.interface.status import DONE, NO

if TYPE_CHECKING:
    import argparse

    from windbg_ext.commands.pagefilefit import HandFigures, MachinesReport
    from windbg_ext.interface.console import Console
    from windbg_ext.render.page import Page


def run_machines(options: argparse.Namespace, figures: HandFigures, console: Console) -> int:
    """Look at all of them, print the table, and return the exit status."""
    from windbg_ext.commands.pagefilefit import DumpKind, pagefilefit_machines
    from windbg_ext.render.machines import machines_csv, machines_document, machines_json

    for given, option in (
        (options.this_machine, "--this-machine"),
        (options.source, "a dump"),
    ):
        if given:
            raise UsageError(f"{option} and several machines: name one hive for that")
    if options.csv and options.json:
        raise UsageError("--csv and --json: choose one")
    page = html_file(options.html, "pagefilefit", None, overwrite=options.overwrite)
    with console.progress() as progress:
        report = pagefilefit_machines(options.system_hive, figures, progress)
    if options.json:
        console.write(machines_json(report))
    elif options.csv:
        console.write(machines_csv(report))
    else:
        console.show(machines_document(report))
    quiet = None if options.json or options.csv else console
    write_report(page, lambda: _page(report), options.overwrite, quiet)
    if options.require is not None:
        return DONE if report.all_fit(DumpKind(options.require)) else NO
    return NO if report.lost or report.unreadable else DONE


def _page(report: MachinesReport) -> Page:
    from windbg_ext.render.pages.machines import machines_page

    return machines_page(report)
