"""Windows kernel crash dumps: small memory dumps out of large ones, and whether the next crash will leave one.

from windbg_ext import HandFigures, minify, pagefilefit
report = minify("MEMORY.DMP", "small.dmp")
print(report.bytes, report.left_out)
print(pagefilefit("MEMORY.DMP", by_hand=HandFigures(system_managed=True)).kinds)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from windbg_ext.errors import DestinationError, DumpError, UsageError
from windbg_ext.version import __version__

if TYPE_CHECKING:
    from windbg_ext.commands.minify import LeftOut, MinifyReport, Part, minify
    from windbg_ext.commands.pagefilefit import (
        HandFigures,
        Kind,
        KindReport,
        PagefileFitReport,
        PagingFile,
        Verdict,
        pagefilefit,
    )

__all__ = [
    "DestinationError",
    "DumpError",
    "HandFigures",
    "Kind",
    "KindReport",
    "LeftOut",
    "MinifyReport",
    "PagefileFitReport",
    "PagingFile",
    "Part",
    "UsageError",
    "Verdict",
    "__version__",
    "minify",
    "pagefilefit",
]

_HOMES = {
    **dict.fromkeys(("LeftOut", "MinifyReport", "Part", "minify"), "minify"),
    **dict.fromkeys(
        ("HandFigures", "Kind", "KindReport", "PagefileFitReport", "PagingFile", "Verdict", "pagefilefit"),
        "pagefilefit",
    ),
}
"""The command that each name belongs to."""


def __getattr__(name: str) -> object:
    """Import what is asked for only then (PEP 562): `windbg-ext --help` and the other commands do not wait for it."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"windbg_ext.commands.{_HOMES[name]}"), name)
