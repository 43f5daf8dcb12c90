"""The reports of `dumpkind` on many files: a table, sorted by any column, or CSV."""

from __future__ import annotations

from typing import TYPE_CHECKING

from windbg_ext.commands.dumpkind.modules import CodeAddress
from windbg_ext.dump.kinds import DumpKind
from windbg_ext.render.document import Answer, Column, Document, DumpFile, ModuleName, Notes, Section, Table
from windbg_ext.render.dumpkind import code_span, parameter_span, time_text
from windbg_ext.render.lines import text_of
from windbg_ext.sources.local import is_address

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Union

    from windbg_ext.commands.dumpkind import DumpReport
    from windbg_ext.render.document import Inline

    Value = Union[int, str, CodeAddress, None]

HINT = "Caused by: a hint, found without symbols; dumpkind of a single file shows all suspects."
MORE = "More columns: -v shows all, --csv has them for a spreadsheet."
TIME = "Crash time (UTC)"
COLUMNS = (
    *("Dump file", TIME, "Bug check string", "Bug check code"),
    *("Parameter 1", "Parameter 2", "Parameter 3", "Parameter 4", "Caused by driver", "Caused by address"),
    *("Processor", "Crash address", "Stack address 1", "Stack address 2", "Stack address 3", "Full path"),
    *("Processors count", "Major version", "Minor version", "Dump file size", "Kind", "Process", "Problem"),
    *("Signature", "Signature hash"),
)
"""As BlueScreenView names and orders them, and five of our own. Caused by: the first suspect, a hint."""
SHOWN = {
    "Dump file": 0,
    TIME: 2,
    "Bug check string": 5,
    "Bug check code": 1,
    "Caused by driver": 10,
    "Caused by address": 0,
    "Signature": 4,
    "Kind": 3,
    "Processor": 6,
    "Processors count": 8,
    "Minor version": 9,
    "Dump file size": 7,
    "Problem": 0,
}
"""What is shown without -v, and the ranks of the columns, of which a narrow window leaves out the last ones."""


def sort_key(column: str) -> str:
    """Return the word by which --sort knows a column: "Bug check code" is bug-check-code, the crash time is time."""
    return "time" if column == TIME else column.lower().replace(" ", "-")


def sorted_reports(reports: Sequence[DumpReport], column: str, *, reverse: bool = False) -> list[DumpReport]:
    """Sort by a column, the crash time newest first and all others rising; what has no value comes last."""

    def key(report_and_value: tuple[DumpReport, Value]) -> tuple[str, int]:
        _, value = report_and_value
        if isinstance(value, tuple):
            return value.module or "", value.address if value.offset is None else value.offset
        return ("", value) if isinstance(value, int) else (value or "", 0)

    if len(reports) == 1:
        return [*reports]
    valued = [(report, _values(report, (column,))[column]) for report in reports]
    known = [each for each in valued if each[1] not in (None, "")]
    unknown = [each for each in valued if each[1] in (None, "")]
    return [report for report, _ in (*sorted(known, key=key, reverse=(column == TIME) != reverse), *unknown)]


PARAMETERS = [column for column in COLUMNS if column.startswith("Parameter")]
MODULES = frozenset(("Caused by driver", "Process"))


def _values(report: DumpReport, columns: Sequence[str]) -> dict[str, Value]:
    """Return a report's values by column, the crash time as a FILETIME. columns: those that matter at least."""
    bug_check, suspect = report.bug_check, report.suspects[0] if report.suspects else None
    parameters = bug_check.parameters if bug_check else (None,) * 4
    stack = (*report.stack[:3], None, None, None)
    values: dict[str, Value] = {
        "Dump file": report.file_name,
        TIME: report.system_time,
        "Bug check string": (bug_check.name or "") if bug_check else None,
        "Bug check code": bug_check.code if bug_check else None,
        **{f"Parameter {number}": parameter for number, parameter in enumerate(parameters, 1)},
        "Caused by driver": suspect.name if suspect else None,
        "Caused by address": CodeAddress(suspect.address, suspect.name, suspect.offset) if suspect else None,
        "Processor": report.architecture,
        "Crash address": report.crash_address,
        **{f"Stack address {number}": stack[number - 1] for number in (1, 2, 3)},
        "Full path": report.path,
        "Processors count": report.processors,
        "Major version": report.major_version,
        "Minor version": report.build,
        "Dump file size": report.file_bytes,
        "Kind": report.kind,
        "Process": report.process,
        "Problem": "; ".join(report.problems),
        "Signature": report.signature.text if report.signature else None,
    }
    if "Signature hash" in columns:  # the one that takes time
        values["Signature hash"] = report.signature.hash if report.signature else None
    return values


def _cells(report: DumpReport, columns: Sequence[str]) -> tuple[Inline, ...]:
    values = _values(report, columns)
    return tuple([_cell(report, column, values[column]) for column in columns])


def _opens(report: DumpReport) -> bool:
    """Tell whether a debugger opens a file: it looks into no packed file but a CAB, and takes a path only."""
    return report.kind != DumpKind.NONE and report.packed in (None, "CAB") and not is_address(report.path)


def _cell(report: DumpReport, column: str, value: Value) -> Inline:
    if value is None:
        return ("",)
    if isinstance(value, tuple):
        return (code_span(value),)
    if column in ("Dump file", "Full path"):
        return (DumpFile(report.path, str(value)) if _opens(report) else str(value),)
    if column == "Problem":
        return (Answer(str(value), good=False),) if value else ("",)
    if isinstance(value, str):
        return (ModuleName(value) if column in MODULES else value,)
    if column == TIME:
        return (time_text(value),)
    if column == "Bug check code":
        return (f"0x{value:08X}",)
    if column in PARAMETERS:
        return (parameter_span(report, PARAMETERS.index(column)),)
    return (str(value),)


def dumpkind_table_document(reports: Sequence[DumpReport], *, details: bool = False) -> Document:
    """Return a row for each file; details: all columns."""
    columns = tuple(Column(name) for name in COLUMNS) if details else _short_columns(reports)
    rows = tuple([_cells(report, [column.header for column in columns]) for report in reports])
    files = Section("", (Table(rows, columns, compact=True),))
    notes = [HINT] if any(report.suspects for report in reports) else []
    notes += [] if details else [MORE]
    return (
        Document((files, Section("", (Notes(tuple(("", note) for note in notes)),)))) if notes else Document((files,))
    )


def _short_columns(reports: Sequence[DumpReport]) -> tuple[Column, ...]:
    """Return the columns without -v; that of the problems only where there is one."""
    troubled = any(report.problems for report in reports)
    return tuple(Column(name, rank=rank) for name, rank in SHOWN.items() if troubled or name != "Problem")


def dumpkind_csv(reports: Sequence[DumpReport]) -> str:
    """Return a row for each file with all columns, for spreadsheets: no cell is taken for a formula."""
    import csv
    import io

    from windbg_ext.render.csv_text import harmless

    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([harmless(text_of(cell)) for cell in _cells(report, COLUMNS)] for report in reports)
    return out.getvalue().rstrip("\n")
