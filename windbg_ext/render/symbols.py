"""The report of `dumpkind --symbols` as a document, as JSON, and as a manifest for symchk."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from windbg_ext.render.document import Address, Answer, Column, Document, Facts, ModuleName, Section, Table
from windbg_ext.render.figures import count
from windbg_ext.render.json_text import write_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from windbg_ext.commands.dumpkind.symbols import ModuleKeys, SymbolsReport
    from windbg_ext.render.document import Inline

COLUMNS = tuple(map(Column, ("Module", "Base", "Time stamp", "Size of image", "PDB", "GUID", "Age")))
FILE_NAME = re.compile(r"[^\x00-\x1f\\/:*?\"<>|,]{1,255}")
"""What a file may be called on Windows; a comma would be another field of a manifest."""


def symbols_document(reports: Sequence[SymbolsReport]) -> Document:
    """Return a table of modules for each dump."""
    return Document(tuple(section for report in reports for section in _sections(report)))


def _sections(report: SymbolsReport) -> Iterator[Section]:
    named = sum(module.pdb is not None for module in report.modules)
    images = sum(module.key is not None for module in report.modules)
    total = len(report.modules)
    answer = f"{count(total, 'module')}; the keys of {count(images, 'image')} and {count(named, 'PDB')} are known"
    facts = [("symbols", (Answer(answer, good=report.complete),))]
    facts += [("problem", (Answer(report.problem, good=False),))] if report.problem else []
    yield Section(report.path, (Facts(tuple(facts)),))
    if report.modules:
        yield Section("", (Table(tuple(map(_row, report.modules)), COLUMNS, compact=True),))


def _row(module: ModuleKeys) -> tuple[Inline, ...]:
    stamp = module.time_date_stamp
    pdb = module.pdb
    keys = ((pdb.name,), (pdb.guid,), (str(pdb.age),)) if pdb else ((f"- {module.problem}",), ("",), ("",))
    return (
        (ModuleName(module.name),),
        (Address(module.base, 16),),
        ("-" if stamp is None else f"{stamp:08X}",),
        (f"0x{module.size:x}",),
        *keys,
    )


def symbols_json(report: SymbolsReport) -> str:
    """Return the keys of the modules of a dump as JSON, an item of the list "dumps"."""
    modules = [_module_json(module) for module in report.modules]
    return write_json({"path": report.path, "problem": report.problem or None, "modules": modules})


def _module_json(module: ModuleKeys) -> dict[str, object]:
    pdb = module.pdb
    return {
        "name": module.name,
        "base": f"0x{module.base:x}",
        "bytes": module.size,
        "time_date_stamp": None if module.time_date_stamp is None else f"0x{module.time_date_stamp:08x}",
        "key": module.key,
        "pdb": None if pdb is None else {"name": pdb.name, "guid": pdb.guid, "age": pdb.age, "key": pdb.key},
        "problem": module.problem or None,
    }


def symbols_manifest(reports: Sequence[SymbolsReport]) -> str:
    """Return what to fetch, for `symchk /im`: a line for each file, with its name, its key and a 1.

    Microsoft documents no form of these lines, and they were compared with no symchk; the keys are those of symsrv.
    """
    lines: dict[str, None] = {}
    for report in reports:
        for module in report.modules:
            if module.pdb is not None:
                lines[f"{module.pdb.name},{module.pdb.key},1"] = None
            if module.key is not None:
                lines[f"{module.name},{module.key},1"] = None
    return "\n".join(line for line in lines if FILE_NAME.fullmatch(line.partition(",")[0]) and line.count(",") == 2)
