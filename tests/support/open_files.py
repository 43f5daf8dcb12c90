"""Which files a process has open, on Linux."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import os


def open_files(folder: Path, process: int | str = "self") -> list[os.stat_result]:
    """Return the status of a process's open files that are, or were, below a folder; none without /proc."""
    found = []
    for link in Path(f"/proc/{process}/fd").iterdir() if sys.platform == "linux" else ():
        with contextlib.suppress(FileNotFoundError):  # it was closed in the meantime
            if str(link.readlink()).startswith(str(folder)):
                found.append(link.stat())
    return found
