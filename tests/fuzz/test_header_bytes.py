"""Samples with a changed byte in their headers: the three commands say what is wrong, or go on.

A part of what `python tests/fuzz/header_bytes.py` does with every byte.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import pytest
from mutations import BY_NAME, header_fields

from fuzz.header_bytes import BODY, SAMPLES, bytes_of, sweep

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: str(path.stem))
def test_no_changed_byte_of_a_header_breaks_a_command(sample: Path) -> None:
    chance, every = Random(sample.stem), bytes_of(sample)
    fields = [
        offset + chance.randrange(8) for offset in header_fields(BY_NAME[sample.stem]) if offset + 8 <= every.stop
    ]
    offsets = [*chance.sample(fields, 2), chance.choice(every[-BODY:]), chance.choice(every)]
    swept = sweep(sample, offsets=offsets)
    assert swept.failures == ()
    assert swept.runs == len(offsets) * 2 * 3
