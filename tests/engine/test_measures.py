"""The measures themselves: what counts as an answer, as agreement, as covered and as a complaint. No engine needed."""

from __future__ import annotations

import pytest
from support.small_dump_file import Block

from engine.agreement import Question, Reply, compare, meaning, replies
from engine.complaints import complaints
from engine.engine import Answer, Session
from engine.engine_coverage import Memory, quadwords_not_zero

QUESTION = Question("r", 1)


def normal(text: str) -> Answer:
    return Answer((("Normal", text),))


def reply(text: str | None) -> Reply:
    return Reply(text or "GetContextState failed, 0x8007001E", text)


def test_an_error_in_the_source_is_not_asked() -> None:
    agreement = compare({QUESTION: reply(None)}, {QUESTION: reply("rax=1")})
    assert (agreement.questions, agreement.asked, agreement.agreed) == (1, 0, 0)


@pytest.mark.parametrize("small", ["rax=2", None])
def test_another_answer_or_an_error_in_the_small_dump_disagrees(small: str | None) -> None:
    agreement = compare({QUESTION: reply("rax=1")}, {QUESTION: reply(small)})
    assert (agreement.asked, agreement.agreed) == (1, 0)
    assert str(agreement) == "0 of 1 engine answers agree: 0.0 %"


def test_memory_that_only_one_of_the_dumps_holds_is_a_difference() -> None:
    source, small = "fffff800`00001000  00000000`00000001", "fffff800`00001000  ????????`????????"
    for expected, actual in ((source, small), (small, source)):
        assert compare({QUESTION: reply(expected)}, {QUESTION: reply(actual)}).agreed == 0


def test_missing_images_the_clock_and_the_state_of_symbols_are_not_part_of_an_answer() -> None:
    image = ("Error", "Unable to load image \\SystemRoot\\nt.exe, Win32 error 0n2\n")
    timestamp = ("Warning", "*** WARNING: Unable to verify timestamp for nt.exe\n")
    assert meaning("kn", Answer((image, timestamp, ("Normal", "00 nt+0x1\n")))) == "00 nt+0x1"
    event = normal("Last event: Break instruction\n  debugger time: Sun Nov 22 07:17:31.773 2026 (UTC + 0:00)\n")
    assert meaning(".lastevent", event) == "Last event: Break instruction"
    modules = normal(
        "fffff800`0 fffff800`1   nt       T (no symbols)           \nfffff800`2 fffff800`3   a b  (deferred)   \n"
    )
    assert meaning("lm", modules) == "fffff800`0 fffff800`1   nt\nfffff800`2 fffff800`3   a b"


def test_a_warning_is_part_of_an_answer() -> None:
    warning = ("Warning", "WARNING: The debugger does not have a current process or thread\n")
    assert meaning("vertarget", Answer((warning, ("Normal", "Machine Name:\n")))) == warning[1] + "Machine Name:"


def test_an_answer_with_an_error_in_it_is_none() -> None:
    assert meaning("kn", Answer((("Normal", "00 nt+0x1\n"), ("Error", "GetContextState failed, 0x8007001E\n")))) is None
    assert meaning("kn", normal("\n")) is None


def test_what_follows_a_switch_that_failed_is_no_answer_about_that_processor() -> None:
    refused = Answer((("Error", "1 is not a valid processor number\n"),))
    session = Session(normal(""), (normal(""), normal("rax=1\n"), refused, normal("rax=1\n")))
    found = dict(replies(["~0s", "r", "~1s", "r"], session))
    assert found[Question("r", 0)].meaning == "rax=1"
    assert found[Question("r", 1)].meaning is None


def test_a_quadword_is_covered_when_the_same_bytes_stand_at_its_address() -> None:
    memory = Memory([Block(0x1000, b"abcd"), Block(0x1004, b"efgh"), Block(0x2000, b"ABCDEFGH")])
    assert memory.holds(0x1000, b"abcdefgh")
    assert memory.holds(0x2004, b"EFGH")
    assert not memory.holds(0x1008, b"abcdefgh")
    assert not memory.holds(0x2000, b"abcdefgh")
    assert not memory.holds(0x2004, b"EFGH\0\0\0\0")


def test_quadwords_of_zeros_are_not_wanted() -> None:
    assert list(quadwords_not_zero([Block(0x1000, bytes(8) + b"abcdefgh" + b"ij")])) == [
        (0x1008, b"abcdefgh"),
        (0x1010, b"ij"),
    ]


def test_what_the_engine_says_of_every_dump_is_no_complaint_and_anything_else_is() -> None:
    usual = Answer((("Normal", "Machine Name:\n....\n"), ("Error", "Unable to add extension DLL: kdexts\n")))
    unreadable = "ReadVirtual() failed in GetXStateConfiguration() first read attempt (error == 2."
    opening = Answer((*usual.outputs, ("Normal", unreadable + "\n")))
    answer = Answer((("Normal", "rax=1\n"), ("Warning", "WARNING: Unable to reset page directories\n")))
    assert complaints(Session(usual, ())) == []
    assert complaints(Session(opening, (answer,))) == [unreadable, "WARNING: Unable to reset page directories"]
