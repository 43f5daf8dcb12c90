"""A PostgreSQL server and a Dask cluster on 127.0.0.1, as processes of the tests, ended by their ids."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.command_line import environment
from support.ports import LOCALHOST, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

REQUIRED = "WINDBG_EXT_REQUIRE_SERVERS"
"""Set in CI: a server that is missing is a failure there."""
PATIENCE = 60


def missing(what: str) -> None:
    """Skip the test, or fail where nothing may be missing."""
    if os.environ.get(REQUIRED):
        pytest.fail(f"there is no {what}")
    pytest.skip(f"there is no {what}")


def wait_until_it_listens(port: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until a process takes connections."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        assert process.poll() is None, f"{process.args!r} has ended"
        with contextlib.suppress(OSError), socket.create_connection((LOCALHOST, port), 1):
            return
        time.sleep(0.05)
    raise AssertionError(f"nothing listens on port {port}")


class Postgres:
    """A PostgreSQL server with a data folder of its own. It runs as user postgres, since it refuses root."""

    def __init__(self, folder: Path, programs: Path) -> None:
        self.folder, self.programs = folder, programs
        self.port = free_port()
        self._as_user = {"user": "postgres", "group": "postgres"} if os.geteuid() == 0 else {}
        self._process: subprocess.Popen[bytes] | None = None
        command = [str(programs / "initdb"), "-D", str(folder / "data"), "-A", "trust", "-U", "postgres", "-N"]
        subprocess.run(command, check=True, capture_output=True, cwd=folder, **self._as_user)  # type: ignore[call-overload]

    def start(self) -> None:
        """Start it, and wait until it answers."""
        command = [str(self.programs / "postgres"), "-D", str(self.folder / "data"), "-p", str(self.port)]
        command += ["-c", f"listen_addresses={LOCALHOST}", "-k", str(self.folder)]
        command += ["-c", "fsync=off"]  # processes are killed here, never the machine, which keeps what they wrote
        log = (self.folder / "log").open("ab")
        self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder, **self._as_user)  # type: ignore[call-overload]
        log.close()
        end = time.monotonic() + PATIENCE
        while self._ask("postgres", "SELECT 1") is None:
            assert self._process.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < end, (self.folder / "log").read_text()
            time.sleep(0.1)

    @property
    def process_id(self) -> int:
        """The id of the process that starts all others."""
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """End it as a crash of its machine would: all of its processes at once."""
        assert self._process is not None
        for process in (self._process.pid, *descendants(self._process.pid)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        self._process.wait()

    def stop(self) -> None:
        """End it."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)  # "fast": it does not wait for clients
            self._process.wait(PATIENCE)

    def new_database(self, name: str) -> str:
        """Make a database and return its URL."""
        assert self._ask("postgres", f'CREATE DATABASE "{name}"') is not None
        return f"postgresql://postgres@{LOCALHOST}:{self.port}/{name}"

    def _ask(self, database: str, sql: str) -> str | None:
        command = ["psql", "-h", LOCALHOST, "-p", str(self.port), "-U", "postgres", "-d", database, "-Atc", sql]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.stdout if done.returncode == 0 else None


@contextlib.contextmanager
def postgres() -> Iterator[Postgres]:
    """Run a PostgreSQL server."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if not found or shutil.which("psql") is None:
        missing("PostgreSQL (apt-get install postgresql)")
    folder = Path(tempfile.mkdtemp(prefix="windbg-ext-postgres-"))
    server = None
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres", "postgres")
        server = Postgres(folder, found[-1].parent)
        server.start()
        yield server
    finally:
        if server is not None:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@dataclass
class Cluster:
    """A Dask scheduler and its workers, each with a nanny that starts another one for one that died."""

    address: str
    workers: int
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def worker_processes(self) -> list[int]:
        """Return the processes that carry out tasks: children of the nannies, started by a fork server or not."""
        return [child for nanny in self.processes[1:] for child in descendants(nanny.pid) if runs_tasks(child)]


def descendants(process: int) -> list[int]:
    """Return the processes below a process, on Linux."""
    children: list[int] = []
    with contextlib.suppress(OSError):  # it has ended
        for thread in Path(f"/proc/{process}/task").iterdir():
            children += map(int, (thread / "children").read_text().split())
    return [found for child in children for found in (child, *descendants(child))]


def runs_tasks(process: int) -> bool:
    """Tell whether a process is a worker, not the tracker of its resources."""
    try:
        return b"spawn_main" in Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return False


@contextlib.contextmanager
def cluster(folder: Path, workers: int = 2, *, memory: str = "1GB", **settings: str) -> Iterator[Cluster]:
    """Run a Dask scheduler and workers with one thread and so much memory each.

    settings: Dask's own, by the names of its environment variables.
    """
    if subprocess.run([sys.executable, "-c", "import distributed"], capture_output=True, check=False).returncode:
        missing("Dask (pip install 'windbg-ext[fleet]')")
    port = free_port()
    running = Cluster(f"tcp://{LOCALHOST}:{port}", workers)
    changes = {"DASK_DISTRIBUTED__WORKER__DAEMON": "False", **settings}
    log = (folder / "dask.log").open("wb")

    def start(what: str, *command: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-m", f"distributed.cli.dask_{what}", *command],
            stdout=log,
            stderr=log,
            cwd=folder,
            env=environment(**changes),
        )
        running.processes.append(process)
        return process

    try:
        scheduler = start("scheduler", "--host", LOCALHOST, "--port", str(port), "--no-dashboard")
        wait_until_it_listens(port, scheduler)
        options = (
            "--nthreads",
            "1",
            "--nworkers",
            "1",
            "--no-dashboard",
            "--memory-limit",
            memory,
            "--host",
            LOCALHOST,
        )
        for _ in range(workers):
            start("worker", running.address, *options, "--death-timeout", str(PATIENCE))
        end = time.monotonic() + PATIENCE
        while len(running.worker_processes()) < workers:
            assert time.monotonic() < end, (folder / "dask.log").read_text()
            time.sleep(0.1)
        yield running
    finally:
        for process in reversed(running.processes):
            for child in descendants(process.pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
            process.kill()
            process.wait()
        log.close()
