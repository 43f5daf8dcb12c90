"""What the parameters of a bug check tell: which of them decides its kind, and which is the address of the culprit.

Source: Microsoft's bug check code reference (2025-07), the table of parameters on the page of each code.
"""

from __future__ import annotations

STATUS_BITS = 0xFFFF_FFFF
"""Exception codes and NTSTATUS values have 32 bits; in 64-bit dumps they are sign-extended or not."""

STATUS_PARAMETER = {
    0x1E: 1,
    0x3B: 1,
    0x6B: 1,
    0x7A: 2,
    0x7E: 1,
    0x8E: 1,
    0xED: 2,
    0x135: 1,
    0xC000021A: 2,
}
"""Code: number of the parameter (1 to 4) that holds the exception code or the NTSTATUS."""

KIND_PARAMETER = {
    0x19: 1,
    0x1A: 1,
    0x4E: 1,
    0x7F: 1,
    0x9F: 1,
    0xA0: 1,
    0xA5: 1,
    0xC1: 4,
    0xC2: 1,
    0xC4: 1,
    0xC9: 1,
    0xCA: 1,
    0xDA: 1,
    0xE6: 1,
    0xEF: 2,
    0xF4: 1,
    0xFE: 1,
    0x109: 4,
    0x10D: 1,
    0x10E: 1,
    0x113: 1,
    0x119: 1,
    0x122: 1,
    0x124: 1,
    0x133: 1,
    0x139: 1,
    0x13A: 1,
    0x144: 1,
    0x164: 1,
}
"""Code: number of the parameter (1 to 4) that says which of several errors it is."""

PLACE_PARAMETER = {
    0xA: 4,
    0x1E: 2,
    0x3B: 2,
    0x50: 3,
    0x7E: 2,
    0x8E: 2,
    0xC5: 4,
    0xCC: 3,
    0xCD: 3,
    0xD0: 4,
    0xD1: 4,
    0xD5: 3,
    0xD6: 3,
    0x116: 2,
    0x117: 2,
    0x141: 2,
}
"""Code: number of the parameter (1 to 4) that is an address in the code that caused it, or in its driver."""
