"""Other people's small dumps (folder WINDBG_EXT_DUMPS) are read and written again with the same parts."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from support.dump_bytes import file_of, read_header
from support.dumps_at_hand import AMD64, ARM64, SMALL, content, given_dumps
from support.small_dump_file import SmallDumpFile

from windbg_ext.dump.secondary import read_secondary_data
from windbg_ext.dump.small import read_small_dump
from windbg_ext.dump.small_file import load_small_dump, write_small_dump
from windbg_ext.limits import Budget

if TYPE_CHECKING:
    from pathlib import Path

SMALL_DUMPS = [path for machine in (AMD64, ARM64) for path in given_dumps(SMALL, machine=machine)]
if not SMALL_DUMPS:
    pytest.skip("WINDBG_EXT_DUMPS names no folder with small dumps", allow_module_level=True)


def written_again(data: bytes) -> bytes:
    out = io.BytesIO()
    with file_of(data) as file:
        header = read_header(file)
        layout = read_small_dump(file, header, Budget())
        chain = read_secondary_data(file, layout.size_of_dump, Budget())
        secondary = b"" if chain is None else file.read(chain.offset, chain.size)
        write_small_dump(load_small_dump(file, header, layout, Budget()), secondary, out)
    return out.getvalue()


def parts(data: bytes) -> dict[str, object]:
    """Every part, and the header without the size of the file."""
    small = SmallDumpFile(data)
    if len(small.debugger_data) < 0x2C2:
        pytest.skip("no debugger data block tells how long the parts are")
    return {"header": data[:0xF98] + data[0xFA8:0x1038] + data[0x103C:0x2000], **small.parts()}


@pytest.mark.parametrize("path", SMALL_DUMPS, ids=lambda path: path.name)
def test_a_small_dump_written_again_has_the_same_parts(path: Path) -> None:
    data = content(path)
    expected, found = parts(data), parts(written_again(data))
    for name, part in expected.items():
        assert found[name] == part, name
    assert expected["drivers"]


@pytest.mark.parametrize("path", SMALL_DUMPS, ids=lambda path: path.name)
def test_a_small_dump_written_twice_is_the_same_to_the_byte(path: Path) -> None:
    once = written_again(content(path))
    assert written_again(once) == once
