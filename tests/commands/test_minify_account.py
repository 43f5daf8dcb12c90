"""The account of a small dump: asking for room takes none, and after a refusal there is no room."""

from __future__ import annotations

import pytest

from windbg_ext.commands.minify.account import PADDING, Account, LeftOut, Part

LIMIT = 64 << 10
ROOM = LIMIT - PADDING


def test_asking_whether_something_fits_changes_nothing() -> None:
    account = Account(LIMIT)
    before = dict(vars(account))
    assert [account.fits(size) for size in (ROOM + 1, ROOM, 1 << 60, ROOM)] == [False, True, False, True]
    assert vars(account) == before
    assert (account.room, account.full, account.complete) == (ROOM, False, True)


def test_what_is_entered_takes_room_with_what_the_file_needs_beside_it() -> None:
    account = Account(LIMIT)
    account.enter("windows", 100, 16)
    account.enter("stack", 7)
    account.enter("windows", 20, 16)
    assert account.room == ROOM - 100 - 16 - 7 - 20 - 16
    assert account.parts == (Part("windows", 120, 2), Part("stack", 7, 1))
    assert [account.size_of(part) for part in ("windows", "stack", "none")] == [120, 7, 0]


def test_after_a_refusal_nothing_fits_however_small() -> None:
    account = Account(LIMIT)
    account.refuse("large")
    assert account.full
    assert account.room == 0
    assert not account.fits(1)
    assert not account.fits(0)


@pytest.mark.parametrize(
    ("limit", "into"), [(LIMIT, "--size 65536"), (None, "96 MB, a larger --size takes it")], ids=["size", "none"]
)
def test_a_refusal_says_whether_some_of_it_went_in_and_makes_the_dump_incomplete(limit: int | None, into: str) -> None:
    account = Account(limit)
    account.enter("partly", 1)
    account.refuse("partly")
    account.refuse("not at all")
    assert account.left_out == [
        LeftOut("partly", f"the rest of it does not fit into {into}"),
        LeftOut("not at all", f"does not fit into {into}"),
    ]
    assert not account.complete


def test_only_the_loss_of_something_essential_makes_the_dump_incomplete() -> None:
    account = Account(None)
    account.lose("page at bug check parameter 2", "not there", essential=False)
    assert account.complete
    account.lose("KPRCB", "not there")
    assert not account.complete
    assert not account.full
