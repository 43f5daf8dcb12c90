"""HTML reports that are written in the debugger: the file is that of the command line, and what is shown names it."""

from __future__ import annotations

import html
import re
import shutil
import time
from typing import TYPE_CHECKING

import pytest
from support.dumps_at_hand import SAMPLES
from support.html_pages import HtmlPage

from engine.engine import windows_path
from windbg_ext.render.dml import write_dml
from windbg_ext.render.document import Document, Facts, Section, WrittenFile

if TYPE_CHECKING:
    from pathlib import Path

    from engine.bang_commands import Scripts
    from engine.kd import Kd


@pytest.mark.parametrize("interpreter", ["-g", "-l"])
def test_the_switch_writes_the_report_beside_the_dump_and_names_it(
    interpreter: str, kd: Kd, written: Scripts, tmp_path: Path
) -> None:
    run = (written.folder / "run.wds").read_text()
    scripts = written.variant(tmp_path / "variant", run.replace(" -g ", f" {interpreter} "))
    dump = tmp_path / "MEMORY.DMP"
    shutil.copy(SAMPLES / "kernel.dmp", dump)
    small = windows_path(tmp_path / "small.dmp")
    lines = [
        "!dumpkind /html",
        "!pagefilefit /html /pagefile 1G",
        f"!minify /html {small.replace('.dmp', '.html')} {small}",
    ]
    kind, room, smaller = kd.run(dump, [scripts.load, *lines])[1:]
    for answer, name, holds in (
        (kind, "MEMORY-dumpkind.html", "Physical memory"),
        (room, "MEMORY-pagefilefit.html", "Dumps and the room for them"),
        (smaller, "small.html", "What you are about to share"),
    ):
        path = tmp_path / name
        assert re.search(rf"^HTML report  {re.escape(windows_path(path))}$", answer, re.MULTILINE), answer
        page = HtmlPage.of(path.read_text(encoding="utf-8"))
        assert not page.unclosed
        assert holds in page.text


def test_the_link_opens_the_file_with_the_systems_program_for_it(kd: Kd, tmp_path: Path) -> None:
    """A script stands in for the report: the program for it is cmd, which leaves a mark."""
    folder = tmp_path / "a b"
    folder.mkdir()
    script, mark = folder / "report.cmd", folder / "mark.txt"
    script.write_text(f'@echo opened> "{windows_path(mark)}"\r\n@exit\r\n')
    document = Document((Section("", (Facts((("HTML report", (WrittenFile(windows_path(script)),)),)),)),))
    (link,) = re.findall('<link cmd="([^"]*)">', "".join(write_dml(document)))
    kd.run(SAMPLES / "kernel.dmp", [html.unescape(link), ".sleep 0n3000"])
    for _ in range(50):
        if mark.exists():
            break
        time.sleep(0.2)
    assert mark.read_text().strip() == "opened"
