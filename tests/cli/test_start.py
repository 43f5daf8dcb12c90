"""What a run does not load, because loading it takes longer than the run: the start of the command line is short.

`python -X importtime -m windbg_ext ...` shows what a module costs.
"""

from __future__ import annotations

import subprocess
import sys

import pytest
from support.command_line import ROOT, environment

SLOW = {
    *("asyncio", "bz2", "concurrent", "csv", "ctypes", "dataclasses", "datetime", "hashlib", "html", "inspect", "json"),
    *("logging", "lzma", "multiprocessing", "pathlib", "random", "shutil", "socket", "sqlite3", "ssl", "subprocess"),
    *("tempfile", "threading", "urllib", "urllib.parse", "uuid", "zipfile", "zlib"),
    *("construct", "jinja2", "regipy", "sqlalchemy", "tabulate", "tqdm"),
}
OF_OTHER_RUNS = (
    *("cli.windbg_setup", "debugger", "interface.machines", "interface.minify", "interface.pagefilefit"),
    *("interface.privacy", "interface.registry", "interface.session", "interface.symbols"),
    *("commands.catalog", "commands.cluster", "commands.destination", "commands.minify", "commands.pagefilefit"),
    *("commands.privacy", "commands.shard", "commands.worker_process", "commands.workers"),
    *("commands.dumpkind.many", "commands.dumpkind.privacy", "commands.dumpkind.symbols"),
    *("render.catalog", "render.html", "render.json_text", "render.page", "render.pages", "render.privacy"),
    *("render.symbols", "render.traffic", "memory.far", "memory.far_pages"),
    *("sources.cab_archive", "sources.compressed", "sources.lzx", "sources.remote", "sources.zip_archive"),
)
"""Modules and packages of windbg_ext that belong to other commands, to options, and to dumps that lie elsewhere."""
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
    loaded = done.stderr.split()
    assert not SLOW & set(loaded)
    parents = tuple(f"windbg_ext.{name}." for name in OF_OTHER_RUNS)
    assert not [name for name in loaded if f"{name}.".startswith(parents)]
