"""`--html`: a report as an HTML file, too. The file is whole or not there, and only an older report is replaced."""

from __future__ import annotations

from typing import TYPE_CHECKING

from windbg_ext.interface.command import Option
from windbg_ext.sources.local import shown

if TYPE_CHECKING:
    from typing import Callable

    from windbg_ext.commands.output import Output
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


def html_file(name: str | None, command: str, base: object, *, overwrite: bool) -> Output | None:
    """Return the file that --html asks for, None without it.

    base: the path of the dump, beside which a file is named for `/html` alone; where it is none, the folder for
    temporary files takes it. Raise DestinationError, before any work is done, where the file may not be written.
    """
    if name is None:
        return None
    import tempfile  # only those who ask for a file wait for these
    from pathlib import Path

    from windbg_ext.commands.destination import unused
    from windbg_ext.commands.output import check_output, output_of

    output = output_of(name)
    if name == CHOSEN:
        there = Path(base) if isinstance(base, str) and "://" not in base else Path(tempfile.gettempdir(), "windbg")
        stem = there.name if there.is_dir() else there.stem
        output = unused(there.with_name(f"{stem}-{command}.html"))
    check_output(output, None, overwrite=overwrite)
    _check_is_report(output)
    return output


def _check_is_report(output: Output) -> None:
    """Raise DestinationError where a file is no report of this program's."""
    from windbg_ext.errors import DestinationError
    from windbg_ext.render.html import MARK

    found = _start_of(output, len(MARK))
    if found is not None and found != MARK.encode():
        why = "exists, and is no report of windbg-ext"
        raise DestinationError("destination", why, "give another name", shown(str(output)))


def _start_of(output: Output, length: int) -> bytes | None:
    """Return the first bytes of a file; None where there is none."""
    from windbg_ext.commands.output import is_there
    from windbg_ext.errors import DestinationError
    from windbg_ext.sources import opened_source

    if isinstance(output, str):
        if not is_there(output):
            return None
        with opened_source(output) as source:
            return source.read(0, length)
    try:
        with output.open("rb") as file:
            return file.read(length)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DestinationError("destination", f"cannot be read ({error.strerror})", path=str(output)) from None


def write_report(output: Output | None, page: Callable[[], Page], overwrite: bool, console: Console | None) -> None:
    """Write a page to a file; nothing without one. console: where to tell of it, None: nowhere, as beside JSON."""
    if output is None:
        return
    from windbg_ext.commands.output import output_file
    from windbg_ext.render.document import Document, Facts, Section, WrittenFile
    from windbg_ext.render.html import write_html

    _check_is_report(output)  # perhaps the command itself wrote it by now
    with output_file(output, None, overwrite=overwrite) as file:
        for piece in write_html(page()):
            file.write(piece.encode("utf-8", "backslashreplace"))
    if console is not None:
        console.write("")
        console.show(Document((Section("", (Facts((("HTML report", (WrittenFile(shown(str(output))),)),)),)),)))
