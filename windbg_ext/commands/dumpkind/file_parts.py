"""What a file is made of, part by part."""

from __future__ import annotations

from typing import TYPE_CHECKING

from windbg_ext.commands.dumpkind.details import small_parts
from windbg_ext.commands.dumpkind.whole import pages_in
from windbg_ext.dump.pages import PAGE_SIZE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from windbg_ext.dump.dump import Dump


def file_parts(dump: Dump) -> Iterator[tuple[str, int, int]]:
    """Yield (name, file offset, bytes) of what a file is made of, in its order. What lies between is not named."""
    header, end = dump.fields.SIZE, dump.source.size
    found = [("header", 0, header)]
    if dump.pages is not None:
        pages = pages_in(dump.pages) * PAGE_SIZE
        first = max(header, dump.pages.end - pages)
        found += [("bitmap or list of ranges", header, first - header), ("pages of memory", first, pages)]
    if dump.small is not None:
        found += small_parts(dump.small)
        blocks = [block for block in dump.small.data_blocks if block.size]
        if blocks:
            found.append(("data blocks", min(block.offset for block in blocks), sum(block.size for block in blocks)))
    if dump.secondary is not None:
        found.append(("secondary data", dump.secondary.offset, dump.secondary.size))
    for name, offset, size in sorted(found, key=lambda part: part[1]):
        there = min(size, end - offset)
        if there > 0:
            yield name, offset, there
