"""`dumpkind --symbols`: how it is run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from windbg_ext.interface.json_of_dumps import show_dumps

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    from windbg_ext.commands.dumpkind.symbols import SymbolsReport
    from windbg_ext.interface.console import Console


def run_symbols(options: argparse.Namespace, console: Console) -> int:
    """Print the keys of symbols, and return the exit status: 1 where a module has none.

    Of several files, one that cannot be read is a report with a problem.
    """
    from windbg_ext.commands.dumpkind import find_dumps, is_single  # --help should not wait for it
    from windbg_ext.commands.dumpkind.symbols import SymbolsReport, symbols
    from windbg_ext.errors import DumpError, UsageError
    from windbg_ext.render.document import of_files
    from windbg_ext.render.symbols import symbols_document, symbols_manifest

    if options.csv or options.html is not None:
        raise UsageError("--symbols has neither CSV nor HTML: --json and --manifest are for other programs")
    if options.json and options.manifest:
        raise UsageError("--json and --manifest: choose one")
    single = is_single(options.paths)

    def look(path: str) -> SymbolsReport:
        try:
            return symbols(path)
        except DumpError as error:
            if single:
                raise
            return SymbolsReport(path, problem=f"{error.field}: {error.why}")

    if options.json:
        return _show_json(map(look, find_dumps(options.paths)), console)
    reports = [look(path) for path in find_dumps(options.paths)]
    if options.manifest:
        console.write(symbols_manifest(reports))
    else:
        console.show(of_files(symbols_document(reports), [report.path for report in reports], console.open_dump))
    return 0 if all(report.complete for report in reports) else 1


def _show_json(reports: Iterable[SymbolsReport], console: Console) -> int:
    from windbg_ext.render.kept_texts import KeptTexts
    from windbg_ext.render.symbols import symbols_json

    status = 0
    with KeptTexts() as kept:
        for report in reports:
            kept.add(symbols_json(report))
            status = status if report.complete else 1
        show_dumps(kept.texts(), console)
    return status
