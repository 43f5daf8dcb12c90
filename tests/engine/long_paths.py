"""The three commands on paths of more than 260 characters, run by a Python for Windows.

usage: python long_paths.py DUMP FOLDER ANSWER.json

This copies DUMP far below FOLDER. ANSWER is a list of [arguments, exit status, standard error], then the names there.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from windbg_ext.cli import main
from windbg_ext.sources.local import system_path

DEEP = "\\".join(letter * 60 for letter in "abcde")


def run(*arguments: str) -> tuple[tuple[str, ...], int, str]:
    errors = io.StringIO()
    with redirect_stdout(io.StringIO()), redirect_stderr(errors):
        status = main(arguments)
    return arguments, status, errors.getvalue()


def answer(dump: str, folder: str) -> dict[str, object]:
    deep = f"{folder}\\{DEEP}"
    prefixed = Path(system_path(deep))
    prefixed.mkdir(parents=True)
    (prefixed / "MEMORY.DMP").write_bytes(Path(dump).read_bytes())
    (prefixed / "MEMORY.DMP.gz").write_bytes(gzip.compress(Path(dump).read_bytes()))
    source, small = f"{deep}\\MEMORY.DMP", f"{deep}\\small.dmp"
    done = [
        run("dumpkind", source),
        run("dumpkind", folder),
        run("pagefilefit", f"{source}.gz"),
        run("minify", source),
        run("minify", f"{source}.gz", small),
        run("minify", source, small),
        run("minify", source, small, "--overwrite"),
        run("minify", source, source, "--overwrite"),
        run("pagefilefit", deep),
    ]
    paths = ("C:\\x.dmp", "\\\\server\\share\\x.dmp", "\\\\server\\share\\" + "x" * 300, "C:/a/../" + "x" * 300)
    return {"runs": done, "names": sorted(os.listdir(prefixed)), "paths": [(path, system_path(path)) for path in paths]}  # noqa: PTH208 - as the system lists them


Path(sys.argv[3]).write_text(json.dumps(answer(*sys.argv[1:3])))
