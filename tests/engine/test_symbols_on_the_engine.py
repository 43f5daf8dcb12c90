"""`dumpkind --symbols` names images and PDBs as Microsoft's engine does, whose symsrv finds the PDB by that key."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

from engine.engine import windows_path
from engine.kernel_symbols import PRIVATE
from windbg_ext.commands.dumpkind.symbols import symbols

if TYPE_CHECKING:
    from pathlib import Path

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
