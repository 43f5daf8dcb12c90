"""The library's open dump: what it answers of a large and of a small dump, and what it raises."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

import samples
from samples.builder import SAMPLES
from windbg_ext import DumpError, DumpKind, NotInDumpError, NotMappedError, open_dump

FOLDER = Path(samples.__file__).parent
BY_NAME = {sample.name: sample for sample in SAMPLES}


@pytest.mark.parametrize("name", ["complete", "x86-kernel", "arm64-kernel", "small"])
def test_header_processors_and_modules_are_the_builders(name: str) -> None:
    machine = BY_NAME[name].machine
    with open_dump(FOLDER / f"{name}.dmp") as dump:
        assert dump.header.bug_check == machine.bug_check
        assert dump.problems == ()
        assert dump.missing_bytes == 0
        assert len(dump.processors) == len(machine.processors)
        assert {(module.base, module.size) for module in dump.modules} >= {
            (module.base, module.size) for module in machine.modules
        }
        kernel = dump.modules[0]
        assert kernel.base <= dump.registers.instruction_pointer < kernel.base + kernel.size


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("complete", DumpKind.COMPLETE),
        ("active", DumpKind.ACTIVE),
        ("kernel", DumpKind.KERNEL),
        ("small", DumpKind.SMALL),
    ],
)
def test_a_dump_tells_its_kind(name: str, kind: DumpKind) -> None:
    with open_dump(FOLDER / f"{name}.dmp") as dump:
        assert dump.kind is kind
        assert str(dump.kind) == kind.value


def test_memory_is_read_by_virtual_and_by_physical_address() -> None:
    data = (FOLDER / "complete.dmp").read_bytes()
    run = BY_NAME["complete"].machine.ram[0]
    with open_dump(FOLDER / "complete.dmp") as dump:
        first = run.base_page * 0x1000
        assert dump.read_physical(first + 0xFF0, 0x20) == data[0x2FF0:0x3010]  # pages of a run lie behind the header
        assert dump.read_virtual(dump.modules[0].base, 2) == b"MZ"
        with pytest.raises(NotMappedError):
            dump.read_virtual(0x1000, 1)
        with pytest.raises(NotInDumpError):
            dump.read_physical(1 << 45, 1)


def test_a_small_dump_has_no_physical_memory() -> None:
    with open_dump(FOLDER / "small.dmp") as dump, pytest.raises(NotInDumpError, match="does not hold"):
        dump.read_physical(0, 1)


def test_a_stream_is_as_good_as_a_path() -> None:
    with open_dump(io.BytesIO((FOLDER / "kernel.dmp").read_bytes())) as dump, open_dump(FOLDER / "kernel.dmp") as same:
        assert dump.modules == same.modules
        assert dump.name == "stream"


def test_of_a_damaged_dump_the_rest_is_there_and_what_is_missing_says_why(tmp_path: Path) -> None:
    data = bytearray((FOLDER / "kernel.dmp").read_bytes())
    data[0x2000:0x2004] = b"XXXX"
    path = tmp_path / "MEMORY.DMP"
    path.write_bytes(data)
    with open_dump(path) as dump:
        assert dump.header.bug_check == BY_NAME["kernel"].machine.bug_check
        assert [problem.error.field for problem in dump.problems] == ["bitmap header"]
        with pytest.raises(DumpError, match="bitmap header") as raised:
            dump.processors  # noqa: B018 - reading it is the point
        assert raised.value.path == str(path)
