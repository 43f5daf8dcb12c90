"""`dumpkind --catalog`: take dumps into a catalogue, and show what is in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from windbg_ext.errors import UsageError
from windbg_ext.interface.command import Option
from windbg_ext.interface.html import html_file, write_report

if TYPE_CHECKING:
    import argparse

    from windbg_ext.commands.catalog import Catalog, Choice, ScanReport
    from windbg_ext.interface.console import Console
    from windbg_ext.render.page import Page

SHOWN_ROWS = 15
"""Rows of each table on a terminal; all of them with -v, and in JSON."""


def _since(text: str) -> object:
    from windbg_ext.commands.catalog.views import read_since  # not for those to wait for who do not use it

    return read_since(text)


OPTIONS = (
    Option(
        ("--catalog",),
        "keep the facts of each dump in a catalogue: a file, or postgresql://HOST/NAME; only what is new is read. "
        "Without PATH, show the catalogue",
        metavar="URL",
        command_line_only=True,
    ),
    Option(
        ("--since",),
        "of the catalogue, show what crashed from a date on (2024-01-31), or in so many days (30d)",
        type=_since,
        metavar="DATE",
        command_line_only=True,
    ),
    Option(
        ("--signature",),
        "of the catalogue, show crashes with this signature: a part of it, or its hash",
        metavar="TEXT",
        command_line_only=True,
    ),
    Option(
        ("--merge",),
        "take all that another catalogue has into this one, too (may be given several times)",
        action="append",
        metavar="URL",
        command_line_only=True,
    ),
)


def check(options: argparse.Namespace) -> None:
    """Raise UsageError for options of a catalogue without one, and for those that it does not have."""
    given = {"--since": options.since, "--signature": options.signature, "--merge": options.merge}
    if options.catalog is None:
        without = next((name for name, value in given.items() if value is not None), None)
        if without is not None:
            raise UsageError(f"{without}: name a catalogue with --catalog")
    elif options.privacy:
        raise UsageError("--privacy and --catalog: choose one")
    if not options.paths and (options.cluster is not None or options.shard is not None):
        raise UsageError("--cluster and --shard: name the dumps")


def run(options: argparse.Namespace, console: Console) -> int:
    """Take in what is new, show the catalogue, and return the exit status."""
    from windbg_ext.commands.catalog import Choice, open_catalog, summarize_catalog
    from windbg_ext.commands.catalog.views import GROUPINGS, list_dumps, list_groups
    from windbg_ext.render import catalog as render

    page = html_file(options.html, "catalog", options.catalog, overwrite=options.overwrite)
    with open_catalog(options.catalog, create=bool(options.paths or options.merge)) as catalog:
        for other in options.merge or ():
            with open_catalog(other, create=False) as found:
                catalog.merge(found)
        scanned = _scan(options, catalog, console) if options.paths else None
        choice = Choice(options.since, options.signature)
        chosen = options.signature is not None
        if options.csv:
            for text in render.catalog_csv(list_dumps(catalog, choice)):
                console.write(text)
        elif options.json:
            report = summarize_catalog(catalog, choice, views=())
            groups = {view: list_groups(catalog, view, choice) for view in GROUPINGS}
            rows = list_dumps(catalog, choice) if chosen else None
            for text in render.catalog_json(report, scanned, groups, rows):
                console.write(text)
        else:
            report = summarize_catalog(catalog, choice, most=None if options.verbose else SHOWN_ROWS)
            rows = list_dumps(catalog, choice) if chosen else None
            console.show(render.catalog_document(report, scanned, rows, most=None if options.verbose else SHOWN_ROWS))
        quiet = options.json or options.csv
        write_report(page, lambda: _page(catalog, choice), options.overwrite, None if quiet else console)
    return 0 if scanned is None or scanned.complete else 1


def _page(catalog: Catalog, choice: Choice) -> Page:
    from itertools import islice

    from windbg_ext.commands.catalog import summarize_catalog
    from windbg_ext.commands.catalog.views import count_by_day, list_dumps
    from windbg_ext.limits import MAX_CATALOG_LIST
    from windbg_ext.render.pages.catalog import MAX_DUMPS, MAX_GROUPS, catalog_page

    dumps, characters = [], 0
    for row in islice(list_dumps(catalog, choice), MAX_DUMPS):
        characters += sum(len(value) for value in row if isinstance(value, str))
        if characters > MAX_CATALOG_LIST:
            break
        dumps.append(row)
    return catalog_page(summarize_catalog(catalog, choice, most=MAX_GROUPS), count_by_day(catalog, choice), dumps)


def _scan(options: argparse.Namespace, catalog: Catalog, console: Console) -> ScanReport:
    from argparse import Namespace

    from windbg_ext.commands.catalog import scan_dumps
    from windbg_ext.interface.engine import workers
    from windbg_ext.interface.values import processors

    jobs = processors() if options.jobs is None and options.cluster is None else options.jobs
    engine = Namespace(cluster=options.cluster, jobs=None if jobs == 1 else jobs)
    reached = "no file was read"

    def follow(doing: str, done: int, total: int) -> None:
        nonlocal reached
        reached = f"{done:,} of {total:,} files that were found are done"
        show(doing, done, total)

    try:
        with console.progress() as show, workers(engine, console, options.paths) as executor:
            return scan_dumps(options.paths, catalog, executor=executor, shard=options.shard, progress=follow)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"{reached} and in the catalogue; the same command goes on from there") from None
