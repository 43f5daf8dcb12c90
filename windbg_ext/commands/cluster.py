"""An existing Dask cluster as an executor: its versions and what its workers see are checked before any task.

TLS, timeouts and all else are Dask's own configuration (https://distributed.dask.org, `distributed.yaml` or
`DASK_DISTRIBUTED__...`). How much memory a worker may take is set where it is started (`dask worker --memory-limit`).
"""

from __future__ import annotations

import logging
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from windbg_ext.errors import DestinationError, DumpError, UsageError
from windbg_ext.sources.local import full_path, is_address, is_there, is_writable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from concurrent.futures import Executor

    import distributed

SECONDS_TO_CONNECT = 10
COMPARED = ("windbg_ext", "python", "distributed")
MISSING = "none"
LOGGER = "distributed"
"""Dask logs every worker that is lost; what became of the tasks is in the report."""


@contextmanager
def connected(
    address: str, sources: Sequence[str], destination: str | None = None, *, tell: Callable[[str], None]
) -> Iterator[Executor]:
    """Connect to a Dask scheduler, such as tcp://host:8786 or tls://host:8786, and return its executor.

    sources, destination: paths that every worker must see; addresses are not checked. tell: takes a line where versions
    differ. Raise UsageError without Dask, DumpError where no scheduler answers, it has no worker, a worker lacks this
    package or does not see a source, DestinationError where it cannot write to the destination.
    """
    try:
        from distributed import Client
        from distributed.comm.addressing import get_address_host_port
    except ImportError:
        raise UsageError("--cluster needs Dask: python -m pip install 'windbg-ext[fleet]'") from None
    with _quiet():
        try:
            get_address_host_port(address)  # a client that finds no place to connect to takes 20 s to end
            client = Client(address, timeout=SECONDS_TO_CONNECT, set_as_default=False)
        except (OSError, ValueError, TypeError, RuntimeError) as error:
            why = " ".join(str(error).split()) or type(error).__name__
            raise DumpError("cluster", f"no scheduler answers ({why})", "name it as tcp://HOST:8786", address) from None
        try:
            _check(client, address, sources, destination, tell)
            yield client.get_executor(pure=False)  # else Dask answers a second try with what it has of the first
        finally:
            with suppress(Exception):  # the scheduler may have gone, and what it did is told already
                client.close(timeout=SECONDS_TO_CONNECT)


def _check(
    client: distributed.Client,
    address: str,
    sources: Sequence[str],
    destination: str | None,
    tell: Callable[[str], None],
) -> None:
    with suppress(TimeoutError, OSError):  # they may have been started at the same time
        client.wait_for_workers(1, timeout=SECONDS_TO_CONNECT)
    versions: Mapping[str, Mapping[str, Mapping[str, object]]] = client.get_versions(packages=["windbg_ext"])
    workers = versions["workers"]
    if not workers:
        raise DumpError("cluster", "it has no workers", "start some: dask worker ADDRESS", address)
    for told in differences(versions["client"], workers):
        tell(f"{address}: {told}")
    lacking = [worker for worker, found in workers.items() if _packages(found).get("windbg_ext") in (None, MISSING)]
    if lacking:
        raise DumpError("cluster", "a worker has no windbg-ext", "install it there", lacking[0])
    unseen = [path for path in sources if not is_address(path)]
    folders = [] if destination is None or is_address(destination) else [full_path(destination)]
    answers: Mapping[str, str] = client.run(missing_of, list(map(full_path, unseen)), folders)
    for worker, why in answers.items():
        if why and why in folders:
            raise DestinationError("cluster", f"cannot write to {why}", "name a folder that all workers see", worker)
        if why:
            raise DumpError("cluster", f"does not see {why}", "name a path or URL that all workers see", worker)


def differences(client: Mapping[str, object], workers: Mapping[str, Mapping[str, object]]) -> list[str]:
    """Return a line for each version that a worker has and this program has not. Arguments as of `get_versions`."""
    ours = _packages(client)
    found: dict[str, None] = {}
    for worker in workers.values():
        for name in COMPARED:
            theirs = _packages(worker).get(name)
            if theirs not in (None, MISSING, ours.get(name)):
                found[f"workers have {name} {theirs}, this program has {ours.get(name)}"] = None
    return list(found)


def _packages(of: Mapping[str, object]) -> Mapping[str, str]:
    packages = of.get("packages")
    return {str(name): str(version) for name, version in packages.items()} if isinstance(packages, dict) else {}


def missing_of(sources: Sequence[str], folders: Sequence[str]) -> str:
    """Return the first path that a worker does not see, or a folder that it cannot write to; empty if there is none."""
    unseen = (path for path in sources if not is_there(path))
    closed = (path for path in folders if not is_writable(path))
    return next(unseen, None) or next(closed, "")


@contextmanager
def _quiet() -> Iterator[None]:
    # several of them have a level of their own, which Dask's configuration sets
    names = [name for name in logging.root.manager.loggerDict if name.partition(".")[0] == LOGGER]
    before = [(logger, logger.level) for logger in map(logging.getLogger, names)]
    for logger, _ in before:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in before:
            logger.setLevel(level)
