"""All cases of all families."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hostile_files import (
    archive_bombs,
    archives,
    bug_checks,
    catalogs,
    collected,
    crowds,
    hive_logs,
    hives,
    kernel_structures,
    names,
    options,
    page_sources,
    personal,
    places,
    secondary,
    small_dumps,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hostile_files.case import Case

FAMILIES = {
    "small dumps": small_dumps.cases,
    "what is personal": personal.cases,
    "pages and page tables": page_sources.cases,
    "kernel structures": kernel_structures.cases,
    "crowds": crowds.cases,
    "bug checks": bug_checks.cases,
    "archives": archives.cases,
    "archives that swell": archive_bombs.cases,
    "registry hives": hives.cases,
    "logs of registry hives": hive_logs.cases,
    "collected reports": collected.cases,
    "catalogues": catalogs.cases,
    "names and lists": names.cases,
    "secondary data": secondary.cases,
    "options": options.cases,
    "file system": places.cases,
}


def all_cases() -> Iterator[tuple[str, Case]]:
    """Yield the name of a family and a case of it."""
    for family, cases in FAMILIES.items():
        for case in cases():
            yield family, case
