"""What a run does not load, because loading it takes longer than the run: the start of the command line is short.

`python -X importtime -m windbg_ext ...` shows what a module costs.
"""

from __future__ import annotations

import subprocess
import sys

import pytest
from support.command_line import ROOT, environment

SLOW = {
    *("bz2", "ctypes", "dataclasses", "hashlib", "inspect", "json", "lzma", "multiprocessing", "pathlib", "random"),
    *("shutil", "socket", "subprocess", "tempfile", "threading", "urllib", "urllib.parse", "uuid", "zipfile", "zlib"),
    *("construct", "jinja2", "regipy", "tabulate", "tqdm"),
}
SHOW_LOADED = """
import sys
before = set(sys.modules)
from windbg_ext.cli import main
status = main(sys.argv[1:])
print(*sorted(set(sys.modules) - before), file=sys.stderr)
sys.exit(status)
"""


@pytest.mark.parametrize(
    "arguments",
    [
        ["--version"],
        ["dumpkind", ROOT / "samples" / "complete.dmp"],
        ["dumpkind", ROOT / "samples" / "x86-kernel.dmp"],
        ["dumpkind", ROOT / "samples" / "small.dmp", ROOT / "samples" / "active.dmp"],
    ],
    ids=lambda arguments: " ".join(str(word).rpartition("/")[2] for word in arguments),
)
def test_what_is_slow_to_load_is_not_loaded_for_a_look_at_a_dump(arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SHOW_LOADED, *map(str, arguments)],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert not SLOW & set(done.stderr.split())
