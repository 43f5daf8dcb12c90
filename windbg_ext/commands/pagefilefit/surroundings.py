"""What else a registry tells of a crash's dump: whether one is written, kept, found and read, and by which drivers.

Values and their meaning: the debugger's documentation (CrashControl, live dumps), about-dump-encryption, and for an NMI
forcing-a-system-crash-from-the-keyboard and how-to-generate-a-kernel-or-complete-crash-dump. BitLockerStatus is on no
page; it is what Windows itself notes when it starts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from windbg_ext.commands.pagefilefit.settings import CRASH_CONTROL, MEMORY_MANAGEMENT, Key
from windbg_ext.limits import MAX_LISTED_DRIVERS

if TYPE_CHECKING:
    from windbg_ext.commands.pagefilefit.settings import Registry

COMPUTER_NAME = r"ComputerName\ComputerName"
PRODUCT_OPTIONS = "ProductOptions"
WINDOWS_PE = "MININT"
"""The option that Windows PE is started with."""
BITLOCKER = "BitLockerStatus"
CERTIFICATES = rf"{CRASH_CONTROL}\EncryptionCertificates"
LIVE_DUMPS = rf"{CRASH_CONTROL}\FullLiveKernelReports"
SERVICES = r"..\Services"
MOUNTED_DEVICES = r"..\..\MountedDevices"

DOS_DEVICE = re.compile(r"\\dosdevices\\([a-z]:)")
EXISTING_FILE = re.compile(r"(?:\\\?\?\\)?([A-Za-z]:)\\.*")
STORAGE_DRIVERS = re.compile(
    r"iastor\w*|rst\w*|vmd|storahci|msahci|stornvme|secnvme\w*|nvme\w*|amd_?sata\w*|rcbottom|rcraid|pvscsi|lsi_\w+"
    r"|megasas\w*|percsas\w*|smartsamd|smartpqi|hpsa\w*|vioscsi|viostor|xenvbd|storvsc|atapi|intelide|pciide",
    re.IGNORECASE | re.ASCII,
)
"""Drivers of disks, by the names of their services. Windows writes the dump with a copy of the one of its own disk."""
OF_WINDOWS = frozenset(("storahci", "msahci", "stornvme", "storvsc", "atapi", "intelide", "pciide"))
BOOT_START = 0
SERVER = ("ServerNT", "LanmanNT")


@dataclass(frozen=True)
class Surroundings:
    """None where the registry does not tell.

    computer: its name; server: whether Windows is a server; drives: letters that are mounted; existing: drives on which
    there is a paging file; nmi: whether an NMI makes a dump; filters: drivers through which a dump goes; encrypted,
    certificates: whether dumps are encrypted and for whom; bitlocker: whether Windows' volume was under BitLocker when
    it started; live_dumps: how many full ones are kept; storage: drivers of disks that start with Windows.
    """

    computer: str | None = None
    server: bool | None = None
    windows_pe: bool = False
    drives: frozenset[str] | None = None
    existing: tuple[str, ...] = ()
    restarts: bool | None = None
    event: bool | None = None
    nmi: bool | None = None
    filters: tuple[str, ...] | None = None
    encrypted: bool | None = None
    certificates: tuple[str, ...] = ()
    bitlocker: bool | None = None
    live_dumps: int | None = None
    storage: tuple[str, ...] | None = None


def read_surroundings(registry: Registry, notes: list[str]) -> Surroundings:
    """Read them. What makes no sense is noted and not guessed at."""

    def key(name: str) -> Key:
        return Key(registry.values(name), notes)

    crash, memory = key(CRASH_CONTROL), key(MEMORY_MANAGEMENT)
    filters = crash.lines("DumpFilters")
    product = key(PRODUCT_OPTIONS).text("ProductType")
    status = key(BITLOCKER).number("BootStatus")
    certificates = registry.subkeys(CERTIFICATES)[:MAX_LISTED_DRIVERS]
    return Surroundings(
        computer=key(COMPUTER_NAME).text("ComputerName"),
        server=None if product is None else product in SERVER,
        windows_pe=WINDOWS_PE in (key("").text("SystemStartOptions") or "").upper().split(),
        drives=_drives(registry),
        existing=_existing(memory.lines("ExistingPageFiles")),
        restarts=crash.switch("AutoReboot"),
        event=crash.switch("LogEvent"),
        nmi=crash.switch("NMICrashDump"),
        filters=None if filters is None else tuple(filters[:MAX_LISTED_DRIVERS]),
        encrypted=crash.switch("DumpEncryptionEnabled"),
        certificates=tuple(_thumbprint(key(rf"{CERTIFICATES}\{name}"), name) for name in certificates),
        bitlocker=None if status is None else status != 0,
        live_dumps=key(LIVE_DUMPS).number("FullLiveReportsMax"),
        storage=_storage(registry, notes),
    )


def _thumbprint(certificate: Key, name: str) -> str:
    return certificate.text("Thumbprint") or name


def _drives(registry: Registry) -> frozenset[str] | None:
    matches = map(DOS_DEVICE.fullmatch, registry.values(MOUNTED_DEVICES))
    return frozenset(match[1].upper() for match in matches if match is not None) or None


def _existing(lines: list[str] | None) -> tuple[str, ...]:
    matches = map(EXISTING_FILE.fullmatch, lines or ())
    return tuple(dict.fromkeys(match[1].upper() for match in matches if match is not None))


def _storage(registry: Registry, notes: list[str]) -> tuple[str, ...] | None:
    """Return the drivers of disks that start with Windows; None where no service is known at all.

    Of those that come with it, `StartOverride` switches off the ones that this machine does not need.
    """
    services = registry.subkeys(SERVICES)
    found = []
    for name in [name for name in services if STORAGE_DRIVERS.fullmatch(name)][:MAX_LISTED_DRIVERS]:
        path = rf"{SERVICES}\{name}"
        override = Key(registry.values(rf"{path}\StartOverride"), notes).number("0")
        start = Key(registry.values(path), notes).number("Start") if override is None else override
        if start == BOOT_START:
            found.append(name)
    return tuple(found) if services else None
