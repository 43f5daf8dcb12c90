"""Fuzz every reader and every command with atheris: libFuzzer, guided by the code of windbg_ext that an input reaches.

    python tests/fuzz/run.py                               5,000 inputs in all, as .ci/run does it
    python tests/fuzz/run.py --runs 200000 --jobs 2        a long run in two processes
    python tests/fuzz/run.py --target minify --seed 7      one target, other inputs

The inputs are spread evenly over the targets. Each target is a process that may take 5 s for an input and 300 MB,
including Python, atheris and the samples. Exit status 1: a target failed. Its input is printed in hexadecimal:
as a line of corpus/TARGET.txt, `pytest tests/fuzz` repeats it without atheris, on any Python.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import json
import os
import pkgutil
import re
import struct
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
SECONDS, MEGABYTES = 5, 300
MAX_CHANGES = 12
MAX_KEPT = 24
"""Inputs that a target adds to its corpus: the last ones found, which reached what is hardest to reach."""
HEAD, RECORD = 3, struct.Struct("<BBH8s")
"""An input: which file and which options, then changes; as `targets` and `mutations` have it."""
NOT_FUZZED = ("windbg_ext.debugger", "windbg_ext.__main__", "windbg_ext.commands.pagefilefit.win32")


class Job(NamedTuple):
    """What one process does. folder: for what it writes."""

    target: Target
    runs: int
    seed: int
    folder: Path


class Result(NamedTuple):
    """What a process did. seconds: by the clock; slowest: processor seconds of one input.

    found: the last inputs that reached new code; failure: "" if all inputs were tried and none failed.
    """

    job: Job
    executions: int
    seconds: float
    peak_mb: int
    slowest: float
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
    print(f"{'target':15}{'seed':>6}{'inputs':>9}{'wall':>8}{'peak RSS':>10}{'slowest':>9}  its input", flush=True)
    results, began = [], time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        shares = [len(range(index, options.runs, len(chosen))) for index in range(len(chosen))]
        jobs = [
            Job(target, share, options.seed + index, Path(folder) / target.name)
            for index, (target, share) in enumerate(zip(chosen, shares))
        ]
        for result in _run_all(jobs[::-1], options.jobs):  # the commands, which take longest, first
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
    return parser.parse_args()


def _instrumented_targets() -> dict[str, Target]:
    """Import windbg_ext, instrumented to report the branches that an input takes, then the targets."""
    from atheris.import_hook import HookManager

    sys.path[:0] = [str(TESTS.parent), str(TESTS)]
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


def _run_all(jobs: list[Job], at_once: int) -> Iterator[Result]:
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
        yield _result(job, status, time.monotonic() - began, usage.ru_maxrss >> 10)


def _fuzz(job: Job) -> None:
    """Try inputs until there were enough or one fails; leaves a log, and which was the slowest, in the job's folder."""
    import atheris

    log = os.open(job.folder / "log", os.O_WRONLY | os.O_CREAT)
    os.dup2(log, 1)
    os.dup2(log, 2)
    slowest = 0.0

    def try_input(data: bytes) -> None:
        nonlocal slowest
        began = time.process_time()
        try:
            job.target.run(data)
        except BaseException:
            (job.folder / "crash-").write_bytes(data)
            raise
        took = time.process_time() - began
        if took > slowest:
            slowest = took
            (job.folder / "slowest").write_text(json.dumps((took, data.hex())))

    job.target.check_bases()
    seeds = job.folder / "seeds"
    seeds.mkdir()
    for index, seed in enumerate(job.target.corpus()):
        (seeds / str(index)).write_bytes(seed)
    limits = f"-runs={job.runs}", f"-seed={job.seed}", f"-timeout={SECONDS}", f"-rss_limit_mb={MEGABYTES}"
    output = "-print_final_stats=1", f"-artifact_prefix={job.folder}/", str(job.folder / "found"), str(seeds)
    arguments = ["fuzz", *limits, f"-max_len={HEAD + RECORD.size * MAX_CHANGES}", *output]
    atheris.Setup(arguments, try_input, custom_mutator=_mutate)
    atheris.Fuzz()  # ends the process


def _mutate(data: bytes, most: int, seed: int) -> bytes:
    """Change an input by whole records. libFuzzer changes bytes, which rarely makes a record."""
    random = Random(seed)
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


def _result(job: Job, status: int, seconds: float, peak_mb: int) -> Result:
    log = (job.folder / "log").read_text(errors="replace")
    stats = re.search(r"stat::number_of_executed_units: (\d+)", log)
    slowest, data = 0.0, ""
    with contextlib.suppress(FileNotFoundError):
        slowest, data = json.loads((job.folder / "slowest").read_text())
    failure = ""
    inputs = [path for path in job.folder.iterdir() if re.match("(crash|timeout|oom|leak)-", path.name)]
    if status or stats is None or int(stats[1]) < job.runs or inputs:
        shown = [f"{path.name.split('-')[0]}: {path.read_bytes().hex()}" for path in inputs]
        failure = "\n".join([*log.splitlines()[-40:], *shown])
    by_age = sorted((job.folder / "found").iterdir(), key=lambda path: path.stat().st_mtime_ns)
    found = tuple(path.read_bytes() for path in by_age[-MAX_KEPT:])
    return Result(job, int(stats[1]) if stats else 0, seconds, peak_mb, slowest, data, found, failure)


def _line(result: Result) -> str:
    job = result.job
    figures = f"{job.seed:>6}{result.executions:>9,}{result.seconds:>6.1f} s{result.peak_mb:>7} MB"
    outcome = "  FAILED" if result.failure else ""
    return f"{job.target.name:15}{figures}{result.slowest:>7.2f} s  {result.slowest_input}{outcome}"


if __name__ == "__main__":
    sys.exit(main())
