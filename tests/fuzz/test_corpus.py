"""The targets read the fuzzer's starting inputs and its corpus, on every Python and without atheris."""

from __future__ import annotations

import pytest
from support.limits import limited
from support.registry_hives import HIVEXSH

from fuzz.targets import BY_TARGET, CORPUS, TARGETS, Target

each_target = pytest.mark.parametrize("target", TARGETS, ids=lambda target: str(target.name))


@each_target
def test_every_file_to_start_from_is_read(target: Target) -> None:
    if not target.bases and HIVEXSH is None:
        pytest.skip("hivexsh is not installed (Debian: libhivex-bin)")
    assert target.bases
    target.check_bases()


@each_target
def test_every_input_of_the_corpus_is_read_or_refused(target: Target) -> None:
    kept = (CORPUS / f"{target.name}.txt").read_text().splitlines()
    assert kept
    if not target.bases:
        pytest.skip("there is no file to start from")
    for data in target.corpus():
        with limited():
            target.run(data)


def test_every_corpus_has_a_target() -> None:
    assert {path.name for path in CORPUS.iterdir()} == {f"{name}.txt" for name in BY_TARGET}
