"""Memory of a worker of a cluster: it does not grow with the dumps, and a task that takes too much costs itself."""

from __future__ import annotations

import re
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.command_line import run_process
from support.fleet_dumps import write_fleet
from support.servers import PATIENCE, Cluster, cluster

from samples.builder.writers import Bitmap, kernel_pages
from windbg_ext.commands.tasks import as_dump_error, run_tasks
from windbg_ext.structs.header import DumpType

if TYPE_CHECKING:
    from collections.abc import Iterator

MB = 1 << 20
LIMIT = 450
"""MB. A worker without a task has 100 to 150, and a dump takes at most 300."""
FEW, MANY = 16, 128
GROWTH = 32
"""MB. The dumps that are more have 45."""


@pytest.fixture(scope="module")
def small_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Return a cluster of one worker with little memory, whose scheduler gives a task up with the second worker."""
    settings = {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1"}
    with cluster(tmp_path_factory.mktemp("dask"), 1, memory=f"{LIMIT}MiB", **settings) as running:
        yield running


def peak(process: int) -> int:
    """Return the most memory that a process has had so far, in bytes."""
    status = Path(f"/proc/{process}/status").read_text()
    found = re.search(r"VmHWM:\s*(\d+) kB", status)
    assert found is not None
    return int(found[1]) << 10


def test_a_worker_keeps_within_its_limit_and_takes_no_more_for_many_dumps_than_for_few(
    tmp_path: Path, small_cluster: Cluster
) -> None:
    form = Bitmap(DumpType.BITMAP_KERNEL, kernel_pages)
    for name, count in (("few", FEW), ("many", MANY)):
        write_fleet(tmp_path / name, count, crashes=4, machines=3, form=form)
    [worker] = small_cluster.worker_processes()
    peaks = []
    for name in ("few", "many"):
        for command, kept in (("dumpkind", ("--catalog", tmp_path / f"{name}.db")), ("minify", (tmp_path / "small",))):
            done = run_process(command, tmp_path / name, *kept, "--cluster", small_cluster.address, timeout=120)
            assert (done.status, done.err) == (0, ""), done
        peaks.append(peak(worker))
    assert small_cluster.worker_processes() == [worker]
    assert peaks[1] < LIMIT * MB
    assert peaks[1] - peaks[0] < GROWTH * MB


def test_a_task_that_takes_more_than_its_worker_may_have_costs_itself(small_cluster: Cluster) -> None:
    distributed = pytest.importorskip("distributed")

    def take(megabytes: int) -> int:
        """Take memory until the worker's limit ends it. Sent to workers as it is."""
        import time

        taken = []
        for _ in range(megabytes):
            taken.append(bytes([1]) * (1 << 20))
            time.sleep(0.002)  # the limit is looked at several times a second
        time.sleep(megabytes / 20)
        return len(taken)

    with distributed.Client(small_cluster.address, set_as_default=False) as client:
        tasks = run_tasks(take, (1, 2 * LIMIT, 2), client.get_executor(pure=False))
        with closing(tasks) as arriving:
            found = {done.task: done for done in arriving}
    told = {task: str(as_dump_error(done.error)) for task, done in found.items() if done.error is not None}
    assert sorted(found) == [1, 2, 2 * LIMIT]
    assert list(told) == [2 * LIMIT], told
    assert "KilledWorker" in told[2 * LIMIT]
    end = time.monotonic() + PATIENCE
    while not small_cluster.worker_processes():
        assert time.monotonic() < end
        time.sleep(0.1)
