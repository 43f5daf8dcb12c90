"""Options that say where many files are worked on: processes, a cluster, a part of the list."""

from __future__ import annotations

from typing import TYPE_CHECKING

from windbg_ext.errors import UsageError
from windbg_ext.interface.command import Option

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from concurrent.futures import Executor
    from contextlib import AbstractContextManager

    from windbg_ext.interface.console import Console


def _shard(text: str) -> object:
    from windbg_ext.commands.shard import read_shard  # hashlib: not for those to wait for who do not use it

    return read_shard(text)


CLUSTER = Option(
    ("--cluster",),
    "work on a Dask cluster: the address of its scheduler, as in tcp://HOST:8786; paths are those that all workers see",
    metavar="ADDRESS",
    command_line_only=True,
)
SHARD = Option(
    ("--shard",),
    "take the I-th of N parts of the files only; the same command with each I, on any machine, does all",
    type=_shard,
    metavar="I/N",
    command_line_only=True,
)


def workers(
    options: argparse.Namespace, console: Console, sources: Sequence[str], destination: str | None = None
) -> AbstractContextManager[Executor | None]:
    """Return the executor that the options name; None to work in this process."""
    if options.cluster is not None:
        from windbg_ext.commands.cluster import connected

        return connected(options.cluster, sources, destination, tell=console.complain)
    if options.jobs is None:
        from contextlib import nullcontext

        return nullcontext()
    from windbg_ext.commands.workers import LocalWorkers  # multiprocessing: not in a debugger

    return LocalWorkers(options.jobs)


def check_engine(options: argparse.Namespace) -> None:
    """Raise UsageError where the options name two engines."""
    if options.cluster is not None and options.jobs is not None:
        raise UsageError("--cluster and --jobs: choose one")
