"""Kernel structures behind the debugger data block, and the target that they are read from. Needs no symbols."""

from windbg_ext.dump.header import BugCheck
from windbg_ext.kernel.session import SessionFacts, SessionTarget
from windbg_ext.kernel.target import DumpTarget, Kernel, Target, read_kernel
from windbg_ext.structs.header import Machine

__all__ = ["BugCheck", "DumpTarget", "Kernel", "Machine", "SessionFacts", "SessionTarget", "Target", "read_kernel"]
