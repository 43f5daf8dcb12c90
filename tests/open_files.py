"""Which files a process has open, on Linux."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path


def open_files(folder: Path, process: int | str = "self") -> list[Path]:
    """Give the links to the open files of a process that are, or were, below a folder; none where there is no /proc."""
    found = []
    for link in Path(f"/proc/{process}/fd").iterdir() if sys.platform == "linux" else ():
        with contextlib.suppress(FileNotFoundError):  # it was closed meanwhile
            if str(link.readlink()).startswith(str(folder)):
                found.append(link)
    return found
