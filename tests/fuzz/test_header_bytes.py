"""Samples with a changed byte in their headers: the three commands say what is wrong, or go on.

A part of what `python tests/fuzz/header_bytes.py` does with every byte.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import pytest
from support.mutations import BY_NAME, header_fields

from fuzz.header_bytes import BODY, SAMPLES, places_of, sweep

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: str(path.stem))
def test_no_changed_byte_of_a_header_breaks_a_command(sample: Path) -> None:
    chance, header = Random(sample.stem), header_size(sample)
    fields = [offset + chance.randrange(8) for offset in header_fields(BY_NAME[sample.stem]) if offset + 8 <= header]
    offsets = [*chance.sample(fields, 2), header + chance.randrange(BODY), chance.randrange(header)]
    swept = sweep(sample, places=[range(offset, offset + 1) for offset in offsets])
    assert swept.failures == ()
    assert swept.runs == len(offsets) * 2 * 3


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: str(path.stem))
def test_a_whole_sweep_changes_every_byte_of_header_and_body_once(sample: Path) -> None:
    offsets = [offset for place in places_of(sample) for offset in place]
    assert sorted(offsets) == list(range(header_size(sample) + BODY))


def header_size(sample: Path) -> int:
    return 0x1000 if sample.read_bytes().startswith(b"PAGEDUMP") else 0x2000
