"""dumpkind and pagefilefit use one table of kinds, so they agree on every type, filtered or not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from samples.builder import SAMPLES, build
from windbg_ext.commands.dumpkind import dumpkind
from windbg_ext.commands.pagefilefit.measure import measure
from windbg_ext.dump import open_dump

if TYPE_CHECKING:
    from pathlib import Path

BY_TYPE = {int(sample.format.dump_type): sample for sample in SAMPLES}
FILTERED = 1 << 6

KINDS = {
    (1, 0): "complete",
    (1, FILTERED): "complete",
    (2, 0): "kernel",
    (2, FILTERED): "kernel",
    (4, 0): "small",
    (4, FILTERED): "small",
    (5, 0): "complete",
    (5, FILTERED): "active",
    (6, 0): "kernel",
    (6, FILTERED): "kernel",
    (8, 0): "kernel",
    (8, FILTERED): "kernel",
    (9, 0): "active",
    (9, FILTERED): "active",
    (0xA, 0): "complete",
    (0xA, FILTERED): "complete",
}
"""Types: mindumpdef.h, kdmp-parser. The debugger engine calls type 1 complete with the bit set, too."""


def test_every_type_of_the_samples_is_asked_for() -> None:
    assert {dump_type for dump_type, _ in KINDS} == set(BY_TYPE)


@pytest.mark.parametrize(("dump_type", "attributes"), KINDS)
def test_both_commands_give_a_dump_the_same_kind(tmp_path: Path, dump_type: int, attributes: int) -> None:
    path = tmp_path / "MEMORY.DMP"
    path.write_bytes(build(BY_TYPE[dump_type], header={"Attributes": attributes}))
    with open_dump(path) as dump:
        measured = measure(dump, lambda doing, done, total: None).kind
    assert measured is not None
    assert (dumpkind(path).kind, measured.value) == (KINDS[dump_type, attributes],) * 2
