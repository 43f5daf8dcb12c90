"""Several runs make the same new catalogues at the same time: each is made once."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from support.command_line import environment

if TYPE_CHECKING:
    from support.servers import Postgres

CATALOGS, RUNS = 6, 4
PROGRAM = """
import sys
from windbg_ext.commands.catalog import open_catalog
keys = []
for name in sys.argv[1:]:
    with open_catalog(name) as catalog:
        keys.append(catalog.key().hex())
print(keys)
"""


def test_runs_that_make_a_catalogue_at_the_same_time_make_it_once(postgres_server: Postgres) -> None:
    names = [postgres_server.new_database(f"first-use-{number}") for number in range(CATALOGS)]
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *names],
            env=environment(WINDBG_EXT_CATALOG_KEY=""),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(RUNS)
    ]
    answers = [run.communicate(timeout=60) for run in runs]
    assert [err for _, err in answers] == [""] * RUNS
    assert len({out for out, _ in answers}) == 1
