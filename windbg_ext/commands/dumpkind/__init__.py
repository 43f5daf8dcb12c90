"""dumpkind: which dump is this, is it whole, and if it will not open, why."""

from windbg_ext.commands.dumpkind.command import dumpkind
from windbg_ext.commands.dumpkind.modules import CodeAddress
from windbg_ext.commands.dumpkind.report import BugCheckFound, DumpReport, Evidence, Signature, Suspect, Whole
from windbg_ext.sources.find import find_dumps, is_single

__all__ = [
    "BugCheckFound",
    "CodeAddress",
    "DumpReport",
    "Evidence",
    "Signature",
    "Suspect",
    "Whole",
    "dumpkind",
    "find_dumps",
    "is_single",
]
