"""dumpkind: the same bug has the same signature wherever, whenever and as whatever kind of dump it was written.

Names of the parameters that decide: Microsoft's bug check code reference.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from typing import TYPE_CHECKING

import pytest
from support.command_line import run
from support.dumpkind_cases import BY_NAME, KERNEL, build, look, look_at
from support.dumps_at_hand import given_dumps
from support.made_crashes import AFTER_BUG_CHECK, LITTLE_RAM, MORE_RAM, MadeCrash, dump_of

from samples.builder.small import Small
from samples.builder.writers import Bitmap, Complete, Format, active_pages, kernel_pages
from windbg_ext.commands.dumpkind import dumpkind
from windbg_ext.structs.header import Attributes, DumpType

if TYPE_CHECKING:
    from pathlib import Path

FORMATS: dict[str, Format] = {
    "complete": Complete(),
    "active": Bitmap(DumpType.BITMAP_FULL, active_pages, attributes=Attributes.FILTER_DUMP_FILE),
    "kernel": Bitmap(DumpType.BITMAP_KERNEL, kernel_pages),
    "small": Small(),
}
GPU = (("nvlddmkm.sys", 0x2000000),)
WATCHDOG = MadeCrash(
    0x133,
    (1, 0x1E00, ("ntoskrnl.exe", 0x1F0018), 0),
    (AFTER_BUG_CHECK, 0x133, 1, ("ntoskrnl.exe", 0x1505), 0x246, ("nvlddmkm.sys", 0x1A0A43), ("nvlddmkm.sys", 0x99)),
    GPU,
)
FAULT = ("faulty.sys", 0x1010)
VIOLATION = MadeCrash(0x1000007E, (0xFFFFFFFFC0000005, FAULT, 0, 0), (AFTER_BUG_CHECK,), thrown=FAULT)


def signature(data: bytes) -> str:
    report = look(data)
    assert report.signature is not None
    return report.signature.text


def small(crash: MadeCrash, *, boot: int = 0) -> str:
    return signature(dump_of(crash, Small(), boot=boot))


THROWN_IN_KERNEL = MadeCrash(
    0x1000007E,
    (0xC0000005, ("ntoskrnl.exe", 0x4243), 0, 0),
    (AFTER_BUG_CHECK, ("disk.sys", 0x17), 0, ("faulty.sys", 0x25)),
    thrown=("ntoskrnl.exe", 0x4243),
    frames_below=2,
)
"""What lies below the exception on the stack, a small dump has too."""


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize(
    ("crash", "expected"),
    [
        (WATCHDOG, "133/1 nvlddmkm.sys+0x1a0a43"),
        (VIOLATION, "7E/c0000005 faulty.sys+0x1010"),
        (THROWN_IN_KERNEL, "7E/c0000005 nt+0x4243 faulty.sys+0x25"),
    ],
    ids=["133", "7E", "7E in the kernel"],
)
def test_every_boot_machine_and_kind_of_dump_gives_one_crash_the_same_signature(
    crash: MadeCrash, expected: str, kind: str
) -> None:
    found = {
        signature(dump_of(crash, FORMATS[kind], boot=boot, ram=ram))
        for boot, ram in ((0, LITTLE_RAM), (1, MORE_RAM), (5, LITTLE_RAM))
    }
    assert found == {expected}


@pytest.mark.parametrize(
    ("crash", "expected"),
    [
        (MadeCrash(0xD1, (0x10, 2, 0, FAULT), (AFTER_BUG_CHECK,)), "D1 faulty.sys+0x1010"),
        (MadeCrash(0x3B, (0xC000001D, FAULT, 0, 0), (AFTER_BUG_CHECK,)), "3B/c000001d faulty.sys+0x1010"),
        (MadeCrash(0x1E, (0xFFFFFFFFC0000094, FAULT, 0, 0), ()), "1E/c0000094 faulty.sys+0x1010"),
        (MadeCrash(0x8E, (0xC0000005, FAULT, 0, 0), ()), "8E/c0000005 faulty.sys+0x1010"),
        (MadeCrash(0x9F, (3, 0x10, 0, 0), (AFTER_BUG_CHECK, ("faulty.sys", 0x25))), "9F/3 faulty.sys+0x25"),
        (MadeCrash(0x124, (0, 0x10, 0, 0), (AFTER_BUG_CHECK, ("hal.dll", 0x25))), "124/0 nt+0x1205 hal.dll+0x25"),
        (MadeCrash(0x139, (3, 0x10, 0, 0), (("disk.sys", 0x17),)), "139/3 disk.sys+0x17"),
        (MadeCrash(0x1A, (0x41790, 0, 0, 0), (AFTER_BUG_CHECK,)), "1A/41790 nt+0x1205"),
        (MadeCrash(0x7A, (1, 0xC000009D, 0, 0), (AFTER_BUG_CHECK,)), "7A/c000009d nt+0x1205"),
        (MadeCrash(0xE2, (1, 2, 3, 4), (AFTER_BUG_CHECK,)), "E2 nt+0x1205"),
        (MadeCrash(0x116, (0x10, ("nvlddmkm.sys", 0x77), 0, 0), (AFTER_BUG_CHECK,), GPU), "116 nvlddmkm.sys+0x77"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_the_parameter_that_decides_the_kind_of_a_bug_check_is_part_of_it(crash: MadeCrash, expected: str) -> None:
    assert small(crash) == expected


def test_a_crash_in_the_kernel_names_the_kernel_and_who_called_it() -> None:
    stack = (AFTER_BUG_CHECK, 0xA, ("ntoskrnl.exe", 0x1505), ("faulty.sys", 0x25), ("faulty.sys", 0x99))
    assert small(MadeCrash(0xA, (0x10, 2, 0, ("ntoskrnl.exe", 0x4243)), stack)) == "A nt+0x4243 faulty.sys+0x25"


def test_behind_a_framework_of_microsofts_stands_the_driver_that_called_it() -> None:
    stack = (AFTER_BUG_CHECK, ("ndis.sys", 0x125), ("hal.dll", 0x31), ("faulty.sys", 0x25))
    assert small(MadeCrash(0x133, (0, 0, 0, 0), stack)) == "133/0 ndis.sys+0x125 faulty.sys+0x25"


def test_a_pointer_to_a_table_on_the_stack_is_no_frame_where_there_is_a_better_one() -> None:
    """Tables and functions begin at multiples of 16, which few return addresses are."""
    stack = (AFTER_BUG_CHECK, ("disk.sys", 0x4000), ("faulty.sys", 0x25))
    assert small(MadeCrash(0x133, (1, 0, 0, 0), stack)) == "133/1 faulty.sys+0x25"
    assert small(MadeCrash(0x133, (1, 0, 0, 0), stack[:2])) == "133/1 disk.sys+0x4000"


def test_different_crashes_have_different_signatures() -> None:
    codes = (0xA, 0x1A, 0x3B, 0x7E, 0x9F, 0xD1, 0x133, 0x139, 0x1C8)
    crashes = [
        MadeCrash(code, (kind, ("faulty.sys", place), 0, ("faulty.sys", place)), (("faulty.sys", place),))
        for code in codes
        for kind in ((1, 3) if code in (0x1A, 0x3B, 0x7E, 0x9F, 0x133, 0x139) else (1,))
        for place in (0x1011, 0x1025)
    ]
    found = [look(dump_of(crash, Small())).signature for crash in crashes]
    assert len({made.text for made in found if made}) == len(crashes)
    assert len({made.hash for made in found if made}) == len(crashes)


def test_names_of_the_one_kernel_and_capitals_make_no_difference() -> None:
    crash = MadeCrash(0xD1, (0x10, 2, 0, ("FLTMGR.SYS", 0x1010)), (AFTER_BUG_CHECK,))
    assert small(crash) == "D1 fltmgr.sys+0x1010"


def test_a_dump_without_modules_has_the_bug_check_and_a_question_mark() -> None:
    assert signature(build(KERNEL)[: 1 << 16]) == "D1 ?"


def test_what_did_not_crash_and_what_is_no_dump_have_none() -> None:
    assert look_at(KERNEL, BugCheckCode=0).signature is None
    assert look(b"MDMP").signature is None


def test_a_hostile_name_of_a_module_makes_a_short_line_of_plain_characters() -> None:
    name = "\u202e\x1b[2J=" + "x" * 500
    crash = MadeCrash(0x133, (1, 0, 0, 0), ((name, 0x25),), ((name, 0x9000),))
    text = small(crash)
    assert text.isascii()
    assert text.isprintable()
    assert text.startswith("133/1 ")
    assert len(text) < 120


@pytest.mark.parametrize("path", given_dumps(4), ids=lambda path: path.name)
def test_a_real_small_dump_and_the_large_one_of_the_same_crash_agree(path: Path) -> None:
    code = path.name.split(".")[0].rpartition("-")[2]
    large = [other for other in given_dumps(1, 5, 6) if other.name.endswith(f"-{code}.dmp.xz")]
    found = {dumpkind(other).signature for other in (path, *large)}
    assert len(found) == 1
    assert None not in found


def test_real_dumps_of_different_crashes_do_not_collide() -> None:
    paths = given_dumps(4)
    assert len({dumpkind(path).signature for path in paths}) == len(paths)


def test_the_small_dump_that_minify_makes_has_the_signature_of_its_source(tmp_path: Path) -> None:
    (tmp_path / "MEMORY.DMP").write_bytes(dump_of(WATCHDOG, FORMATS["kernel"]))
    assert run("minify", tmp_path / "MEMORY.DMP", tmp_path / "small.dmp").status == 0
    assert dumpkind(tmp_path / "small.dmp").signature == dumpkind(tmp_path / "MEMORY.DMP").signature


def test_json_csv_table_and_text_show_it(tmp_path: Path) -> None:
    path = tmp_path / "a.dmp"
    path.write_bytes(build(BY_NAME["small"]))
    text, digits = "D1 faulty.sys+0x1010", hashlib.sha256(b"D1 faulty.sys+0x1010").hexdigest()[:12]
    (dump,) = json.loads(run("dumpkind", path, "--json").out)["dumps"]
    assert (dump["signature"], dump["signature_hash"]) == (text, digits)
    (row,) = csv.DictReader(io.StringIO(run("dumpkind", path, "--csv").out))
    assert (row["Signature"], row["Signature hash"]) == (text, digits)
    assert f"signature   {text}" in run("dumpkind", path).out
    assert text in run("dumpkind", tmp_path).out
    assert run("dumpkind", tmp_path, "--sort", "signature").status == 0
