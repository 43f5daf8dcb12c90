"""kill -9 of the client, of a worker and of the database in the middle of a run: the next run loses nothing.

Nothing is counted twice either: the catalogue is the one of a run that was never disturbed.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import pytest
from support.command_line import command, contents, environment, run_process
from support.fleet_dumps import write_fleet

from samples.builder.writers import Bitmap, kernel_pages
from servers.test_engines import rows
from windbg_ext.commands.catalog import open_catalog
from windbg_ext.structs.header import DumpType

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.servers import Cluster, Postgres

DUMPS = 1500
SLOWLY = 60


@pytest.fixture(scope="module")
def dumps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("many")
    write_fleet(folder, DUMPS, crashes=8, machines=5)
    return folder


@pytest.fixture(scope="module")
def expected(dumps: Path, tmp_path_factory: pytest.TempPathFactory) -> list[tuple[object, ...]]:
    """Return the catalogue of a run that nothing disturbed."""
    catalog = tmp_path_factory.mktemp("undisturbed") / "c.db"
    done = run_process("dumpkind", dumps, "--catalog", catalog, timeout=120, WINDBG_EXT_CATALOG_KEY=KEY)
    assert done.status == 0, done
    return rows(catalog)


KEY = "the same for all catalogues of these tests"


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
    """Wait until a run is in the middle."""
    end = time.monotonic() + SLOWLY
    while not ready():
        assert run.poll() is None, run.communicate()
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_a_client_that_is_killed_again_and_again_loses_nothing(
    dumps: Path, expected: list[tuple[object, ...]], tmp_path: Path, postgres_server: Postgres, kind: str
) -> None:
    catalog = tmp_path / "c.db" if kind == "sqlite" else postgres_server.new_database("killed-client")
    for more in (1, 100):
        before = taken_in(catalog)
        run = start("dumpkind", dumps, "--catalog", catalog, "--jobs", 2)
        wait_until(run, lambda before=before, more=more: taken_in(catalog) >= before + more)  # type: ignore[misc]
        os.killpg(run.pid, signal.SIGKILL)
        run.communicate()
        assert 0 < taken_in(catalog) < DUMPS
    last = run_process("dumpkind", dumps, "--catalog", catalog, timeout=120)
    assert (last.status, last.err) == (0, ""), last
    assert rows(catalog) == expected


def test_workers_of_a_cluster_that_are_killed_lose_nothing(
    dumps: Path, expected: list[tuple[object, ...]], tmp_path: Path, dask_cluster: Cluster
) -> None:
    catalog = tmp_path / "c.db"
    run = start("dumpkind", dumps, "--catalog", catalog, "--cluster", dask_cluster.address)
    wait_until(run, lambda: taken_in(catalog) > 0)
    os.kill(dask_cluster.worker_processes()[0], signal.SIGKILL)
    out, err = run.communicate(timeout=120)
    assert (run.returncode, err) == (0, ""), out
    assert rows(catalog) == expected


def test_a_database_that_is_killed_ends_the_run_with_a_line_and_the_next_one_goes_on(
    dumps: Path, expected: list[tuple[object, ...]], postgres_server: Postgres
) -> None:
    catalog = postgres_server.new_database("killed-database")
    run = start("dumpkind", dumps, "--catalog", catalog, "--jobs", 2)
    wait_until(run, lambda: taken_in(catalog) > 0)
    postgres_server.kill()
    try:
        out, err = run.communicate(timeout=60)
    finally:
        postgres_server.start()
    assert (run.returncode, out) == (3, "")
    assert len(err.splitlines()) == 1, err
    assert "catalogue: cannot be used" in err
    assert 0 < taken_in(catalog) < DUMPS
    last = run_process("dumpkind", dumps, "--catalog", catalog, timeout=120)
    assert (last.status, last.err) == (0, ""), last
    assert rows(catalog) == expected


def test_small_dumps_are_whole_and_complete_after_kills_of_client_and_worker(
    tmp_path: Path, dask_cluster: Cluster
) -> None:
    form = Bitmap(DumpType.BITMAP_KERNEL, kernel_pages)
    write_fleet(tmp_path / "large", 60, crashes=4, machines=3, form=form)
    assert run_process("minify", tmp_path / "large", tmp_path / "expected", timeout=120).status == 0
    arguments = ("minify", tmp_path / "large", tmp_path / "small", "--cluster", dask_cluster.address)

    def written() -> int:
        return sum(1 for _ in (tmp_path / "small").rglob("*-small.dmp"))

    run = start(*arguments)
    wait_until(run, lambda: written() > 0)
    os.killpg(run.pid, signal.SIGKILL)
    run.communicate()
    run = start(*arguments)
    wait_until(run, lambda: written() > 5)
    os.kill(dask_cluster.worker_processes()[0], signal.SIGKILL)
    out, err = run.communicate(timeout=120)
    assert (run.returncode, err) == (0, ""), out
    assert run_process(*arguments, timeout=120).status == 0
    assert contents(tmp_path / "small") == contents(tmp_path / "expected")
