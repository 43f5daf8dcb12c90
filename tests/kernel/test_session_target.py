"""The machine behind a session against the machine behind its file: facts from the builder, pages from the dump."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from samples.builder import SAMPLES, Sample
from windbg_ext.cli import minify as minify_command
from windbg_ext.cli.console import Terminal
from windbg_ext.commands.minify import minify, minify_target
from windbg_ext.dump import open_dump
from windbg_ext.errors import UsageError
from windbg_ext.kernel import BugCheck, LastException, Machine, SessionFacts, SessionTarget
from windbg_ext.memory import PhysicalMemory
from windbg_ext.structs.architectures import ARCHITECTURES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from windbg_ext.dump import Dump

FOLDER = Path(__file__).parents[2] / "samples"
LARGE = [sample for sample in SAMPLES if sample.large]
HEADER = 0x2000
SECONDS_2024 = 13_350_000_000
BREAKPOINT_EXCEPTION = LastException(0x80000003, 1, 0xFFFFF80512401100)


@pytest.fixture(params=LARGE, ids=lambda sample: sample.name)
def sample(request: pytest.FixtureRequest) -> Sample:
    chosen: Sample = request.param
    return chosen


@pytest.fixture
def dump(sample: Sample) -> Iterator[Dump]:
    with open_dump(FOLDER / sample.file_name) as opened:
        yield opened


def facts_of(dump: Dump) -> SessionFacts:
    """What a debugger tells of the machine; its registers are those of the processor, as the header has them.

    Addresses of 32-bit machines are sign-extended, as the debugger has them.
    """
    header = dump.header
    architecture = ARCHITECTURES[header.machine]
    context = architecture.context.parse(header.record.raw("ContextRecord"))
    others = tuple(name for name in ("SegCs", "Cpsr") if name in architecture.context.fields())
    names = (*architecture.general_registers, *others)
    assert header.ps_loaded_module_list is not None

    def extended(address: int | None) -> int | None:
        narrow = architecture.pointer_size == 4 and address is not None and address >> 31
        return (address or 0) | 0xFFFFFFFF_00000000 if narrow else address

    return SessionFacts(
        machine=header.machine,
        build=header.minor_version,
        free_build=True,
        directory_table_base=header.directory_table_base,
        ps_loaded_module_list=extended(header.ps_loaded_module_list) or 0,
        kd_debugger_data_block=extended(header.kd_debugger_data_block),
        number_processors=header.number_processors,
        bug_check=header.bug_check,
        registers={name: context.number(name) for name in names},
        exception=BREAKPOINT_EXCEPTION,
        system_time=SECONDS_2024 * 10_000_000,
        system_up_time=3600 * 10_000_000,
    )


def pages_of(dump: Dump) -> PhysicalMemory:
    assert dump.pages is not None
    return PhysicalMemory(dump.file, dump.pages)


@pytest.mark.parametrize("known", [True, False], ids=["KDBG known", "KDBG searched"])
def test_a_session_gives_the_memory_and_the_parts_that_the_file_gives_but_for_secondary_data(
    known: bool, sample: Sample, dump: Dump, tmp_path: Path
) -> None:
    facts = facts_of(dump)
    facts = facts if known else replace(facts, kd_debugger_data_block=None)
    made = minify_target(SessionTarget(facts, pages_of(dump)), tmp_path / "session.dmp", source=None)
    expected = minify(FOLDER / sample.file_name, tmp_path / "file.dmp")
    assert made.source is None
    assert made.parts == tuple(part for part in expected.parts if part.part != "secondary data")
    assert (made.left_out, made.processors, made.modules) == (expected.left_out, expected.processors, expected.modules)
    written = (tmp_path / "session.dmp").read_bytes()
    assert written[HEADER:] == (tmp_path / "file.dmp").read_bytes()[HEADER : len(written)]


def test_the_header_says_what_the_debugger_said(dump: Dump, tmp_path: Path) -> None:
    facts = replace(facts_of(dump), bug_check=BugCheck(0xE2, (1, 2, 3, 4)))
    minify_target(SessionTarget(facts, pages_of(dump)), tmp_path / "session.dmp", source=None)
    with open_dump(tmp_path / "session.dmp") as made:
        header = made.header
    assert (header.machine, header.minor_version) == (facts.machine, facts.build)
    assert header.bug_check == BugCheck(0xE2, (1, 2, 3, 4))
    assert header.number_processors == facts.number_processors
    assert header.directory_table_base == facts.directory_table_base
    assert header.comment is None
    exception = header.record.raw("Exception")
    assert int.from_bytes(exception[:4], "little") == BREAKPOINT_EXCEPTION.code
    at, size = (0xC, 4) if facts.machine is Machine.I386 else (0x10, 8)
    assert exception[at : at + size] == BREAKPOINT_EXCEPTION.address.to_bytes(8, "little")[:size]


def test_the_times_are_the_kernels_own_or_else_the_debuggers(dump: Dump) -> None:
    target = SessionTarget(facts_of(dump), pages_of(dump))
    try:
        shared = target.memory.read(0xFFFFF78000000000, 0x20)
    except Exception:
        assert target.header.system_time == SECONDS_2024 * 10_000_000
    else:
        assert target.header.system_time == (int.from_bytes(shared[0x14:0x1C], "little") or None)


def test_a_session_has_no_folder_to_write_to_without_a_destination(dump: Dump) -> None:
    target = SessionTarget(facts_of(dump), pages_of(dump))
    options = Namespace(
        source=target, destination=None, unique=False, overwrite=False, size=None, comment=None, salvage=False
    )
    with pytest.raises(UsageError, match="name the file to write"):
        minify_command.run(options, Terminal())
