"""The commands on UNC paths, run by a Python for Windows.

usage: python on_a_share.py SHARE ANSWER.json

SHARE holds MEMORY.DMP and sub\\complete.dmp. ANSWER: for each run arguments, exit status, output and errors.
"""

from __future__ import annotations

import io
import json
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from windbg_ext.cli import main


def run(*arguments: str) -> tuple[tuple[str, ...], int, str, str]:
    output, errors = io.StringIO(), io.StringIO()
    with redirect_stdout(output), redirect_stderr(errors):
        status = main(arguments)
    return arguments, status, output.getvalue(), errors.getvalue()


def answer(share: str) -> dict[str, object]:
    dump, slashes = f"{share}\\MEMORY.DMP", share.replace("\\", "/")
    found = [
        run("dumpkind", *what, "--json")
        for what in (
            [dump],
            [f"{slashes}/MEMORY.DMP"],
            [share],
            [f"{share}\\"],
            [slashes],
            [f"{share}\\**\\*.dmp"],
            [f"{share}\\s*\\*.dmp"],
            [f"{slashes}/sub/c*.dmp"],
        )
    ]
    Path(f"{share}\\list.txt").write_text(f"{dump}\n{share}\\sub\\complete.dmp\n", encoding="utf-8")
    made = [
        run("minify", dump, "--json"),
        run("minify", dump, f"{share}\\named.dmp", "--json"),
        run("minify", f"{share}\\sub", f"{share}\\out", "--json"),
        run("minify", f"{share}\\sub", f"{share}\\out", "--json"),
        run("minify", "--list", f"{share}\\list.txt", f"{share}\\listed", "--json"),
    ]
    refused = [
        run("minify", dump, f"{slashes}/memory.dmp", "--overwrite"),
        run("dumpkind", f"{share}\\nothing.dmp"),
        run("minify", f"{share}\\nothing.dmp"),
        run("pagefilefit", f"{share}-none\\MEMORY.DMP"),
    ]
    return {"found": found, "made": made, "refused": refused, "pagefilefit": run("pagefilefit", dump, "--json")}


if __name__ == "__main__":  # worker processes import this file, too
    Path(sys.argv[2]).write_text(json.dumps(answer(sys.argv[1])), encoding="utf-8")
