"""Records that the parameters of a bug check point at, beside CONTEXT and EXCEPTION_RECORD.

Sources: the common platform error record of the UEFI specification, appendix N.2.1, which a WHEA_ERROR_RECORD is;
public type information as printed by WinDbg's `dt` (nt!_KTRAP_FRAME, nt!_DPC_WATCHDOG_GLOBAL_TRIAGE_BLOCK).
"""

from __future__ import annotations

from windbg_ext.structs.structure import Structure, raw, u16, u32, u64


class TrapFrame64(Structure, name="KTRAP_FRAME64", size=0x190):
    """What an interrupt or exception of x64 saved: registers that a call does not preserve."""

    rip = u64(0x168, "Rip")
    rsp = u64(0x180, "Rsp")


class TrapFrame32(Structure, name="KTRAP_FRAME32", size=0x8C):
    """The same of x86."""

    eip = u32(0x68, "Eip")
    hardware_esp = u32(0x74, "HardwareEsp")


class ErrorRecord(Structure, name="WHEA_ERROR_RECORD", size=0x80):
    """The header of a common platform error record. length: in bytes, with its sections."""

    signature = raw(0x00, "Signature", 4)
    signature_end = u32(0x06, "SignatureEnd")
    section_count = u16(0x0A, "SectionCount")
    length = u32(0x14, "Length")


ERROR_RECORD_SIGNATURE = b"CPER"
ERROR_RECORD_END = 0xFFFF_FFFF


class WatchdogBlock(Structure, name="DPC_WATCHDOG_GLOBAL_TRIAGE_BLOCK", size=0x10):
    """What bug check 0x133 hands over, in parameter 4 if the first is 0, in parameter 3 if it is 1.

    It tells where a KPRCB points at what the DPC watchdog recorded.
    dpc_watchdog_profile_offset: of that pointer in the KPRCB; dpc_watchdog_profile_length: how many pointers the buffer
    there has room for.
    """

    signature = u32(0x00, "Signature")
    revision = u16(0x04, "Revision")
    size = u16(0x06, "Size")
    dpc_watchdog_profile_offset = u16(0x08, "DpcWatchdogProfileOffset")
    dpc_watchdog_profile_length = u32(0x0C, "DpcWatchdogProfileLength")


WATCHDOG_SIGNATURE = 0xAEBECEDE
