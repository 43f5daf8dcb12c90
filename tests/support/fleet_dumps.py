"""A fleet of made-up machines that crash: many small dumps, and what a catalogue must say about them.

One dump of each crash is built; the others are copies with another time, another machine and another up time.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from typing import TYPE_CHECKING
from uuid import UUID

import samples.builder
from samples.builder import Sample
from samples.builder.machine import SecondaryBlob
from samples.builder.small import Small
from support.made_crashes import AFTER_BUG_CHECK, MadeCrash, crashed_machine

if TYPE_CHECKING:
    from pathlib import Path
    from random import Random

    from samples.builder.writers import Format

SYSTEM_TIME, SYSTEM_UP_TIME = 0xFA8, 0x1030
"""Offsets in DUMP_HEADER64."""
FIRST_CRASH = datetime(2024, 1, 1, tzinfo=timezone.utc)
FILETIME_START = datetime(1601, 1, 1, tzinfo=timezone.utc)
SMBIOS = UUID("bc5c008f-1e3a-44d7-988d-86f6884c6758")
CODES = (0x133, 0x9F, 0x124, 0x1A, 0xE2)
CRASHES = 40
DRIVERS = (
    *("gpudrv.sys", "netmon.sys", "vpnflt.sys", "usbcam.sys"),
    *("rgbctl.sys", "raidhba.sys", "audiofx.sys", "backup.sys"),
)
MACHINES = 25


@dataclass(frozen=True)
class FleetDump:
    """A dump of the fleet. crash: which of the crashes; crashed_at: UTC."""

    path: Path
    crash: int
    signature: str
    machine: UUID
    crashed_at: datetime


def made_crash(number: int) -> tuple[MadeCrash, str]:
    """Return a crash and its signature."""
    code, driver, offset = CODES[number % len(CODES)], DRIVERS[number % len(DRIVERS)], 0x1001 + 0x20 * number
    kind = 0 if code == 0xE2 else number
    crash = MadeCrash(
        code,
        (kind, 0, 0, 0),
        (AFTER_BUG_CHECK, code, ("ntoskrnl.exe", 0x1505), (driver, offset)),
        tuple((name, 0x9000) for name in DRIVERS),
    )
    shown = f"{code:X}" if code == 0xE2 else f"{code:X}/{kind:x}"
    return crash, f"{shown} {driver}+0x{offset:x}"


def smbios(uuid: UUID) -> bytes:
    """Return SMBIOS tables with a BIOS and a system of this UUID (DSP0134, 7.1 and 7.2; RawSMBIOSData)."""
    bios = struct.pack("<BBH", 0, 0x18, 0) + bytes(0x14) + b"Maker\0" + b"1.0\0\0"
    system = struct.pack("<BBH4B", 1, 0x1B, 1, 1, 2, 3, 4) + uuid.bytes_le + bytes(3) + b"Maker\0Model\0\0"
    end = struct.pack("<BBH", 127, 4, 2) + b"\0\0"
    tables = bios + system + end
    return struct.pack("<BBBBI", 0, 3, 0, 0, len(tables)) + tables


def machine_uuid(number: int) -> UUID:
    """Return the UUID of a machine of the fleet."""
    return UUID(int=0x5A5A_0000_1111_2222_3333_4444_0000_0000 + number)


@lru_cache
def template(crash: int, form: Format | None = None) -> bytes:
    """Return a dump of a crash on machine 0."""
    made, _ = made_crash(crash)
    machine = crashed_machine(made)
    machine = replace(machine, secondary=(*machine.secondary, SecondaryBlob(SMBIOS, smbios(machine_uuid(0)))))
    return samples.builder.build(Sample("fleet", "", machine, form or Small()))


def write_fleet(
    folder: Path,
    count: int,
    *,
    crashes: int = CRASHES,
    machines: int = MACHINES,
    form: Format | None = None,
    chance: Random | None = None,
) -> list[FleetDump]:
    """Write dumps into subfolders, one for each machine, and return what they are.

    Crashes, machines and minutes follow each other; chance: they are as uneven as in a real fleet, within ten weeks.
    """
    templates = [template(number, form) for number in range(crashes)]  # type: ignore[arg-type]  # forms are frozen
    return [_write(folder, number, templates, machines, chance) for number in range(count)]


def _write(folder: Path, number: int, templates: list[bytes], machines: int, chance: Random | None) -> FleetDump:
    crash, machine = number % len(templates), number // len(templates) % machines
    moment = FIRST_CRASH + timedelta(minutes=number)
    if chance is not None:
        crash, machine = min(int(chance.expovariate(0.3)), len(templates) - 1), chance.randrange(machines)
        moment = FIRST_CRASH + timedelta(days=min(max(chance.gauss(40, 14), 0), 70))
    data = bytearray(templates[crash])
    at = data.rindex(machine_uuid(0).bytes_le)
    data[at : at + 16] = machine_uuid(machine).bytes_le
    struct.pack_into("<Q", data, SYSTEM_TIME, (moment - FILETIME_START) // timedelta(microseconds=1) * 10)
    struct.pack_into("<Q", data, SYSTEM_UP_TIME, 36_000_000_000 + number)
    path = folder / f"machine{machine:03}" / f"{moment:%m%d%y}-{number:05}-01.dmp"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return FleetDump(path, crash, made_crash(crash)[1], machine_uuid(machine), moment)
