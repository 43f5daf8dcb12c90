"""kill -9 of the client, of a worker and of the database in the middle of a run: the next run loses nothing.

Nothing is counted twice either: the catalogue is the one of a run that was never disturbed. Among the dumps is one on a
web server that holds it back, so that no run can end before it is killed.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

import pytest
from support.command_line import command, contents, environment, run_process
from support.fleet_dumps import template, write_fleet
from support.held_files import HeldFiles, held_files

from samples.builder.writers import Bitmap, kernel_pages
from servers.test_engines import rows
from windbg_ext.commands.catalog import open_catalog
from windbg_ext.structs.header import DumpType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.servers import Cluster, Postgres

HALF = 550
"""More than are taken into a catalogue together, so that something is taken in before and after the one held back."""
HELD = "held.dmp"
SLOWLY = 60
KEY = "the same for all catalogues of these tests"


@dataclass(frozen=True)
class Dumps:
    """Dumps on the disk, one that a server holds back, and more on the disk. expected: the catalogue of all of them."""

    names: tuple[object, ...]
    held: HeldFiles
    expected: list[tuple[object, ...]]


@pytest.fixture(scope="module")
def all_dumps(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dumps]:
    folder = tmp_path_factory.mktemp("many")
    write_fleet(folder / "first", HALF, crashes=8, machines=5)
    write_fleet(folder / "second", HALF, crashes=8, machines=5, chance=Random(16))
    (folder / HELD).write_bytes(template(9))
    catalog = tmp_path_factory.mktemp("undisturbed") / "c.db"
    with held_files(folder) as held:
        names = (folder / "first", held.url(HELD), folder / "second")
        done = run_process("dumpkind", *names, "--catalog", catalog, timeout=120, WINDBG_EXT_CATALOG_KEY=KEY)
        assert done.status == 0, done
        yield Dumps(names, held, rows(catalog))


@pytest.fixture
def dumps(all_dumps: Dumps) -> Iterator[Dumps]:
    """Return the dumps, of which one is held back from now on."""
    all_dumps.held.hold()
    yield all_dumps
    all_dumps.held.go_on()


def start(*arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command(*arguments),
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def taken_in(catalog: object) -> int:
    """Return how many files are in a catalogue; 0 while it has no tables."""
    try:
        with open_catalog(str(catalog), create=False) as opened:
            return int(str(next(opened.database.rows("SELECT COUNT(*) FROM catalog_files"))[0]))
    except Exception:
        return 0


def wait_until(run: subprocess.Popen[str], ready: Callable[[], bool]) -> None:
    """Wait until a run has come so far."""
    end = time.monotonic() + SLOWLY
    while not ready():
        assert run.poll() is None, run.communicate()
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_a_client_that_is_killed_again_and_again_loses_nothing(
    dumps: Dumps, tmp_path: Path, postgres_server: Postgres, kind: str
) -> None:
    catalog = tmp_path / "c.db" if kind == "sqlite" else postgres_server.new_database("killed-client")
    for processes in (1, 2):  # one process stops at the file that is held back, of two the other goes on
        before = taken_in(catalog)
        run = start("dumpkind", *dumps.names, "--catalog", catalog, "--jobs", processes)
        wait_until(run, lambda before=before: taken_in(catalog) > before)  # type: ignore[misc]
        os.killpg(run.pid, signal.SIGKILL)
        run.communicate()
        assert before < taken_in(catalog) <= 2 * HALF
    dumps.held.go_on()
    last = run_process("dumpkind", *dumps.names, "--catalog", catalog, timeout=120)
    assert (last.status, last.err) == (0, ""), last
    assert rows(catalog) == dumps.expected


def test_workers_of_a_cluster_that_are_killed_lose_nothing(dumps: Dumps, tmp_path: Path, dask_cluster: Cluster) -> None:
    catalog = tmp_path / "c.db"
    run = start("dumpkind", *dumps.names, "--catalog", catalog, "--cluster", dask_cluster.address)
    wait_until(run, lambda: taken_in(catalog) > 0)
    os.kill(dask_cluster.worker_processes()[0], signal.SIGKILL)
    dumps.held.go_on()
    out, err = run.communicate(timeout=120)
    assert (run.returncode, err) == (0, ""), out
    assert rows(catalog) == dumps.expected


def test_a_database_that_is_killed_ends_the_run_with_a_line_and_the_next_one_goes_on(
    dumps: Dumps, postgres_server: Postgres
) -> None:
    catalog = postgres_server.new_database("killed-database")
    run = start("dumpkind", *dumps.names, "--catalog", catalog, "--jobs", 2)
    wait_until(run, lambda: taken_in(catalog) > 0)
    postgres_server.kill()
    dumps.held.go_on()
    try:
        out, err = run.communicate(timeout=60)
    finally:
        postgres_server.start()
    assert (run.returncode, out) == (3, "")
    assert len(err.splitlines()) == 1, err
    assert "catalogue: cannot be used" in err
    assert 0 < taken_in(catalog) <= 2 * HALF
    last = run_process("dumpkind", *dumps.names, "--catalog", catalog, timeout=120)
    assert (last.status, last.err) == (0, ""), last
    assert rows(catalog) == dumps.expected


def test_small_dumps_are_whole_and_complete_after_kills_of_client_and_worker(
    tmp_path: Path, dask_cluster: Cluster
) -> None:
    large = tmp_path / "large"
    form = Bitmap(DumpType.BITMAP_KERNEL, kernel_pages)
    write_fleet(large, 60, crashes=4, machines=3, form=form)
    (large / HELD).write_bytes(template(9, form))

    def written() -> int:
        return sum(1 for _ in (tmp_path / "small").rglob("*-small.dmp"))

    with held_files(large) as held:
        names = tmp_path / "list.txt"
        names.write_text("\n".join([*map(str, sorted(large.glob("*/*"))), held.url(HELD)]), encoding="utf-8")
        assert run_process("minify", "--list", names, tmp_path / "expected", timeout=120).status == 0
        arguments = ("minify", "--list", names, tmp_path / "small", "--cluster", dask_cluster.address)
        held.hold()
        run = start(*arguments)
        wait_until(run, lambda: written() > 0)
        os.killpg(run.pid, signal.SIGKILL)
        run.communicate()
        run = start(*arguments)
        wait_until(run, lambda: written() > 5)
        os.kill(dask_cluster.worker_processes()[0], signal.SIGKILL)
        held.go_on()
        out, err = run.communicate(timeout=120)
        assert (run.returncode, err) == (0, ""), out
        assert run_process(*arguments, timeout=120).status == 0
    assert contents(tmp_path / "small") == contents(tmp_path / "expected")
