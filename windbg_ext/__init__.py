"""Windows kernel crash dumps: what they are, small ones out of large ones, and whether the next crash will leave one.

from windbg_ext import HandFigures, dumpkind, minify, pagefilefit
print(dumpkind("MEMORY.DMP").kind)
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
    from windbg_ext.commands.dumpkind import BugCheckFound, DumpReport, Evidence, Suspect, Whole, dumpkind, find_dumps
    from windbg_ext.commands.minify import LeftOut, MinifyOptions, MinifyReport, Part, minify
    from windbg_ext.commands.minify.batch import BatchReport, FileReport, Outcome, minify_many
    from windbg_ext.commands.pagefilefit import (
        DumpKind,
        HandFigures,
        KindReport,
        PagefileFitReport,
        PagingFile,
        Verdict,
        pagefilefit,
    )
    from windbg_ext.commands.workers import LocalWorkers

__all__ = [
    "BatchReport",
    "BugCheckFound",
    "DestinationError",
    "DumpError",
    "DumpKind",
    "DumpReport",
    "Evidence",
    "FileReport",
    "HandFigures",
    "KindReport",
    "LeftOut",
    "LocalWorkers",
    "MinifyOptions",
    "MinifyReport",
    "Outcome",
    "PagefileFitReport",
    "PagingFile",
    "Part",
    "Suspect",
    "UsageError",
    "Verdict",
    "Whole",
    "__version__",
    "dumpkind",
    "find_dumps",
    "minify",
    "minify_many",
    "pagefilefit",
]

_HOMES = {
    **dict.fromkeys(
        ("BugCheckFound", "DumpReport", "Evidence", "Suspect", "Whole", "dumpkind", "find_dumps"), "dumpkind"
    ),
    **dict.fromkeys(("LeftOut", "MinifyOptions", "MinifyReport", "Part", "minify"), "minify"),
    **dict.fromkeys(("BatchReport", "FileReport", "Outcome", "minify_many"), "minify.batch"),
    **dict.fromkeys(
        ("DumpKind", "HandFigures", "KindReport", "PagefileFitReport", "PagingFile", "Verdict", "pagefilefit"),
        "pagefilefit",
    ),
    "LocalWorkers": "workers",
}
"""The module among the commands that each name belongs to."""


def __getattr__(name: str) -> object:
    """Import what is asked for only then (PEP 562): `windbg-ext --help` and the other commands do not wait for it."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"windbg_ext.commands.{_HOMES[name]}"), name)
