"""What the parameters of a bug check can be made to ask for."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Callable

from hostile_files.case import DUMP, SMALL, Case, Command
from hostile_files.machines import KINDS, X64, X86, Kind, alias, write_large
from samples.builder.bug_checks import DEVICE, IRP
from windbg_ext.dump.header import BugCheck

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from samples.builder.crashed_machine import CrashedMachine

VERIFIED = Command(("minify", "--verify", "--salvage", DUMP, SMALL), (0, 1), writes=(SMALL,))


def write(folder: Path, *, kind: Kind, code: int, parameters: tuple[int, ...], spoil: Callable[..., None]) -> None:
    """Write the dump of a spoilt machine that crashed in another way."""
    crashed = kind._replace(machine=replace(kind.machine, bug_check=BugCheck(code, parameters)))
    write_large(folder / DUMP, crashed, lambda machine: spoil(machine, crashed))


def pointers_everywhere(crashed: CrashedMachine, kind: Kind) -> None:
    """Let every address of the region hold pointers into the region, each to another page of it."""
    size = kind.pointer_size
    addresses = (kind.region + 0x1000 * page * 7 + size * page for page in range(1, 0x1000 // size + 1))
    alias(crashed, kind, b"".join(kind.pointers(address) for address in addresses))


def links_everywhere(crashed: CrashedMachine, kind: Kind) -> None:
    """Let 2 MB be objects that point at one another, each at eight others that point back."""
    size, step = kind.pointer_size, 0x80
    count = (2 << 20) // step
    objects = [kind.table + step * index for index in range(count)]
    for index in range(0, count, 0x1000 // step):
        page = b""
        for number in range(index, index + 0x1000 // step):
            ways = (1, -1, 7, -7, 61, -61, 509, -509)
            page += kind.pointers(*(objects[(number + way) % count] for way in ways)).ljust(step, b"\0")
        crashed.write(kind.table + step * index, page)
    device = kind.pointers(*([DEVICE | 0x400 << 16] + [objects[size]] * 40))
    crashed.write(kind.table - 0x1000, device)


def devices_everywhere(crashed: CrashedMachine, kind: Kind) -> None:
    """Let every page of the region be a device object, a node and an entry of a list that leads to the next page."""
    page = kind.pointers(DEVICE | 0xFFF0 << 16, *(kind.region + 0x1000 * number for number in range(1, 500)))
    alias(crashed, kind, page)


def lists_everywhere(crashed: CrashedMachine, kind: Kind) -> None:
    """Let every page of the region be the lists of a 0x9F, and each of their entries."""
    lists = kind.pointers(0x0002_8000, *(kind.region + 0x1000 * number for number in range(1, 200)))
    alias(crashed, kind, lists + kind.pointers(IRP | 0xFFF0 << 16))


def records_everywhere(crashed: CrashedMachine, kind: Kind) -> None:
    """Let every page of the region begin with an error record of 4 GB."""
    alias(crashed, kind, b"CPER\0\0\xff\xff\xff\xff".ljust(0x14, b"\0") + b"\xff\xff\xff\xff")


def cases() -> Iterator[Case]:
    """Yield the cases. Few of them run by default: they are alike."""
    for kind in (X64, X86):
        at = kind.region
        for reason, parameters, spoil in (
            (1, (1, at, at, 0), devices_everywhere),
            (3, (3, at, at, at), devices_everywhere),
            (3, (3, at, at, at), lists_everywhere),
            (3, (3, at, at, at), pointers_everywhere),
            (4, (4, 0, at, at), lists_everywhere),
        ):
            yield _case(f"0x9F, {reason}", kind, 0x9F, parameters, spoil)
    for kind in KINDS:
        yield _case("0x9F", kind, 0x9F, (1, kind.table - 0x1000, 0, 0), links_everywhere, slow=kind is not X64)
    yield _case("0x124", X64, 0x124, (X64.region,) * 4, records_everywhere, slow=False)
    for code in (0x133, 0x139, 0x7A, 0x1A, 0xC4, 0xEF):
        yield _case(f"{code:#x}", X64, code, (X64.region,) * 4, pointers_everywhere)


def _case(
    name: str, kind: Kind, code: int, parameters: tuple[int, ...], spoil: Callable[..., None], *, slow: bool = True
) -> Case:
    make = partial(write, kind=kind, code=code, parameters=parameters, spoil=spoil)
    return Case(f"{kind.name}, {name}: {spoil.__doc__}", make, (VERIFIED,), slow)
