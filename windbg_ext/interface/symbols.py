"""`dumpkind --symbols`: how it is run."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

    from windbg_ext.interface.console import Console


def run_symbols(options: argparse.Namespace, console: Console) -> int:
    """Print the keys of symbols, and return the exit status: 1 where a module has none.

    Of several files, one that cannot be read is a report with a problem.
    """
    from windbg_ext.commands.dumpkind import find_dumps, is_single  # --help should not wait for it
    from windbg_ext.commands.dumpkind.symbols import SymbolsReport, symbols
    from windbg_ext.errors import DumpError, UsageError
    from windbg_ext.render.document import of_files
    from windbg_ext.render.symbols import symbols_document, symbols_json, symbols_manifest

    if options.csv or options.html is not None:
        raise UsageError("--symbols has neither CSV nor HTML: --json and --manifest are for other programs")
    if options.json and options.manifest:
        raise UsageError("--json and --manifest: choose one")
    single, reports = is_single(options.paths), []
    for path in find_dumps(options.paths):
        try:
            reports.append(symbols(path))
        except DumpError as error:
            if single:
                raise
            reports.append(SymbolsReport(path, problem=f"{error.field}: {error.why}"))
    if options.json:
        console.write(symbols_json(reports))
    elif options.manifest:
        console.write(symbols_manifest(reports))
    else:
        console.show(of_files(symbols_document(reports), [report.path for report in reports], console.open_dump))
    return 0 if all(report.complete for report in reports) else 1
