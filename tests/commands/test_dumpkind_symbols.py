"""What a symbol server needs: keys as the PE/COFF specification and the CodeView records have them."""

from __future__ import annotations

import json
import struct
from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from support.command_line import ROOT, refusal_of, run

from samples.builder import SAMPLES, build
from samples.builder.images import NT_HEADERS, image_header
from windbg_ext.commands.dumpkind.symbols import ModuleKeys, SymbolsReport, symbols
from windbg_ext.render.symbols import symbols_manifest

if TYPE_CHECKING:
    from pathlib import Path

KERNEL = next(sample for sample in SAMPLES if sample.name == "kernel")
GUID = UUID("30092be7-45b2-4fe2-a311-a936e7b7486f")
DIRECTORY = NT_HEADERS + 0x18 + 0x70 + 6 * 8
"""Of the debug directory, in a PE32+ image."""
AT = 0x2000
RSDS = b"RSDS" + GUID.bytes_le + struct.pack("<I", 10)
NB10 = b"NB10" + struct.pack("<III", 0, 0x3B7D8475, 2)


def dump_with(path: Path, record: bytes, *, size: int = 28, kind: int = 2, address: int = AT + 28) -> Path:
    """Write a dump whose last module has a debug directory with a record."""
    module = KERNEL.machine.modules[-1]
    page = bytearray(image_header(module))
    struct.pack_into("<II", page, DIRECTORY, AT, size)
    entry = struct.pack("<IIHHIIII", 0, module.time_date_stamp, 0, 0, kind, len(record), address, 0)
    changed = replace(module, code={**module.code, 0: bytes(page), AT: entry + record})
    machine = replace(KERNEL.machine, modules=(*KERNEL.machine.modules[:-1], changed))
    path.write_bytes(build(replace(KERNEL, machine=machine)))
    return path


def last(path: Path) -> ModuleKeys:
    return symbols(path).modules[-1]


@pytest.mark.parametrize(
    ("record", "name", "key"),
    [
        (RSDS + b"faulty.pdb\0", "faulty.pdb", "30092BE745B24FE2A311A936E7B7486FA"),
        (RSDS + b"d:\\build\\obj/faulty.pdb\0", "faulty.pdb", "30092BE745B24FE2A311A936E7B7486FA"),
        (NB10 + b"old.pdb\0", "old.pdb", "3B7D84752"),
    ],
    ids=["PDB 7.0", "with the path of the build", "PDB 2.0"],
)
def test_the_pdb_of_an_image_is_named_with_its_key(record: bytes, name: str, key: str, tmp_path: Path) -> None:
    module = last(dump_with(tmp_path / "a.dmp", record))
    assert module.pdb is not None
    assert (module.pdb.name, module.pdb.key, module.problem) == (name, key, "")


@pytest.mark.parametrize(
    "change",
    [{"size": 27}, {"kind": 3}, {"address": 0x9000}, {"address": 0}, {"size": 0xFFFFFFFF, "kind": 0}],
    ids=["no entry", "another type", "behind the image", "nowhere", "endless"],
)
def test_an_image_without_a_pdb_is_listed_with_what_is_known(change: dict[str, int], tmp_path: Path) -> None:
    module = last(dump_with(tmp_path / "a.dmp", RSDS + b"faulty.pdb\0", **change))
    described = KERNEL.machine.modules[-1]
    assert (module.pdb, module.time_date_stamp, module.size) == (None, described.time_date_stamp, described.size)
    assert module.problem


@pytest.mark.parametrize("record", [b"RSDS", b"\0" * 40, RSDS], ids=["cut", "zeros", "without a name"])
def test_a_record_that_is_none_is_told(record: bytes, tmp_path: Path) -> None:
    module = last(dump_with(tmp_path / "a.dmp", record))
    assert module.pdb is None or module.pdb.name == ""


def test_a_small_dump_lists_the_keys_of_the_images_from_its_list_of_drivers() -> None:
    sample = next(sample for sample in SAMPLES if sample.file_name == "small.dmp")
    found = symbols(ROOT / "samples" / "small.dmp").modules
    expected = [(module.name, module.base, module.size, module.time_date_stamp) for module in sample.machine.modules]
    assert [(module.name, module.base, module.size, module.time_date_stamp) for module in found] == expected
    assert found[-1].key == "654321009000"


def test_the_table_json_and_the_manifest_have_the_same_keys(tmp_path: Path) -> None:
    path = dump_with(tmp_path / "a.dmp", RSDS + b"faulty.pdb\0")
    text, document, manifest = (
        run("dumpkind", "--symbols", *more, path) for more in ((), ("--json",), ("--manifest",))
    )
    assert (text.status, document.status, manifest.status) == (0, 0, 0)
    assert "7 modules; the keys of 7 images and 1 PDB are known" in text.out
    assert text.out.splitlines()[-1].split() == [
        *("faulty.sys", "0xfffff80512990000", "65432100", "0x9000", "faulty.pdb", str(GUID), "10"),
    ]
    (dump,) = json.loads(document.out)["dumps"]
    assert dump["modules"][-1] == {
        "name": "faulty.sys",
        "base": "0xfffff80512990000",
        "bytes": 0x9000,
        "time_date_stamp": "0x65432100",
        "key": "654321009000",
        "pdb": {"name": "faulty.pdb", "guid": str(GUID), "age": 10, "key": "30092BE745B24FE2A311A936E7B7486FA"},
        "problem": None,
    }
    lines = manifest.out.splitlines()
    assert lines[-2:] == ["faulty.pdb,30092BE745B24FE2A311A936E7B7486FA,1", "faulty.sys,654321009000,1"]
    assert "hal.dll,5E0000006000,1" in lines


@pytest.mark.parametrize("name", ["a,b.sys", "a\nb.sys", "..\\a.sys", "", "x\x1b.sys"])
def test_no_name_of_a_dump_adds_a_line_or_a_field_to_the_manifest(name: str) -> None:
    module = ModuleKeys(name, 0x1000, 0x2000, 0x5E000000, None)
    assert symbols_manifest([SymbolsReport("a.dmp", (module,))]) == ""


def test_of_several_files_one_that_cannot_be_read_is_a_row_and_the_status_is_1(tmp_path: Path) -> None:
    dump_with(tmp_path / "a.dmp", RSDS + b"faulty.pdb\0")
    (tmp_path / "b.dmp").write_bytes(b"MDMP")
    outcome = run("dumpkind", "--symbols", tmp_path)
    assert outcome.status == 1
    assert "user-mode minidump" in outcome.out
    assert "user-mode minidump" in refusal_of(run("dumpkind", "--symbols", tmp_path / "b.dmp"))


@pytest.mark.parametrize("more", [("--csv",), ("--json", "--manifest")])
def test_what_makes_no_sense_with_symbols_is_wrong_use(more: tuple[str, ...]) -> None:
    assert run("dumpkind", "--symbols", *more, ROOT / "samples" / "small.dmp").status == 2
    assert run("dumpkind", "--manifest", ROOT / "samples" / "small.dmp").status == 2


def test_a_dump_whose_modules_cannot_be_found_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.dmp"
    path.write_bytes(build(KERNEL)[:0x100000].replace(b"KDBG", b"KDBX"))

    assert f"{path}: " in refusal_of(run("dumpkind", "--symbols", path))
