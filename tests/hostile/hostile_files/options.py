"""Command lines: what a script may pass on without looking, and streams that cannot be written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hostile_files.case import DUMP, SMALL, Case, Command
from hostile_files.machines import sample

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FULL = "/dev/full"
"""Every write to it fails: no space left on device."""
ESCAPE = "\x1b[31m\u202e\r\nx"
LONG = "n" * 100_000


def two_dumps(folder: Path) -> None:
    """Write a large dump, and something else."""
    (folder / DUMP).write_bytes(sample("kernel"))
    (folder / "other.dmp").write_bytes(b"PAGEDU64")


WRONG_USE: tuple[tuple[str, ...], ...] = (
    (),
    ("nonsense",),
    (ESCAPE,),
    (LONG,),
    ("dumpkind",),
    ("dumpkind", "--nonsense", DUMP),
    ("dumpkind", DUMP, f"--{ESCAPE}"),
    ("dumpkind", DUMP, f"--{LONG}"),
    ("dumpkind", "--sort", ESCAPE, DUMP),
    ("dumpkind", "--sort", LONG, DUMP),
    ("dumpkind", "--csv", "--json", DUMP),
    ("minify",),
    ("minify", DUMP, SMALL, ESCAPE),
    ("minify", DUMP, SMALL, LONG),
    ("minify", "--size", ESCAPE, DUMP, SMALL),
    ("minify", "--size", LONG, DUMP, SMALL),
    ("minify", "--size", "1" * 5000, DUMP, SMALL),
    ("minify", "--size", "\u0661\u0662\u0663\u0664\u0665\u0666\u0667", DUMP, SMALL),
    ("minify", "--size", "-1", DUMP, SMALL),
    ("minify", "--size", DUMP),
    ("minify", "--jobs", "\u0662", DUMP, SMALL),
    ("minify", "--jobs", ESCAPE, DUMP, SMALL),
    ("minify", "--jobs", LONG, DUMP, SMALL),
    ("minify", "--comment", ESCAPE, DUMP, SMALL),
    ("minify", "--comment", LONG, DUMP, SMALL),
    ("minify", "--comment", "\u0661", DUMP, SMALL),
    ("pagefilefit",),
    ("pagefilefit", "--ram", "\u0666\u0664G"),
    ("pagefilefit", "--ram", "\uff11\uff16G"),
    ("pagefilefit", "--ram", "16\u212a"),
    ("pagefilefit", "--ram", "9" * 18 + "T"),
    ("pagefilefit", "--ram", ESCAPE),
    ("pagefilefit", "--ram", "16G", "--pagefile", "\u0661\u0666G"),
    ("pagefilefit", "--ram", "16G", "--pagefile", "1" + " " * 100_000 + "x"),
    ("pagefilefit", "--ram", "16G", "--pagefile", "C:=" + "." * 100_000),
    ("pagefilefit", "--ram", "16G", "--boot-volume", ESCAPE),
    ("pagefilefit", "--ram", "16G", "--boot-volume", LONG),
    ("pagefilefit", "--ram", "16G", "--kind", ESCAPE),
    ("pagefilefit", "--ram", "16G", "--require", LONG),
    ("pagefilefit", "--ram", "16G", "--architecture", ESCAPE),
    ("windbg-setup", ESCAPE),
)
NOT_READ: tuple[tuple[str, ...], ...] = (
    ("dumpkind", ESCAPE),
    ("dumpkind", LONG),
    ("minify", ESCAPE),
    ("minify", LONG),
    ("minify", DUMP, LONG),
    ("minify", DUMP, f"{ESCAPE}/{SMALL}"),
    ("minify", "--list", LONG),
    ("minify", "--list", ESCAPE),
    ("pagefilefit", ESCAPE),
    ("pagefilefit", "--ram", "16G", "--system-hive", ESCAPE),
    ("pagefilefit", "--ram", "16G", "--system-hive", LONG),
    ("pagefilefit", "--ram", "16G", "--system-hive", "/dev/zero"),
    ("dumpkind", "/dev/zero"),
    ("minify", "/dev/zero"),
    ("pagefilefit", "/dev/zero"),
    ("minify", "--list", "/dev/zero"),
)


def cases() -> Iterator[Case]:
    """Yield the cases."""
    commands = [Command(arguments, (2,)) for arguments in WRONG_USE]
    commands += [Command(arguments, (3,)) for arguments in NOT_READ]
    yield Case("a command line is wrong", two_dumps, tuple(commands))
    shows = (("dumpkind", DUMP), ("dumpkind", "--json", DUMP), ("dumpkind", "."), ("pagefilefit", "--ram", "16G", DUMP))
    streams = [Command(arguments, (3,), standard_output=FULL) for arguments in shows]
    streams += [Command(("--help",), (3,), standard_output=FULL), Command(("--version",), (3,), standard_output=FULL)]
    streams.append(Command(("minify", DUMP, SMALL), (3,), standard_output=FULL, writes=(SMALL,)))
    streams += [
        Command(arguments, (2,), standard_error=FULL) for arguments in (WRONG_USE[1], WRONG_USE[4], WRONG_USE[-2])
    ]
    streams += [Command(arguments, (3,), standard_error=FULL) for arguments in (NOT_READ[0], NOT_READ[2], NOT_READ[8])]
    streams += [Command(arguments, (0,), standard_error=FULL) for arguments in shows[:2]]
    yield Case("an output stream is full", two_dumps, tuple(streams))
