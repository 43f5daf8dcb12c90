"""One debugger session, run by a CPython 3.9 for Windows that has pykd: natively, or under Wine.

usage: python session.py REQUEST.json ANSWER.json

REQUEST is {"dump": path, "commands": [text, ...]}. ANSWER is {"opening": outputs, "answers": [outputs, ...]}, one
entry per command in the same order, or {"problem": text} if the dump cannot be opened. `outputs` is a list of
[kind, text] in the order in which the engine printed them; kind is "Normal", "Error", "Warning" ... as the engine
marks it.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pykd


class Recorder(pykd.eventHandler):  # type: ignore[misc] # pykd ships no types
    """Records all output of the engine, also what `dbgCommand` does not return: errors, warnings, the load banner."""

    def __init__(self) -> None:
        super().__init__()
        self.outputs: list[tuple[str, str]] = []

    def onDebugOutput(self, text: str, kind: object) -> None:  # noqa: N802 - the name is pykd's
        name = str(kind).rpartition(".")[2]
        if self.outputs and self.outputs[-1][0] == name:  # the engine prints a line in many small pieces
            text = self.outputs.pop()[1] + text
        self.outputs.append((name, text))

    def take(self) -> list[tuple[str, str]]:
        taken, self.outputs = self.outputs, []
        return taken


def run(dump: str, commands: list[str]) -> dict[str, object]:
    pykd.initialize()
    recorder = Recorder()
    try:
        pykd.loadDump(dump)
    except pykd.DbgException as error:
        return {"problem": str(error)}
    opening = recorder.take()
    answers = []
    for command in commands:
        try:
            pykd.dbgCommand(command, False)  # False: print to the output callbacks, which is where Recorder listens
        except pykd.DbgException as error:  # an unknown command
            recorder.outputs.append(("Error", f"{error}\n"))
        answers.append(recorder.take())
    return {"opening": opening, "answers": answers}


def main(request_path: str, answer_path: str) -> None:
    request = json.loads(Path(request_path).read_text(encoding="utf-8"))
    answer = run(request["dump"], request["commands"])
    Path(answer_path).write_text(json.dumps(answer), encoding="utf-8")
    # Not sys.exit: taking the engine down inside a finishing interpreter crashes, after the answers are written.
    os._exit(0)


main(*sys.argv[1:])
