"""The script that a bang command runs with `!py`: it finds the package that it is part of, and runs the command.

windbg-setup writes the aliases that lead here; see `windbg_ext.debugger.entry`.
"""

import sys
import warnings
from pathlib import Path

HERE = Path(sys.argv[0]).parent  # __file__ is not set here

# Other scripts may share the interpreter (`!py -g`): the modules of this folder must not hide theirs.
sys.path[:] = [folder for folder in sys.path if Path(folder) != HERE]
if str(HERE.parents[1]) not in sys.path:
    sys.path.insert(0, str(HERE.parents[1]))

try:
    with warnings.catch_warnings():  # pykd warns for each class if another interpreter has imported it, too
        warnings.simplefilter("ignore", RuntimeWarning)
        from windbg_ext.debugger.entry import main
except ImportError as error:
    print(f"windbg-ext: {str(error)!a}: the installation is not whole: install it again, then run windbg-setup")
else:
    main()
