"""Selects the tests: without paths and without -m, all that need no engine and are not slow."""

from __future__ import annotations

import pytest
from hypothesis import settings

BY_DEFAULT = "not engine and not slow"

settings.register_profile("tests", deadline=None)  # a busy machine must not fail a test
settings.load_profile("tests")


def pytest_configure(config: pytest.Config) -> None:
    if config.args_source is not pytest.Config.ArgsSource.ARGS and not config.option.markexpr:
        config.option.markexpr = BY_DEFAULT
