"""The page-table entries of what was saved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from windbg_ext.commands.minify.collector import Wanted
from windbg_ext.commands.minify.parts.windows import WINDOW
from windbg_ext.limits import MAX_PAGES_WITH_ENTRIES
from windbg_ext.memory.ahead import prefetch
from windbg_ext.memory.paging import PAGE_SHIFT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from windbg_ext.commands.minify.collector import Collector
    from windbg_ext.commands.minify.crash import Crash


MAX_PAGES = 40_000
"""Pages whose entries are collected when no size is asked for: 8 MB of windows are 32,768, in a page each."""


def collect_page_table_entries(crash: Crash, collector: Collector) -> None:
    """Collect the page-table entries of all pages of which something was saved."""
    pages = collector.pages()
    limit = min(max(MAX_PAGES, (collector.account.limit or 0) // WINDOW), MAX_PAGES_WITH_ENTRIES)
    if len(pages) > limit:
        collector.lose(f"those of {len(pages) - limit:,} of {len(pages):,} pages are left out")
    prefetch(crash.memory, ((at, length) for at, length, *_ in page_table_entries(crash, pages[:limit])))
    collector.save(page_table_entries(crash, pages[:limit]))


def page_table_entries(crash: Crash, pages: Iterable[int]) -> Iterator[Wanted]:
    """Yield the page-table entries of pages, at the addresses where the kernel maps its own page tables.

    pages: in ascending order; an entry that neighbours share is yielded once.
    """
    paging = crash.target.paging
    base = crash.pte_base
    if paging is None or not base:
        return
    size, mask = paging.entry_size, (1 << paging.address_bits) - 1
    last = [0] * paging.mapped_levels
    for page in pages:
        address = page
        for level in range(paging.mapped_levels):
            address = base + ((address & mask) >> PAGE_SHIFT) * size
            if address == last[level]:  # and so are those above it
                break
            last[level] = address
            yield Wanted(address, size)
