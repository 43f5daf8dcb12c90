"""Ports for the servers of tests."""

from __future__ import annotations

import itertools
import os
import random
import socket

LOCALHOST = "127.0.0.1"
FIRST, EACH, WORKERS = 12_000, 2000, 10
"""Clients are given ports from 32768 on (Linux: net.ipv4.ip_local_port_range), which therefore are none for servers."""


def free_port() -> int:
    """Return a port that nobody uses, out of a range that no other worker of pytest takes its ports from.

    A server takes it only later: a port that the system chooses may be somebody else's by then.
    """
    return free_ports(1)[0]


def free_ports(number: int) -> list[int]:
    """Return as many different ones."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").lstrip("gw"))
    first = FIRST + EACH * (worker % WORKERS)
    free = filter(_is_free, random.sample(range(first, first + EACH), EACH))
    return list(itertools.islice(free, number))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((LOCALHOST, port))
        except OSError:
            return False
    return True
