"""Copying secondary data behind the parts of a file: a blob that cannot be read to its end is left out."""

from __future__ import annotations

import io
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from windbg_ext.commands.minify.secondary import SecondaryCopy, copy_secondary_data
from windbg_ext.errors import DumpError
from windbg_ext.kernel.target import Blob

if TYPE_CHECKING:
    from collections.abc import Iterator

    from windbg_ext.kernel import Target

PARTS = b"headers and parts"


def blob(*pieces: bytes | None) -> Blob:
    """A blob in pieces; None: from there on it cannot be read."""
    return Blob(sum(len(piece or b"") for piece in pieces), _each(pieces))


def _each(pieces: tuple[bytes | None, ...]) -> Iterator[bytes]:
    for piece in pieces:
        if piece is None:
            raise DumpError("secondary data", "cannot be read")
        yield piece


def copy(*blobs: Blob, bounded: bool = True) -> tuple[SecondaryCopy, bytes, list[int]]:
    """Copy blobs behind PARTS: what came of it, what the file has behind PARTS, the steps of the progress."""
    out, steps = io.BytesIO(PARTS), list[int]()
    out.seek(len(PARTS))
    target = cast("Target", SimpleNamespace(secondary_size=100, secondary_data=lambda: iter(blobs)))
    copied = copy_secondary_data(target, out, lambda doing, done, total: steps.append(done), bounded=bounded)
    assert out.tell() == len(out.getvalue())
    assert out.getvalue().startswith(PARTS)
    return copied, out.getvalue()[len(PARTS) :], steps


def test_all_of_it_lies_behind_the_parts_in_its_order() -> None:
    copied, data, steps = copy(blob(b"head"), blob(b"one", b"two"), blob(b"three"))
    assert (copied, data) == (SecondaryCopy(15), b"headonetwothree")
    assert steps == [4, 7, 10, 15]


@pytest.mark.parametrize("first", [(), (b"some of it",)], ids=["at its start", "in its middle"])
def test_a_blob_that_cannot_be_read_to_its_end_is_cut_off_and_the_next_takes_its_place(first: tuple[bytes]) -> None:
    copied, data, _ = copy(blob(b"head"), blob(b"one"), blob(*first, None), blob(b"three"))
    assert (copied, data) == (SecondaryCopy(12, ("blob 1 cannot be read",)), b"headonethree")


def test_a_last_blob_that_cannot_be_read_leaves_nothing_at_the_end_of_the_file() -> None:
    copied, data, _ = copy(blob(b"head"), blob(b"a long piece", None))
    assert (copied, data) == (SecondaryCopy(4, ("blob 0 cannot be read",)), b"head")


def test_without_the_header_of_the_chain_there_is_nothing_to_copy() -> None:
    copied, data, _ = copy(blob(b"he", None), blob(b"one"))
    assert (copied, data) == (SecondaryCopy(0, ("cannot be read",)), b"")


def test_sixteen_lost_blobs_are_told_one_by_one_and_the_rest_as_a_number() -> None:
    copied, _, _ = copy(blob(b"head"), *(blob(None) for _ in range(1020)))
    whys = [lost.why for lost in copied.left_out()]
    assert whys == [*(f"blob {number} cannot be read" for number in range(16)), "1,004 more blobs cannot be read"]


@pytest.fixture
def eight_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the bound be 8 bytes."""
    monkeypatch.setattr("windbg_ext.commands.minify.secondary.MAX_SECONDARY_COPIED", 8)


@pytest.mark.usefixtures("eight_bytes")
def test_a_blob_that_does_not_fit_into_the_bound_is_never_read_and_a_shorter_one_behind_it_goes_in() -> None:
    copied, data, _ = copy(blob(b"head"), blob(b"12345"), blob(b"1234"))
    assert (copied, data) == (SecondaryCopy(8, too_long=(5,)), b"head1234")


@pytest.mark.usefixtures("eight_bytes")
def test_there_is_no_bound_where_a_size_is_asked_for() -> None:
    assert copy(blob(b"head"), blob(b"12345"), blob(b"1234"), bounded=False)[1] == b"head123451234"


@pytest.mark.usefixtures("eight_bytes")
def test_nothing_is_copied_where_the_header_alone_is_beyond_the_bound() -> None:
    copied, data, _ = copy(blob(b"a long header"), blob(b"1"))
    assert (copied, data) == (SecondaryCopy(too_long=(100,)), b"")


@pytest.mark.parametrize(
    ("too_long", "why"),
    [
        ((0xF0000020,), "a blob of 4,026,531,872 bytes does not fit into 64 MB, a larger --size takes it"),
        ((1 << 26, 5000), "2 blobs of 67,113,864 bytes do not fit into 64 MB, a larger --size takes them"),
    ],
)
def test_what_is_left_out_because_of_the_bound_is_one_line_that_says_how_to_get_it(
    too_long: tuple[int, ...], why: str
) -> None:
    assert [lost.why for lost in SecondaryCopy(too_long=too_long).left_out()] == [why]
