"""`pagefilefit`: its options and how it is run."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from windbg_ext.errors import UsageError
from windbg_ext.interface.command import Argument, Command, Option
from windbg_ext.interface.html import HTML, OVERWRITE, html_file, write_report
from windbg_ext.interface.values import byte_size

if TYPE_CHECKING:
    import argparse

    from windbg_ext.commands.pagefilefit import HandFigures, PagefileFitReport, PagingFile
    from windbg_ext.interface.console import Console
    from windbg_ext.interface.session import Session
    from windbg_ext.render.page import Page

KINDS = ("small", "kernel", "automatic", "active", "complete")
ARCHITECTURES = ("x86", "x64", "ARM64")


def run(options: argparse.Namespace, console: Console) -> int:
    """Work out the answer, print it, and return the exit status."""
    from windbg_ext.commands.pagefilefit import (  # only when it is run: --help should not wait for it
        DumpKind,
        is_one_machine,
        pagefilefit,
    )
    from windbg_ext.render.pagefilefit import pagefilefit_document, pagefilefit_json

    hives = options.system_hive or []
    if hives and not is_one_machine(hives):
        from windbg_ext.interface.machines import run_machines  # most runs are about one machine

        return run_machines(options, _figures(options), console)
    if options.csv:
        raise UsageError("--csv: only of several machines; --json has the report of one")
    page = html_file(options.html, "pagefilefit", options.source, overwrite=options.overwrite)
    with console.progress() as progress:
        report = pagefilefit(
            options.source,
            system_hive=hives[0] if hives else None,
            this_machine=options.this_machine,
            by_hand=_figures(options),
            certain=options.certain,
            kernel_use=getattr(options, "kernel_use", None),  # only a session knows it
            progress=progress,
        )
    if options.json:
        console.write(pagefilefit_json(report))
    else:
        console.show(pagefilefit_document(report, verbose=options.verbose))
        if options.source is not None:
            console.suggest("!dumpkind")
    write_report(page, lambda: _page(report), options.overwrite, None if options.json else console)
    return 0 if options.require is None or report.fits(DumpKind(options.require)) else 1


def _page(report: PagefileFitReport) -> Page:
    from windbg_ext.render.pages.pagefilefit import pagefilefit_page

    return pagefilefit_page(report)


PAGING_FILE = r"(?:(?P<drive>[A-Za-z]:)=)?(?P<initial>[^.=]+?)(?:\.\.(?P<maximum>[^.=]+))?"


def paging_file(text: str) -> tuple[str | None, int, int]:
    """Read `16G`, `16G..48G` or `C:=16G..48G`: (drive or None for the boot volume, initial bytes, maximum bytes).

    ValueError: it is none of these.
    """
    match = re.fullmatch(PAGING_FILE, text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a paging file such as 16G or C:=16G..48G")
    initial = byte_size(match["initial"])
    return match["drive"], initial, initial if match["maximum"] is None else byte_size(match["maximum"])


def _figures(options: argparse.Namespace) -> HandFigures:
    from windbg_ext.commands.pagefilefit import DumpKind, HandFigures

    return HandFigures(
        ram=options.ram,
        architecture=options.architecture,
        paging_files=None if options.pagefile is None else _paging_files(options.pagefile),
        system_managed=options.system_managed,
        dedicated=options.dedicated,
        boot_volume=options.boot_volume,
        volume_size=options.volume_size,
        free_space=options.free_space,
        kind=None if options.kind is None else DumpKind(options.kind),
    )


def _paging_files(given: list[tuple[str | None, int, int]]) -> tuple[PagingFile, ...]:
    from windbg_ext.commands.pagefilefit import PagingFile

    none = [file for file in given if not file[1] and not file[2]]
    if none and len(given) > 1:
        raise UsageError("--pagefile 0 and another --pagefile: there is a paging file, or there is none")
    return tuple(
        PagingFile(f"{drive or '?:'}\\pagefile.sys", initial, maximum)
        for drive, initial, maximum in given
        if initial or maximum
    )


def add_session_facts(options: argparse.Namespace, session: Session) -> list[str]:
    """Add RAM and paging files of the session to the options, unless the user named another machine or such figures.

    Return what the user could have typed instead. RAM is not asked for where a dump tells it.
    """
    if len(options.system_hive or ()) > 1:
        options.source = None  # the open dump is of one machine
    if options.source != session.open_dump:
        return []  # another dump than the one that is open
    typed = []
    if options.source is None and not (options.system_hive or options.this_machine):
        options.kernel_use = session.kernel_use()  # of a dump, what it took is known
    if options.source is None and options.ram is None:
        options.ram = session.physical_memory()
        typed += [] if options.ram is None else [f"/ram {options.ram}"]
    settings = (options.pagefile, options.system_hive, options.this_machine, options.system_managed, options.dedicated)
    if not any(settings):
        files = session.paging_files()
        options.pagefile = list(files) or None
        typed += [f"/pagefile {f'{drive}=' if drive else ''}{size}..{maximum}" for drive, size, maximum in files]
    return typed


PAGEFILEFIT = Command(
    name="pagefilefit",
    summary="tell whether the next crash will leave a dump",
    description="""\
Tells for each kind of crash dump whether the paging file (or a dedicated dump file) has room for it, by Microsoft's
rules and by what a dump of the machine shows, and what to change. A dump tells the RAM, a SYSTEM hive the settings;
figures by hand go before both. Exit status 1: with --require, that kind of dump does not fit, or not for certain.""",
    options=(
        Argument("source", "a dump of the machine, for example MEMORY.DMP"),
        Option(
            ("--system-hive",),
            "the machine's SYSTEM registry hive, for its settings; several, a folder or a wildcard: hives and reports "
            "of --this-machine --json as one table",
            action="append",
            metavar="FILE",
        ),
        Option(("--this-machine",), "ask the Windows that this runs on", action="store_true"),
        Option(("--ram",), "RAM of the machine, such as 64G", type=byte_size, metavar="SIZE"),
        Option(
            ("--pagefile",),
            "the paging file: 16G, or C:=16G..48G (drive, initial and maximum size), or 0 for none; may be repeated",
            action="append",
            type=paging_file,
            metavar="SIZE",
        ),
        Option(("--system-managed",), "Windows chooses the size of the paging file", action="store_true"),
        Option(("--dedicated",), "size of a dedicated dump file", type=byte_size, metavar="SIZE"),
        Option(("--boot-volume",), "the drive that holds Windows (default: C:)", metavar="DRIVE"),
        Option(("--volume-size",), "size of the boot volume", type=byte_size, metavar="SIZE"),
        Option(("--free-space",), "what is free on the boot volume", type=byte_size, metavar="SIZE"),
        Option(("--kind",), "the kind of dump that is set, which the advice is for", choices=KINDS),
        Option(("--architecture",), "of Windows (default: as the dump, else x64)", choices=ARCHITECTURES),
        Option(("--require",), "exit status 1 unless this kind of dump fits", choices=KINDS, metavar="KIND"),
        Option(("--certain",), "show what makes certain that the dump that is set fits", action="store_true"),
        Option(("-v", "--verbose"), "show the page that every figure is from", action="store_true"),
        Option(("--csv",), "print the table of several machines as CSV", action="store_true"),
        Option(("--json",), "print the report as JSON", action="store_true"),
        HTML,
        OVERWRITE,
    ),
    run=run,
    examples=(
        ("MEMORY.DMP --pagefile 16G", "tells whether the dumps of that machine fit a paging file of 16 GB"),
        (
            "--ram 64G --pagefile 16G --kind active",
            "tells it of a machine by its figures, with advice for an active dump",
        ),
    ),
    bang_examples=(
        ("/pagefile 16G", "tells whether the dumps of the debugged machine fit a paging file of 16 GB"),
        ("/ram 64G /pagefile C:=16G..48G", "tells it of a machine by its figures"),
    ),
    triage=2,
    reads_sessions=True,
    add_session_facts=add_session_facts,
)
