"""How long work tells how far it is, without knowing who shows it."""

from __future__ import annotations

from typing import Callable

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is to do."""


def no_progress(doing: str, done: int, total: int) -> None:
    """Show nothing."""
