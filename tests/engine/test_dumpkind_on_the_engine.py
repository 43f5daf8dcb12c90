"""dumpkind reports what the engine prints with .dumpdebug, vertarget, .bugcheck and ||."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Callable

import pytest
from support.dumps_at_hand import LARGE, SAMPLES, SMALL, given_dumps

from engine.engine import EngineError
from engine.samples_for_the_engine import OPENED
from samples.builder import build
from windbg_ext.commands.dumpkind import DumpReport, dumpkind
from windbg_ext.structs.header import Attributes

if TYPE_CHECKING:
    from pathlib import Path

    from engine.engine import Engine

TRUNCATED = "WARNING: Dump file has been truncated"
FULL = "full address space is available"
MACHINES = {"x86": 0x14C, "x64": 0x8664, "ARM64": 0xAA64}
CALLED = {"x86": "x86 compatible", "x64": "x64", "ARM64": "ARM 64-bit"}


@dataclass(frozen=True)
class Both:
    """What dumpkind reports of a dump, and what the engine answers."""

    report: DumpReport
    dump_debug: str
    version: str
    bug_check: str
    status: str
    modules: str

    def field(self, name: str) -> int | None:
        """Return a field as .dumpdebug prints it, or None if it does not print it."""
        found = re.search(rf"^{name} +([0-9a-f`]+)", self.dump_debug, re.MULTILINE)
        return int(found[1].replace("`", ""), 16) if found else None


def subjects() -> list[Path]:
    return [*(SAMPLES / sample.file_name for sample in OPENED), *given_dumps(*LARGE, SMALL)]


@pytest.fixture(scope="module", params=subjects(), ids=lambda path: path.name)
def both(request: pytest.FixtureRequest, engine: Engine, unpacked: Callable[[Path], Path]) -> Both:
    dump = unpacked(request.param)
    session = engine.ask(dump, [".dumpdebug", "vertarget", ".bugcheck", "||", "lm"])
    return Both(dumpkind(dump), *(answer.text for answer in session.answers))


@pytest.mark.skipif(not given_dumps(*LARGE, SMALL), reason="WINDBG_EXT_DUMPS names no folder with dumps")
def test_other_peoples_dumps_are_among_them() -> None:
    assert len(subjects()) > len(OPENED)


def test_the_kind(both: Both) -> None:
    called = (both.status + both.dump_debug.splitlines()[0]).lower()
    full = FULL in both.dump_debug.splitlines()[0]
    if both.report.kind == "small":
        assert "triage dump" in called
    elif both.report.dump_type == 1:
        assert "kernel full dump" in called
        assert both.report.kind == "complete"
    elif both.report.dump_type == 2:
        assert "kernel summary dump" in called
        assert both.report.kind == "kernel"
    else:
        assert "bitmap dump" in called
        assert full == (both.report.kind in ("complete", "active"))


def test_the_build_the_architecture_and_the_processors(both: Both) -> None:
    report = both.report
    assert report.build == both.field("MinorVersion")
    assert report.processors == both.field("NumberProcessors")
    assert MACHINES[report.architecture or ""] == both.field("MachineImageType")
    assert re.search(rf"\b{report.build}\b", both.version)
    assert (f"MP ({report.processors} procs)" if report.processors != 1 else " UP ") in both.version
    assert f"Free {CALLED[report.architecture or '']}" in both.version


def test_the_bug_check(both: Both) -> None:
    bug_check = both.report.bug_check
    assert bug_check is not None
    assert bug_check.code == both.field("BugCheckCode")
    assert list(bug_check.parameters) == [both.field(f"BugCheckParameter{number}") for number in (1, 2, 3, 4)]
    printed = re.search(r"Bugcheck code ([0-9A-F]+)\s+Arguments ((?:[0-9a-f`]+ ?){4})", both.bug_check)
    assert printed is not None
    assert bug_check.code == int(printed[1], 16)
    assert list(bug_check.parameters) == [int(word.replace("`", ""), 16) for word in printed[2].split()]


def test_addresses_of_code_are_where_the_engine_has_their_modules(both: Both) -> None:
    starts = {}
    for start, name in re.findall(r"^([0-9a-f`]{8,17}) [0-9a-f`]{8,17} +(\w+)", both.modules, re.MULTILINE):
        starts[name.lower()] = int(start.replace("`", ""), 16)
    report = both.report
    assert report.crash_address is not None
    places = [place for place in (report.crash_address, *report.stack) if place.module is not None]
    assert places
    for place in places:
        name = str(place.module).lower().rpartition(".")[0]
        name = "nt" if name == "ntoskrnl" else re.sub(r"\W", "_", name)
        assert starts[name] + (place.offset or 0) == place.address, place


def test_the_times(both: Both) -> None:
    report = both.report
    assert report.system_time is not None
    assert report.system_up_time is not None
    crashed = datetime(1601, 1, 1, tzinfo=timezone.utc) + timedelta(microseconds=report.system_time // 10)
    assert crashed.strftime("%a %b %e %H:%M:%S") in both.version
    assert f"{crashed.microsecond // 1000:03} {crashed.year} (UTC + 0:00)" in both.version
    up = timedelta(microseconds=report.system_up_time // 10)
    clock = f"{up.seconds // 3600}:{up.seconds // 60 % 60:02}:{up.seconds % 60:02}.{up.microseconds // 1000:03}"
    assert f"System Uptime: {up.days} days {clock}" in both.version


def test_the_attributes(both: Both) -> None:
    """The engine omits a field that was never set."""
    printed = both.field("Attributes")
    if printed is None:
        assert both.report.attributes is None
        return
    bits = [1 << number for number in range(32) if printed >> number & 1]
    known = {int(flag): "".join(word.capitalize() for word in str(flag.name).split("_")) for flag in Attributes}
    assert both.report.attributes == tuple(known.get(bit, f"unknown 0x{bit:x}") for bit in bits)


def test_the_pages_in_the_file(both: Both) -> None:
    printed = both.field("Pages")
    if both.report.dump_type in (2, 5, 6):
        assert both.report.pages_in_file == printed
    assert both.report.complete


@pytest.mark.parametrize("name", ["kernel", "complete", "complete-bitmap"])
def test_the_engine_opens_a_cut_large_dump_with_a_warning_as_is_said_of_it(
    name: str, engine: Engine, tmp_path: Path
) -> None:
    data = build(next(sample for sample in OPENED if sample.name == name))
    cut = tmp_path / "cut.dmp"
    cut.write_bytes(data[: data.rindex(b"DumpBlob") - 5 * 0x1000])
    assert "WinDbg opens it with a warning" in dumpkind(cut).whole.usable
    assert TRUNCATED in engine.ask(cut, ["r"]).opening.text


def test_the_engine_refuses_a_small_dump_that_is_cut_as_is_said_of_it(engine: Engine, tmp_path: Path) -> None:
    data = build(next(sample for sample in OPENED if sample.name == "small"))
    cut = tmp_path / "cut.dmp"
    cut.write_bytes(data[: data.rindex(b"DumpBlob") - 8])
    assert "WinDbg refuses" in dumpkind(cut).whole.usable
    with pytest.raises(EngineError):
        engine.ask(cut, ["r"])


def test_the_engine_opens_a_small_dump_that_is_cut_in_its_secondary_data(engine: Engine, tmp_path: Path) -> None:
    data = build(next(sample for sample in OPENED if sample.name == "small"))
    cut = tmp_path / "cut.dmp"
    cut.write_bytes(data[:-3])
    assert dumpkind(cut).whole.usable.startswith("usable")
    assert "rip=" in engine.ask(cut, ["r"]).answers[0].text
