"""The machine behind a session against the machine behind its file: facts from the builder, pages from the dump."""

from __future__ import annotations

import struct
from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from samples.builder import SAMPLES, Sample
from windbg_ext.cli.terminal import Terminal
from windbg_ext.commands.minify import minify, minify_target
from windbg_ext.dump import open_dump
from windbg_ext.errors import UsageError
from windbg_ext.interface.minify import MINIFY
from windbg_ext.kernel import BugCheck, DumpTarget, LastException, Machine, SessionFacts, SessionTarget, read_kernel
from windbg_ext.memory import PhysicalMemory
from windbg_ext.structs.architectures import ARCHITECTURES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from windbg_ext.dump import Dump

FOLDER = Path(__file__).parents[2] / "samples"
LARGE = [sample for sample in SAMPLES if sample.large]
HEADER = 0x2000
SECONDS_2024 = 13_350_000_000
BREAKPOINT_EXCEPTION = LastException(0x80000003, 1, 0xFFFFF80512401100, (7, 8))


@pytest.fixture(params=LARGE, ids=lambda sample: sample.name)
def sample(request: pytest.FixtureRequest) -> Sample:
    chosen: Sample = request.param
    return chosen


@pytest.fixture
def dump(sample: Sample) -> Iterator[Dump]:
    with open_dump(FOLDER / sample.file_name) as opened:
        yield opened


@pytest.fixture
def facts(sample: Sample, dump: Dump) -> SessionFacts:
    """What a debugger tells of the machine; addresses of 32-bit machines are sign-extended, as it has them."""
    header, crashed = dump.header, sample.machine.crashed
    architecture = ARCHITECTURES[header.machine]
    assert header.ps_loaded_module_list is not None

    def extended(address: int | None) -> int | None:
        narrow = architecture.layouts.pointer_size == 4 and address is not None and address >> 31
        return (address or 0) | 0xFFFFFFFF_00000000 if narrow else address

    return SessionFacts(
        machine=header.machine,
        build=header.minor_version,
        free_build=True,
        directory_table_base=header.directory_table_base,
        ps_loaded_module_list=extended(header.ps_loaded_module_list) or 0,
        kd_debugger_data_block=extended(header.kd_debugger_data_block),
        number_processors=header.number_processors,
        current_processor=crashed,
        bug_check=header.bug_check,
        registers=sample.machine.processors[crashed].registers,
        exception=BREAKPOINT_EXCEPTION,
        system_time=SECONDS_2024 * 10_000_000,
        system_up_time=3600 * 10_000_000,
    )


def pages_of(dump: Dump) -> PhysicalMemory:
    assert dump.pages is not None
    return PhysicalMemory(dump.source, dump.pages)


@pytest.mark.parametrize("known", [True, False], ids=["KDBG known", "KDBG searched"])
def test_a_session_gives_the_memory_and_the_parts_that_the_file_gives_but_for_secondary_data(
    known: bool, sample: Sample, dump: Dump, facts: SessionFacts, tmp_path: Path
) -> None:
    facts = facts if known else replace(facts, kd_debugger_data_block=None)
    made = minify_target(SessionTarget(facts, pages_of(dump)), tmp_path / "session.dmp", source=None)
    expected = minify(FOLDER / sample.file_name, tmp_path / "file.dmp")
    assert made.source is None
    assert made.parts == tuple(part for part in expected.parts if part.part != "secondary data")
    assert (made.left_out, made.processors, made.modules) == (expected.left_out, expected.processors, expected.modules)
    written = (tmp_path / "session.dmp").read_bytes()
    assert written[HEADER:] == (tmp_path / "file.dmp").read_bytes()[HEADER : len(written)]


def test_the_header_says_what_the_debugger_said(dump: Dump, facts: SessionFacts, tmp_path: Path) -> None:
    facts = replace(facts, bug_check=BugCheck(0xE2, (1, 2, 3, 4)))
    minify_target(SessionTarget(facts, pages_of(dump)), tmp_path / "session.dmp", source=None)
    with open_dump(tmp_path / "session.dmp") as made:
        header = made.header
    assert (header.machine, header.minor_version) == (facts.machine, facts.build)
    assert header.bug_check == BugCheck(0xE2, (1, 2, 3, 4))
    assert header.number_processors == facts.number_processors
    assert header.directory_table_base == facts.directory_table_base
    assert header.comment is None
    exception = header.raw.exception
    assert int.from_bytes(exception[:4], "little") == BREAKPOINT_EXCEPTION.code
    narrow = facts.machine is Machine.I386
    at, size = (0xC, 4) if narrow else (0x10, 8)
    assert exception[at : at + size] == BREAKPOINT_EXCEPTION.address.to_bytes(8, "little")[:size]
    parameters = struct.unpack_from("<4I" if narrow else "<I4x3Q", exception, at + size)
    assert parameters == (2, *BREAKPOINT_EXCEPTION.parameters, 0)


def test_the_current_processor_has_the_registers_that_the_debugger_tells_and_not_what_its_buffer_is_left_with(
    sample: Sample, dump: Dump, facts: SessionFacts, tmp_path: Path
) -> None:
    """A kernel that stops for its debugger has not crashed: nobody has filled the buffer of the current processor."""
    crashed, processors = sample.machine.crashed, sample.machine.processors
    architecture = ARCHITECTURES[dump.header.machine]
    names = (architecture.instruction_pointer, architecture.stack_pointer)
    stack = sample.machine.thread(processors[crashed].current_thread)
    told = (sample.machine.modules[-1].base + 0x1010, stack.kernel_stack + 0x20)
    facts = replace(facts, registers=dict(zip(names, told)), bug_check=BugCheck(0, (0, 0, 0, 0)))
    minify_target(SessionTarget(facts, pages_of(dump)), tmp_path / "session.dmp", source=None)
    with open_dump(tmp_path / "session.dmp") as made:
        kernel = read_kernel(DumpTarget(made))
    found = [processor.context for processor in kernel.processors]
    expected = [tuple(processor.registers[name] for name in names) for processor in processors]
    expected[crashed] = told
    assert [(context.instruction_pointer, context.stack_pointer) for context in found if context] == expected
    assert kernel.crashed is not None
    assert kernel.crashed.number == crashed


def test_the_times_are_the_kernels_own_or_else_the_debuggers(dump: Dump, facts: SessionFacts) -> None:
    target = SessionTarget(facts, pages_of(dump))
    try:
        shared = target.memory.read(0xFFFFF78000000000, 0x20)
    except Exception:
        assert target.header.system_time == SECONDS_2024 * 10_000_000
    else:
        assert target.header.system_time == (int.from_bytes(shared[0x14:0x1C], "little") or None)


def test_a_session_has_no_folder_to_write_to_without_a_destination(dump: Dump, facts: SessionFacts) -> None:
    target = SessionTarget(facts, pages_of(dump))
    options = Namespace(
        source=target,
        list=None,
        jobs=None,
        destination=None,
        unique=False,
        overwrite=False,
        size=None,
        comment=None,
        salvage=False,
        scrub=False,
        scrub_strict=False,
        rules=None,
        verify=False,
        html=None,
    )
    with pytest.raises(UsageError, match="name the file to write"):
        MINIFY.run(options, Terminal())
