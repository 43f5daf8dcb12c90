"""`minify` of the machine behind a debugger session, run by a CPython 3.9 for Windows that has pykd.

usage: python session_minify.py DUMP DESTINATION ANSWER.json [--without-file]

This opens DUMP in the engine and writes the small dump of the session, with the secondary data of the file, or as for a
live machine, which has no file. ANSWER is the report as JSON, or {"problem": text}.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pykd

from windbg_ext.commands.minify import minify_target
from windbg_ext.debugger.target import session_target
from windbg_ext.dump import open_dump
from windbg_ext.kernel import DumpTarget
from windbg_ext.render.minify import minify_json
from windbg_ext.sources import open_source

if TYPE_CHECKING:
    from windbg_ext.kernel import Target


def main(dump: str, destination: str, answer: str, *options: str) -> None:
    pykd.initialize()
    pykd.loadDump(dump)
    with contextlib.ExitStack() as stack:
        file: Target | None = None
        if "--without-file" in options:
            pykd.isDumpAnalyzing = lambda: False  # as on a live machine: facts that only a dump has are not used
        else:
            file = DumpTarget(stack.enter_context(open_dump(dump)))
        try:
            source = stack.enter_context(contextlib.closing(open_source(dump)))
            text = minify_json(minify_target(session_target(file), Path(destination), source=source))
        except Exception as error:
            text = json.dumps({"problem": str(error)})
    Path(answer).write_text(text)
    os._exit(0)  # taking the engine down inside a finishing interpreter crashes


main(*sys.argv[1:])
