"""`--html`: a report as an HTML file, too. The file is whole or not there, and only an older report is replaced."""

from __future__ import annotations

from typing import TYPE_CHECKING

from windbg_ext.interface.command import Option

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Callable

    from windbg_ext.interface.console import Console
    from windbg_ext.render.page import Page

ENDINGS = (".html", ".htm")
CHOSEN = "a new name beside the dump"
"""What `/html` stands for alone."""


def html_name(text: str) -> str:
    """Read the name of an HTML file. ValueError: it has another ending, so that no dump is taken for one."""
    if text != CHOSEN and not text.lower().endswith(ENDINGS):
        raise ValueError(f"{text!r} does not end in .html, as the name of a report does")
    return text


HTML = Option(
    ("--html",),
    "write the report to an HTML file, too, with pictures and all details",
    type=html_name,
    metavar="FILE",
    alone=CHOSEN,
)
OVERWRITE = Option(
    ("-o", "--overwrite"), "replace the HTML file if it is the report of an earlier run", action="store_true"
)


def html_file(name: str | None, command: str, base: object, *, overwrite: bool) -> Path | None:
    """Return the file that --html asks for, None without it.

    base: the path of the dump, beside which a file is named for `/html` alone; where it is none, the folder for
    temporary files takes it. Raise DestinationError, before any work is done, where the file may not be written.
    """
    if name is None:
        return None
    import tempfile  # only those who ask for a file wait for these
    from pathlib import Path

    from windbg_ext.commands.destination import check_destination, unused

    path = Path(name)
    if name == CHOSEN:
        there = Path(base) if isinstance(base, str) and "://" not in base else Path(tempfile.gettempdir(), "windbg")
        stem = there.name if there.is_dir() else there.stem
        path = unused(there.with_name(f"{stem}-{command}.html"))
    check_destination(path, None, overwrite=overwrite)
    _check_is_report(path)
    return path


def _check_is_report(path: Path) -> None:
    """Raise DestinationError where a file is no report of this program's."""
    from windbg_ext.errors import DestinationError
    from windbg_ext.render.html import MARK

    try:
        with path.open("rb") as file:
            found = file.read(len(MARK))
    except FileNotFoundError:
        return
    except OSError as error:
        raise DestinationError("destination", f"cannot be read ({error.strerror})", path=str(path)) from None
    if found != MARK.encode():
        raise DestinationError("destination", "exists, and is no report of windbg-ext", "give another name", str(path))


def write_report(path: Path | None, page: Callable[[], Page], overwrite: bool, console: Console | None) -> None:
    """Write a page to a file; nothing without one. console: where to tell of it, None: nowhere, as beside JSON."""
    if path is None:
        return
    from windbg_ext.commands.destination import replace_file
    from windbg_ext.render.document import Document, Facts, Section, WrittenFile
    from windbg_ext.render.html import write_html

    _check_is_report(path)  # perhaps the command itself wrote it by now
    with replace_file(path, None, overwrite=overwrite) as file:
        for piece in write_html(page()):
            file.write(piece.encode("utf-8", "backslashreplace"))
    if console is not None:
        console.write("")
        console.show(Document((Section("", (Facts((("HTML report", (WrittenFile(str(path)),)),)),)),)))
