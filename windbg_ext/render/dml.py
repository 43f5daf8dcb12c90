"""Text as DML, the debugger's markup (Debugger Markup Language, dml.doc of the debugger's documentation).

Nothing of the text becomes markup or a command, but for addresses: they are digits, and link to the memory there.
"""

from __future__ import annotations

import re

ADDRESS = re.compile(r"\b0x[0-9a-f]{9,16}\b")
UNSAFE_IN_COMMAND = re.compile(r'["\x00-\x1f\x7f-\U0010ffff]')


def escape(text: str) -> str:
    """Give text that shows as it is."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")


def dml_text(text: str) -> str:
    """Give a report as DML: addresses link to the memory there."""
    return ADDRESS.sub(lambda address: link(address[0], f"db {address[0]}"), escape(text))


def link(text: str, command: str) -> str:
    """Give text that runs a debugger command when it is clicked; plain text for a command that no link can hold.

    The command must be one of this program's own: what stands in a dump may at most be a number in it.
    """
    if UNSAFE_IN_COMMAND.search(command):
        return escape(text)
    return f'<link cmd="{escape(command)}">{escape(text)}</link>'
