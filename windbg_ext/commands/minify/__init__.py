"""minify: a small memory dump out of a complete, active or kernel dump; `batch` makes those of many."""

from windbg_ext.commands.minify.account import LeftOut, Part
from windbg_ext.commands.minify.command import MinifyReport, minify, minify_target
from windbg_ext.commands.minify.options import MinifyOptions

__all__ = ["LeftOut", "MinifyOptions", "MinifyReport", "Part", "minify", "minify_target"]
