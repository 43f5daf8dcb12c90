"""Types of option values, and a default."""

from __future__ import annotations

import os
import re

UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


MAX_SIZE = 1 << 60
"""Bytes: no machine has so much memory, and no file is so large (of NTFS, 8 PB)."""


def byte_size(text: str) -> int:
    """Read a size: a number of bytes, or one with K, M, G or T, powers of 1024.

    Raise ValueError where it is none, or larger than anything is.
    """
    match = re.fullmatch(r"(\d{1,18})\s*([KMGT]?)B?", text.strip(), re.IGNORECASE | re.ASCII)
    if match is None:
        raise ValueError(f"{text!r} is not a size such as 256K or 64G")
    size = int(match[1]) * UNITS[match[2].upper()]
    if size > MAX_SIZE:
        raise ValueError(f"{size:,} bytes make no sense; sizes are such as 64G")
    return size


def positive(text: str) -> int:
    """Read a number from 1 up. Raise ValueError where it is none."""
    if re.fullmatch(r"0*[1-9]\d{0,5}", text.strip(), re.ASCII) is None:
        raise ValueError(f"{text!r} is not a number from 1 up")
    return int(text)


def processors() -> int:
    """Return the number of processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
