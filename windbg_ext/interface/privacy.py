"""`dumpkind --privacy`: how it is run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from windbg_ext.interface.html import html_file, write_report
from windbg_ext.interface.json_of_dumps import show_dumps

if TYPE_CHECKING:
    import argparse

    from windbg_ext.commands.privacy.report import PrivacyReport
    from windbg_ext.interface.console import Console


def run_privacy(options: argparse.Namespace, console: Console) -> int:
    """Look for what is personal, print it, and return the exit status: 1 where there is any.

    Of several files, one that cannot be read is a report with a problem.
    """
    from windbg_ext.commands.dumpkind import find_dumps, is_single  # --help should not wait for it
    from windbg_ext.commands.dumpkind.privacy import privacy
    from windbg_ext.commands.privacy.report import unread
    from windbg_ext.commands.privacy.words import NO_WORDS, read_rules
    from windbg_ext.errors import DumpError, UsageError
    from windbg_ext.render.document import of_files
    from windbg_ext.render.kept_texts import KeptTexts
    from windbg_ext.render.pages.privacy import privacy_page
    from windbg_ext.render.privacy import privacy_document, privacy_json

    if options.csv:
        raise UsageError("--privacy has no CSV: --json is for other programs")
    page = html_file(options.html, "dumpkind", options.paths[0], overwrite=options.overwrite)
    own = NO_WORDS if options.rules is None else read_rules(options.rules)
    single = is_single(options.paths)

    def look(path: str) -> PrivacyReport:
        try:
            return privacy(path, own=own, show=options.show, progress=progress)
        except DumpError as error:
            if single:
                raise
            return unread(path, error)

    with KeptTexts() as kept:
        status, reports = 0, []
        with console.progress() as progress:
            for report in map(look, find_dumps(options.paths)):
                status = 1 if report.findings or report.problem else status
                if options.json:
                    kept.add(privacy_json(report))
                if not options.json or page is not None:
                    reports.append(report)
        if options.json:
            show_dumps(kept.texts(), console)
    if not options.json:
        document = privacy_document(reports, details=options.verbose, show=options.show)
        console.show(of_files(document, [report.path for report in reports], console.open_dump))
    quiet = None if options.json else console
    write_report(page, lambda: privacy_page(reports, show=options.show), options.overwrite, quiet)
    return status
