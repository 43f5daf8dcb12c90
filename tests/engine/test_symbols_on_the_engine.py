"""`dumpkind --symbols` names images and PDBs as Microsoft's engine does, whose symsrv finds the PDB by that key."""

from __future__ import annotations

import contextlib
import re
import shutil
from typing import TYPE_CHECKING

from engine.engine import windows_path
from engine.kernel_symbols import PRIVATE
from samples.builder.physical import PAGE_SIZE
from windbg_ext import minify, open_dump
from windbg_ext.commands.dumpkind.symbols import symbols
from windbg_ext.errors import MemoryReadError

if TYPE_CHECKING:
    from pathlib import Path

    from engine.bang_commands import Scripts
    from engine.kd import Kd
    from engine.kernel_symbols import WriteDump


def test_the_symbol_server_finds_a_pdb_by_its_key_and_the_images_have_the_engines_stamps_and_sizes(
    kd: Kd, dump_with_symbols: WriteDump, tmp_path: Path
) -> None:
    dump, _ = dump_with_symbols(tmp_path, PRIVATE)
    report = symbols(dump)
    kernel = report.modules[0]
    assert kernel.pdb is not None
    store = tmp_path / "store" / kernel.pdb.name / kernel.pdb.key
    store.mkdir(parents=True)
    shutil.move(tmp_path / "ntkrnlmp.pdb", store / kernel.pdb.name)
    names = [
        "nt" if module is kernel else re.sub(r"\W", "_", module.name.rpartition(".")[0]) for module in report.modules
    ]
    asked = [f".sympath srv*{windows_path(tmp_path / 'store')}", ".reload /f nt", *(f"lmvm {name}" for name in names)]
    answers = kd.run(dump, asked)[2:]
    assert f"\\{kernel.pdb.name}\\{kernel.pdb.key}\\".lower() in answers[0].lower()
    for module, answer in zip(report.modules, answers):
        stamp = re.search(r"Timestamp: .*\(([0-9A-F]{8})\)", answer)
        size = re.search(r"ImageSize: +([0-9A-F]{8})", answer)
        assert stamp is not None, answer
        assert size is not None, answer
        assert (int(stamp[1], 16), int(size[1], 16)) == (module.time_date_stamp, module.size), module.name


def image_in(dump: Path, base: int, size: int) -> bytes:
    """Return an image as it lies in memory, which is as nt.c's lies in its file; zeros for what a kernel dump lacks."""
    image = bytearray(size)
    with open_dump(dump) as crash:
        for at in range(0, size, PAGE_SIZE):
            with contextlib.suppress(MemoryReadError):
                image[at : at + PAGE_SIZE] = crash.read_virtual(base + at, PAGE_SIZE)
    return bytes(image)


def test_with_what_the_manifest_of_a_session_names_a_debugger_finds_image_and_pdb_of_a_small_dump_that_has_neither(
    kd: Kd, written: Scripts, dump_with_symbols: WriteDump, tmp_path: Path
) -> None:
    dump, _ = dump_with_symbols(tmp_path, PRIVATE)
    _, manifest, table, known = kd.run(
        dump, [written.load, "!dumpkind /symbols /manifest", "!dumpkind /symbols", "lmvm nt"]
    )
    keys = dict(re.findall(r"^([^,]+),([^,]+),1$", manifest, re.MULTILINE))
    assert {"ntoskrnl.exe", "ntkrnlmp.pdb", "hal.dll", "faulty.sys"} <= set(keys)
    guid, age = keys["ntkrnlmp.pdb"][:32], keys["ntkrnlmp.pdb"][32:]
    assert re.search(rf"ntkrnlmp\.PDB +{guid} +{age}$", table.replace("-", ""), re.MULTILINE | re.IGNORECASE)
    (start,) = re.findall(r"^([0-9a-f]{8}`[0-9a-f]{8}) ", known, re.MULTILINE)
    image = image_in(dump, int(start.replace("`", ""), 16), int(keys["ntoskrnl.exe"][8:], 16))
    for name, data in (("ntoskrnl.exe", image), ("ntkrnlmp.pdb", (tmp_path / "ntkrnlmp.pdb").read_bytes())):
        folder = tmp_path / "store" / name / keys[name]
        folder.mkdir(parents=True)
        (folder / name).write_bytes(data)
    (tmp_path / "ntkrnlmp.pdb").unlink()
    small = tmp_path / "small.dmp"
    minify(dump, small)
    assert symbols(small).modules[0].pdb is None
    store = f"srv*{windows_path(tmp_path / 'store')}"
    found = kd.run(small, [f".sympath {store}", f".exepath {store}", ".reload /f nt", "lmvm nt"])[-1].lower()
    assert f"\\ntoskrnl.exe\\{keys['ntoskrnl.exe']}\\ntoskrnl.exe".lower() in found
    assert (
        f"(private pdb symbols)  {windows_path(tmp_path / 'store')}\\ntkrnlmp.pdb\\{keys['ntkrnlmp.pdb']}\\".lower()
        in found
    )
