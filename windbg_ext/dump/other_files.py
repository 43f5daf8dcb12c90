"""Files that people take for a kernel dump: what each is, told by its first bytes, and what to do with it.

Sources of the signatures: minidumpapiset.h (MDMP), mindumpdef.h (Raw_Dmp!, Enc_Dmp!), Volatility 3's layers
(hibernation, LiME, VMware), and the specifications of the archives.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from windbg_ext.sources.formats import format_of, with_article
from windbg_ext.values import NamedTuple

if TYPE_CHECKING:
    from windbg_ext.sources import Source


class OtherFile(NamedTuple):
    """What a file is, and the next step."""

    name: str
    advice: str


_UNPACK = "unpack it and name the dump that comes out"
_HIBERNATION = OtherFile(
    "a hibernation file",
    "it holds memory, but compressed and with no crash in it: Volatility and Hibernation Recon read it",
)
_VMWARE = OtherFile("a VMware suspend file", "make a dump of it with VMware's vmss2core -W")

SIGNATURES: dict[bytes, OtherFile] = {
    b"MDMP": OtherFile("a user-mode minidump of one process", "open it in WinDbg as it is; the kernel is not in it"),
    b"Raw_Dmp!": OtherFile(
        "a raw off-line dump, not yet turned into a kernel dump",
        "Windows does that at its next start: let it boot, then look for MEMORY.DMP",
    ),
    b"Enc_Dmp!": OtherFile(
        "an encrypted off-line dump",
        "decrypt it with the key that the machine was set up with, then name what comes out",
    ),
    b"hibr": _HIBERNATION,
    b"HIBR": _HIBERNATION,
    b"wake": _HIBERNATION,
    b"WAKE": _HIBERNATION,
    b"RSTR": _HIBERNATION,
    b"\x7fELF": OtherFile(
        "an ELF file, perhaps the core of a virtual machine",
        "QEMU's dump-guest-memory -w writes a Windows dump instead; Volatility reads the core as it is",
    ),
    b"EMiL": OtherFile("a LiME memory image", "Volatility reads it"),
    b"\xd2\xbe\xd2\xbe": _VMWARE,
    b"\xd1\xba\xd1\xba": _VMWARE,
    b"\xd0\xbe\xd2\xbe": _VMWARE,
    b"regf": OtherFile("a registry hive", "pagefilefit --system-hive reads the one called SYSTEM"),
    b"Rar!": OtherFile("a RAR file", _UNPACK),
    b"7z\xbc\xaf\x27\x1c": OtherFile("a 7z file", _UNPACK),
    b"PAGEPAGE": OtherFile(
        "a kernel dump whose header was never finished", "the machine stopped while it wrote: let it crash again"
    ),
}

ZEROS = OtherFile(
    "zeros, as Windows leaves behind when it could not write the dump",
    "see that the dump file's disk has room, and reproduce the crash",
)
RAW_MEMORY = OtherFile(
    "perhaps raw memory of a machine: whole pages, and the interrupt vectors of a PC's firmware at its start",
    "Volatility reads it; WinDbg needs it turned into a dump",
)
UNKNOWN = OtherFile("not a Windows kernel dump", "name a kernel dump")

PAGE_SIZE = 0x1000
REAL_MODE_VECTOR = b"\x53\xff\x00\xf0"
"""F000:FF53, an interrupt return in every PC's firmware; unused interrupt vectors in page 0 point there."""
LOOKED_AT = 64
"""Places all over a file where `is_zeros` looks."""


def identify(source: Source) -> OtherFile:
    """Return what a file without a kernel dump's signature is. Raise OSError as the system does."""
    start = source.read(0, PAGE_SIZE)
    for signature, other in SIGNATURES.items():
        if start.startswith(signature):
            return other
    packed = format_of(source)
    if packed is not None:  # inside another packed file: only that one is unpacked
        return OtherFile(with_article(packed.name), _UNPACK)
    if is_zeros(source):
        return ZEROS
    if source.size % PAGE_SIZE == 0 and REAL_MODE_VECTOR in start[:0x400]:
        return RAW_MEMORY
    return UNKNOWN


def is_zeros(source: Source) -> bool:
    """Tell whether a file is all zeros in LOOKED_AT pages, spread evenly from its first to the last in reach."""
    places = range(0, source.reach, max(PAGE_SIZE, source.reach // LOOKED_AT))
    return not any(any(source.read(offset, PAGE_SIZE)) for offset in (*places, max(0, source.reach - PAGE_SIZE)))
