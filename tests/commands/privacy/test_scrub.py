"""`minify --scrub`: what is planted is gone, whatever the source; what is left is as it was, and is enough."""

from __future__ import annotations

import json
import struct
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from support.command_line import run
from support.planted import COMPUTER, SECRETS, USER, cores, leaks, plant, planted_dump, planted_in_slack, sample
from support.small_dump_file import Block, SmallDumpFile

from samples.builder.catalog import SAMPLES, build
from samples.builder.machine import Placement
from samples.builder.places import PLACES
from windbg_ext.structs.header import DumpType

if TYPE_CHECKING:
    from pathlib import Path

LOWEST_KERNEL = {0x14C: 0x80000000, 0x8664: 0xFFFF_8000_0000_0000, 0xAA64: 0xFFFF_8000_0000_0000}
LARGE = [sample.name for sample in SAMPLES if sample.large]
SMALL = [sample.name for sample in SAMPLES if sample.format.dump_type is DumpType.TRIAGE]
DEFAULT = ("x86-pae-complete", "arm64-small", "small")


def some(names: list[str]) -> list[Any]:
    return [name if name in DEFAULT else pytest.param(name, marks=pytest.mark.slow) for name in names]


class Pair:
    """A dump with secrets, and what is left of it; plain: the small dump without scrubbing."""

    def __init__(self, folder: Path, data: bytes, *options: str) -> None:
        self.source, self.plain_path, self.path = (folder / f"{name}.dmp" for name in ("source", "plain", "scrubbed"))
        self.source.write_bytes(data)
        self.outcome = run("minify", self.source, self.path, "--scrub", "--json", *options)
        assert self.outcome.err == ""
        self.data = self.path.read_bytes()
        self.scrubbed = SmallDumpFile(self.data)
        self.report: dict[str, Any] = json.loads(self.outcome.out)

    @property
    def plain(self) -> SmallDumpFile:
        if run("minify", self.source, self.plain_path, "--overwrite").status == 3:
            return SmallDumpFile(self.source)
        return SmallDumpFile(self.plain_path)


def left_over(data: bytes) -> list[str]:
    """Return every secret in a file, or across blocks that are neighbours in memory."""
    dump = SmallDumpFile(data)
    pieces = sorted([*dump.blocks, Block(dump.top_of_stack, dump.call_stack)])
    joints = [
        before.data[-0x100:] + behind.data[:0x100]
        for before, behind in zip(pieces, pieces[1:])
        if before.end == behind.address
    ]
    return [leak.name for piece in (data, *joints) for leak in leaks(piece)]


@pytest.mark.parametrize("name", some([*LARGE, *SMALL]))
def test_no_secret_is_left_and_the_rules_find_nothing_more(name: str, tmp_path: Path) -> None:
    data = planted_dump(name)
    assert {leak.name for leak in leaks(data)} == set(cores())
    pair = Pair(tmp_path, data)
    assert left_over(pair.data) == []
    found = json.loads(run("dumpkind", "--privacy", "--json", pair.path).out)["dumps"][0]["privacy"]["findings"]
    assert [finding["what"] for finding in found] == []


@pytest.mark.parametrize("name", some([*LARGE, *SMALL]))
def test_what_is_left_is_as_it_was(name: str, tmp_path: Path) -> None:
    """No byte of a data block is another one, modules and processors are all there, no memory is of user mode."""
    pair = Pair(tmp_path, planted_dump(name))
    plain, scrubbed = pair.plain, pair.scrubbed
    memory = {address: byte for block in plain.blocks for address, byte in enumerate(block.data, block.address)}
    for block in scrubbed.blocks:
        assert block.address >= LOWEST_KERNEL[scrubbed.machine]
        stack = block.address in range(plain.top_of_stack, plain.top_of_stack + len(plain.call_stack))
        if not stack:
            assert block.data == bytes(memory[address] for address in range(block.address, block.end))
    assert plain.call_stack.startswith(scrubbed.call_stack)
    assert [(one.base, one.size, one.check_sum, one.time_date_stamp) for one in scrubbed.drivers] == [
        (one.base, one.size, one.check_sum, one.time_date_stamp) for one in plain.drivers
    ]
    assert [(one.start, one.end) for one in scrubbed.unloaded_drivers] == [
        (one.start, one.end) for one in plain.unloaded_drivers
    ]
    assert scrubbed.parts()["context"] == plain.parts()["context"]
    assert scrubbed.parts()["exception"] == plain.parts()["exception"]
    named = [driver.name.lower().rpartition("\\")[2] for driver in scrubbed.drivers]
    assert named == [
        "" if USER in driver.name.rpartition("\\")[2] else driver.name.rpartition("\\")[2].lower()
        for driver in plain.drivers
    ]
    assert {"ntoskrnl.exe", "faulty.sys", "probe.sys"} <= set(named)


@pytest.mark.parametrize("name", some(["x86-complete", "x86-pae-complete", "complete", "arm64-complete"]))
def test_of_structures_and_stacks_only_the_words_of_a_text_go_and_of_windows_all(name: str, tmp_path: Path) -> None:
    """A text on a stack or in a KPRCB, thread or process leaves all words around it where they are."""
    pair, machine = Pair(tmp_path, planted_dump(name)), sample(name).machine
    plain, scrubbed = pair.plain, pair.scrubbed
    word, longest = plain.offsets.pointer, 2 * max(len(secret.text) for secret in SECRETS)
    texts = [(address - longest, address + len(core) + longest) for address, core in plant(machine).placed]

    def near_a_text(address: int) -> bool:
        return any(start <= address < end for start, end in texts)

    top, stack = plain.top_of_stack, plain.call_stack
    words = [address for address in range(top, top + len(stack), word) if not near_a_text(address)]
    assert len(words) > 64
    for address in words:
        at = address - top
        assert held(scrubbed, address, word) == stack[at : at + word]
    sizes = {part: machine.version.number(size) for part, size in (("prcb", "SizePrcb"), ("thread", "SizeEThread"))}
    for part, size in {**sizes, "process": machine.version.number("SizeEProcess")}.items():
        before, behind = (dump.parts()[part] for dump in (plain, scrubbed))
        assert isinstance(before, bytes)
        assert isinstance(behind, bytes)
        changed = [at for at in range(0, size, word) if before[at : at + word] != behind[at : at + word]]
        assert 0 < len(changed) <= longest // word + 2
        assert all(not any(behind[at : at + word]) for at in changed)
    windows = [address & -0x400 for address, _ in plant(machine).placed if address & 0x3FF in range(0x80, 0x100)]
    gone = [address for address in windows if plain.memory(address, 0x100) and not scrubbed.memory(address, 1)]
    assert len(gone) > len(SECRETS)


def held(dump: SmallDumpFile, address: int, size: int) -> bytes | None:
    """Return memory from the call stack or from data blocks, None where neither holds it."""
    at = address - dump.top_of_stack
    if 0 <= at <= len(dump.call_stack) - size and any(dump.call_stack):
        return dump.call_stack[at : at + size]
    return dump.memory(address, size)


@pytest.mark.parametrize("name", some(["x86-pae-complete", "small"]))
def test_two_runs_make_the_same_file(name: str, tmp_path: Path) -> None:
    first = Pair(tmp_path, planted_dump(name)).data
    assert Pair(tmp_path, planted_dump(name), "--overwrite").data == first


@pytest.mark.parametrize("name", some(["complete", "small"]))
def test_a_scrubbed_dump_that_is_scrubbed_again_stays_as_it_is(name: str, tmp_path: Path) -> None:
    pair = Pair(tmp_path, planted_dump(name))
    again = tmp_path / "again.dmp"
    assert run("minify", pair.path, again, "--scrub").status == 0
    assert again.read_bytes() == pair.data


def test_paths_of_user_mode_modules_become_base_names(tmp_path: Path) -> None:
    pair = Pair(tmp_path, planted_dump("complete"))
    names = [driver.name for driver in pair.scrubbed.drivers]
    assert {"sample.exe", "ntdll.dll"} <= set(names)
    assert r"\SystemRoot\system32\drivers\disk.sys" in names


def test_bytes_that_belong_to_no_part_are_not_taken_over(tmp_path: Path) -> None:
    """In the header between its fields and behind the registers, between the parts, behind the end."""
    data = bytearray(planted_dump("small"))
    end = SmallDumpFile(bytes(data)).size_of_dump
    text = f"USERNAME={USER}".encode()
    for at in (0x1060, 0x348 + 0x4D0 + 0x100, 0x88 + 0x200):
        data[at : at + len(text)] = text
    struct.pack_into("<I", data, 0x2000 + 0x04, end + len(text) + 16)  # SizeOfDump
    data[end:end] = bytes(8) + text + bytes(8)
    data += bytes(7) + f"COMPUTERNAME={COMPUTER}".encode("utf-16-le")
    assert left_over(Pair(tmp_path, bytes(data)).data) == []


@pytest.mark.parametrize("name", some(SMALL))
def test_what_no_field_of_an_entry_of_the_driver_lists_uses_is_not_taken_over(name: str, tmp_path: Path) -> None:
    assert left_over(Pair(tmp_path, planted_in_slack(name)).data) == []


def test_a_secret_across_two_blocks_leaves_both(tmp_path: Path) -> None:
    data = bytearray(planted_dump("small"))
    dump = SmallDumpFile(bytes(data))
    table = dump.triage(0x78)
    index, block = next((index, block) for index, block in enumerate(dump.blocks) if USER.encode() in block.data)
    offset, size = dump.block_extents()[index]
    at = block.data.index(USER.encode()) + 4
    struct.pack_into("<QII", data, table + 16 * index, block.address, offset, at)
    data[offset + at : offset + size] = bytes(size - at)
    last = dump.block_count - 1
    struct.pack_into("<QII", data, table + 16 * last, block.address + at, len(data) + 3, size - at)
    data += bytes(3) + block.data[at:]
    pair = Pair(tmp_path, bytes(data))
    assert left_over(pair.data) == []
    border = block.address + at
    assert not any(one.address < border + 4 and border - 4 < one.end for one in pair.scrubbed.blocks)


def test_the_report_says_by_rule_what_was_left_out_and_what_stays(tmp_path: Path) -> None:
    pair = Pair(tmp_path, planted_dump("complete"))
    scrub = pair.report["scrub"]
    rules = {row["what"]: row for row in scrub["rules"]}
    assert {"user_name", "token", "user_memory", "comment", "module_path", "firmware", "file_name"} <= set(rules)
    assert all(row["times"] > 0 and row["why"] for row in rules.values())
    assert any("registers" in text for text in scrub["stays"])
    assert scrub["anonymous"] is None
    shown = run("minify", pair.source, pair.path, "--scrub", "--overwrite").out
    assert "nothing can tell that a dump is anonymous" in shown
    assert USER not in shown
    went_in = {part["part"]: part["bytes"] for part in pair.report["parts"]}
    blocks = sum(len(block.data) for block in pair.scrubbed.blocks)
    with_a_place = {
        *("headers, context, exception", "KPRCB", "ETHREAD", "EPROCESS", "call stack", "debugger data block"),
        *("driver list", "user-mode modules", "unloaded drivers", "MM information", "secondary data"),
    }
    assert sum(size for part, size in went_in.items() if part not in with_a_place) == blocks


def test_the_process_name_stays_unless_it_is_strict(tmp_path: Path) -> None:
    data = planted_dump("complete")
    assert b"sample.exe" in Pair(tmp_path, data).data
    strict = tmp_path / "strict.dmp"
    assert run("minify", tmp_path / "source.dmp", strict, "--scrub=strict").status == 0
    content = strict.read_bytes()
    assert b"sample.exe" not in content
    assert "sample.exe".encode("utf-16-le") not in content
    assert SmallDumpFile(content).secondary == b""
    assert left_over(content) == []
    assert json.loads(run("dumpkind", "--json", strict).out)["dumps"][0]["process"] is None


def test_only_with_scrub_is_a_small_dump_a_source(tmp_path: Path) -> None:
    path = tmp_path / "small.dmp"
    path.write_bytes(planted_dump("small"))
    outcome = run("minify", path, tmp_path / "out.dmp")
    assert outcome.status == 3
    assert "--scrub" in outcome.err
    assert run("minify", path, "--scrub").status == 0
    assert (tmp_path / "small-scrubbed.dmp").is_file()


def test_a_comment_of_ones_own_is_written_and_that_of_the_source_is_not(tmp_path: Path) -> None:
    pair = Pair(tmp_path, planted_dump("small"), "--comment", "for the driver's team")
    assert pair.data[0xFB0:].startswith(b"for the driver's team\0")
    assert left_over(pair.data) == []


def test_own_words_are_left_out_too(tmp_path: Path) -> None:
    rules = tmp_path / "rules.txt"
    rules.write_text("first obj*\nfourth object\n", encoding="utf-8")
    data = planted_dump("complete")
    assert b"fourth object" in Pair(tmp_path, data).data
    pair = Pair(tmp_path, data, "--overwrite", "--rules", str(rules))
    assert b"fourth object" not in pair.data
    assert "own" in {row["what"] for row in pair.report["scrub"]["rules"]}
    assert run("minify", pair.source, pair.path, "--rules", rules).status == 2


def test_a_folder_is_scrubbed_once_whatever_its_dumps_are(tmp_path: Path) -> None:
    for name in ("small", "x86-complete"):
        (tmp_path / f"{name}.dmp").write_bytes(planted_dump(name))
    first = run("minify", tmp_path, "--scrub", "--jobs", "1", "--json")
    outcomes = {entry["outcome"] for entry in json.loads(first.out)["files"]}
    assert outcomes == {"written"}
    for name in ("small", "x86-complete"):
        assert left_over((tmp_path / f"{name}-scrubbed.dmp").read_bytes()) == []
    again = json.loads(run("minify", tmp_path, "--scrub", "--jobs", "1", "--json").out)
    assert {entry["outcome"] for entry in again["files"]} == {"skipped"}
    assert not list(tmp_path.glob("*-scrubbed-scrubbed.dmp"))


@pytest.mark.parametrize("name", ["x86-complete", "complete"])
def test_names_in_the_environment_of_the_crashing_process_are_looked_for_in_what_is_shared(
    name: str, tmp_path: Path
) -> None:
    """The environment itself is user-mode memory. Nothing else marks the name."""
    machine = sample(name).machine
    places = PLACES[machine.architecture.machine_type]
    size, form = machine.architecture.pointer_size, f"<{machine.architecture.pointer}"
    parameters, environment = places.user_stack + 0x100, places.user_stack + 0x200
    of_peb, of_parameters = {4: (0x10, 0x48), 8: (0x20, 0x80)}[size]  # PEB and RTL_USER_PROCESS_PARAMETERS
    text = "TMP=C:\\x\0USERNAME=lighthouse7\0\0".encode("utf-16-le")
    process = "sample.exe"
    changed = replace(
        machine,
        placements=(
            *machine.placements,
            Placement(places.peb + of_peb, struct.pack(form, parameters), process=process),
            Placement(parameters + of_parameters, struct.pack(form, environment), process=process),
            Placement(environment, text, process=process),
            Placement(places.objects + 0x60, b"lighthouse7"),
        ),
    )
    data = build(replace(sample(name), machine=changed))
    pair = Pair(tmp_path, data)
    assert b"lighthouse7" in pair.plain.data
    assert b"lighthouse7" not in pair.data
    found = json.loads(run("dumpkind", "--privacy", "--json", pair.source).out)["dumps"][0]["privacy"]["findings"]
    assert "user_name" in {finding["what"] for finding in found}
