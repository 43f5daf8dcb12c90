"""Fuzz every reader and every command with atheris: libFuzzer, guided by the code of windbg_ext that an input reaches.

    python tests/fuzz/run.py                               5,000 inputs in all, as .ci/run does it
    python tests/fuzz/run.py --runs 200000 --jobs 2        a long run in two processes
    python tests/fuzz/run.py --target minify --seed 7      one target, other inputs

The inputs are spread evenly over the targets, each of which is a process. A finding is an input that ends in an
exception, takes more than 1 s of processor time or more than 200 MB (see `findings`). It is made as small as it can be
and still be one, printed in hexadecimal, and saved in a folder. As a line of corpus/TARGET.txt, `pytest tests/fuzz`
repeats it without atheris, on any Python. Exit status 1: there is a finding.
"""

# ruff: noqa: E402 - what this imports is found by the path that is set first

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import json
import os
import pkgutil
import re
import sys
import tempfile
import time
import traceback
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fuzz.targets import Target

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS.parent), str(TESTS)]

from fuzz.findings import HEAD, MEMORY, RECORD, SLOW, Costliest, finding_of, measured, minimised, save

MOST_SECONDS, MOST_MB = 60, 600
"""By the clock and for the whole process: libFuzzer ends it there, whatever it does."""
MAX_FINDINGS = 5
"""Of one target, which ends then: every further input may be as slow."""
FROM_COSTLIEST = 0.2
"""Share of the inputs that are made of the costliest ones so far."""
MAX_CHANGES = 12
MAX_KEPT = 24
"""Inputs that a target adds to its corpus: the last ones found, which reached what is hardest to reach."""
EXTRA = "windbg_ext.commands.catalog.server"
"""Needs what `windbg-ext[fleet]` has; it reads no dumps."""
NOT_FUZZED = ("windbg_ext.debugger", "windbg_ext.__main__", "windbg_ext.commands.pagefilefit.win32", EXTRA)


class Job(NamedTuple):
    """What one process does. folder: for what it writes."""

    target: Target
    runs: int
    seed: int
    folder: Path


class Result(NamedTuple):
    """What a process did. seconds: by the clock; slowest: processor seconds of one input; largest: MB of one input.

    found: the last inputs that reached new code; failure: "" if all inputs were tried and none is a finding.
    """

    job: Job
    executions: int
    seconds: float
    peak_mb: int
    slowest: float
    largest: float
    slowest_input: str
    found: tuple[bytes, ...]
    failure: str


def main() -> int:
    """Run the targets and return the exit status."""
    options = _options()
    try:
        import atheris  # noqa: F401  # only to check that it is installed
    except ImportError as error:
        print(f"skipped: {error}; atheris has wheels for CPython 3.9 to 3.13 on Linux, x86-64")
        return int(os.environ.get("WINDBG_EXT_REQUIRE_ATHERIS") == "1")
    targets = _instrumented_targets()
    if unknown := set(options.target or ()) - targets.keys():
        print(f"--target: {', '.join(sorted(unknown))}: none of {', '.join(targets)}", file=sys.stderr)
        return 2
    chosen = [target for name, target in targets.items() if name in (options.target or targets) and target.bases]
    columns = f"{'inputs':>9}{'wall':>8}{'peak RSS':>10}{'largest':>9}{'slowest':>9}  its input"
    print(f"{'target':15}{'seed':>6}{columns}", flush=True)
    results, began = [], time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        shares = [len(range(index, options.runs, len(chosen))) for index in range(len(chosen))]
        jobs = [
            Job(target, share, options.seed + index, Path(folder) / target.name)
            for index, (target, share) in enumerate(zip(chosen, shares))
        ]
        for result in _run_all(jobs[::-1], options.jobs, options.findings):  # the commands, which take longest, first
            print(_line(result), flush=True)
            results.append(result)
            if options.found is not None:
                lines = [f"{found.hex()}\n" for found in result.found]
                (options.found / f"{result.job.target.name}.txt").write_text("".join(lines))
    failed = [result for result in results if result.failure]
    for result in failed:
        print(f"\n=== {result.job.target.name} failed:\n{result.failure}")
    print(
        f"{sum(result.executions for result in results):,} inputs, {len(failed)} targets failed, "
        f"slowest input {max(result.slowest for result in results):.2f} s, "
        f"largest {max(result.largest for result in results):.0f} MB, "
        f"peak RSS {max(result.peak_mb for result in results)} MB, {time.monotonic() - began:.0f} s in all"
    )
    return int(bool(failed))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5000, metavar="N", help="inputs in all (default: 5000)")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="for other inputs (default: 1)")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="processes at a time (default: 1)")
    parser.add_argument("--target", action="append", metavar="NAME", help="only this one; may be given again")
    parser.add_argument(
        "--found", type=Path, metavar="FOLDER", help="write TARGET.txt with what reached new code there"
    )
    parser.add_argument(
        "--findings",
        type=Path,
        metavar="FOLDER",
        default=Path("fuzz-findings"),
        help="where findings are saved, as small as they can be (default: fuzz-findings)",
    )
    return parser.parse_args()


def _instrumented_targets() -> dict[str, Target]:
    """Import windbg_ext, instrumented to report the branches that an input takes, then the targets."""
    from atheris.import_hook import HookManager

    # no tracing of comparisons: with it, atheris 2.3 breaks `a == (b if c else d)` in CPython 3.9
    hooks = HookManager({"windbg_ext"}, set(), enable_loader_override=False, trace_dataflow=False)
    with hooks, contextlib.redirect_stderr(io.StringIO()):  # it prints every module
        _import_all("windbg_ext")
    from fuzz.targets import BY_TARGET

    return BY_TARGET


def _import_all(package: str) -> None:
    """Import a package and all of its modules: later imports are not instrumented."""
    for module in pkgutil.iter_modules(importlib.import_module(package).__path__, f"{package}."):
        if module.name not in NOT_FUZZED:
            importlib.import_module(module.name)
            if module.ispkg:
                _import_all(module.name)


def _run_all(jobs: list[Job], at_once: int, findings: Path) -> Iterator[Result]:
    """Run every job in a process of its own, some at a time."""
    waiting = list(jobs)
    running: dict[int, tuple[Job, float]] = {}
    while waiting or running:
        while waiting and len(running) < at_once:
            job = waiting.pop(0)
            job.folder.mkdir()
            (job.folder / "found").mkdir()
            began, child = time.monotonic(), os.fork()
            if not child:
                try:
                    _fuzz(job)
                except SystemExit:  # atheris raises it for a failure, which it has printed
                    pass
                except BaseException:
                    traceback.print_exc()
                finally:
                    os._exit(1)  # in a child, neither atheris nor this function returns
            running[child] = job, began
        child, status, usage = os.wait3(0)
        job, began = running.pop(child)
        yield _result(job, status, time.monotonic() - began, usage.ru_maxrss >> 10, findings)


def _fuzz(job: Job) -> None:
    """Try inputs until there were enough or one crashes; leaves a log, findings and figures in the job's folder."""
    import atheris

    log = os.open(job.folder / "log", os.O_WRONLY | os.O_CREAT)
    os.dup2(log, 1)
    os.dup2(log, 2)
    costliest = Costliest()
    findings = 0

    def try_input(data: bytes) -> None:
        nonlocal findings
        try:
            cost = measured(job.target.run, data)
        except BaseException:
            (job.folder / "crash-").write_bytes(data)
            raise
        if cost.finding:
            findings += 1
            (job.folder / f"{cost.finding}-{findings}").write_bytes(data)
            if findings == MAX_FINDINGS:
                os._exit(1)
        before = costliest.slowest, costliest.largest
        costliest.add(data, cost)
        if before != (costliest.slowest, costliest.largest):
            slowest, of = costliest.slowest
            (job.folder / "costliest").write_text(json.dumps((slowest, costliest.largest, of.hex())))

    def mutate(data: bytes, most: int, seed: int) -> bytes:
        random = Random(seed)
        known = costliest.inputs()
        return _mutate(random.choice(known) if known and random.random() < FROM_COSTLIEST else data, most, random)

    job.target.check_bases()
    seeds = job.folder / "seeds"
    seeds.mkdir()
    for index, seed in enumerate(job.target.corpus()):
        (seeds / str(index)).write_bytes(seed)
    limits = f"-runs={job.runs}", f"-seed={job.seed}", f"-timeout={MOST_SECONDS}", f"-rss_limit_mb={MOST_MB}"
    output = "-print_final_stats=1", f"-artifact_prefix={job.folder}/", str(job.folder / "found"), str(seeds)
    arguments = ["fuzz", *limits, f"-max_len={HEAD + RECORD.size * MAX_CHANGES}", *output]
    atheris.Setup(arguments, try_input, custom_mutator=mutate)
    atheris.Fuzz()  # ends the process


def _mutate(data: bytes, most: int, random: Random) -> bytes:
    """Change an input by whole records. libFuzzer changes bytes, which rarely makes a record."""
    start = bytearray(data[:HEAD].ljust(HEAD, b"\0"))
    records = [bytearray(data[at : at + RECORD.size]) for at in range(HEAD, len(data), RECORD.size)]
    whole = [record for record in records if len(record) == RECORD.size]
    action = random.random()
    if action < 0.1:
        start = bytearray(random.randbytes(HEAD))
    elif action < 0.2:
        start[-1] = random.randrange(256)
    elif action < 0.3 and whole:
        whole.remove(random.choice(whole))
    elif (action < 0.6 and whole) or HEAD + RECORD.size * (len(whole) + 1) > most:
        record = random.choice(whole)
        record[random.randrange(len(record))] = random.choice((0, 1, 0x7F, 0x80, 0xFF, random.randrange(256)))
    else:
        whole.insert(random.randint(0, len(whole)), bytearray(random.randbytes(RECORD.size)))
    return bytes(start + b"".join(whole))


def _result(job: Job, status: int, seconds: float, peak_mb: int, findings: Path) -> Result:
    log = (job.folder / "log").read_text(errors="replace")
    stats = re.search(r"stat::number_of_executed_units: (\d+)", log)
    slowest, largest, data = 0.0, 0.0, ""
    with contextlib.suppress(FileNotFoundError):
        slowest, largest, data = json.loads((job.folder / "costliest").read_text())
    lines = []
    if status or stats is None or int(stats[1]) < job.runs:
        lines = log.splitlines()[-40:]
    for path in sorted(job.folder.iterdir()):
        if re.match("(crash|timeout|oom|leak|slow|memory)-", path.name):
            lines.extend(_reported(job.target, path.name.partition("-")[0], path.read_bytes(), findings))
    failure = "\n".join(lines)
    by_age = sorted((job.folder / "found").iterdir(), key=lambda path: path.stat().st_mtime_ns)
    found = tuple(path.read_bytes() for path in by_age[-MAX_KEPT:])
    return Result(job, int(stats[1]) if stats else 0, seconds, peak_mb, slowest, largest, data, found, failure)


def _reported(target: Target, seen_as: str, data: bytes, findings: Path) -> Iterator[str]:
    """Try a finding again, make it small, save it and yield the lines about it."""
    kind = finding_of(target.run, data)
    if not kind and seen_as in (SLOW, MEMORY):  # the machine was busy
        return
    small = minimised(target.run, data, kind) if kind else data
    kind = kind or seen_as
    yield f"{kind}: {small.hex()} (was {len(data)} bytes), saved as {save(findings, target.name, kind, small)}"


def _line(result: Result) -> str:
    job = result.job
    figures = f"{job.seed:>6}{result.executions:>9,}{result.seconds:>6.1f} s{result.peak_mb:>7} MB"
    costliest = f"{result.largest:>6.0f} MB{result.slowest:>7.2f} s  {result.slowest_input}"
    return f"{job.target.name:15}{figures}{costliest}{'  FAILED' if result.failure else ''}"


if __name__ == "__main__":
    sys.exit(main())
