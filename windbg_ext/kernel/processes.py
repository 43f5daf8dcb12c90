"""The name of a process, where neither symbols nor the debugger data block tell where it stands.

EPROCESS.ImageFileName is 15 bytes of ASCII. Its offsets are those of Microsoft's public symbols (as `dt nt!_EPROCESS`
prints them), those of x64 19041 and 26100 and of ARM64 22000 also measured on real dumps.
"""

from __future__ import annotations

from windbg_ext.structs.header import Machine

IMAGE_FILE_NAME_SIZE = 15
OFFSETS: dict[Machine, tuple[tuple[int, int | None], ...]] = {
    Machine.I386: (
        (2600, 0x174),
        (2601, None),
        (6000, 0x14C),
        (7600, 0x16C),
        (9200, 0x170),
        (10240, 0x174),
        (10587, None),
    ),
    Machine.AMD64: (
        (7600, 0x2E0),
        (9200, 0x438),
        (10240, 0x448),
        (10586, 0x450),
        (19041, 0x5A8),
        (26100, 0x338),
        (26201, None),
    ),
    Machine.ARM64: ((22000, 0x560), (22001, None)),
}
"""(first build, offset in that build and those after it); None: not known."""


def image_file_name_offset(machine: Machine, build: int) -> int | None:
    """Return the offset of EPROCESS.ImageFileName, None where it is not known."""
    return next((offset for first, offset in reversed(OFFSETS[machine]) if build >= first), None)


def image_file_name(eprocess: bytes, machine: Machine, build: int) -> str | None:
    """Return the name in an EPROCESS, cut to 15 characters by Windows; None if that cannot be told for certain."""
    offset = image_file_name_offset(machine, build)
    if offset is None:
        return None
    name, _, rest = eprocess[offset : offset + IMAGE_FILE_NAME_SIZE].partition(b"\0")
    plausible = bool(name) and all(0x20 <= byte < 0x7F for byte in name) and not rest.strip(b"\0")
    return name.decode("ascii") if plausible else None
