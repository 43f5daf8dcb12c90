"""The engine opens the samples as it opens Windows' own dumps, and shows the machine that the builder was given."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Callable

import pytest
from support.dumps_at_hand import BITMAP_FULL, BITMAP_KERNEL, COMPLETE, LARGE, SAMPLES, SMALL, SUMMARY, given_dumps

from engine.agreement import STACK_QUESTIONS, Question, measure_agreement, questions, replies
from engine.complaints import complaints
from engine.engine import EngineError
from engine.samples_for_the_engine import OF_WINDOWS_XP, OPENED
from samples.builder import write
from samples.builder.architectures import ARM64, X64, X86
from samples.builder.machine import SYSTEM, Backing
from samples.builder.writers import Bitmap, HeaderOnly
from windbg_ext.structs.header import Attributes

if TYPE_CHECKING:
    from engine.engine import Engine
    from samples.builder import Sample
    from samples.builder.machine import Machine, Module, Placement, Processor, Thread

PEB_LDR = {4: 0xC, 8: 0x18}  # offset of the loader data's address in the PEB, by the size of a pointer (winternl.h)
CALLED = {X86.machine_type: "x86 compatible", X64.machine_type: "x64", ARM64.machine_type: "ARM 64-bit (AArch64)"}
PRINTED_REGISTERS = {"cpsr": "psr", "eflags": "efl"}
"""What the engine calls registers for which winnt.h has another name."""


@dataclass(frozen=True)
class Shown:
    """What the engine shows for a sample; memory: what it prints for the bytes of each placement."""

    sample: Sample
    complaints: list[str]
    meanings: dict[Question, str | None]
    memory: dict[int, str]

    @property
    def machine(self) -> Machine:
        return self.sample.machine

    @property
    def dump_type(self) -> int:
        return self.sample.format.dump_type

    def answer(self, command: str, processor: int | None = None) -> str:
        meaning = self.meanings[Question(command, processor)]
        assert meaning is not None, f"an error for {command}, processor {processor}"
        return meaning


@pytest.fixture(scope="module", params=[*OPENED, *OF_WINDOWS_XP], ids=lambda sample: sample.name)
def shown(request: pytest.FixtureRequest, engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Shown:
    sample: Sample = request.param
    dump = SAMPLES / sample.file_name
    if sample in OF_WINDOWS_XP:
        dump = tmp_path_factory.mktemp("xp") / sample.file_name
        write(sample, dump)
    commands = questions(dump, len(sample.machine.processors))
    placements = visible_placements(sample.machine)
    dumps = [f"db {placement.address:x} L{len(placement.data) or 1:x}" for placement in placements]
    session = engine.ask(dump, [*commands, f"~{sample.machine.crashed}s", *dumps])
    about_memory = session.answers[len(commands) + 1 :]
    meanings = {question: reply.meaning for question, reply in replies(commands, session)}
    memory = {placement.address: answer.text for placement, answer in zip(placements, about_memory)}
    session = replace(session, answers=session.answers[: len(commands)])  # it complains about missing memory by design
    return Shown(sample, complaints(session), meanings, memory)


def test_every_kind_that_the_engine_opens_has_a_sample() -> None:
    assert {sample.format.dump_type for sample in OPENED} == {*LARGE, SMALL}


def test_the_engine_has_no_complaint_that_it_does_not_make_about_windows_own_dumps(shown: Shown) -> None:
    assert shown.complaints == missing_user_pages(shown)


@pytest.mark.skipif(not given_dumps(SMALL), reason="WINDBG_EXT_DUMPS names no folder with small dumps")
def test_the_engine_complains_of_none_of_windows_own_dumps(engine: Engine, unpacked: Callable[[Path], Path]) -> None:
    """The samples are judged by the complaints about Windows' own dumps, no more and no less."""
    found = {packed.name: complaints(engine.ask(unpacked(packed), ["r", "kn", "lm"])) for packed in given_dumps(SMALL)}
    assert found == {name: [] for name in found}


def test_the_engine_shows_the_build_the_processors_and_the_times(shown: Shown) -> None:
    machine, text = shown.machine, shown.answer("vertarget")
    count, called = len(machine.processors), re.escape(CALLED[machine.architecture.machine_type])
    line = rf"^Windows .*\b{machine.version.build}\b.* MP \({count} procs\) Free {called}$"
    assert re.search(line, text, re.MULTILINE)
    assert f"Kernel base = 0x{printed(machine.kernel.base, machine)} " in text
    up_time = timedelta(microseconds=machine.system_up_time // 10)
    hours, minutes, seconds = up_time.seconds // 3600, up_time.seconds // 60 % 60, up_time.seconds % 60
    assert f"System Uptime: {up_time.days} days {hours}:{minutes:02}:{seconds:02}" in text


def test_the_engine_shows_the_bug_check_and_the_exception(shown: Shown) -> None:
    bug_check = shown.machine.bug_check
    parameters = " ".join(printed(parameter, shown.machine) for parameter in bug_check.parameters)
    assert shown.answer(".bugcheck") == f"Bugcheck code {bug_check.code:08X}\nArguments {parameters}"
    assert f"code {shown.machine.exception.code:08x} " in shown.answer(".lastevent")


def test_the_engine_lists_the_modules_and_the_unloaded_drivers(shown: Shown) -> None:
    loaded, _, unloaded = shown.answer("lm").partition("\n\nUnloaded modules:\n")
    machine = shown.machine
    modules = sorted((*machine.modules, *user_modules(shown)), key=lambda module: module.base)
    assert loaded.splitlines()[1:] == [
        f"{printed(module.base, machine)} {printed(module.end, machine)}   {module_name(module, machine)}"
        for module in modules
    ]
    assert unloaded.splitlines() == [
        f"{printed(driver.start, machine)} {printed(driver.end, machine)}   {driver.name[:12]}"
        for driver in machine.unloaded_drivers
    ]


def test_the_engine_starts_at_the_processor_that_crashed(shown: Shown) -> None:
    machine = shown.machine
    thread = current_thread(machine, machine.processors[machine.crashed])
    assert shown.answer(".thread") == f"Implicit thread is now {printed(thread.address, machine)}"
    process = machine.process(thread.process)
    assert shown.answer(".process") == f"Implicit process is now {printed(process.address, machine)}"
    assert shown.answer("r") == shown.answer("r", machine.crashed)


def test_the_engine_shows_the_registers_of_every_processor(shown: Shown) -> None:
    for number, processor in enumerate(shown.machine.processors):
        found = dict(re.findall(r"\b(\w+)=([0-9a-f]+)", shown.answer("r", number)))
        names = {name: name.replace("Seg", "").lower() for name in processor.registers}
        expected = {PRINTED_REGISTERS.get(names[name], names[name]): processor.registers[name] for name in names}
        assert {name: int(found[name], 16) for name in expected} == expected


def test_the_engine_shows_the_stack_of_every_processor(shown: Shown) -> None:
    in_kernel, machine = 0, shown.machine
    question = STACK_QUESTIONS[machine.architecture.machine_type]
    for number, processor in enumerate(machine.processors):
        thread = current_thread(machine, processor)
        if stack_pointer(machine, processor) != thread.kernel_stack:
            continue  # it runs in user mode
        in_kernel += 1
        rows = [line.split() for line in shown.answer(question, number).splitlines()]
        assert [row[0] for row in rows] == [printed(thread.kernel_stack + 16 * row, machine) for row in range(32)]
        words = [int(word.replace("`", ""), 16) for row in rows for word in row[1:]]
        assert words[: len(thread.words)] == list(thread.words)
        frame = next(line.split() for line in shown.answer("kn", number).splitlines() if line.startswith("00 "))
        assert frame[:3] == ["00", *(printed(value, machine) for value in first_frame(machine, processor, thread))]
        instruction = processor.registers[machine.architecture.cpu.instruction_pointer]
        assert frame[3:] == [f"nt+0x{instruction - machine.kernel.base:x}"]
    assert in_kernel >= 2


def first_frame(machine: Machine, processor: Processor, thread: Thread) -> tuple[int, int]:
    """Return the stack or frame pointer and the return address of the innermost frame, as the engine guesses them.

    It has neither symbols nor unwind data. On x64 it assumes that the function has pushed nothing, on ARM64 that it has
    not saved the link register. On x86 it follows the frame pointer, except at the start of a function.
    """
    registers = processor.registers
    if machine.architecture is X86:
        if registers["Ebp"] == registers["Esp"]:
            return registers["Ebp"], thread.words[1]
        return thread.kernel_stack - 4, thread.words[0]
    return thread.kernel_stack, registers["Lr"] if machine.architecture is ARM64 else thread.words[0]


@pytest.mark.parametrize("backing", [Backing.RAM, Backing.TRANSITION, Backing.LEFT_OUT, Backing.DEVICE])
def test_the_engine_reads_the_memory_that_the_dump_holds(shown: Shown, backing: Backing) -> None:
    if shown.dump_type == SMALL:
        pytest.skip("a small dump holds little of it")
    placements = [placement for placement in visible_placements(shown.machine) if placement.backing is backing]
    assert placements
    for placement in placements:
        rows = re.findall(r"^[0-9a-f`]+  ((?:[0-9a-f?]{2}[ -])+)", shown.memory[placement.address], re.MULTILINE)
        values = " ".join(rows).replace("-", " ").split()[: len(placement.data) or 1]
        if is_in_file(placement, shown):
            assert bytes.fromhex("".join(values)) == placement.data, hex(placement.address)
        else:
            assert set(values) == {"??"}, hex(placement.address)


def is_in_file(placement: Placement, shown: Shown) -> bool:
    if placement.backing is Backing.DEVICE:
        return False
    if "complete" in shown.sample.name:
        return True
    is_user = placement.process != SYSTEM and shown.dump_type in (BITMAP_KERNEL, SUMMARY)
    return placement.backing is not Backing.LEFT_OUT and not is_user


def visible_placements(machine: Machine) -> list[Placement]:
    """Return the placements in the kernel and in the crashed process, which the engine shows."""
    process = current_thread(machine, machine.processors[machine.crashed]).process
    return [placement for placement in machine.placements if placement.process in (SYSTEM, process)]


def test_the_engine_lists_the_secondary_data(shown: Shown) -> None:
    expected = []
    for blob in shown.machine.secondary:
        head, tail = str(blob.tag).upper().rsplit("-", 1)  # the engine omits the last dash
        expected.append(("{" + head + tail + "}", len(blob.data), blob.data))
    assert list(tagged(shown.answer(".enumtag"))) == expected


@pytest.mark.parametrize("name", ["kernel", "x86-pae-kernel", "arm64-kernel"])
def test_the_engine_answers_about_a_dump_of_a_running_machine_as_about_one_that_crashed(
    name: str, engine: Engine, tmp_path: Path
) -> None:
    sample = next(sample for sample in OPENED if sample.name == name)
    assert isinstance(sample.format, Bitmap)
    live = replace(sample, format=replace(sample.format, attributes=Attributes.LIVE_DUMP_GENERATED_DUMP))
    write(live, tmp_path / sample.file_name)
    agreement = measure_agreement(engine, SAMPLES / sample.file_name, tmp_path / sample.file_name)
    assert agreement.percent == 100, agreement.differences


def test_the_engine_opens_no_header_alone(engine: Engine, tmp_path: Path) -> None:
    write(replace(OPENED[0], format=HeaderOnly()), tmp_path / "header.dmp")
    with pytest.raises(EngineError, match="did not open it"):
        engine.ask(tmp_path / "header.dmp", [])


def missing_user_pages(shown: Shown) -> list[str]:
    """Return what the engine prints for every kernel dump of a machine that crashed in a process with a user half."""
    thread = current_thread(shown.machine, shown.machine.processors[shown.machine.crashed])
    peb = shown.machine.process(thread.process).peb
    if shown.dump_type not in (BITMAP_KERNEL, SUMMARY) or not peb:
        return []
    loader = printed(peb + PEB_LDR[shown.machine.architecture.pointer_size], shown.machine)
    return [f'PEB is paged out (Peb.Ldr = {loader}).  Type ".hh dbgerr001" for details']


def tagged(text: str) -> list[tuple[str, int, bytes]]:
    """Return (GUID, size, bytes) of each entry of `.enumtag`: a line with GUID and size, then rows of 16 bytes."""
    entries: list[tuple[str, int, bytes]] = []
    for line in text.split("\n"):
        head = re.fullmatch(r"(\{[0-9A-F-]+\}) - 0x([0-9a-f]+) bytes", line)
        if head:
            entries.append((head[1], int(head[2], 16), b""))
        else:
            guid, size, data = entries.pop()
            entries.append((guid, size, data + bytes.fromhex(line[2:50])))
    return entries


def current_thread(machine: Machine, processor: Processor) -> Thread:
    return machine.thread(processor.current_thread)


def user_modules(shown: Shown) -> tuple[Module, ...]:
    """Return the modules of the crashed process, if the dump holds its pages."""
    if shown.dump_type not in (COMPLETE, BITMAP_FULL):
        return ()
    thread = current_thread(shown.machine, shown.machine.processors[shown.machine.crashed])
    return shown.machine.process(thread.process).modules


def module_name(module: Module, machine: Machine) -> str:
    """Return the engine's name for a module."""
    return "nt" if module is machine.kernel else Path(module.name).stem


def stack_pointer(machine: Machine, processor: Processor) -> int:
    return processor.registers[machine.architecture.cpu.stack_pointer]


def printed(address: int, machine: Machine) -> str:
    """Return an address as the engine prints it."""
    if machine.architecture is X86:
        return f"{address:08x}"
    return f"{address >> 32:08x}`{address & 0xFFFFFFFF:08x}"
