"""The reports that are looked at: of one dump, of many, of a paging file, of minify; made of the samples."""

from __future__ import annotations

import os
from pathlib import Path
from random import Random

from support import fleet_dumps
from support.command_line import ROOT, run
from support.fleet import fleet_reports, write_fleet

from windbg_ext.render.html import write_html
from windbg_ext.render.pages.dumps import dumps_page

SAMPLES = ROOT / "samples"
FLEET = 60
PAGING = ("--ram", "16G", "--pagefile", "12G..24G", "--free-space", "18G", "--kind", "complete", "--certain")


def write_reports(folder: Path) -> dict[str, Path]:
    """Write the reports and return their files by name, which is that of their pictures, too.

    They name files as somebody would who works in a folder with samples/ in it.
    """
    fleet, samples = folder / "dumps", folder / "samples"
    fleet.mkdir()
    samples.mkdir()
    for name in ("active.dmp", "complete.dmp"):
        (samples / name).write_bytes((SAMPLES / name).read_bytes())
    write_fleet(fleet, FLEET)
    (fleet / "PC-999.dmp").write_bytes((SAMPLES / "complete.dmp").read_bytes()[:200_000])
    fleet_dumps.write_fleet(folder / "fleet", 4 * FLEET, crashes=16, machines=20, chance=Random(5))
    reports = {
        "dumpkind": ("dumpkind", "samples/active.dmp"),
        "dumps": ("dumpkind", "dumps"),
        "catalog": ("dumpkind", "fleet", "--catalog", "fleet.db", "--jobs", "1"),
        "pagefilefit": ("pagefilefit", *PAGING),
        "machines": ("pagefilefit", "--system-hive", "machines"),
        "minify": ("minify", "samples/complete.dmp", "MEMORY-small.dmp", "--size", "160K", "--verify"),
    }
    _write_machines(folder / "machines")
    before = Path.cwd()
    os.chdir(folder)
    try:
        for name, arguments in reports.items():
            status = run(*arguments, "--html", f"{name}.html").status
            assert status in (0, 1), f"there is no report {name}"
    finally:
        os.chdir(before)
    return {name: folder / f"{name}.html" for name in reports}


def _write_machines(folder: Path) -> None:
    """Write the collected reports of some machines, of which some would lose their dump."""
    folder.mkdir()
    for number in range(24):
        ram, room = (8, 16, 32, 64)[number % 4], (0, 2, 12, 40)[number // 4 % 4]
        kind = ("automatic", "complete", "kernel")[number % 3]
        words = ("--ram", f"{ram}G", "--pagefile", f"{room}G" if room else "0", "--kind", kind)
        (folder / f"PC-{number:03}.json").write_text(run("pagefilefit", *words, "--json").out)


def write_large(folder: Path, count: int) -> Path:
    """Write the report of very many dumps."""
    path = folder / "large.html"
    path.write_text("".join(write_html(dumps_page(fleet_reports(count)))), encoding="utf-8")
    return path
