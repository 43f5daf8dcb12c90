"""Print what each command takes on each hostile file: exit status, processor time, memory, what is broken.

`python tests/hostile/table.py [--jobs N] [--seconds N] [--case WORD] [--quick]`; PYTHONPATH may name another version of
the package. Exit status 1 if anything is broken.
"""

# ruff: noqa: E402 - the hostile files are found by the path that is set first

from __future__ import annotations

import argparse
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1])]

from hostile_files import process
from hostile_files.case import MB
from hostile_files.checks import broken, unexpected
from hostile_files.everything import all_cases

if TYPE_CHECKING:
    from hostile_files.case import Case


def main() -> int:
    """Run everything; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--seconds", type=int, default=process.MOST_PROCESSOR_SECONDS, help="after which one is killed")
    parser.add_argument("--case", default="", help="only those with this word in the sentence or family")
    parser.add_argument("--quick", action="store_true", help="no more commands on a case after one was killed")
    options = parser.parse_args()
    process.MOST_PROCESSOR_SECONDS = options.seconds
    chosen = [(family, case) for family, case in all_cases() if options.case in f"{family}: {case.name}"]
    wrong = 0
    with ThreadPoolExecutor(options.jobs) as pool:
        for (family, case), rows in zip(chosen, pool.map(lambda each: rows_of(each[1], options.quick), chosen)):
            print(f"\n{family}: {case.name}")
            for row, problems in rows:
                print(f"  {row}")
                for problem in problems:
                    wrong += 1
                    print(f"      ! {problem.encode('ascii', 'backslashreplace').decode()[:400]}")
            sys.stdout.flush()
    print(f"\n{len(chosen)} cases, {wrong} promises broken")
    return 1 if wrong else 0


def rows_of(case: Case, quick: bool) -> list[tuple[str, list[str]]]:
    """Return a row for each command of a case, with what it broke."""
    rows = []
    folder = Path(tempfile.mkdtemp(prefix="windbg-ext-case-"))
    try:
        case.write(folder)
        on_disk = process.bytes_on_disk(folder)
        dml = case.in_dml()
        for command in (*case.commands, *([] if dml is None else [dml])):
            outcome = process.run(command, folder)
            status = "killed" if outcome.killed else f"exit {outcome.status}"
            figures = f"{outcome.processor_seconds:5.1f} s {outcome.peak // MB:5} MB"
            lines = outcome.err.decode("utf-8", "backslashreplace").splitlines()
            line = (lines[-1] if b"Traceback" in outcome.err else lines[0])[:160] if lines else ""
            shown = f"{status:7} {figures}  {command}  {line}".rstrip()
            rows.append((shown.encode("unicode_escape").decode(), list(broken(command, outcome, on_disk))))
            if quick and outcome.killed:
                break
            if unexpected(command, outcome):  # the next command is to find the case as it was
                process.remove(folder)
                folder.mkdir()
                case.write(folder)
    finally:
        process.remove(folder)
    return rows


if __name__ == "__main__":
    sys.exit(main())
