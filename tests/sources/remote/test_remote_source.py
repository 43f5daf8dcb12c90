"""The cache, rounds and retries of a remote source, without a network."""

from __future__ import annotations

import random

import pytest
from support.far import far

from windbg_ext.errors import DumpError
from windbg_ext.sources.remote.source import BLOCK, MAX_AHEAD, MAX_CACHED_BLOCKS, WIDTH
from windbg_ext.sources.remote.transport import FIRST_BYTES, TransientError, changed
from windbg_ext.sources.source import Range

DATA = random.Random(15).randbytes(3 << 20) + b"end"
FAR_OFF = 1 << 20


def test_every_read_is_what_the_file_holds() -> None:
    source, _ = far(DATA)
    chance = random.Random(7)
    for _ in range(300):
        offset, length = chance.randrange(len(DATA) + 9000), chance.randrange(9000)
        assert source.read(offset, length) == DATA[offset : offset + length]


def test_reads_behind_the_end_are_empty_and_cost_nothing() -> None:
    source, served = far(DATA)
    assert source.read(len(DATA), 100) == b""
    assert source.read(1 << 70, 100) == b""
    assert source.read(0, 0) == b""
    assert source.holds(1 << 70, 4096)
    assert served.rounds == []


def test_what_opening_brought_along_is_not_asked_for_again() -> None:
    source, served = far(DATA)
    assert source.read(0, FIRST_BYTES) == DATA[:FIRST_BYTES]
    assert source.traffic == (FIRST_BYTES, 1, 1)
    assert served.rounds == []


def test_an_empty_file_and_one_shorter_than_a_block_can_be_read() -> None:
    assert far(b"")[0].read(0, 10) == b""
    assert far(b"MDMP")[0].read(0, 10) == b"MDMP"


def test_many_reads_are_one_round_and_neighbours_one_request() -> None:
    source, served = far(DATA)
    wanted = [Range(FAR_OFF + 16 * BLOCK * index, BLOCK) for index in range(20)]
    wanted += [Range(at.offset + BLOCK, BLOCK) for at in wanted]
    assert source.read_many(wanted) == [DATA[at : at + length] for at, length in wanted]
    assert [len(asked) for asked in served.rounds] == [20]


def test_a_single_small_read_brings_what_follows_it_but_no_megabytes() -> None:
    source, served = far(DATA)
    source.read(FAR_OFF + 5, 10)
    assert served.rounds == [[Range(FAR_OFF, WIDTH)]]
    assert source.holds(FAR_OFF + WIDTH - 1, 1)


def test_what_was_hinted_at_comes_along_and_makes_no_round_of_its_own() -> None:
    source, served = far(DATA)
    source.hint(Range(2 << 20, BLOCK))
    assert served.rounds == []
    source.read(FAR_OFF, BLOCK)
    assert served.rounds == [[Range(FAR_OFF, WIDTH), Range(2 << 20, BLOCK)]]


def test_a_large_read_is_one_round() -> None:
    source, served = far(DATA)
    assert source.read(FAR_OFF, 2 << 20) == DATA[FAR_OFF:][: 2 << 20]
    assert len(served.rounds) == 1


def test_reading_all_of_a_file_takes_larger_and_larger_steps_up_to_a_megabyte() -> None:
    source, served = far(DATA)
    piece = 1 << 16
    read = b"".join(source.read(at, piece) for at in range(0, len(DATA), piece))
    assert read == DATA
    assert len(served.rounds) < 10
    assert max(asked.length for round_ in served.rounds for asked in round_) <= MAX_AHEAD + piece


def test_the_cache_is_bounded() -> None:
    source, _ = far(bytes(BLOCK * 64))
    source.size = (MAX_CACHED_BLOCKS + 100) * BLOCK
    source._keep(0, bytes(source.size))
    assert len(source._blocks) == MAX_CACHED_BLOCKS


def test_what_breaks_off_is_asked_for_again_from_where_it_did() -> None:
    source, served = far(DATA, lambda number, _, data: data[:1000] if number == 1 else data)
    assert source.read(FAR_OFF, BLOCK) == DATA[FAR_OFF : FAR_OFF + BLOCK]
    assert served.rounds == [[Range(FAR_OFF, WIDTH)], [Range(FAR_OFF + 1000, WIDTH - 1000)]]
    assert source.traffic.rounds == 3


def test_only_the_requests_that_failed_are_made_again() -> None:
    lost = FAR_OFF + 16 * BLOCK
    source, served = far(
        DATA, lambda number, asked, data: TransientError("reset") if (number, asked.offset) == (1, lost) else data
    )
    wanted = [Range(FAR_OFF + 16 * BLOCK * index, BLOCK) for index in range(20)]
    assert source.read_many(wanted) == [DATA[at : at + length] for at, length in wanted]
    assert served.rounds[1] == [Range(lost, BLOCK)]


def test_after_some_tries_a_line_says_what_was_done() -> None:
    source, served = far(DATA, lambda *_: TransientError("the connection was closed"))
    with pytest.raises(DumpError) as raised:
        source.read(FAR_OFF, BLOCK)
    assert str(raised.value) == (
        "sftp://host/dumps/MEMORY.DMP: connection: the connection was closed; tried 3 times in 0 s; "
        "try again later, or copy the file to this machine"
    )
    assert len(served.rounds) == 3


def test_after_a_failure_nothing_is_read_any_more_and_nothing_confirmed() -> None:
    source, served = far(DATA, lambda *_: changed("it was written again"))
    for ask in (lambda: source.read(FAR_OFF, BLOCK), lambda: source.read(0, 8), source.confirm):
        with pytest.raises(DumpError, match="has changed while it was read"):
            ask()
    assert len(served.rounds) == 1


def test_a_server_that_asks_to_come_back_much_later_is_not_waited_for() -> None:
    source, served = far(DATA, lambda *_: TransientError("the server answers 503", 86400))
    with pytest.raises(DumpError, match="answers 503, and asks to come back in 86400 s"):
        source.read(FAR_OFF, BLOCK)
    assert len(served.rounds) == 1


def test_more_bytes_than_were_asked_for_are_refused() -> None:
    source, _ = far(DATA, lambda _, __, data: data + b"x")
    with pytest.raises(DumpError, match="instead of"):
        source.read(FAR_OFF, BLOCK)


def test_a_watcher_is_told_after_each_round() -> None:
    source, _ = far(DATA)
    told: list[int] = []
    source.watch(lambda traffic: told.append(traffic.rounds))
    source.read(FAR_OFF, BLOCK)
    source.read(2 << 20, BLOCK)
    assert told == [2, 3]


def test_closing_closes_the_connection() -> None:
    source, served = far(DATA)
    source.close()
    assert served.closed
