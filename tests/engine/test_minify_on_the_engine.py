"""Small dumps on the engine, compared with their sources and with the small dumps that the engine makes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Callable

import pytest
from support.dumps_at_hand import LARGE, SAMPLES, SMALL, given_dumps, read_dump_header
from support.raw_dump import RawDump
from support.small_dump_file import SmallDumpFile

from engine.agreement import Agreement, measure_agreement
from engine.engine_coverage import make_engine_dump, measure_coverage
from engine.samples_for_the_engine import OF_WINDOWS_XP, OPENED, TOO_NEW, older
from samples.builder import Sample, build
from samples.builder.writers import Bitmap, active_pages, all_ram
from windbg_ext import minify, verify
from windbg_ext.dump import load_small_dump, open_dump, write_small_dump
from windbg_ext.structs.header import Attributes, DumpType

if TYPE_CHECKING:
    from _pytest.mark import ParameterSet

    from engine.engine import Engine

Prepare = Callable[[Path], Path]

DRIVER_POWER_STATE_FAILURE = 0x9F
MAX_RATIO, MAX_RATIO_OF_9F = 1.25, 1.75
"""For 0x9F, Windows itself saves objects of the drivers that the engine does not, and so does `minify`."""
REQUIRED_DUMP_SPACE = slice(0xFA0, 0xFA8)  # in both headers


def samples(*dump_types: int) -> list[ParameterSet]:
    chosen = [sample for sample in OPENED if sample.format.dump_type in dump_types]
    return [pytest.param(SAMPLES / sample.file_name, id=sample.name) for sample in chosen]


def given(*dump_types: int) -> list[ParameterSet]:
    missing = pytest.mark.skip(reason="WINDBG_EXT_DUMPS names no folder with such dumps")
    found = [pytest.param(path, id=path.name) for path in given_dumps(*dump_types)]
    return found or [pytest.param(None, marks=missing, id="none")]


OPTIONAL_OFFSETS = (0x298, 0x29A, 0x2AA, 0x340, 0x344, 0x348, 0x34C, 0x350, 0x354, 0x356, 0x35A)
OPTIONAL_POINTERS = (0x208, 0x220, 0x228, 0x230, 0x240, 0x248, 0x270, 0x308, 0x310, 0x318, 0x320, 0x330, 0x360)
"""Fields of KDDEBUGGER_DATA64 (WDBGEXTS.H) without which a machine still has processors, threads and modules."""
KDBG_SIZE, KDBG_IN_HEADER, BUILD_IN_HEADER = 0x14, "KdDebuggerDataBlock", 0x0C
MACHINES: dict[str, Callable[[RawDump, int], bytes]] = {
    "block with less in it": lambda raw, block: raw.written(block, without(raw.read(block, 0x368))),
    "shorter block": lambda raw, block: raw.written(block + KDBG_SIZE, (0x358).to_bytes(4, "little")),
    "longer block": lambda raw, block: raw.written(block + KDBG_SIZE, (0x400).to_bytes(4, "little")),
    "newer build": lambda raw, _: raw.data[:BUILD_IN_HEADER] + (30000).to_bytes(4, "little") + raw.data[0x10:],
}
"""Machines of Windows versions that nobody has seen yet."""


def without(block: bytes) -> bytes:
    """Return a debugger data block in which the optional fields are 0."""
    changed = bytearray(block)
    for offset in OPTIONAL_OFFSETS:
        changed[offset : offset + 2] = bytes(2)
    for offset in OPTIONAL_POINTERS:
        changed[offset : offset + 8] = bytes(8)
    return bytes(changed)


def must_agree(agreement: Agreement) -> None:
    print(agreement)  # the CI log keeps the score
    if agreement.differences:
        pytest.fail("\n".join(map(str, (agreement, *agreement.differences))), pytrace=False)


@pytest.mark.parametrize("source", samples(*LARGE))
def test_the_engine_answers_every_question_about_a_sample_and_the_same_about_its_small_dump(
    source: Path, engine: Engine, minified: Prepare
) -> None:
    agreement = measure_agreement(engine, source, minified(source))
    must_agree(agreement)
    assert agreement.asked == agreement.questions
    assert verify(source, minified(source)).passed


@pytest.mark.parametrize("sample", [item for item in OF_WINDOWS_XP if item.large], ids=lambda sample: sample.name)
def test_the_engine_answers_about_a_small_dump_of_windows_xp_whose_block_tells_no_offsets(
    sample: Sample, engine: Engine, minified: Prepare, tmp_path: Path
) -> None:
    source = tmp_path / sample.file_name
    source.write_bytes(build(sample))
    agreement = measure_agreement(engine, source, minified(source))
    must_agree(agreement)
    assert agreement.asked == agreement.questions


@pytest.mark.parametrize("name", ["x86-complete", "x86-pae-complete", "arm64-complete"])
@pytest.mark.parametrize(
    "written_as",
    [
        Bitmap(DumpType.BITMAP_FULL, all_ram, signature=b"FDMP"),
        Bitmap(DumpType.BITMAP_FULL, active_pages, attributes=int(Attributes.FILTER_DUMP_FILE)),
    ],
    ids=["complete bitmap", "active"],
)
def test_the_engine_answers_about_small_dumps_of_every_kind_on_every_architecture(
    name: str, written_as: Bitmap, engine: Engine, minified: Prepare, tmp_path: Path
) -> None:
    sample = next(item for item in OPENED if item.name == name)
    source = tmp_path / f"{name}-{written_as.signature.decode()}.dmp"
    source.write_bytes(build(replace(sample, format=written_as)))
    agreement = measure_agreement(engine, source, minified(source))
    must_agree(agreement)
    assert agreement.asked == agreement.questions


@pytest.mark.parametrize("sample", TOO_NEW, ids=lambda sample: sample.name)
def test_the_engine_answers_about_our_small_dump_of_a_newer_kind_as_about_the_same_machine_in_an_older_one(
    sample: Sample, engine: Engine, minified: Prepare, tmp_path: Path
) -> None:
    in_older_format = tmp_path / sample.file_name
    in_older_format.write_bytes(build(older(sample)))
    agreement = measure_agreement(engine, in_older_format, minified(SAMPLES / sample.file_name))
    must_agree(agreement)
    assert agreement.asked == agreement.questions


@pytest.mark.parametrize("packed", given(*LARGE))
def test_the_engine_answers_the_same_about_a_large_dump_and_its_small_dump(
    packed: Path, engine: Engine, unpacked: Prepare, minified: Prepare
) -> None:
    source = unpacked(packed)
    agreement = measure_agreement(engine, source, minified(source))
    must_agree(agreement)
    assert agreement.asked > 0
    assert verify(source, minified(source)).passed


@pytest.mark.parametrize("machine", MACHINES)
def test_the_engine_reads_small_dumps_of_machines_that_tell_less_or_more_than_any_known_one(
    machine: str, engine: Engine, tmp_path: Path
) -> None:
    raw = RawDump((SAMPLES / "complete.dmp").read_bytes())
    source, small = tmp_path / "source.dmp", tmp_path / "small.dmp"
    source.write_bytes(MACHINES[machine](raw, raw.header(KDBG_IN_HEADER)))
    report = minify(source, small)
    agreement = measure_agreement(engine, source, small)
    print(agreement)
    assert report.complete
    assert agreement.asked == agreement.questions
    # without the list's address nobody knows of unloaded drivers: of a small dump, the engine says so
    lost = ["lm"] if machine == "block with less in it" else []
    assert [str(difference.question) for difference in agreement.differences] == lost
    assert verify(source, small).passed


@pytest.mark.parametrize("name", ["complete", "x86-complete", "arm64-complete"])
def test_verify_and_the_engine_both_find_what_is_broken(
    name: str, engine: Engine, minified: Prepare, tmp_path: Path
) -> None:
    source, broken = SAMPLES / f"{name}.dmp", tmp_path / "broken.dmp"
    data = bytearray(minified(source).read_bytes())
    small = SmallDumpFile(bytes(data))
    stack = small.triage(0x28)  # what `dq @sp` and the call stack are read from
    data[stack] ^= 0xFF
    for (address, _), (offset, size) in zip(small.blocks, small.block_extents()):
        if address <= small.top_of_stack < address + size:
            data[offset + small.top_of_stack - address] ^= 0xFF
    broken.write_bytes(data)
    assert measure_agreement(engine, source, broken).differences
    assert not verify(source, broken).passed


@pytest.mark.parametrize("packed", [*samples(*LARGE), *given(*LARGE)])
def test_our_small_dump_holds_what_the_engine_saves_and_is_not_much_larger(
    packed: Path, engine: Engine, unpacked: Prepare, minified: Prepare, tmp_path: Path
) -> None:
    source = unpacked(packed)
    engine_made = tmp_path / "engine.dmp"
    make_engine_dump(engine, source, engine_made)
    coverage = measure_coverage(engine_made, minified(source))
    print(coverage)
    header = read_dump_header(source)
    assert header is not None
    assert coverage.quadwords > 0
    assert coverage.percent >= 98
    assert coverage.ratio <= (MAX_RATIO_OF_9F if header.bug_check == DRIVER_POWER_STATE_FAILURE else MAX_RATIO)


@pytest.mark.parametrize("source", samples(*LARGE)[:1])
def test_the_engines_own_small_dump_does_not_answer_everything(source: Path, engine: Engine, tmp_path: Path) -> None:
    """The measure can fail: the engine omits the context buffers, so its small dumps have no registers."""
    engine_made = tmp_path / "engine.dmp"
    make_engine_dump(engine, source, engine_made)
    agreement = measure_agreement(engine, source, engine_made)
    assert {str(difference.question) for difference in agreement.differences} >= {"r", "kn", "processor 1: r"}
    assert not verify(source, engine_made).passed


@pytest.mark.parametrize("packed", [*samples(SMALL), *given(SMALL)])
def test_a_small_dump_read_and_written_again_has_the_same_parts_and_gives_the_same_answers(
    packed: Path, engine: Engine, unpacked: Prepare, tmp_path: Path
) -> None:
    source, again = unpacked(packed), tmp_path / "again.dmp"
    write_again(source, again)
    before, after = SmallDumpFile(source), SmallDumpFile(again)
    assert after.parts() == before.parts()
    assert without_size(after) == without_size(before)
    agreement = measure_agreement(engine, source, again)
    must_agree(agreement)
    assert agreement.asked > 0


def write_again(source: Path, destination: Path) -> None:
    with open_dump(source) as dump, destination.open("w+b") as out:
        assert dump.small is not None
        chain = dump.secondary
        secondary = dump.source.read(chain.offset, chain.size) if chain else b""
        write_small_dump(load_small_dump(dump.source, dump.header, dump.small, dump.budget), secondary, out)


def without_size(dump: SmallDumpFile) -> bytes:
    """Return the header without the size of the file, which differs if zeros behind secondary data are not copied."""
    header = bytearray(dump.data[: dump.offsets.header])
    header[REQUIRED_DUMP_SPACE] = bytes(8)
    return bytes(header)
