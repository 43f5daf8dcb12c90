"""The manual's pages on dump formats have the offsets of the public documents.

The table of a structure follows a line that names it: "`DUMP_HEADER64`, 0x2000 bytes, and `DUMP_HEADER32`, 0x1000
bytes:". Its columns are field, offset and size, or field and then offset and size of either structure.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from test_layouts import TABLES

PAGES = Path(__file__).parents[2] / "docs" / "formats"
STRUCTURE = r"`(\w+)`, 0x([0-9A-F]+) bytes"
CAPTIONED = re.compile(rf"^({STRUCTURE}(?:, and {STRUCTURE})?):\n\n((?:\|.*\n)+)", re.MULTILINE)
BUILT_BY_SAMPLES_ONLY = ("KSPECIAL_REGISTERS", "KSPECIAL_REGISTERS32", "KSPECIAL_REGISTERS_ARM64")
IN_PROSE = (
    *("PHYSICAL_MEMORY_DESCRIPTOR32", "PHYSICAL_MEMORY_RUN32", "PHYSICAL_MEMORY_DESCRIPTOR64", "PHYSICAL_MEMORY_RUN64"),
    *("TRIAGE_DATA_BLOCK", "CONTEXT_EX", "IMAGE_DOS_HEADER", "IMAGE_NT_HEADERS"),
    *("IMAGE_OPTIONAL_HEADER", "IMAGE_DATA_DIRECTORY", "IMAGE_DEBUG_DIRECTORY", "CV_INFO_PDB70", "CV_INFO_PDB20"),
)
"""Described in a sentence, or in a table of several; image headers are not part of a dump's format."""

Fields = dict[str, tuple[int, "int | None"]]


def find_tables() -> dict[str, tuple[int, Fields]]:
    """Return size and fields of each structure on the pages: name, offset, size (None: not on the page)."""
    found: dict[str, tuple[int, Fields]] = {}
    for page in PAGES.glob("*.md"):
        for caption, *_, table in CAPTIONED.findall(page.read_text(encoding="utf-8")):
            rows = [[cell.strip() for cell in row.strip("|").split("|")] for row in table.splitlines()]
            for number, (name, size) in enumerate(re.findall(STRUCTURE, caption)):
                found[name] = int(size, 16), read_fields(rows[0], rows[2:], number)
    return found


def read_fields(head: list[str], rows: list[list[str]], number: int) -> Fields:
    """Read the fields of the first or second structure of a table."""
    fields: Fields = {}
    if head[0] == "field":
        at = 1 + 2 * number
        for row in rows:
            if row[at] != "-":
                fields[row[0]] = int(row[at], 16), int(row[at + 1], 16)
        return fields
    width = head.index("field") + 1
    for row in rows:
        for start in range(0, len(row) - width + 1, width):
            offset, *size, name = row[start : start + width]
            if offset.startswith("0x"):
                fields[name] = int(offset, 16), int(size[0], 0) if size else None
    return fields


FOUND = find_tables()


def test_every_structure_is_on_the_pages() -> None:
    assert set(FOUND) == set(TABLES) - set(IN_PROSE) - set(BUILT_BY_SAMPLES_ONLY)


@pytest.mark.parametrize("name", sorted(FOUND))
def test_a_page_shows_a_structure_as_the_public_documents_do(name: str) -> None:
    size, fields = TABLES[name]
    shown_size, shown = FOUND[name]
    assert shown_size == size
    assert {field: offset for field, (offset, _) in shown.items()} == {
        field: offset for field, (offset, _) in fields.items()
    }
    assert [field for field, (_, length) in shown.items() if length not in (None, fields[field][1])] == []
