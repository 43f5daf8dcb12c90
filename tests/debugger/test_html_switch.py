"""`/html` in a debugger: alone it chooses a name beside the dump, and a link opens what was written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from windbg_ext.debugger.parser import BangParser
from windbg_ext.errors import UsageError
from windbg_ext.interface.dumpkind import DUMPKIND
from windbg_ext.interface.html import CHOSEN, html_file
from windbg_ext.render.dml import write_dml
from windbg_ext.render.document import Document, Facts, Section, WrittenFile
from windbg_ext.render.html import MARK

if TYPE_CHECKING:
    from pathlib import Path


def parsed(*words: str) -> tuple[object, object]:
    options = BangParser(DUMPKIND).parse(words, r"C:\MEMORY.DMP", lambda: None)
    return options.html, options.paths


def test_the_switch_stands_alone_or_before_the_name_of_a_report() -> None:
    assert parsed("/html") == (CHOSEN, [r"C:\MEMORY.DMP"])
    assert parsed(r"C:\other.dmp", "/html") == (CHOSEN, [r"C:\other.dmp"])
    assert parsed("/html", r"C:\a b.html", "/v") == (r"C:\a b.html", [r"C:\MEMORY.DMP"])
    assert parsed() == (None, [r"C:\MEMORY.DMP"])


def test_a_dump_behind_the_switch_is_not_taken_for_a_report() -> None:
    with pytest.raises(UsageError, match=r"does not end in \.html"):
        parsed("/html", r"C:\other.dmp")


def test_the_chosen_name_is_a_new_one_beside_the_dump(tmp_path: Path) -> None:
    dump = str(tmp_path / "MEMORY.DMP")
    assert html_file(CHOSEN, "dumpkind", dump, overwrite=False) == tmp_path / "MEMORY-dumpkind.html"
    (tmp_path / "MEMORY-dumpkind.html").write_text(MARK)
    assert html_file(CHOSEN, "dumpkind", dump, overwrite=False) == tmp_path / "MEMORY-dumpkind2.html"


def test_the_chosen_name_of_a_session_without_a_dump_is_in_the_folder_for_temporary_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert html_file(CHOSEN, "pagefilefit", None, overwrite=False) == tmp_path / "windbg-pagefilefit.html"


def link_of(path: str) -> str:
    return "".join(write_dml(Document((Section("", (Facts((("HTML report", (WrittenFile(path),)),)),)),))))


def test_the_link_opens_the_file_with_the_program_for_it() -> None:
    markup = link_of(r"C:\dumps of mine\MEMORY-dumpkind.html")
    assert r'<link cmd=".shell -x start &quot;&quot; &quot;C:\dumps of mine\MEMORY-dumpkind.html&quot;">' in markup


@pytest.mark.parametrize("name", ["%TEMP%", "a&calc", "a;q", "a^b", "${x}", 'a"b', "\u00fc", "a|b", "a\nb", "a!b"])
def test_a_path_that_could_be_more_than_a_path_is_no_link(name: str) -> None:
    assert "<link" not in link_of(f"C:\\{name}.html")
