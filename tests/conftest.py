"""Selects the tests: without paths and without -m, all that need no engine, browser or server and are not slow."""

from __future__ import annotations

import compileall
import os
import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ["support.remote_servers.fixtures"]
BY_DEFAULT = "not engine and not slow and not exhaustive and not browser and not server"

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # a shell's job in the background: Ctrl+C is tested, too
    signal.signal(signal.SIGINT, signal.default_int_handler)
for name in ("NO_COLOR", "FORCE_COLOR", "PYTHON_COLORS"):  # who runs the tests may have decided on colours
    os.environ.pop(name, None)

settings.register_profile(
    "tests",
    # the same examples every time, however busy the machine: a change fails for what it changed
    derandomize="WINDBG_EXT_EXAMPLES" not in os.environ,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("tests")


def pytest_configure(config: pytest.Config) -> None:
    if config.args_source is not pytest.Config.ArgsSource.ARGS and not config.option.markexpr:
        config.option.markexpr = BY_DEFAULT


def pytest_sessionstart(session: pytest.Session) -> None:
    """Compile the package once: hundreds of tests start it in a process, which may not be allowed to write bytecode."""
    if not hasattr(session.config, "workerinput"):  # not in each worker of pytest-xdist
        compileall.compile_dir(Path(__file__).parents[1] / "windbg_ext", quiet=2)
