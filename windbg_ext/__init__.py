"""Small memory dumps out of large Windows kernel crash dumps."""

from windbg_ext.version import __version__

__all__ = ["__version__"]
