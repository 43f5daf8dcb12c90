"""The name of a process, where neither symbols nor the debugger data block tell where it stands.

EPROCESS.ImageFileName is 15 bytes of ASCII. Its offsets are those of Microsoft's public symbols (as `dt nt!_EPROCESS`
prints them), those of 19041 and 26100 also measured on real dumps.
"""

from __future__ import annotations

IMAGE_FILE_NAME_SIZE = 15
X64_OFFSETS = (
    (7600, 0x2E0),
    (9200, 0x438),
    (10240, 0x448),
    (10586, 0x450),
    (19041, 0x5A8),
    (26100, 0x338),
    (26201, None),
)
"""(first build, offset in that build and those after it), x64; None: not known."""


def image_file_name(eprocess: bytes, build: int) -> str | None:
    """Give the name in an x64 EPROCESS, cut to 15 characters by Windows; None if that cannot be told for certain."""
    offset = next((offset for first, offset in reversed(X64_OFFSETS) if build >= first), None)
    if offset is None:
        return None
    name, _, rest = eprocess[offset : offset + IMAGE_FILE_NAME_SIZE].partition(b"\0")
    plausible = bool(name) and all(0x20 <= byte < 0x7F for byte in name) and not rest.strip(b"\0")
    return name.decode("ascii") if plausible else None
