"""JSON about some dumps: one object, with the list "dumps"."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from windbg_ext.interface.console import Console


def show_dumps(texts: Iterable[str], console: Console) -> None:
    """Show reports, each as JSON."""
    from windbg_ext.render.json_text import json_pieces  # only those who ask for JSON wait for it

    for piece in json_pieces({"dumps": iter(texts)}):
        console.write(piece)
