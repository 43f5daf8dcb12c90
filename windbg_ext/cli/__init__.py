"""The command line: one declaration of each command's options, exit statuses, progress on a terminal."""

from windbg_ext.cli.main import main

__all__ = ["main"]
