"""The engine opens the samples as it opens Windows' own dumps, and shows the machine that the builder was given."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Callable

import pytest
from agreement import Question, questions, replies
from complaints import complaints
from dumps import BITMAP_FULL, BITMAP_KERNEL, COMPLETE, LARGE, SAMPLES, SMALL, given_dumps
from samples_for_the_engine import OPENED

if TYPE_CHECKING:
    from engine import Engine

    from samples.builder import Sample
    from samples.builder.machine import Machine, Module, Processor, Thread

PEB_LDR = 0x18  # offset of the loader data's address in the PEB (winternl.h)


@dataclass(frozen=True)
class Shown:
    """What the engine shows of a sample."""

    machine: Machine
    dump_type: int
    complaints: list[str]
    meanings: dict[Question, str | None]

    def answer(self, command: str, processor: int | None = None) -> str:
        meaning = self.meanings[Question(command, processor)]
        assert meaning is not None, f"an error for {command}, processor {processor}"
        return meaning


@pytest.fixture(scope="module", params=OPENED, ids=lambda sample: sample.name)
def shown(request: pytest.FixtureRequest, engine: Engine) -> Shown:
    sample: Sample = request.param
    dump = SAMPLES / sample.file_name
    commands = questions(dump, len(sample.machine.processors))
    session = engine.ask(dump, commands)
    meanings = {question: reply.meaning for question, reply in replies(commands, session)}
    return Shown(sample.machine, sample.format.dump_type, complaints(session), meanings)


def test_every_kind_that_the_engine_opens_has_a_sample() -> None:
    assert {sample.format.dump_type for sample in OPENED} == {*LARGE, SMALL}


def test_the_engine_has_no_complaint_that_it_does_not_make_about_windows_own_dumps(shown: Shown) -> None:
    assert shown.complaints == missing_user_pages(shown)


@pytest.mark.skipif(not given_dumps(SMALL), reason="WINDBG_EXT_DUMPS names no folder with small dumps")
def test_the_engine_complains_of_none_of_windows_own_dumps(engine: Engine, unpacked: Callable[[Path], Path]) -> None:
    """What the samples are measured by is not stricter, and not laxer, than what Windows' dumps give rise to."""
    found = {packed.name: complaints(engine.ask(unpacked(packed), ["r", "kn", "lm"])) for packed in given_dumps(SMALL)}
    assert found == {name: [] for name in found}


def test_the_engine_shows_the_build_the_processors_and_the_times(shown: Shown) -> None:
    machine, text = shown.machine, shown.answer("vertarget")
    count = len(machine.processors)
    assert re.search(rf"^Windows .*\b{machine.version.build}\b.* MP \({count} procs\) Free x64$", text, re.MULTILINE)
    assert f"Kernel base = {quoted(machine.kernel.base)}" in text
    up_time = timedelta(microseconds=machine.system_up_time // 10)
    hours, minutes, seconds = up_time.seconds // 3600, up_time.seconds // 60 % 60, up_time.seconds % 60
    assert f"System Uptime: {up_time.days} days {hours}:{minutes:02}:{seconds:02}" in text


def test_the_engine_shows_the_bug_check_and_the_exception(shown: Shown) -> None:
    bug_check = shown.machine.bug_check
    parameters = " ".join(grouped(parameter) for parameter in bug_check.parameters)
    assert shown.answer(".bugcheck") == f"Bugcheck code {bug_check.code:08X}\nArguments {parameters}"
    assert f"code {shown.machine.exception.code:08x} " in shown.answer(".lastevent")


def test_the_engine_lists_the_modules_and_the_unloaded_drivers(shown: Shown) -> None:
    loaded, _, unloaded = shown.answer("lm").partition("\n\nUnloaded modules:\n")
    modules = sorted((*shown.machine.modules, *user_modules(shown)), key=lambda module: module.base)
    assert loaded.splitlines()[1:] == [
        f"{grouped(module.base)} {grouped(module.end)}   {module_name(module, shown.machine)}" for module in modules
    ]
    drivers = shown.machine.unloaded_drivers
    assert unloaded.splitlines() == [
        f"{grouped(driver.start)} {grouped(driver.end)}   {driver.name[:12]}" for driver in drivers
    ]


def test_the_engine_starts_at_the_processor_that_crashed(shown: Shown) -> None:
    thread = current_thread(shown.machine, shown.machine.processors[shown.machine.crashed])
    assert shown.answer(".thread") == f"Implicit thread is now {grouped(thread.address)}"
    process = shown.machine.process(thread.process)
    assert shown.answer(".process") == f"Implicit process is now {grouped(process.address)}"
    assert shown.answer("r") == shown.answer("r", shown.machine.crashed)


def test_the_engine_shows_the_registers_of_every_processor(shown: Shown) -> None:
    for number, processor in enumerate(shown.machine.processors):
        printed = dict(re.findall(r"\b(\w+)=([0-9a-f]+)", shown.answer("r", number)))
        expected = {name.replace("Seg", "").lower(): value for name, value in processor.registers.items()}
        assert {name: int(printed[name], 16) for name in expected} == expected


def test_the_engine_shows_the_stack_of_every_processor(shown: Shown) -> None:
    in_kernel = 0
    for number, processor in enumerate(shown.machine.processors):
        thread = current_thread(shown.machine, processor)
        if processor.registers["Rsp"] != thread.kernel_stack:
            continue  # it runs in user mode
        in_kernel += 1
        rows = [line.split() for line in shown.answer("dq @rsp L40", number).splitlines()]
        assert [row[0] for row in rows] == [grouped(thread.kernel_stack + 16 * row) for row in range(32)]
        quadwords = [int(word.replace("`", ""), 16) for row in rows for word in row[1:]]
        assert quadwords[: len(thread.words)] == list(thread.words)
        first_frame = shown.answer("kn", number).splitlines()[1].split()
        assert first_frame[:3] == ["00", grouped(thread.kernel_stack), grouped(thread.words[0])]
        kernel, instruction = shown.machine.kernel, processor.registers["Rip"]
        assert first_frame[3:] == [f"nt+0x{instruction - kernel.base:x}"]
    assert in_kernel >= 2


def test_the_engine_lists_the_secondary_data(shown: Shown) -> None:
    expected = []
    for blob in shown.machine.secondary:
        head, tail = str(blob.tag).upper().rsplit("-", 1)  # the engine leaves out the last dash
        expected.append(("{" + head + tail + "}", len(blob.data), blob.data))
    assert list(tagged(shown.answer(".enumtag"))) == expected


def missing_user_pages(shown: Shown) -> list[str]:
    """What the engine says of every kernel dump of a machine that crashed in a process with a user half."""
    thread = current_thread(shown.machine, shown.machine.processors[shown.machine.crashed])
    peb = shown.machine.process(thread.process).peb
    if shown.dump_type != BITMAP_KERNEL or not peb:
        return []
    return [f'PEB is paged out (Peb.Ldr = {grouped(peb + PEB_LDR)}).  Type ".hh dbgerr001" for details']


def tagged(text: str) -> list[tuple[str, int, bytes]]:
    """(GUID, size, bytes) of each entry that `.enumtag` prints: a line with GUID and size, then rows of 16 bytes."""
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
    """Those of the process that crashed, where the dump holds its pages."""
    if shown.dump_type not in (COMPLETE, BITMAP_FULL):
        return ()
    thread = current_thread(shown.machine, shown.machine.processors[shown.machine.crashed])
    return shown.machine.process(thread.process).modules


def module_name(module: Module, machine: Machine) -> str:
    """The name by which the engine calls a module."""
    return "nt" if module is machine.kernel else Path(module.name).stem


def grouped(address: int) -> str:
    """As the engine prints 64 bits."""
    return f"{address >> 32:08x}`{address & 0xFFFFFFFF:08x}"


def quoted(address: int) -> str:
    return "0x" + grouped(address)
