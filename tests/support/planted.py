"""Dumps of machines that hold secrets, of every sort in every place, and a byte search that is independent.

Every secret has a core: the bytes that may not be in a dump that was scrubbed, whatever stands around them.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from samples.builder.catalog import SAMPLES, Sample, build
from samples.builder.machine import Machine, Module, Placement, SecondaryBlob, Thread, UnloadedDriver
from samples.builder.physical import runs_of
from samples.builder.places import PLACES
from support.small_dump_file import SmallDumpFile

if TYPE_CHECKING:
    from collections.abc import Iterator

USER = "zoequist"
COMPUTER = "KESTREL-7Q"
TOKEN = "ghp_Zq81LmVt73KxRb29YwTc64HnPd05SgJf18Ae"
SERIAL, ASSET = "NWH7731QX", "Lager-4471"
SMBIOS_UUID = UUID("4c4c4544-0051-3810-8052-b3c04f4a3333")
SID = "S-1-5-21-1047562311-2718281828-3141592653-1107"


@dataclass(frozen=True)
class Secret:
    """what: the key of the rule that finds it; text: as it stands in memory; core: what may not be left of it."""

    what: str
    text: str
    core: str


SECRETS = (
    Secret("user_name", rf"C:\Users\{USER}\Desktop", USER),
    Secret("user_name", rf"\Device\HarddiskVolume3\Documents and Settings\{USER}\x", USER),
    Secret("environment", f"USERNAME={USER}", USER),
    Secret("computer_name", f"COMPUTERNAME={COMPUTER}", COMPUTER),
    Secret("computer_name", "DESKTOP-Q7ZK21B", "DESKTOP-Q7ZK21B"),
    Secret("computer_name", r"\\tresor42\lohn\2024", "tresor42"),
    Secret("computer_name", "files.nordhafen-werk.de", "nordhafen-werk"),
    Secret("mail_address", "z.quist@nordpost.example.org", "z.quist@nordpost"),
    Secret("account", SID, "1047562311-2718281828"),
    Secret("hardware_number", f"Serial Number: {SERIAL}", SERIAL),
    Secret("mac_address", "3C-52-82-9A-B1-07", "3C-52-82-9A-B1-07"),
    Secret("mac_address", "3c:52:82:9a:b1:08", "3c:52:82:9a:b1:08"),
    Secret("ip_address", "192.168.77.231", "192.168.77.231"),
    Secret("ip_address", "fe80::3e52:82ff:fe9a:b107", "3e52:82ff:fe9a"),
    Secret("command_line", r"C:\Windows\System32\net.exe use x: hunter2hunter", "hunter2hunter"),
    Secret("environment", r"ONEDRIVE=Q:\Wolke\Privatsachen", "Privatsachen"),
    Secret("file_name", r"D:\Angebote\Muster-GmbH 2024.docx", "Muster-GmbH"),
    Secret("file_name", r"\Device\HarddiskVolume7\Projekt Falke\plan.dwg", "Projekt Falke"),
    Secret("token", TOKEN, TOKEN),
    Secret("token", "password=correcthorse9", "correcthorse9"),
    Secret("token", "111222-333444-555666-777888-999000-111222-333444-555666", "333444-555666"),
)
"""Texts, each of which a rule finds wherever it stands."""
FOREIGN = Secret("user_name", "C:\\Users\\Жанна Š\\Рабочий стол", "Жанна Š")
"""Only UTF-16 has such letters. Most of them are beyond Latin-1."""


def both(text: str) -> tuple[bytes, bytes]:
    """Return a text in 8 bits and in UTF-16LE."""
    return text.encode("ascii"), text.encode("utf-16-le")


SID_BYTES = struct.pack("<BB6sIIIII", 1, 5, bytes((0, 0, 0, 0, 0, 5)), 21, 1047562311, 2718281828, 3141592653, 1107)
SID_CORE = SID_BYTES[12:24]


def smbios() -> bytes:
    """Return SMBIOS tables with a serial number, a UUID and an asset tag (DSP0134)."""
    system = struct.pack("<BBHBBBB16sBBB", 1, 0x1B, 1, 1, 2, 3, 4, SMBIOS_UUID.bytes_le, 6, 0, 0)
    chassis = struct.pack("<BBHBBBBB", 3, 0x15, 3, 1, 3, 0, 2, 3).ljust(0x15, b"\0")
    end = struct.pack("<BBH", 127, 4, 0x7F)
    texts = {
        name: text + b"\0"
        for name, text in (("maker", b"Nordwerk"), ("serial", SERIAL.encode()), ("tag", ASSET.encode()))
    }
    of_system = texts["maker"] + b"Model 7\0" + b"1.0\0" + texts["serial"] + b"\0"
    of_chassis = texts["maker"] + texts["serial"] + texts["tag"] + b"\0"
    return system + of_system + chassis + of_chassis + end + b"\0\0"


def cores() -> dict[str, bytes]:
    """Return every sequence of bytes that gives a secret away, by a name; texts in lower case."""
    found = {}
    for secret in SECRETS:
        for name, data in zip(("8-bit", "UTF-16"), both(secret.core.lower())):
            found[f"{secret.core} {name}"] = data
    found[f"{FOREIGN.core} UTF-16"] = FOREIGN.core.encode("utf-16-le")
    found["SID binary"] = SID_CORE
    found["UUID binary"] = SMBIOS_UUID.bytes_le
    found["UUID text"] = str(SMBIOS_UUID).encode()
    found["asset tag"] = ASSET.lower().encode()
    return found


class Leak(NamedTuple):
    """A secret in some bytes: its name, where it begins, how many bytes it has."""

    name: str
    offset: int
    length: int


def leaks(data: bytes) -> Iterator[Leak]:
    """Search bytes for every secret, at any alignment and in any case."""
    lowered = data.lower()
    for name, core in cores().items():
        where = data if "binary" in name or core.decode("latin-1") != core.decode("latin-1").lower() else lowered
        at = where.find(core)
        while at >= 0:
            yield Leak(name, at, len(core))
            at = where.find(core, at + 1)


def planted_dump(name: str) -> bytes:
    """Return the dump of a sample with every secret in every place that a builder can fill."""
    chosen = sample(name)
    header = {
        "Comment": f"made by {USER}\0rest of {COMPUTER}".encode().ljust(128, b"\0"),
        "VersionUser": b"DESKTOP-Q7ZK21B".ljust(32, b"\0"),
    }
    return build(replace(chosen, machine=plant(chosen.machine).machine), header=header)


def planted_in_slack(name: str) -> bytes:
    """Return such a small dump with more of them in what no field of its two lists of drivers uses."""
    data = bytearray(planted_dump(name))
    dump, text = SmallDumpFile(bytes(data)), USER.encode()
    pointer = dump.offsets.pointer
    places = []
    count, size, name_at, start, _ = dump.offsets.unloaded
    for index in range(dump.u32(dump.triage(0x18))):
        entry = dump.triage(0x18) + count + size * index
        length = dump.u16(entry)
        places.append((entry + name_at + length, start - name_at - length))  # behind the name
        places.append((entry + pointer, pointer))  # UNICODE_STRING.Buffer
    for index in range(dump.triage(0x34)):
        entry = dump.triage(0x30) + dump.offsets.driver[0] * index
        places += [(entry + pointer, 3 * pointer), (entry + 0x0A * pointer, 2 * pointer)]  # links, FullDllName
    fitting = [at for at, room in places if room >= len(text)]
    for at in fitting:
        data[at : at + len(text)] = text
    assert any(dump.triage(0x18) < at < dump.triage(0x1C) for at in fitting)
    return bytes(data)


def sample(name: str) -> Sample:
    """Return a sample by its name."""
    return next(sample for sample in SAMPLES if sample.name == name)


WINDOW = 0x100
MORE_PAGES = 0x60
"""Of RAM, for the secrets."""


class Planted(NamedTuple):
    """A machine with secrets. placed: (address, bytes of the core) of each in memory that a small dump takes over."""

    machine: Machine
    placed: tuple[tuple[int, bytes], ...]


def plant(machine: Machine) -> Planted:
    """Put every secret into every place that the memory of a machine has."""
    places = PLACES[machine.architecture.machine_type]
    pool = places.pool + 0x200000
    placements, placed, pointers = list[Placement](), list[tuple[int, bytes]](), list[int]()

    def put(address: int, text: bytes, core: bytes) -> None:
        placements.append(Placement(address, text))
        placed.append((address + text.lower().index(core.lower()), core))

    # what drivers registered for small dumps: all secrets, in both encodings, at even and odd addresses
    at = start = pool
    for number, secret in enumerate((*SECRETS, FOREIGN)):
        for text, core in _encodings(secret):
            at += 8 + (number + len(text)) % 2
            put(at, text, core)
            at += len(text) + 2
    put(at := at + 9, SID_BYTES, SID_CORE)
    put(at := at + 64, smbios(), SMBIOS_UUID.bytes_le)
    # only because the tables tell them can these be known
    for text in (str(SMBIOS_UUID).encode(), ASSET.encode()):
        put(at := at + 0x101, text, text)
    registered = (start, at + 0x40)
    # windows: each secret in an object that a pointer on the stack leads to; the object has other words around it
    window = pool + 0x4000
    for number, secret in enumerate((*SECRETS, FOREIGN)):
        for text, core in _encodings(secret):
            address = window + 0x400 * len(pointers)
            placements.append(Placement(address, struct.pack("<4I", 1, 2, 3, number) * 8))
            put(address + 0x80 + number % 3, text, core)
            pointers.append(address)
    # across two windows that are neighbours: the border is inside of the core
    for text, core in (*_encodings(SECRETS[0]), *_encodings(SECRETS[18])):
        address = window + 0x400 * len(pointers)
        border = address + WINDOW
        put(border - text.lower().index(core.lower()) - len(core) // 2 - 1, text, core)
        pointers += (address, border)
    thread, *others = machine.threads
    planted = replace(thread, words=(*thread.words, *pointers[: _room(thread, machine)]))
    more = pointers[_room(thread, machine) :]
    waiting = replace(others[0], words=(*others[0].words, *more))
    # text on the kernel stack of the crash, above its words
    at = thread.stack_base - 0x58
    for number, secret in enumerate((SECRETS[0], SECRETS[4], SECRETS[10], SECRETS[18])):
        for text, core in _encodings(secret):
            at -= len(text) + 9 + number % 2
            put(at, text, core)
    version = machine.version
    crashed = machine.processors[machine.crashed]
    prcb = crashed.pcr + version.number("OffsetPcrContainedPrcb")
    process = machine.process(thread.process).address
    for address, size in (
        (prcb, version.number("SizePrcb")),
        (process, version.number("SizeEProcess")),
        (thread.address, version.number("SizeEThread")),
    ):
        text, core = _encodings(SECRETS[4])[1]
        put(address + size - 0x61, text, core)
    return Planted(
        replace(
            machine,
            ram=(*machine.ram, *runs_of((machine.ram[-1].base_page + 0x1000, MORE_PAGES))),
            threads=(planted, waiting, *others[1:]),
            placements=(*machine.placements, *placements),
            triage_blocks=(*machine.triage_blocks, registered),
            modules=(*machine.modules, *_modules(machine)),
            unloaded_drivers=(
                UnloadedDriver(
                    f"{USER}.sys", places.drivers + 0x600000, places.drivers + 0x601000, 133_499_989_000_000_000
                ),
                *machine.unloaded_drivers,
            ),
            last_unloaded_driver=machine.last_unloaded_driver + 1,
            secondary=(
                *machine.secondary,
                SecondaryBlob(UUID("bc5c008f-1e3a-44d7-988d-86f6884c6758"), bytes(8) + smbios(), 0, 3),
                SecondaryBlob(UUID("7d0a3f6e-51c8-4e0b-9c27-3b2f4a5d6e77"), b"\x05" + _all_texts(), 4, 0),
                SecondaryBlob(UUID("7d0a3f6e-51c8-4e0b-9c27-3b2f4a5d6e78"), b"nothing personal", 0, 5),
            ),
        ),
        tuple(placed),
    )


def _room(thread: Thread, machine: Machine) -> int:
    """Return how many more words the stack of the crash has room for, below the texts."""
    size = machine.architecture.pointer_size
    return (thread.stack_base - 0x280 - thread.kernel_stack) // size - len(thread.words)


def _encodings(secret: Secret) -> list[tuple[bytes, bytes]]:
    if not secret.text.isascii():
        return [(secret.text.encode("utf-16-le"), secret.core.encode("utf-16-le"))]
    return list(zip(both(secret.text), both(secret.core)))


def _all_texts() -> bytes:
    return b"".join(text + b"\0\0\0" for secret in SECRETS for text, _ in _encodings(secret))


def _modules(machine: Machine) -> tuple[Module, ...]:
    base = machine.modules[-1].end + 0x20000
    return (
        Module("probe.sys", rf"\??\C:\Users\{USER}\drv\probe.sys", base, 0x3000, 0x65000001, 0x1234),
        Module(
            f"{USER}kd.sys", rf"\SystemRoot\system32\drivers\{USER}kd.sys", base + 0x10000, 0x3000, 0x65000002, 0x1235
        ),
    )
