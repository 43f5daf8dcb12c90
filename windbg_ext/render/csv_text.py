"""Tables as CSV that spreadsheets open without harm."""

from __future__ import annotations

from typing import TYPE_CHECKING

from windbg_ext.render.lines import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def write_csv(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return the rows below a header: control characters are escaped, and no cell is taken for a formula."""
    import csv
    import io

    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([harmless(plain(cell)) for cell in row] for row in rows)
    return out.getvalue().rstrip("\n")


def harmless(cell: str) -> str:
    """Put a quote before what a spreadsheet would run; control characters are escaped already."""
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@")) else cell
