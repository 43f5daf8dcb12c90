"""Read Windows kernel crash dumps, make small dumps of large ones, tell whether the next crash will leave a dump.

from windbg_ext import HandFigures, dumpkind, minify, open_dump, pagefilefit
with open_dump("MEMORY.DMP") as dump:
    print(dump.kind, dump.header.bug_check, len(dump.processors), dump.modules[0].name)
print(dumpkind("MEMORY.DMP").suspects)
print(minify("MEMORY.DMP", "small.dmp").left_out)
print(pagefilefit("MEMORY.DMP", by_hand=HandFigures(system_managed=True)).kinds)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from windbg_ext.errors import (
    DestinationError,
    DumpError,
    MemoryReadError,
    NotInDumpError,
    NotMappedError,
    UsageError,
)
from windbg_ext.version import __version__

if TYPE_CHECKING:
    from windbg_ext.commands.catalog import (
        Catalog,
        CatalogReport,
        Choice,
        Group,
        ScanReport,
        open_catalog,
        scan_dumps,
        summarize_catalog,
    )
    from windbg_ext.commands.dumpkind import (
        BugCheckFound,
        CodeAddress,
        DumpReport,
        Evidence,
        Signature,
        Suspect,
        Whole,
        dumpkind,
        find_dumps,
    )
    from windbg_ext.commands.dumpkind.many import dumpkind_many
    from windbg_ext.commands.dumpkind.privacy import privacy
    from windbg_ext.commands.minify import LeftOut, MinifyOptions, MinifyReport, Part, minify
    from windbg_ext.commands.minify.batch import BatchReport, FileReport, Outcome, minify_many
    from windbg_ext.commands.minify.verify import Difference, Verification, verify
    from windbg_ext.commands.pagefilefit import (
        HandFigures,
        KindReport,
        MachineRow,
        MachinesReport,
        PagefileFitReport,
        PagingFile,
        Verdict,
        pagefilefit,
        pagefilefit_machines,
    )
    from windbg_ext.commands.privacy.report import Finding, Occurrence, PrivacyReport
    from windbg_ext.commands.privacy.scrubbing import LeftOutByRule, Scrubbing, ScrubReport
    from windbg_ext.commands.privacy.words import OwnWords, own_words
    from windbg_ext.commands.shard import Shard
    from windbg_ext.commands.workers import LocalWorkers
    from windbg_ext.dump.dump import Problem
    from windbg_ext.dump.kinds import DumpKind
    from windbg_ext.kernel.crash_dump import CrashDump, open_dump
    from windbg_ext.sources import Source, open_source

__all__ = [
    "BatchReport",
    "BugCheckFound",
    "Catalog",
    "CatalogReport",
    "Choice",
    "CodeAddress",
    "CrashDump",
    "DestinationError",
    "Difference",
    "DumpError",
    "DumpKind",
    "DumpReport",
    "Evidence",
    "FileReport",
    "Finding",
    "Group",
    "HandFigures",
    "KindReport",
    "LeftOut",
    "LeftOutByRule",
    "LocalWorkers",
    "MachineRow",
    "MachinesReport",
    "MemoryReadError",
    "MinifyOptions",
    "MinifyReport",
    "NotInDumpError",
    "NotMappedError",
    "Occurrence",
    "Outcome",
    "OwnWords",
    "PagefileFitReport",
    "PagingFile",
    "Part",
    "PrivacyReport",
    "Problem",
    "ScanReport",
    "ScrubReport",
    "Scrubbing",
    "Shard",
    "Signature",
    "Source",
    "Suspect",
    "UsageError",
    "Verdict",
    "Verification",
    "Whole",
    "__version__",
    "dumpkind",
    "dumpkind_many",
    "find_dumps",
    "minify",
    "minify_many",
    "open_catalog",
    "open_dump",
    "open_source",
    "own_words",
    "pagefilefit",
    "pagefilefit_machines",
    "privacy",
    "scan_dumps",
    "summarize_catalog",
    "verify",
]

_HOMES = {
    name: home
    for home, names in {
        "commands.catalog": (
            *("Catalog", "CatalogReport", "Choice", "Group", "ScanReport"),
            *("open_catalog", "scan_dumps", "summarize_catalog"),
        ),
        "commands.dumpkind": (
            *(
                "BugCheckFound",
                "CodeAddress",
                "DumpReport",
                "Evidence",
                "Signature",
                "Suspect",
                "Whole",
                "dumpkind",
                "find_dumps",
            ),
        ),
        "commands.dumpkind.many": ("dumpkind_many",),
        "commands.dumpkind.privacy": ("privacy",),
        "commands.privacy.report": ("Finding", "Occurrence", "PrivacyReport"),
        "commands.privacy.scrubbing": ("LeftOutByRule", "ScrubReport", "Scrubbing"),
        "commands.privacy.words": ("OwnWords", "own_words"),
        "commands.minify": ("LeftOut", "MinifyOptions", "MinifyReport", "Part", "minify"),
        "commands.minify.batch": ("BatchReport", "FileReport", "Outcome", "minify_many"),
        "commands.minify.verify": ("Difference", "Verification", "verify"),
        "commands.pagefilefit": (
            *("HandFigures", "KindReport", "PagefileFitReport", "PagingFile", "Verdict", "pagefilefit"),
            *("MachineRow", "MachinesReport", "pagefilefit_machines"),
        ),
        "commands.shard": ("Shard",),
        "commands.workers": ("LocalWorkers",),
        "dump.dump": ("Problem",),
        "dump.kinds": ("DumpKind",),
        "kernel.crash_dump": ("CrashDump", "open_dump"),
        "sources": ("Source", "open_source"),
    }.items()
    for name in names
}
"""The module that each name belongs to."""


def __getattr__(name: str) -> object:
    """Import the module of a name on first use (PEP 562), so that `windbg-ext --help` starts faster."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"windbg_ext.{_HOMES[name]}"), name)
