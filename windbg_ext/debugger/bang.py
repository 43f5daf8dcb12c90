"""The script that a bang command runs with `!py`: finds this package, whichever installation it is in, and runs it.

windbg-setup writes the aliases that lead here; see `windbg_ext.debugger.entry`.
"""

import sys
import warnings
from pathlib import Path

HERE = Path(sys.argv[0]).parent  # __file__ is not set here

# The interpreter may be shared with other scripts (`!py -g`): our modules should not stand in the way of theirs.
sys.path[:] = [folder for folder in sys.path if Path(folder) != HERE]
if str(HERE.parents[1]) not in sys.path:
    sys.path.insert(0, str(HERE.parents[1]))

try:
    with warnings.catch_warnings():  # one for each class of pykd where another interpreter has imported it, too
        warnings.simplefilter("ignore", RuntimeWarning)
        from windbg_ext.debugger.entry import main
except ImportError as error:
    print(f"windbg-ext: {str(error)!a}: the installation is not whole, run pip install windbg-ext again")
else:
    main()
