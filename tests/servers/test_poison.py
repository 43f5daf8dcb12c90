"""A file that ends every worker that looks at it costs itself, and no run."""

from __future__ import annotations

import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from windbg_ext.commands.cluster import connected
from windbg_ext.commands.tasks import as_dump_error, run_tasks

if TYPE_CHECKING:
    from support.servers import Cluster

POISONED = 7


def test_a_poisoned_task_costs_itself_on_a_cluster(dask_cluster: Cluster) -> None:
    distributed = pytest.importorskip("distributed")

    def die_of_the_poisoned_one(number: int, poisoned: int = POISONED) -> int:
        """End the process as the system does with one that takes too much memory. Sent to workers as it is."""
        import os
        import signal

        if number == poisoned:
            os.kill(os.getpid(), signal.SIGKILL)
        return number

    with distributed.Client(dask_cluster.address, set_as_default=False) as client:
        tasks = run_tasks(die_of_the_poisoned_one, range(16), client.get_executor(pure=False))
        with closing(tasks) as arriving:
            found = {done.task: done for done in arriving}
    assert sorted(found) == list(range(16))
    lost = [done for done in found.values() if done.error is not None]
    assert [done.task for done in lost] == [POISONED], [(done.task, done.error) for done in lost]
    told = str(as_dump_error(lost[0].error or AssertionError()))
    assert "KilledWorker" in told
    assert "\n" not in told


def test_a_second_try_is_made_while_the_first_is_remembered(dask_cluster: Cluster) -> None:
    """Dask answers a call that it knows without making it, unless it is told otherwise."""
    with connected(dask_cluster.address, [], tell=print) as executor:
        first, second = executor.submit(time.time_ns), executor.submit(time.time_ns)
        assert second.result(60) != first.result(60)
