"""What was found in a dump that could identify a person or a machine, as values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from windbg_ext.values import NamedTuple

if TYPE_CHECKING:
    from windbg_ext.commands.privacy.rules import Rule
    from windbg_ext.errors import DumpError

UNKNOWN = (
    "names that nothing marks as such: of projects, customers, networks, devices, or of people in free text",
    "numbers: addresses of networks and devices, GUIDs, volume serial numbers and keys in binary form",
    "texts that are compressed or encrypted, and texts of which the dump holds only a piece",
    "what the crash itself tells: drivers, programs, versions and times together may single out one machine",
)
"""What no rule can tell. So a dump in which nothing is found is not anonymous."""


class Occurrence(NamedTuple):
    """Something that was found. place: the part of the dump; bytes: its length.

    address: where it was in memory; offset: where it lies in the file, None if that is not written yet; value: the text
    itself, or for memory as a whole what it is.
    """

    rule: Rule
    place: str
    bytes: int
    address: int | None = None
    offset: int | None = None
    value: str = ""


class Finding(NamedTuple):
    """All that was found of one sort, by the key of its rules. places: (part of the dump, times), most often first.

    not_listed: how many there are beside the occurrences.
    """

    key: str
    name: str
    why: str
    places: tuple[tuple[str, int], ...]
    occurrences: tuple[Occurrence, ...]
    not_listed: int = 0

    @property
    def times(self) -> int:
        """How many times it was found."""
        return len(self.occurrences) + self.not_listed


class PrivacyReport(NamedTuple):
    """What could identify a person or a machine in what one shares.

    path: the name of the source; kind: of the dump; whole_file: every byte of the file was looked at, else what
    `minify` would save of the dump; bytes: how many were; findings: in the order of the rules; notes: what else;
    problem: why the file cannot be read, None if it can.
    """

    path: str
    kind: str
    whole_file: bool
    bytes: int
    findings: tuple[Finding, ...]
    notes: tuple[str, ...] = ()
    problem: str | None = None

    @property
    def times(self) -> int:
        """How many times anything was found."""
        return sum(finding.times for finding in self.findings)


def unread(path: str, error: DumpError) -> PrivacyReport:
    """Return the report of a file that cannot be read."""
    return PrivacyReport(path, "none", whole_file=False, bytes=0, findings=(), problem=f"{error.field}: {error.why}")
