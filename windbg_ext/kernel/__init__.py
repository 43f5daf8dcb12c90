"""Kernel structures behind the debugger data block, and the target that they are read from. Needs no symbols."""

from windbg_ext.kernel.target import DumpTarget, Kernel, Target, read_kernel

__all__ = ["DumpTarget", "Kernel", "Target", "read_kernel"]
