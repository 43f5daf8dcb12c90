"""Servers that all tests of this folder share; all of them have the marker `server`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.servers import Cluster, Postgres, cluster, postgres

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.server)
            item.add_marker(pytest.mark.xdist_group("servers"))


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    with postgres() as server:
        yield server


@pytest.fixture
def database(postgres_server: Postgres, request: pytest.FixtureRequest) -> str:
    """Return the URL of a database that nobody has used."""
    return postgres_server.new_database(request.node.name[:60])


@pytest.fixture(scope="session")
def dask_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with cluster(tmp_path_factory.mktemp("dask")) as running:
        yield running


@pytest.fixture(autouse=True)
def _one_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let all catalogues hash machines with one key, so that they can be compared."""
    monkeypatch.setenv("WINDBG_EXT_CATALOG_KEY", "the same for all catalogues of these tests")
