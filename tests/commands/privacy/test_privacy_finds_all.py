"""What is planted is found: in every place of a small dump's file, and in what minify would save of a large one."""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Any

import pytest
from support.command_line import run
from support.planted import (
    COMPUTER,
    SECRETS,
    USER,
    cores,
    leaks,
    plant,
    planted_dump,
    planted_in_slack,
    sample,
)
from support.small_dump_file import SmallDumpFile

if TYPE_CHECKING:
    from pathlib import Path

SMALL = ("small", "x86-small", "x86-pae-small", "arm64-small")
LARGE = ("complete", "x86-complete", "x86-pae-complete", "arm64-complete")


def privacy(path: Path, *options: str) -> dict[str, Any]:
    """Return the JSON report of one file."""
    (dump,) = json.loads(run("dumpkind", "--privacy", "--json", *options, path).out)["dumps"]
    found: dict[str, Any] = dump["privacy"]
    return found


def occurrences(report: dict[str, Any]) -> list[dict[str, Any]]:
    return [one for finding in report["findings"] for one in finding["occurrences"]]


def not_found(data: bytes, report: dict[str, Any]) -> list[str]:
    """Return every secret in a file that no occurrence covers at its offset."""
    covered = [(one["offset"], one["offset"] + one["bytes"]) for one in occurrences(report)]
    return [
        f"{leak.name} at 0x{leak.offset:x}"
        for leak in leaks(data)
        if not any(start < leak.offset + leak.length and leak.offset < end for start, end in covered)
    ]


@pytest.mark.parametrize("name", [SMALL[0], *(pytest.param(name, marks=pytest.mark.slow) for name in SMALL[1:])])
def test_every_secret_in_a_small_dump_is_found_where_it_lies(name: str, tmp_path: Path) -> None:
    path = tmp_path / "planted.dmp"
    path.write_bytes(data := planted_dump(name))
    assert {leak.name for leak in leaks(data)} == set(cores())
    assert not_found(data, privacy(path)) == []


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.slow) for name in LARGE])
def test_every_secret_in_a_small_dump_that_minify_made_is_found_where_it_lies(name: str, tmp_path: Path) -> None:
    large, small = tmp_path / "planted.dmp", tmp_path / "small.dmp"
    large.write_bytes(planted_dump(name))
    assert run("minify", large, small).status == 0
    assert {leak.name for leak in leaks(small.read_bytes())} == set(cores())
    assert not_found(small.read_bytes(), privacy(small)) == []


@pytest.mark.parametrize("name", [LARGE[1], *(pytest.param(name, marks=pytest.mark.slow) for name in LARGE)])
def test_of_a_large_dump_every_secret_is_found_at_its_address(name: str, tmp_path: Path) -> None:
    path = tmp_path / "planted.dmp"
    path.write_bytes(planted_dump(name))
    report = privacy(path)
    found = [(int(one["address"], 16), one["bytes"]) for one in occurrences(report) if one["address"]]
    missed = [
        f"{core!r} at 0x{address:x}"
        for address, core in plant(sample(name).machine).placed
        if not any(start < address + len(core) and address < start + size for start, size in found)
    ]
    assert missed == []
    assert report["looked_at"] == "what minify would save"
    places = {one["place"].partition(",")[0] for one in occurrences(report)}
    assert {"header", "driver name", "unloaded driver", "call stack", "data block", "KPRCB"} <= places
    assert {finding["what"] for finding in report["findings"]} >= {secret.what for secret in SECRETS}


def test_bytes_that_belong_to_no_part_of_the_file_are_looked_at(tmp_path: Path) -> None:
    """In the header between its fields, between the parts, behind the last one and behind the secondary data."""
    data = bytearray(planted_dump("small"))
    end = SmallDumpFile(bytes(data)).size_of_dump
    text = f"USERNAME={USER}".encode()
    data[0x1060 : 0x1060 + len(text)] = text
    struct.pack_into("<I", data, 0x2000 + 0x04, end + len(text) + 16)  # SizeOfDump
    data[end:end] = bytes(8) + text + bytes(8)
    data += bytes(7) + f"COMPUTERNAME={COMPUTER}".encode("utf-16-le")
    path = tmp_path / "planted.dmp"
    path.write_bytes(data)
    report = privacy(path)
    assert not_found(bytes(data), report) == []
    assert {"header, unused bytes", "between the parts", "behind the end"} <= {
        one["place"] for one in occurrences(report)
    }


@pytest.mark.parametrize("name", [SMALL[1], *(pytest.param(name, marks=pytest.mark.slow) for name in SMALL[::2])])
def test_secrets_in_what_no_field_of_an_entry_of_the_driver_lists_uses_are_found(name: str, tmp_path: Path) -> None:
    path = tmp_path / "planted.dmp"
    path.write_bytes(data := planted_in_slack(name))
    assert len(list(leaks(data))) > len(list(leaks(planted_dump(name)))) + 5
    assert not_found(data, privacy(path)) == []


def test_a_secret_across_two_blocks_that_are_neighbours_in_memory_is_found(tmp_path: Path) -> None:
    """The second one lies at the end of the file, so only the memory holds the name in one piece."""
    data = bytearray(planted_dump("small"))
    dump = SmallDumpFile(bytes(data))
    table = dump.triage(0x78)
    index, block = next((index, block) for index, block in enumerate(dump.blocks) if USER.encode() in block.data)
    offset, size = dump.block_extents()[index]
    at = block.data.index(USER.encode()) + 4  # in the middle of the name
    struct.pack_into("<QII", data, table + 16 * index, block.address, offset, at)
    data[offset + at : offset + size] = bytes(size - at)
    last = dump.block_count - 1  # gives up its place in the table
    assert last != index
    struct.pack_into("<QII", data, table + 16 * last, block.address + at, len(data) + 3, size - at)
    data += bytes(3) + block.data[at:]
    path = tmp_path / "planted.dmp"
    path.write_bytes(data)
    spans = [(int(one["address"], 16), one["bytes"]) for one in occurrences(privacy(path)) if one["address"]]
    assert any(start < block.address + at < start + length for start, length in spans)


def test_values_are_only_shown_if_they_are_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "planted.dmp"
    path.write_bytes(planted_dump("small"))
    secrets = [secret.core.lower() for secret in SECRETS]
    for options in ((), ("-v",), ("--json",)):
        out = run("dumpkind", "--privacy", *options, path).out.lower()
        assert [core for core in secrets if core in out] == []
    shown = run("dumpkind", "--privacy", "--json", "--show", path).out.lower()
    assert [core for core in (USER, "hunter2hunter", "192.168.77.231") if core not in shown] == []
    assert USER in run("dumpkind", "--privacy", "--show", path).out
