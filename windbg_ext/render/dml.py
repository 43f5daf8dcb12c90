"""A document as DML, the debugger's markup (Debugger Markup Language, dml.doc of the debugger's documentation).

It looks as the text does, and an address links to the memory there, a module to what the debugger knows of it. No text
becomes markup. A link runs a command of this program's own, in which a dump has at most digits or a plain name.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from windbg_ext.render.document import Address, Answer, Code, Command, DumpFile, FileCommand, ModuleName, WrittenFile
from windbg_ext.render.lines import in_pieces, on_file, verbatim
from windbg_ext.render.text import lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from windbg_ext.render.document import Document, Span
    from windbg_ext.render.lines import Line

MAX_PIECE = 2000
"""Characters of text that are shown at once: the engine drops what lies behind 16 K of markup."""
LINKED = range(0x10000, 1 << 64)
"""Addresses that are linked: nothing is mapped below (MM_LOWEST_USER_ADDRESS of ntddk.h)."""
MODULE_FILE = re.compile(r"([A-Za-z]\w{0,250})\.(?i:sys|exe|dll)", re.ASCII)
"""A name of a module that may stand in a command; NTFS has none of more than 255 characters."""
NAMED_OTHERWISE = {"ntoskrnl": "nt"}
"""Modules that the debugger has another name for."""
OPENED_FILE = re.compile(r"[A-Za-z]:\\[\w .,()+=~\\-]{1,240}", re.ASCII)
"""A path that may stand in quotes in a command for `.shell`: nothing in it means anything to the debugger or to cmd."""
PATH_IN_COMMAND = re.compile(r"[\w.\\][\w .:()+~\\-]*")
"""A path that may stand in a command: no character of it ends a command, begins an option or is an alias's."""
COLOURS = {True: "emphfg", False: "errfg", None: "warnfg"}
"""The debugger's colours (dml.doc) for an answer that is good, bad or neither."""
OPEN = FileCommand(".opendump", "", ";g")
"""The debugger loads an opened dump when it goes on."""
UNSAFE_IN_COMMAND = re.compile(r'["\x00-\x1f\x7f-\U0010ffff]')


def write_dml(document: Document, width: int | None = None) -> Iterator[str]:
    """Yield the document in pieces that the engine shows whole, each line with its end. width: as for `write_text`."""
    return _markup(lines(document, width), elsewhere=document.elsewhere)


def verbatim_dml(text: str) -> Iterator[str]:
    """Yield text that shows as it is, such as JSON, in pieces that the engine shows whole, each line with its end."""
    return _markup(verbatim(text))


def _markup(lines: Iterable[Line], *, elsewhere: bool = False) -> Iterator[str]:
    for piece in in_pieces(lines, MAX_PIECE):
        yield "".join(
            _escape(text) if elsewhere and isinstance(span, (Address, Code, ModuleName)) else _linked(text, span)
            for text, span in piece
        )


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")


def _linked(text: str, span: Span) -> str:
    if isinstance(span, Answer):
        return f'<col fg="{COLOURS[span.good]}">{_escape(text)}</col>'
    if isinstance(span, WrittenFile):
        command = f'.shell -x start "" "{span.path}"' if OPENED_FILE.fullmatch(span.path) else None
    else:
        command = _on_file(span) if isinstance(span, (DumpFile, FileCommand)) else _command(text, span)
    if command is None:
        return _escape(text)
    return f'<link cmd="{_escape(command)}">{_escape(text)}</link>'


def _on_file(span: DumpFile | FileCommand) -> str | None:
    """Return the command on a file, None if its path might be more than a path there."""
    if not PATH_IN_COMMAND.fullmatch(span.path):
        return None
    return on_file(OPEN._replace(path=span.path) if isinstance(span, DumpFile) else span)


def _command(text: str, span: Span) -> str | None:
    """Return the command that a span links to, None for none."""
    command = _plain_command(text, span)
    return None if command is None or UNSAFE_IN_COMMAND.search(command) else command


def _plain_command(text: str, span: Span) -> str | None:
    if isinstance(span, Address):
        return f"db {text}" if span.value in LINKED else None
    if isinstance(span, Code):
        return f"u 0x{span.address:x}" if span.address in LINKED else None
    if isinstance(span, ModuleName):
        file = MODULE_FILE.fullmatch(span.name)
        return file and f"lmvm {NAMED_OTHERWISE.get(file[1].lower(), file[1])}"
    return span.text if isinstance(span, Command) and len(span.text) <= MAX_PIECE else None
