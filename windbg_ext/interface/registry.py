"""The commands that the command line and the debugger both have."""

from __future__ import annotations

from windbg_ext.interface.dumpkind import DUMPKIND
from windbg_ext.interface.minify import MINIFY
from windbg_ext.interface.pagefilefit import PAGEFILEFIT

COMMANDS = (DUMPKIND, MINIFY, PAGEFILEFIT)
"""In the order of the help."""
