"""The script that a bang command runs with `!py`: finds this package, whichever installation it is in, and runs it.

windbg-setup writes the aliases that lead here; see `windbg_ext.debugger.entry`.
"""

import sys
from pathlib import Path

sys.path[:1] = [str(Path(sys.argv[0]).parents[2])]  # instead of the script's own folder; __file__ is not set here

from windbg_ext.debugger.entry import main  # noqa: E402 - only now can it be found

main()
