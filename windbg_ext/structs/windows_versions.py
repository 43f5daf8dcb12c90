"""Names of Windows versions by the build that a dump's header carries.

Source: Microsoft's release information pages for Windows 10, Windows 11 and Windows Server. Updates that only enable
features keep the build of the kernel: 19041 is the kernel of 2004 to 22H2, 22621 that of 22H2 and 23H2.
"""

from __future__ import annotations

WORKSTATION = 1
"""DUMP_HEADER64.ProductType: VER_NT_WORKSTATION; 2 is a domain controller, 3 another server (winnt.h)."""


def windows_name(build: int, product_type: int | None) -> str | None:
    """Return the name of a version, for example "Windows 11 24H2", or None for a build that is not in the table.

    product_type: None if the header does not tell; the result then has both names, if there are two.
    """
    client, server = NAMES.get(build, (None, None))
    if product_type is None:
        return " or ".join(name for name in (client, server) if name) or None
    return (client or server) if product_type == WORKSTATION else (server or client)


NAMES: dict[int, tuple[str | None, str | None]] = {
    2195: ("Windows 2000", "Windows 2000 Server"),
    2600: ("Windows XP", None),
    3790: ("Windows XP x64", "Windows Server 2003"),
    6000: ("Windows Vista", None),
    6001: ("Windows Vista SP1", "Windows Server 2008"),
    6002: ("Windows Vista SP2", "Windows Server 2008 SP2"),
    6003: (None, "Windows Server 2008 SP2"),
    7600: ("Windows 7", "Windows Server 2008 R2"),
    7601: ("Windows 7 SP1", "Windows Server 2008 R2 SP1"),
    9200: ("Windows 8", "Windows Server 2012"),
    9600: ("Windows 8.1", "Windows Server 2012 R2"),
    10240: ("Windows 10 1507", None),
    10586: ("Windows 10 1511", None),
    14393: ("Windows 10 1607", "Windows Server 2016"),
    15063: ("Windows 10 1703", None),
    16299: ("Windows 10 1709", "Windows Server 1709"),
    17134: ("Windows 10 1803", "Windows Server 1803"),
    17763: ("Windows 10 1809", "Windows Server 2019"),
    18362: ("Windows 10 1903 or 1909", "Windows Server 1903 or 1909"),
    18363: ("Windows 10 1909", "Windows Server 1909"),
    19041: ("Windows 10 2004 to 22H2", "Windows Server 2004 or 20H2"),
    20348: (None, "Windows Server 2022"),
    22000: ("Windows 11 21H2", None),
    22621: ("Windows 11 22H2 or 23H2", None),
    22631: ("Windows 11 23H2", None),
    25398: (None, "Windows Server 23H2"),
    26100: ("Windows 11 24H2 or 25H2", "Windows Server 2025"),
    26200: ("Windows 11 25H2", None),
}
"""(workstation, server); None if there is no such edition of that build."""
