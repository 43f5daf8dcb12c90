"""Where a command's output goes, and how its progress is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from windbg_ext.render.document import Document, FileCommand
    from windbg_ext.sources.progress import Progress


class Console(Protocol):
    """What a command needs to talk to its user."""

    @property
    def open_dump(self) -> str | None:
        """Return the path of the dump that a debugger has open here, None without one."""

    def show(self, document: Document) -> None:
        """Show a report."""

    def write(self, text: str) -> None:
        """Show text as it is, such as JSON."""

    def complain(self, line: str) -> None:
        """Show an error, one line."""

    def suggest(self, *commands: str | FileCommand) -> None:
        """Suggest what to do next in a debugger. Elsewhere, nobody is told."""

    def progress(self) -> AbstractContextManager[Progress]:
        """Show progress while the block runs."""
