"""Small memory dumps out of large Windows kernel crash dumps.

from windbg_ext import minify
report = minify("MEMORY.DMP", "small.dmp")
print(report.bytes, report.left_out)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from windbg_ext.errors import DestinationError, DumpError, UsageError
from windbg_ext.version import __version__

if TYPE_CHECKING:
    from windbg_ext.commands.minify import LeftOut, MinifyReport, Part, minify

__all__ = [
    "DestinationError",
    "DumpError",
    "LeftOut",
    "MinifyReport",
    "Part",
    "UsageError",
    "__version__",
    "minify",
]


def __getattr__(name: str) -> object:
    """Import what is asked for only then (PEP 562): `windbg-ext --help` and the other commands do not wait for it."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from windbg_ext.commands import minify

    return getattr(minify, name)
