"""What is personal, as HTML pages: the numbers of the JSON report, and no value that nobody asked for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from support.command_line import run
from support.html_pages import HtmlPage
from support.planted import COMPUTER, TOKEN, USER, planted_dump

if TYPE_CHECKING:
    from pathlib import Path

VALUES = (USER, COMPUTER, TOKEN)


def test_a_page_has_each_sort_with_its_number_as_the_json_report_and_values_only_if_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "planted.dmp"
    path.write_bytes(planted_dump("small"))
    hidden, shown = tmp_path / "hidden.html", tmp_path / "shown.html"
    told = json.loads(run("dumpkind", "--privacy", "--json", "--html", hidden, path).out)["dumps"][0]["privacy"]
    assert run("dumpkind", "--privacy", "--show", "--html", shown, path).status == 1
    without, with_values = (HtmlPage.of(page.read_text(encoding="utf-8")).text for page in (hidden, shown))
    assert told["findings"]
    for finding in told["findings"]:
        assert finding["name"] in without
        assert f"{len(finding['occurrences']):,}" in without
    assert [value for value in VALUES if value in without] == []
    assert [value for value in VALUES if value not in with_values] == []
    assert "anonymous" in without


def test_the_page_of_a_scrubbed_dump_says_what_was_left_out_by_rule(tmp_path: Path) -> None:
    source, small, page = tmp_path / "planted.dmp", tmp_path / "out.dmp", tmp_path / "report.html"
    source.write_bytes(planted_dump("small"))
    told = json.loads(run("minify", "--scrub", "--json", "--html", page, source, small).out)["scrub"]
    text = HtmlPage.of(page.read_text(encoding="utf-8")).text
    assert told["rules"]
    for row in told["rules"]:
        assert row["name"] in text
        assert f"{row['bytes']:,}" in text
        assert f"{row['times']:,}" in text
    assert [value for value in VALUES if value in text] == []
