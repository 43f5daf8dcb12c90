"""Chromium and the reports, made once for all tests of this folder, which get the marker `browser`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from browser.browser import MissingBrowserError, axe_core, running
from browser.reports import write_large, write_reports

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

FOLDER = Path(__file__).parent
ROWS = 10_000


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent == FOLDER:
            item.add_marker("browser")


def _missing(why: str) -> None:
    if os.environ.get("WINDBG_EXT_REQUIRE_BROWSER") == "1":
        pytest.fail(why)
    pytest.skip(why)


@pytest.fixture(scope="session")
def chrome() -> Iterator[Browser]:
    try:
        with running() as browser:
            yield browser
    except MissingBrowserError as missing:
        _missing(str(missing))


@pytest.fixture(scope="session")
def axe() -> str:
    try:
        return axe_core()
    except MissingBrowserError as missing:
        _missing(str(missing))
        raise


@pytest.fixture(scope="session")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return write_reports(tmp_path_factory.mktemp("reports"))


@pytest.fixture(scope="session")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_large(tmp_path_factory.mktemp("large"), ROWS)
