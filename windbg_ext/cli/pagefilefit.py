"""The options of `pagefilefit` and how it is run."""

from __future__ import annotations

import argparse
import re
from typing import TYPE_CHECKING

from windbg_ext.cli.options import byte_size
from windbg_ext.errors import UsageError

if TYPE_CHECKING:
    from windbg_ext.cli.console import Console
    from windbg_ext.commands.pagefilefit import HandFigures, PagingFile

NAME = "pagefilefit"
SUMMARY = "tell whether the next crash will leave a dump"
DESCRIPTION = """\
Tells for each kind of crash dump whether the paging file (or a dedicated dump file) has room for it, by Microsoft's
rules and by what a dump of the machine shows, and what to change. A dump tells the RAM, a SYSTEM hive the settings;
figures by hand go before both. Exit status 1: with --require, that kind of dump does not fit, or not for certain."""

KINDS = ("small", "kernel", "automatic", "active", "complete")
ARCHITECTURES = ("x86", "x64", "ARM64")

READS_SESSIONS = True
"""In the debugger the source may also be a session without a file: it tells RAM and paging files."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("source", nargs="?", help="a dump of the machine, for example MEMORY.DMP")
    parser.add_argument("--system-hive", metavar="FILE", help="the machine's SYSTEM registry hive, for its settings")
    parser.add_argument("--this-machine", action="store_true", help="ask the Windows that this runs on")
    parser.add_argument("--ram", type=byte_size, metavar="SIZE", help="RAM of the machine, such as 64G")
    parser.add_argument(
        "--pagefile",
        action="append",
        type=paging_file,
        metavar="SIZE",
        help="the paging file: 16G, or C:=16G..48G (drive, initial and maximum size), or 0 for none; may be repeated",
    )
    parser.add_argument("--system-managed", action="store_true", help="Windows chooses the size of the paging file")
    parser.add_argument("--dedicated", type=byte_size, metavar="SIZE", help="size of a dedicated dump file")
    parser.add_argument("--boot-volume", metavar="DRIVE", help="the drive that holds Windows (default: C:)")
    parser.add_argument("--volume-size", type=byte_size, metavar="SIZE", help="size of the boot volume")
    parser.add_argument("--free-space", type=byte_size, metavar="SIZE", help="what is free on the boot volume")
    parser.add_argument("--kind", choices=KINDS, help="the kind of dump that is set, which the advice is for")
    parser.add_argument("--architecture", choices=ARCHITECTURES, help="of Windows (default: as the dump, else x64)")
    parser.add_argument("--require", choices=KINDS, metavar="KIND", help="exit status 1 unless this kind of dump fits")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")


def run(options: argparse.Namespace, console: Console) -> int:
    """Work out the answer and print it; gives the exit status."""
    from windbg_ext.commands.pagefilefit import Kind, pagefilefit  # only when it is run: --help should not wait for it
    from windbg_ext.render.pagefilefit import pagefilefit_document, pagefilefit_json

    with console.progress() as progress:
        report = pagefilefit(
            options.source,
            system_hive=options.system_hive,
            this_machine=options.this_machine,
            by_hand=_figures(options),
            progress=progress,
        )
    if options.json:
        console.write(pagefilefit_json(report))
    else:
        console.show(pagefilefit_document(report))
    return 0 if options.require is None or report.fits(Kind(options.require)) else 1


PAGING_FILE = re.compile(r"(?:(?P<drive>[A-Za-z]:)=)?(?P<initial>[^.=]+?)(?:\.\.(?P<maximum>[^.=]+))?")


def paging_file(text: str) -> tuple[str | None, int, int]:
    """Read `16G`, `16G..48G` or `C:=16G..48G`: (drive or None for the boot volume, initial bytes, maximum bytes)."""
    match = PAGING_FILE.fullmatch(text.strip())
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a paging file such as 16G or C:=16G..48G")
    initial = byte_size(match["initial"])
    return match["drive"], initial, initial if match["maximum"] is None else byte_size(match["maximum"])


def _figures(options: argparse.Namespace) -> HandFigures:
    from windbg_ext.commands.pagefilefit import Architecture, HandFigures, Kind

    return HandFigures(
        ram=options.ram,
        architecture=None if options.architecture is None else Architecture(options.architecture),
        paging_files=None if options.pagefile is None else _paging_files(options.pagefile),
        system_managed=options.system_managed,
        dedicated=options.dedicated,
        boot_volume=options.boot_volume,
        volume_size=options.volume_size,
        free_space=options.free_space,
        kind=None if options.kind is None else Kind(options.kind),
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
