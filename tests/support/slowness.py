"""How slow the machine is that runs the tests: bounds in seconds are for what the package does, not for the machine."""

from __future__ import annotations

import time
from functools import cache

STEPS = 300_000
SECONDS = 0.05
"""Processor time that the steps took where the bounds in seconds were tried, with CPython 3.9 and with 3.13."""


@cache
def slowness() -> float:
    """Return how many times as long this machine takes, at least 1. Bounds of processor time are multiplied by it."""
    return max(1.0, *(_seconds() / SECONDS for _ in range(3)))


def _seconds() -> float:
    begun = time.process_time()
    number = 0
    for step in range(STEPS):
        number = number * 31 + step & 0xFFFF
    return time.process_time() - begun
