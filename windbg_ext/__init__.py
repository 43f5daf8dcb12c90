"""Small memory dumps out of large Windows kernel crash dumps.

from windbg_ext import minify
report = minify("MEMORY.DMP", "small.dmp")
print(report.bytes, report.left_out)
"""

from windbg_ext.commands.minify import LeftOut, MinifyReport, Part, minify
from windbg_ext.errors import DestinationError, DumpError, UsageError
from windbg_ext.version import __version__

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
