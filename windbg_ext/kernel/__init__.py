"""Kernel structures behind the debugger data block, and the target that they are read from. Needs no symbols.

What is imported from here is loaded only then (PEP 562).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from windbg_ext.dump.header import BugCheck
    from windbg_ext.kernel.kernel import Kernel, read_kernel
    from windbg_ext.kernel.session import LastException, SessionFacts, SessionTarget
    from windbg_ext.kernel.target import DumpTarget, Target
    from windbg_ext.structs.architectures import ARCHITECTURES
    from windbg_ext.structs.header import Machine

__all__ = [
    "ARCHITECTURES",
    "BugCheck",
    "DumpTarget",
    "Kernel",
    "LastException",
    "Machine",
    "SessionFacts",
    "SessionTarget",
    "Target",
    "read_kernel",
]

_HOMES = {
    "ARCHITECTURES": "windbg_ext.structs.architectures",
    "BugCheck": "windbg_ext.dump.header",
    "Kernel": "windbg_ext.kernel.kernel",
    "LastException": "windbg_ext.kernel.session",
    "Machine": "windbg_ext.structs.header",
    "SessionFacts": "windbg_ext.kernel.session",
    "SessionTarget": "windbg_ext.kernel.session",
    "read_kernel": "windbg_ext.kernel.kernel",
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES.get(name, "windbg_ext.kernel.target")), name)
