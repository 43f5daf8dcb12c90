"""How far the windows of memory reach that a text takes along, beside the definition; texts that go on and on."""

from __future__ import annotations

import random

import pytest

from windbg_ext.commands.privacy.holes import Windows
from windbg_ext.commands.privacy.texts import Texts


@pytest.mark.parametrize("seed", range(20))
def test_a_span_goes_with_every_window_that_holds_any_of_it(seed: int) -> None:
    numbers = random.Random(seed)
    windows = [(start, start + numbers.randrange(12)) for start in numbers.choices(range(200), k=numbers.randrange(40))]
    within = Windows(windows)
    for _ in range(50):
        start = numbers.randrange(200)
        span = start, start + numbers.randrange(1, 20)
        held = [span, *(one for one in windows if one[0] < span[1] and one[1] > span[0] and one[0] < one[1])]

        assert within.around(span) == (min(low for low, _ in held), max(high for _, high in held))


def test_a_text_with_the_sign_of_a_path_is_one_however_often_it_goes_on_in_other_letters() -> None:
    name = "\\users" + "Женя" * 3 + "ann\u0416bob\u0416" * 20

    [text] = Texts(b"\0\0" + name.encode("utf-16-le") + b"\0\0\1").texts

    assert (text.start, text.end, text.width) == (2, 2 + 2 * len(name), 2)


def test_a_text_without_such_a_sign_ends_at_the_first_other_letter_and_one_with_it_further_on_goes_on_from_there() -> (
    None
):
    plain, path = "annabel\u0416", "c:\\ab\u0416defg"

    texts = Texts(f"{plain}\x01{path}\x01".encode("utf-16-le")).texts

    assert [(text.start, text.end) for text in texts] == [(0, 2 * 7), (2 * 9, 2 * (9 + len(path)))]
