"""Physical pages of a file, and why one cannot be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.memory_files import ListedPages, file_of, physical_memory_of

from windbg_ext.errors import ReadFailure
from windbg_ext.memory import PhysicalMemory

if TYPE_CHECKING:
    from windbg_ext.sources.local import LocalFile


def test_a_page_is_read_by_its_frame_number() -> None:
    with physical_memory_of({7: b"seven", 3: b"three"}) as physical:
        assert physical.page(3) == b"three".ljust(0x1000, b"\0")
        assert physical.page(7) == b"seven".ljust(0x1000, b"\0")


def test_a_page_that_the_source_does_not_know_is_absent() -> None:
    with physical_memory_of({7: b"seven"}) as physical:
        assert physical.page(8) is None
        assert physical.why_missing(8) == "not in this dump"


@pytest.mark.parametrize("cut", [1, 0xFFF, 0x1000])
def test_a_page_that_is_not_whole_is_absent_and_cut_off(cut: int) -> None:
    with physical_memory_of({7: b"seven", 3: b"three"}, cut) as physical:
        assert physical.page(7) is not None
        assert physical.page(3) is None
        assert physical.why_missing(3) == "cut off (it would lie at 0x1000 of the file)"


@pytest.mark.parametrize("offset", [1 << 40, 1 << 63, (1 << 64) - 0x1000])
def test_an_offset_that_no_file_reaches_is_cut_off_too(offset: int) -> None:
    with file_of(b"") as file:
        physical = PhysicalMemory(file, ListedPages({1: offset}))
        assert physical.page(1) is None
        assert physical.why_missing(1) == f"cut off (it would lie at 0x{offset:x} of the file)"


def failing(file: LocalFile, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: int) -> bytes:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(file, "read", fail)


def test_a_page_that_the_system_cannot_read_is_absent_and_says_where(monkeypatch: pytest.MonkeyPatch) -> None:
    with file_of(bytes(0x2000)) as file:
        failing(file, monkeypatch)
        physical = PhysicalMemory(file, ListedPages({1: 0x1000, 2: 1 << 40}))
        assert physical.page(1) is None
        why = physical.why_missing(1)
        assert why == "at 0x1000 of the file, where reading fails (Input/output error)"
        assert isinstance(why, ReadFailure)
        assert not isinstance(physical.why_missing(2), ReadFailure)
        assert not isinstance(physical.why_missing(3), ReadFailure)


def test_what_could_not_be_read_is_told_in_the_order_of_the_file_and_as_one_where_it_touches(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with file_of(bytes(0x100000)) as file:
        failing(file, monkeypatch)
        physical = PhysicalMemory(file, ListedPages({pfn: 0x1000 * pfn for pfn in range(0x100)}))
        assert list(physical.failures()) == []
        for pfn in (9, 3, 5, 4):
            physical.page(pfn)
        assert list(physical.failures()) == [
            "0x3000 to 0x6000 of the file cannot be read (Input/output error)",
            "0x9000 to 0xa000 of the file cannot be read (Input/output error)",
        ]
        for pfn in range(11, 0x100, 2):
            physical.page(pfn)
        *told, rest = physical.failures()
        assert len(told) == 16
        assert rest == "109 more pages in 109 more places cannot be read"


def test_what_could_not_be_read_is_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("windbg_ext.memory.physical.MAX_CACHED_PAGES", 0)
    tried = []

    def fail(offset: int, _: int) -> bytes:
        tried.append(offset)
        raise OSError(5, "Input/output error")

    with file_of(bytes(0x2000)) as file:
        monkeypatch.setattr(file, "read", fail)
        physical = PhysicalMemory(file, ListedPages({1: 0x1000}))
        for _ in range(5):
            assert physical.page(1) is None
    assert tried == [0x1000]


def test_a_page_that_is_asked_for_again_is_not_read_again() -> None:
    with file_of(bytes(0x2000)) as file:
        physical = PhysicalMemory(file, ListedPages({1: 0x1000}))
        for _ in range(5):
            physical.page(1)
        assert file.bytes_read == 0x1000
