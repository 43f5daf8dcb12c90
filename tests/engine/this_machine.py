"""What Windows tells `pagefilefit --this-machine`, asked by a Python for Windows.

usage: python this_machine.py ANSWER.json

ANSWER: for each question the answer or the error, and exit status, output and errors of the command.
"""

from __future__ import annotations

import io
import json
import sys
from contextlib import redirect_stderr, redirect_stdout
from importlib import import_module
from pathlib import Path
from typing import Any, Callable

from windbg_ext.cli import main

API: Any = import_module("windbg_ext.commands.pagefilefit.win32").Win32Api()  # type checkers know it on Windows only
QUESTIONS: dict[str, Callable[[], object]] = {
    "registry_values": lambda: API.registry_values(r"SYSTEM\CurrentControlSet\Control\Session Manager\Environment"),
    "registry_keys": lambda: API.registry_keys(r"SYSTEM\CurrentControlSet\Control"),
    "no such key": lambda: API.registry_values(r"SYSTEM\no such key"),
    "no keys there": lambda: API.registry_keys(r"SYSTEM\no such key"),
    "physical_memory": API.physical_memory,
    "paging_files": API.paging_files,
    "page_size": API.page_size,
    "windows_folder": API.windows_folder,
    "drives": API.drives,
    "volume": lambda: API.volume("C:"),
    "no such drive": lambda: API.volume("Q:"),
    "mount_point": lambda: API.mount_point(API.windows_folder()),
    "no such mount point": lambda: API.mount_point(""),
    "performance": API.performance,
    "drivers": API.drivers,
    "now": lambda: API.now().isoformat(),
}


def answered(question: Callable[[], object]) -> object:
    try:
        return question()
    except OSError as error:
        return f"{type(error).__name__}: {error.strerror}"


def command() -> list[object]:
    out, errors = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(errors):
        status = main(["pagefilefit", "--this-machine", "--json"])
    return [status, out.getvalue(), errors.getvalue()]


answers = {name: answered(question) for name, question in QUESTIONS.items()}
Path(sys.argv[1]).write_text(json.dumps({"answers": answers, "command": command()}, default=str))
