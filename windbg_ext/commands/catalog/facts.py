"""What a catalogue keeps of a dump: facts that dumpkind reports, and no memory."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from windbg_ext.values import NamedTuple

if TYPE_CHECKING:
    from windbg_ext.commands.catalog.database import Value
    from windbg_ext.commands.dumpkind.report import DumpReport

READER = 1
"""Raised when a newer version reads more out of a dump, so that what an older one read is read again."""
FILETIME_START = datetime(1601, 1, 1)
MAX_TEXT = 300
"""Characters of a text that a dump brings along."""
MAX_NUMBER = (1 << 63) - 1


class DumpFacts(NamedTuple):
    """A row of `catalog_dumps`. None: the dump does not tell.

    fingerprint: of the content of the file; crash: equal in all dumps of one crash; crashed_at: UTC, ISO 8601; week:
    ISO 8601, as in 2024-W03; machine: a keyed hash of its SMBIOS UUID.
    """

    fingerprint: str
    crash: str
    kind: str
    architecture: str | None
    windows: str | None
    build: int | None
    processors: int | None
    bug_check: str | None
    bug_check_name: str | None
    parameters: str | None
    signature: str | None
    signature_hash: str | None
    driver: str | None
    process: str | None
    crashed_at: str | None
    week: str | None
    file_bytes: int | None
    complete: int | None
    problem: str | None
    machine: str | None
    computer: str | None

    def values(self) -> dict[str, Value]:
        """Return the values by the names of their columns."""
        return dict(zip(self._fields, self))


def facts_of(report: DumpReport, fingerprint: str, crash: str, machine: str | None, computer: str | None) -> DumpFacts:
    """Return what a catalogue keeps of a report."""
    bug_check, signature = report.bug_check, report.signature
    crashed_at = None if report.system_time is None else _moment(report.system_time)
    year, week, _ = crashed_at.isocalendar() if crashed_at else (0, 0, 0)
    return DumpFacts(
        fingerprint=fingerprint,
        crash=crash,
        kind=str(report.kind),
        architecture=report.architecture,
        windows=report.windows,
        build=_number(report.build),
        processors=_number(report.processors),
        bug_check=None if bug_check is None else f"0x{bug_check.plain_code:X}",
        bug_check_name=None if bug_check is None else bug_check.plain_name,
        parameters=None if bug_check is None else " ".join(f"0x{value:x}" for value in bug_check.parameters),
        signature=None if signature is None else signature.text,
        signature_hash=None if signature is None else signature.hash,
        driver=plain(report.suspects[0].name) if report.suspects else None,
        process=None if report.process is None else plain(report.process),
        crashed_at=None if crashed_at is None else crashed_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        week=None if crashed_at is None else f"{year}-W{week:02}",
        file_bytes=_number(report.file_bytes),
        complete=None if report.complete is None else int(report.complete),
        problem=plain("; ".join(report.problems)) or None,
        machine=machine,
        computer=None if computer is None else plain(computer),
    )


def plain(text: str) -> str:
    """Return a text as every database takes it: without zeros, control characters and halves of surrogate pairs."""
    shown = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
    return shown[:MAX_TEXT]


def _number(value: int | None) -> int | None:
    return None if value is None or value > MAX_NUMBER else value


def _moment(filetime: int) -> datetime | None:
    try:
        return FILETIME_START + timedelta(microseconds=filetime // 10)
    except OverflowError:
        return None
