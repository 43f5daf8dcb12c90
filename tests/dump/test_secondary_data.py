"""The chain of secondary data ("DumpBlob"). Layout: ntoseye tagged.rs."""

from __future__ import annotations

import struct
from uuid import UUID

import pytest
from support.dump_bytes import file_of

from windbg_ext.dump.secondary import SecondaryBlob, SecondaryData, read_secondary_data
from windbg_ext.limits import Budget, Limit

START = 0x123
BEFORE = b"\xcc" * START
TAGS = [UUID("65755a40-0000-4000-8000-000000000001"), UUID("54c84888-1111-4000-8000-000000000002")]


def chain_header(size: int = 0x10) -> bytes:
    return struct.pack("<8sII", b"DumpBlob", size, 0xF0000000 | 19041)


def blob(
    tag: UUID, data: bytes, pre: int = 0, post: int = 0, size: int | None = None, header_size: int = 0x20
) -> bytes:
    header = struct.pack("<I16sIII", header_size, tag.bytes_le, len(data) if size is None else size, pre, post)
    return header + b"\xaa" * pre + data + b"\xbb" * post


def read(chain: bytes) -> SecondaryData | None:
    with file_of(BEFORE + chain) as file:
        return read_secondary_data(file, START, Budget())


def test_every_blob_is_found_behind_its_paddings() -> None:
    chain = chain_header() + blob(TAGS[0], b"one", pre=5, post=7) + blob(TAGS[1], b"twotwo", post=2)
    found = read(chain)
    assert found == SecondaryData(
        START,
        len(chain),
        (
            SecondaryBlob(TAGS[0].bytes_le, START + 0x10 + 0x20 + 5, 3, START + 0x10),
            SecondaryBlob(TAGS[1].bytes_le, START + 0x10 + 0x20 + 5 + 3 + 7 + 0x20, 6, START + 0x3F),
        ),
    )
    first, second, end = START + 0x10, START + 0x3F, START + 0x67
    assert found.extents == [(START, first), (first, second), (second, end)]


def test_the_tag_is_a_guid_as_windows_keeps_it() -> None:
    head = bytes.fromhex("20000000 403c7565 3412 7856 0102030405060708") + struct.pack("<III", 0, 0, 0)
    found = read(chain_header() + head)
    assert found is not None
    assert str(found.blobs[0].tag) == "65753c40-1234-5678-0102-030405060708"


def test_a_chain_without_blobs_is_its_header() -> None:
    assert read(chain_header()) == SecondaryData(START, 0x10, ())


def test_an_empty_blob_counts() -> None:
    found = read(chain_header() + blob(TAGS[0], b""))
    assert found is not None
    assert [item.size for item in found.blobs] == [0]


@pytest.mark.parametrize("rest", [b"", b"DumpBl", b"DumpBlob\x10\0\0\0", b"\0" * 0x1000, b"NotABlob" * 4])
def test_where_no_chain_begins_there_is_none(rest: bytes) -> None:
    assert read(rest) is None


def test_a_chain_that_would_begin_behind_the_end_of_the_file_is_none() -> None:
    with file_of(chain_header()) as file:
        assert read_secondary_data(file, 1 << 63, Budget()) is None


@pytest.mark.parametrize("rest", [bytes(0x1800), b"something that another tool appended to the file", b"\x20"])
def test_what_is_behind_the_chain_does_not_belong_to_it(rest: bytes) -> None:
    chain = chain_header() + blob(TAGS[0], b"one", post=5)
    found = read(chain + rest)
    assert found is not None
    assert (found.size, len(found.blobs), found.problem) == (len(chain), 1, None)


@pytest.mark.parametrize("missing", [1, 3, 6])
def test_a_blob_whose_data_is_cut_is_not_in_the_chain_and_told(missing: int) -> None:
    whole = chain_header() + blob(TAGS[0], b"one", post=4)
    chain = whole + blob(TAGS[1], b"twotwo")
    found = read(chain[:-missing])
    assert found is not None
    assert (found.size, len(found.blobs)) == (len(whole), 1)
    end = START + len(chain) - missing
    assert found.problem == f"blob 1 at 0x{START + len(whole):x} is cut by the end of the file at 0x{end:x}"


def test_a_blob_whose_padding_alone_is_cut_is_whole() -> None:
    chain = chain_header() + blob(TAGS[0], b"one", post=8)
    found = read(chain[:-5])
    assert found is not None
    assert (found.size, len(found.blobs), found.problem) == (len(chain) - 5, 1, None)


@pytest.mark.parametrize(("field", "value"), [("size", 0xFFFFFFFF), ("size", 0x1000), ("pre", 0xFFFFFFFF)])
def test_sizes_that_lie_end_the_chain_before_the_blob(field: str, value: int) -> None:
    good = chain_header() + blob(TAGS[0], b"one")
    sizes = {"size": 3, "pre": 0, field: value}
    lying = struct.pack("<I16sIII", 0x20, TAGS[1].bytes_le, sizes["size"], sizes["pre"], 0) + b"two"
    found = read(good + lying)
    assert found is not None
    assert (found.size, len(found.blobs)) == (len(good), 1)
    assert found.problem is not None


@pytest.mark.parametrize("size", [0, 0x1F, 0x21, 0xFFFFFFFF])
def test_a_blob_header_of_another_size_ends_the_chain(size: int) -> None:
    good = chain_header() + blob(TAGS[0], b"one")
    found = read(good + blob(TAGS[1], b"two", header_size=size))
    assert found is not None
    assert (found.size, len(found.blobs)) == (len(good), 1)


@pytest.mark.parametrize("size", [0, 0xF])
def test_a_chain_header_that_claims_to_be_shorter_is_not_believed(size: int) -> None:
    found = read(chain_header(size) + blob(TAGS[0], b"one"))
    assert found is not None
    assert [item.tag for item in found.blobs] == [TAGS[0]]


def test_a_longer_chain_header_is_believed() -> None:
    found = read(chain_header(0x18) + bytes(8) + blob(TAGS[0], b"one"))
    assert found is not None
    assert [item.tag for item in found.blobs] == [TAGS[0]]


@pytest.mark.parametrize("size", [0x10000, 0xFFFFFFFF])
def test_a_chain_header_that_leads_out_of_the_file_is_all_there_is_and_told(size: int) -> None:
    found = read(chain_header(size) + blob(TAGS[0], b"one"))
    assert found is not None
    assert (found.size, found.blobs) == (0x10, ())
    assert found.problem is not None
    assert f"HeaderSize 0x{size:x} leads beyond the end of the file" in found.problem


def test_a_chain_that_never_ends_stops_at_a_bound_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("windbg_ext.dump.secondary.MAX_BLOBS", Limit(50, "blobs", "nobody adds more"))
    found = read(chain_header() + blob(TAGS[0], b"") * 51)
    assert found is not None
    assert len(found.blobs) == 50
    assert found.problem == "its chain asks for 51 blobs, at most 50 are read: nobody adds more"
    assert found.size == 0x10 + 50 * 0x20


@pytest.mark.parametrize("kept", [4, 0x14, 0x1F])
def test_a_blob_whose_header_is_cut_is_told(kept: int) -> None:
    good = chain_header() + blob(TAGS[0], b"one")
    found = read(good + blob(TAGS[1], b"")[:kept])
    assert found is not None
    assert (found.size, len(found.blobs)) == (len(good), 1)
    assert found.problem is not None
    assert found.problem.startswith(f"the header of blob 1 at 0x{START + len(good):x} is cut")


def read_failing(chain: bytes, first: int, monkeypatch: pytest.MonkeyPatch) -> SecondaryData | None:
    """Read a chain of which nothing can be read from an offset on."""
    with file_of(chain) as file:
        read = file.read

        def fail(offset: int, length: int) -> bytes:
            if offset + length > first:
                raise OSError(5, "Input/output error")
            return read(offset, length)

        monkeypatch.setattr(file, "read", fail)
        return read_secondary_data(file, 0, Budget())


def test_where_the_system_cannot_read_it_is_not_known_whether_there_is_a_chain(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = "its beginning at 0x0 cannot be read (Input/output error)"
    assert read_failing(chain_header(), 0, monkeypatch) == SecondaryData(0, 0, (), problem)


def test_a_header_of_a_blob_that_the_system_cannot_read_ends_the_chain_and_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    good = chain_header() + blob(TAGS[0], b"one")
    found = read_failing(good + blob(TAGS[1], b"two") + blob(TAGS[0], b"three"), len(good) + 1, monkeypatch)
    assert found is not None
    assert (found.size, len(found.blobs), found.missing) == (len(good), 1, 0)
    assert found.problem == "the header of blob 1 at 0x33 cannot be read (Input/output error): the rest is lost"
