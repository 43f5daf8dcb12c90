"""The command line: argparse over the commands, exit statuses, progress on a terminal."""

from windbg_ext.cli.main import main

__all__ = ["main"]
