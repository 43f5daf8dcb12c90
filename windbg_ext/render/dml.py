"""Text as DML, the debugger's markup (Debugger Markup Language, dml.doc of the debugger's documentation).

Nothing of a text becomes markup. Addresses and modules link to a command of this program's own, in which they are at
most digits, or letters, digits and underscores.
"""

from __future__ import annotations

import re

PLACES = re.compile(
    r"(?P<address>\b0x[0-9a-f]{9,16}\b)|(?<![\\\w.-])(?P<module>[A-Za-z]\w*)\.(?i:sys|exe|dll)\b", re.ASCII
)
NAMED_OTHERWISE = {"ntoskrnl": "nt"}
"""Modules that the debugger has another name for."""
UNSAFE_IN_COMMAND = re.compile(r'["\x00-\x1f\x7f-\U0010ffff]')


def escape(text: str) -> str:
    """Give text that shows as it is."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")


def dml_text(text: str) -> str:
    """Give a report as DML: an address links to the memory there, a module to what the debugger knows of it."""
    return PLACES.sub(_linked, escape(text))


def link(text: str, command: str) -> str:
    """Give text that runs a debugger command when it is clicked; plain text for a command that no link can hold.

    The command must be one of this program's own: nothing that stands in a dump may be more in it than a number or a
    plain name.
    """
    if UNSAFE_IN_COMMAND.search(command):
        return escape(text)
    return f'<link cmd="{escape(command)}">{escape(text)}</link>'


def _linked(place: re.Match[str]) -> str:
    if place["address"]:
        return link(place[0], f"db {place[0]}")
    module = place["module"]
    return link(place[0], f"lmvm {NAMED_OTHERWISE.get(module.lower(), module)}")
