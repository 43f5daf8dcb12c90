"""`python -m windbg_ext` is the same as `windbg-ext`.

`python -m` looks for modules in the current folder first. That may be a folder of dumps from anywhere, and a file in it
that is called as a module would be run. So the folder is no place for modules, unless this package itself lies in it.
"""

import os
import sys


def _leave_out_current_folder() -> None:
    package_in = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120 - no more imports
    try:
        current = os.getcwd()  # noqa: PTH109
    except OSError:  # it was removed
        return
    if os.path.abspath(sys.path[0]) == current != package_in:  # noqa: PTH100
        del sys.path[0]


_leave_out_current_folder()

from windbg_ext.cli import main  # noqa: E402 - only now

sys.exit(main())
