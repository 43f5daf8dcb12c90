"""The script that a bang command runs with `.shell`: it finds the package that it is part of, and runs the command.

A script and no `-m`: that would look for modules in the debugger's folder first, which may be that of a dump.
"""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[0] = str(HERE.parents[1])  # in the place of this folder, whose modules must not hide others

from windbg_ext.debugger.shell import main  # noqa: E402 - only now

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
