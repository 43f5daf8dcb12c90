"""Many small dumps for reports: the small sample with other times, bug checks, machines and faulty drivers."""

from __future__ import annotations

import random
import struct
from typing import TYPE_CHECKING

from support.command_line import ROOT
from windbg_ext.commands.dumpkind import dumpkind
from windbg_ext.commands.dumpkind.report import Signature
from windbg_ext.structs.bug_checks import bug_check_name

if TYPE_CHECKING:
    from pathlib import Path

    from windbg_ext.commands.dumpkind import DumpReport

DRIVERS = ("faulty.sys", "netmon.sys", "vpnflt.sys", "usbcam.sys", "gpudrv.sys")
"""As long as the name in the sample."""
CODES = (0xD1, 0x133, 0x3B, 0x50, 0x9F, 0x1A)
PARAMETERS = {0x133: 1, 0x3B: 0xC0000005, 0x9F: 3, 0x1A: 0x41792}
"""The first parameter, where it tells which of several errors it is."""
BUILDS = (19045, 22631, 26100)
DAY = 864_000_000_000
"""100 ns."""
BUILD_AT, PROCESSORS_AT, CODE_AT, PARAMETER_AT, TIME_AT = 0x0C, 0x34, 0x38, 0x40, 0xFA8
"""File offsets in a 64-bit header."""


class Choices:
    """A fleet's crashes: the same numbers make the same fleet."""

    def __init__(self) -> None:
        self._random = random.Random(5)

    def driver(self) -> str:
        """Return the driver that is at fault."""
        return self._random.choices(DRIVERS, (9, 5, 3, 2, 1))[0]

    def code(self) -> int:
        """Return a bug check."""
        return self._random.choices(CODES, (9, 6, 4, 3, 2, 1))[0]

    def days(self) -> float:
        """Return how many days after the sample's crash it was."""
        return max(0, self._random.gauss(60, 18))

    def build(self) -> int:
        """Return a build of Windows."""
        return self._random.choice(BUILDS)

    def processors(self) -> int:
        """Return how many a machine has."""
        return self._random.choice((4, 8, 16))


def write_fleet(folder: Path, count: int) -> None:
    """Write so many dumps to a folder."""
    plain = (ROOT / "samples" / "small.dmp").read_bytes()
    started = struct.unpack_from("<Q", plain, TIME_AT)[0]
    choices = Choices()
    for number in range(count):
        data = bytearray(plain.replace(DRIVERS[0].encode("utf-16-le"), choices.driver().encode("utf-16-le")))
        struct.pack_into("<I", data, BUILD_AT, choices.build())
        code = choices.code()
        struct.pack_into("<I", data, CODE_AT, code)
        if code in PARAMETERS:
            struct.pack_into("<Q", data, PARAMETER_AT, PARAMETERS[code])
        struct.pack_into("<Q", data, TIME_AT, started + int(choices.days() * DAY))
        struct.pack_into("<I", data, PROCESSORS_AT, choices.processors())
        (folder / f"PC-{number:03}.dmp").write_bytes(data)


def fleet_reports(count: int) -> list[DumpReport]:
    """Return the reports of so many dumps, without the dumps."""
    plain = dumpkind(ROOT / "samples" / "small.dmp")
    choices = Choices()
    assert plain.bug_check is not None
    assert plain.system_time is not None
    reports = []
    for number in range(count):
        driver, code = choices.driver(), choices.code()
        name = bug_check_name(code)
        suspects = tuple(suspect if suspect.microsoft else suspect._replace(name=driver) for suspect in plain.suspects)
        reports.append(
            plain._replace(
                path=f"dumps/PC-{number % 400:03}/{number:05}-small.dmp",
                bug_check=plain.bug_check._replace(code=code, name=name, plain_code=code, plain_name=name),
                system_time=plain.system_time + int(choices.days() * DAY),
                build=choices.build(),
                processors=choices.processors(),
                suspects=suspects,
                signature=Signature(f"{code:X} {driver}+0x1010"),
            )
        )
    return sorted(reports, key=lambda report: -(report.system_time or 0))
