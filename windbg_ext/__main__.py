"""`python -m windbg_ext` is the same as `windbg-ext`."""

import sys

from windbg_ext.cli import main

sys.exit(main())
