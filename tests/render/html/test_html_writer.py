"""HTML reports: what comes from a dump is text, nothing is asked for, and the numbers are those of the JSON report."""

from __future__ import annotations

import json
import re
import tempfile
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

import pytest
from hostile_files.names import TEXTS
from support.command_line import ROOT
from support.html_pages import HtmlPage, hash_of, with_texts

from windbg_ext.commands.dumpkind import dumpkind
from windbg_ext.commands.minify import minify
from windbg_ext.commands.minify.batch import BatchReport, FileReport, Outcome
from windbg_ext.commands.minify.options import MinifyOptions
from windbg_ext.commands.minify.verify import Difference, Verification
from windbg_ext.commands.pagefilefit import HandFigures, PagingFile, pagefilefit
from windbg_ext.render.dumpkind_json import dumpkind_json
from windbg_ext.render.figures import megabytes
from windbg_ext.render.html import MARK, write_html
from windbg_ext.render.html.spans import visible
from windbg_ext.render.minify import minify_document, minify_json
from windbg_ext.render.pagefilefit import pagefilefit_json
from windbg_ext.render.pages.dumpkind import dumpkind_page
from windbg_ext.render.pages.dumps import dumps_page
from windbg_ext.render.pages.minify import batch_page, minify_page
from windbg_ext.render.pages.pagefilefit import pagefilefit_page
from windbg_ext.render.text import write_text
from windbg_ext.structs.bug_check_pages import REFERENCE

if TYPE_CHECKING:
    from collections.abc import Callable

    from windbg_ext.commands.dumpkind import DumpReport
    from windbg_ext.commands.minify import MinifyReport
    from windbg_ext.commands.pagefilefit import PagefileFitReport

SAMPLES = sorted(path.name for path in (ROOT / "samples").glob("*.dmp"))
HOSTILE = {
    **TEXTS,
    "an element with a handler": '"><img src=x onerror=alert(1)><svg/onload=alert(1)>',
    "a way out of every quote": "'\"`--></title></style></script></textarea><script>alert(1)</script>",
    "a template": "{{ 7 * 7 }}{% raw %}${x}{#",
    "a script as an address": "javascript:alert(1)",
    "a comment": "<!--<![CDATA[<?xml",
}
ELEMENTS = frozenset(
    (
        *("html", "head", "meta", "title", "style", "script", "body", "header", "nav", "main", "section", "article"),
        *("footer", "a", "p", "b", "i", "h1", "h2", "h3", "div", "span", "dl", "dt", "dd", "ul", "ol", "li"),
        *("table", "caption", "colgroup", "col", "thead", "tbody", "tr", "th", "td", "code", "kbd", "pre"),
        *("figure", "figcaption", "svg", "desc", "rect", "line", "text", "details", "summary", "sup"),
        *("label", "input", "output", "button"),
    )
)
ATTRIBUTES = frozenset(
    (
        *("lang", "charset", "http-equiv", "content", "name", "class", "href", "rel", "id", "title", "tabindex"),
        *("role", "aria-label", "aria-labelledby", "aria-hidden", "aria-live", "scope", "hidden", "open"),
        *("x", "y", "x1", "x2", "y1", "y2", "width", "height", "text-anchor"),
        *("for", "type", "autocomplete", "spellcheck", "placeholder", "data-v", "data-noun"),
    )
)
MOST = 150 * 1024


@cache
def report_of(name: str) -> DumpReport:
    return dumpkind(ROOT / "samples" / name, details=True)


def one(report: DumpReport) -> str:
    return "".join(write_html(dumpkind_page(report)))


def many(report: DumpReport) -> str:
    return "".join(write_html(dumps_page([report._replace(details=None), dumpkind(ROOT / "README.md")])))


@cache
def small_dump() -> MinifyReport:
    with tempfile.TemporaryDirectory() as folder:
        return minify(ROOT / "samples" / "complete.dmp", f"{folder}/small.dmp", MinifyOptions(size=100_000))


@cache
def paging_file() -> PagefileFitReport:
    figures = HandFigures(paging_files=(PagingFile("C:\\pagefile.sys", 64 << 20, 128 << 20),), free_space=1 << 30)
    return pagefilefit(ROOT / "samples" / "complete.dmp", by_hand=figures, certain=True)


def page_of_minify(text: Callable[[str], str]) -> str:
    return "".join(write_html(minify_page(with_texts(small_dump(), text))))


def page_of_batch(text: Callable[[str], str]) -> str:
    files = tuple(FileReport("a", None, outcome, "why", small_dump()) for outcome in Outcome)
    return "".join(write_html(batch_page(with_texts(BatchReport(files), text))))


def page_of_pagefilefit(text: Callable[[str], str]) -> str:
    return "".join(write_html(pagefilefit_page(with_texts(paging_file(), text))))


def page_of_one(text: Callable[[str], str]) -> str:
    return one(with_texts(report_of("small.dmp"), text))


def page_of_large(text: Callable[[str], str]) -> str:
    return one(with_texts(report_of("kernel.dmp"), text))


def page_of_many(text: Callable[[str], str]) -> str:
    return many(with_texts(report_of("small.dmp"), text))


PAGES = (page_of_one, page_of_large, page_of_many, page_of_pagefilefit, page_of_minify, page_of_batch)


def check_harmless(markup: str) -> HtmlPage:
    """Assert that a page has only elements, attributes, addresses, styles and scripts of the program's own."""
    page = HtmlPage.of(markup)
    assert markup.startswith(MARK)
    assert not page.unclosed
    assert {element.name for element in page.elements} <= ELEMENTS
    assert {name for element in page.elements for name in element.attributes} <= ATTRIBUTES
    addresses = {element.attributes["href"] for element in page.elements if "href" in element.attributes}
    assert all(re.fullmatch(r"#[a-z0-9]+", address) or address == REFERENCE for address in addresses)
    classes = {name for element in page.elements for name in element.attributes.get("class", "").split()}
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)?|[ckd][0-9]{1,2}", name) for name in classes)
    ids = [element.attributes["id"] for element in page.elements if "id" in element.attributes]
    assert len(ids) == len(set(ids))
    styles, scripts = page.all("style"), page.all("script")
    assert len(styles) == 1
    assert len(scripts) <= 1
    assert page.policy["default-src"] == ["'none'"]
    assert page.policy["style-src"] == [hash_of(styles[0].text)]
    assert page.policy.get("script-src", []) == [hash_of(script.text) for script in scripts]
    assert set(page.policy) <= {"default-src", "style-src", "script-src", "base-uri", "form-action"}
    assert all(c.isprintable() or c == "\n" for c in markup)
    return page


@pytest.mark.parametrize("make", PAGES)
def test_a_hostile_text_in_every_field_stays_text(make: Callable[[Callable[[str], str]], str]) -> None:
    text = HOSTILE["a way out of every quote"]
    page = check_harmless(make(lambda _: text))
    assert page.text.count(text) > 5


@pytest.mark.slow
@pytest.mark.parametrize("make", PAGES)
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_every_hostile_text_in_every_field_stays_text(make: Callable[[Callable[[str], str]], str], text: str) -> None:
    page = check_harmless(make(lambda _: text))
    assert visible(text)[:30] in page.text


@pytest.mark.parametrize(
    "sample",
    [pytest.param(name, marks=[] if name in ("kernel.dmp", "x86-small.dmp") else pytest.mark.slow) for name in SAMPLES],
)
def test_a_page_of_one_dump_asks_for_nothing_and_has_at_most_150_kb(sample: str) -> None:
    markup = one(report_of(sample))
    check_harmless(markup)
    assert len(markup.encode()) <= MOST


@pytest.mark.parametrize("sample", ["complete.dmp", "small.dmp"])
def test_a_page_has_at_most_150_kb_however_long_the_names_and_lists_of_a_dump_are(sample: str) -> None:
    report = with_texts(report_of(sample), lambda text: f"{text}<&\"'>" * 60)
    details = report.details
    assert details is not None
    module = details.modules[0]
    crowd = report._replace(
        stack=report.stack * 500,
        details=details._replace(
            modules=(module,) * 4000, data_blocks=((1 << 63, 2, 3),) * 9000, processors=details.processors * 900
        ),
    )
    markup = one(crowd)
    assert len(markup.encode()) <= MOST
    assert "more are not shown here" in markup


def test_of_a_name_that_is_too_long_the_middle_is_in_a_tooltip() -> None:
    name = "driver" + "x" * 1000 + ".sys"
    report = report_of("small.dmp")
    page = HtmlPage.of(one(report._replace(suspects=(report.suspects[0]._replace(name=name),))))
    titles = {element.attributes["title"] for element in page.all("span") if "title" in element.attributes}
    assert titles == {name}


@pytest.mark.parametrize("sample", ["kernel.dmp", "small.dmp"])
def test_the_numbers_of_the_page_are_those_of_the_json_report(sample: str) -> None:
    report = report_of(sample)
    told = json.loads(dumpkind_json(report))
    text = HtmlPage.of(one(report)).text
    expected = [f"{told['file_bytes']:,}", str(told["build"]), told["bug_check"]["code"], told["signature"]]
    expected += [*told["bug_check"]["parameters"], told["evidence"][0]["value"]]
    details = told["details"]
    expected += [f"{part['bytes']:,}" for part in details["file_parts"]]
    expected += [module["name"] for module in details["modules"]]
    expected += [driver["name"] for driver in details["unloaded_drivers"]]
    expected += [blob["guid"] for blob in details["secondary_data"]]
    expected += [f"{processor['instruction'][2:]:0>16}" for processor in details["processors"]]
    expected += [f"{frame['module']}+{frame['offset']}" for frame in told["stack"][:60]]
    memory = details["memory_map"]
    if memory is not None:
        expected.append(f"{memory['pages_present']:,} pages of memory are in the dump")
        for run in memory["runs"]:
            base = int(run["base_page"], 16)
            expected += [f"0x{base << 12:x}", f"{run['pages']:,}", f"{run['pages_present']:,}"]
            expected.append(f"{run['pages'] - run['pages_present']:,}")
    assert [value for value in expected if value not in text] == []


def test_a_crash_counts_once_however_many_dumps_there_are_of_it() -> None:
    """small.dmp is one crash however often it was copied, complete.dmp is another one: of another Windows."""
    small, complete = report_of("small.dmp"), report_of("complete.dmp")
    text = HtmlPage.of("".join(write_html(dumps_page([small, complete, small, small])))).text
    assert "2 crashes in 4 files, all are whole" in text
    assert "0xD1 DRIVER_IRQL_NOT_LESS_OR_EQUAL, 2 of 2" in text
    assert "2 of the dumps are further ones of a crash" in text
    untimed = small._replace(system_time=None)
    text = HtmlPage.of("".join(write_html(dumps_page([untimed, untimed])))).text
    assert "2 crashes in 2 files" in text  # nothing tells that it was the same
    assert "further ones" not in text


def test_one_processor_is_one_processor() -> None:
    text = HtmlPage.of("".join(write_html(dumps_page([report_of("small.dmp")._replace(processors=1)])))).text
    assert "x64, 1 processor, 1,016.6 MB" in text


def test_problems_have_a_column_where_there_are_some() -> None:
    whole = report_of("small.dmp")
    for reports, there in (([whole, whole], False), ([whole, dumpkind(ROOT / "README.md")], True)):
        page = HtmlPage.of("".join(write_html(dumps_page(reports))))
        assert ("Problem" in [header.text for header in page.all("th")]) is there


def test_the_map_of_memory_says_of_every_cell_what_is_in_the_dump() -> None:
    """The numbers of all tips add up to those of the report."""
    report = report_of("kernel.dmp")
    assert report.details is not None
    memory = report.details.memory_map
    assert memory is not None
    _, slices = memory.fine
    assert sum(present for present, _ in slices) == memory.present
    assert sum(ram for _, ram in slices) == sum(pages for _, pages in memory.runs)
    assert sum(memory.in_runs) + (memory.missing or 0) == sum(pages for _, pages in memory.runs)
    tips = [element.text for element in HtmlPage.of(one(report)).all("title")]
    cells = [tip for tip in tips if re.match("0x[0-9a-f]+ to 0x[0-9a-f]+: ", tip)]
    assert cells[0].startswith("0x0 to ")
    assert all("pages of RAM" in tip or "no RAM" in tip for tip in cells)


def test_parameters_are_explained_where_microsoft_documents_them() -> None:
    text = HtmlPage.of(one(report_of("kernel.dmp"))).text
    assert "Bug Check 0xD1: DRIVER_IRQL_NOT_LESS_OR_EQUAL" in text
    assert "IRQL at that time" in text  # of 0xD1: "Parameter 2: IRQL at the time of reference"


def test_a_link_to_the_documentation_is_the_only_one_that_leaves_the_page() -> None:
    page = HtmlPage.of(one(report_of("kernel.dmp")))
    outside = [link.attributes for link in page.all("a") if not link.attributes["href"].startswith("#")]
    assert outside == [{"href": REFERENCE, "rel": "noreferrer noopener"}]


def test_every_picture_has_a_title_a_text_and_a_table_and_every_table_has_headers() -> None:
    for make in PAGES:
        page = HtmlPage.of(make(str))
        titles = {
            element.attributes["id"]
            for element in page.elements
            if element.name in ("title", "desc") and element.attributes
        }
        pictures = [picture for picture in page.all("svg") if "aria-hidden" not in picture.attributes]
        assert bool(pictures) == (make is not page_of_batch)
        for picture in pictures:
            assert picture.attributes["role"] == "img"
            assert set(picture.attributes["aria-labelledby"].split()) <= titles
        assert len(page.all("thead")) == len(page.all("table"))


def test_the_report_of_minify_has_every_number_of_the_json_report() -> None:
    told = json.loads(minify_json(small_dump()))
    text = HtmlPage.of(page_of_minify(str)).text
    expected = [f"{told['bytes']:,}", told["source"], str(told["processors"])]
    expected += [f"{part['bytes']:,}" for part in told["parts"]] + [part["part"] for part in told["parts"]]
    expected += [lost["why"] for lost in told["left_out"]]
    expected += [shared["about"] for shared in told["shared"]]
    for saved in told["saved_memory"]:
        expected += [saved["start"], saved["end"], f"{saved['bytes']:,}"]
    assert told["left_out"]
    assert [value for value in expected if value not in text] == []


def test_the_parts_of_a_small_dump_are_told_with_their_pieces_in_text_and_page() -> None:
    first, *others = small_dump().parts
    report = replace(small_dump(), parts=(replace(first, blocks=2_048), *others))
    page = HtmlPage.of("".join(write_html(minify_page(report))))
    assert "2,048 pieces" in page.text
    assert "Pieces" in [header.text for header in page.all("th")]
    assert any(line.endswith(" 2,048") for line in write_text(minify_document(report, details=True)).splitlines())


def test_the_report_of_pagefilefit_has_every_number_source_and_command_of_the_json_report() -> None:
    told = json.loads(pagefilefit_json(paging_file()))
    text = HtmlPage.of(page_of_pagefilefit(str)).text
    expected = [told["headline"], megabytes(told["ram_bytes"]), megabytes(told["boot_pagefile"]["maximum_bytes"])]
    for kind in told["kinds"]:
        expected += [megabytes(kind[key]) for key in ("needs_bytes", "floor_bytes", "measured_bytes")]
        expected += [kind["verdict"], kind["why"], *(source["page"] for source in kind["sources"])]
    for advice in told["advice"]:
        expected += [advice["text"], *(setting["command"] for setting in advice["settings"])]
    assert any(advice["settings"] for advice in told["advice"])
    assert [value for value in expected if value not in text] == []


def test_the_report_of_minify_has_the_answers_that_were_kept_and_those_that_were_not() -> None:
    differences = (Difference("registers of processor 1", "0x17", "nothing"),)
    report = replace(small_dump(), verification=Verification(1_234, 1_230, differences))
    text = HtmlPage.of("".join(write_html(minify_page(report)))).text
    for expected in ("1,230 of 1,234 answers kept", "registers of processor 1", "0x17", "3 more are not shown here"):
        assert expected in text
    assert "Compared with its source" not in HtmlPage.of(page_of_minify(str)).text


def test_every_footnote_that_is_referred_to_is_there() -> None:
    page = HtmlPage.of(page_of_pagefilefit(str))
    referred = {link.attributes["href"] for link in page.all("a") if link.attributes["href"].startswith("#f")}
    assert referred == {f"#{note.attributes['id']}" for note in page.all("li") if "id" in note.attributes}
    assert len(referred) > 5


def test_what_one_is_about_to_share_adds_up_to_what_was_saved() -> None:
    told = json.loads(minify_json(small_dump()))
    shared = {entry["category"]: entry["bytes"] for entry in told["shared"]}
    for mode, category in (("user", "user-mode memory"), ("kernel", "kernel memory")):
        assert sum(saved["bytes"] for saved in told["saved_memory"] if saved["mode"] == mode) == shared[category]


def test_the_same_report_makes_the_same_page() -> None:
    assert one(report_of("kernel.dmp")) == one(report_of("kernel.dmp"))


def test_a_table_of_many_has_a_row_and_details_for_each_file_without_any_script() -> None:
    page = HtmlPage.of(many(report_of("small.dmp")))
    links = [link.attributes["href"] for link in page.all("a") if re.fullmatch("#d[0-9]+", link.attributes["href"])]
    assert links == ["#d1", "#d2"]
    articles = page.all("article")
    assert [article.attributes["id"] for article in articles] == ["d1", "d2"]
    assert "faulty.sys+0x1010" in articles[0].text
    assert "next step" in articles[1].text
    (tools,) = (element for element in page.all("div") if element.attributes.get("class") == "tools")
    assert "hidden" in tools.attributes  # nothing that only a script makes work
