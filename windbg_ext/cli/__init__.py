"""The command line: argparse over the commands, exit statuses, progress on a terminal."""

import gc

# With the usual threshold of 700, the collector looks for garbage some sixty times while the modules are loaded, and
# finds none.
gc.set_threshold(20_000)

from windbg_ext.cli.main import main  # noqa: E402 - only now

__all__ = ["main"]
