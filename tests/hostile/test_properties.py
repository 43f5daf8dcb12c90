"""Whatever is changed in a sample, minify gives a small dump or one line of error, soon and in little memory.

WINDBG_EXT_EXAMPLES: how many variants of each sample to try; with it all tests with examples try other ones each time.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.command_line import Outcome, command, environment, run
from support.contract import check_minify
from support.limits import MEMORY, SECONDS, limited
from support.mutations import LARGE, changed, changes, original
from support.slowness import slowness

if TYPE_CHECKING:
    from pathlib import Path

GIVEN = os.environ.get("WINDBG_EXT_EXAMPLES")
EXAMPLES = int(GIVEN or 60)
PROCESSES = 4 if GIVEN is None else EXAMPLES // 20 + 1
OPTIONS = (
    (),
    (),
    ("--salvage",),
    ("--salvage",),
    ("--size", "64K"),
    ("--size", "120K", "--salvage"),
    ("--size", "1G", "--salvage"),
    ("--json", "--salvage"),
)


REPRESENTATIVE = {"complete-bitmap", "ranges-kernel", "x86-pae-complete", "arm64-kernel"}
"""Each way of storing pages that has lists to get wrong, and each kind of page tables but those of five levels."""
each_large_sample = pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in REPRESENTATIVE else pytest.mark.slow) for name in LARGE]
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mutated")


@each_large_sample
@settings(max_examples=EXAMPLES)
@given(data=st.data())
def test_no_variant_of_a_sample_ends_in_a_traceback_a_hang_or_a_lot_of_memory(
    folder: Path, name: str, data: st.DataObject
) -> None:
    (folder / "MEMORY.DMP").write_bytes(changed(original(name), data.draw(changes(name))))
    (folder / "small.dmp").unlink(missing_ok=True)
    options = data.draw(st.sampled_from(OPTIONS))
    with limited():
        outcome = run("minify", folder / "MEMORY.DMP", folder / "small.dmp", *options)
    check_minify(outcome, folder)


def limit_process() -> None:
    """Give this process 300 MB of addresses, all that it maps counted, and 5 s of processor time."""
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    seconds = round(SECONDS * slowness())
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))


@pytest.mark.skipif(sys.platform != "linux", reason="needs limits of memory and processor time for a process")
@each_large_sample
@settings(max_examples=PROCESSES)
@given(data=st.data())
def test_it_holds_for_a_process_of_its_own_that_may_not_have_more(folder: Path, name: str, data: st.DataObject) -> None:
    (folder / "MEMORY.DMP").write_bytes(changed(original(name), data.draw(changes(name))))
    (folder / "small.dmp").unlink(missing_ok=True)
    done = subprocess.run(
        command("minify", folder / "MEMORY.DMP", folder / "small.dmp", "--salvage"),
        env=environment(),
        capture_output=True,
        preexec_fn=limit_process,
        timeout=60,
        check=False,
    )
    check_minify(Outcome(done.returncode, done.stdout.decode(), done.stderr.decode()), folder)
