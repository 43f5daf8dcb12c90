"""Addresses of the parts of a plausible machine on each architecture, and the instructions in its code pages.

Sources of the instructions: Intel SDM volume 2, Arm ARM (DDI 0487) chapter C6.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from samples.builder.physical import PAGE_SIZE
from windbg_ext.structs.header import Machine


class Code(NamedTuple):
    """Instructions. trap: fills the room between functions; call_size: bytes of a call.

    bug_check: start of KeBugCheckEx; idle: up to the instruction that waits for an interrupt; fault: a write to the
    address in the first argument.
    """

    trap: bytes
    call_size: int
    bug_check: bytes
    idle: bytes
    fault: bytes
    back: bytes

    def call(self, offset: int, target: int) -> tuple[int, bytes]:
        """Return the offset and the bytes of a call to another offset in the same image."""
        if self.call_size == 4:  # ARM64: bl, in instructions
            return offset, struct.pack("<I", 0x94000000 | (target - offset >> 2) & 0x3FFFFFF)
        return offset, b"\xe8" + struct.pack("<i", target - offset - 5)


class Roles(NamedTuple):
    """The roles of registers, by their CONTEXT names; "" if the architecture has none.

    arguments: of a call, if they are passed in registers; kept: three that a call preserves; first: the one
    that a faulty write goes through; link: the return address; own: the processor's KPCR, in user mode the TEB;
    general: those that differ between processors; frames: frame pointers are chained, return addresses above them.
    """

    instruction: str
    stack: str
    frame: str
    link: str
    own: str
    first: str
    scratch: str
    arguments: tuple[str, ...]
    kept: tuple[str, str, str]
    general: tuple[str, ...]
    frames: bool


# offsets into the code of the kernel and of the faulty driver
BUG_CHECK_EX, BUG_CHECK_CALL, DISPATCH_CALL, IDLE_WAIT, IDLE_CALL, SWITCH_CALL = (
    *(0x1100, 0x1200, 0x1600, 0x1300, 0x1400, 0x1500),
)
FAULT, FAULT_CALL = 0x1010, 0x1020


class Places(NamedTuple):
    """Addresses; window: 0 where there are no pages of 1 GB."""

    pointer_size: int
    code: Code
    roles: Roles
    kernel: int
    drivers: int
    stacks: int
    control_regions: int
    pool: int
    window: int
    peb: int
    teb: int
    program: int
    ntdll: int
    user_stack: int

    @property
    def contexts(self) -> int:
        """Context buffers."""
        return self.pool + 0x40000

    @property
    def processes(self) -> int:
        """EPROCESS structures."""
        return self.pool + 0x50080

    @property
    def threads(self) -> int:
        """ETHREAD structures."""
        return self.pool + 0x60080

    @property
    def objects(self) -> int:
        """A chain of objects in pool."""
        return self.pool + 0x70000

    @property
    def paged_pool(self) -> int:
        """Pages of pool with a special mapping."""
        return self.pool + 0x80000

    @property
    def faulty(self) -> int:
        """The faulty driver."""
        return self.drivers + 0x190000

    @property
    def after_fault(self) -> int:
        """Return address of the driver's call of its faulty function."""
        return self.faulty + FAULT_CALL + self.code.call_size

    @property
    def after_bug_check(self) -> int:
        """Return address of KeBugCheckEx."""
        return self.kernel + BUG_CHECK_CALL + self.code.call_size

    @property
    def after_dispatch(self) -> int:
        """Return address of a call of the kernel's dispatcher."""
        return self.kernel + DISPATCH_CALL + self.code.call_size

    @property
    def after_idle_call(self) -> int:
        """Return address of the idle loop's call of the wait."""
        return self.kernel + IDLE_CALL + self.code.call_size

    @property
    def idle(self) -> int:
        """Address behind the instruction that waits for an interrupt."""
        return self.kernel + IDLE_WAIT + len(self.code.idle)

    @property
    def switched(self) -> int:
        """Where a thread that was switched out continues."""
        return self.kernel + SWITCH_CALL + self.code.call_size

    def kernel_code(self) -> dict[int, bytes]:
        """Return the kernel's page of code, by its offset in the image."""
        code = self.code
        return _page_of_code(
            code.trap,
            (BUG_CHECK_EX, code.bug_check),
            code.call(BUG_CHECK_CALL, BUG_CHECK_EX),
            (IDLE_WAIT, code.idle + code.back),
            code.call(IDLE_CALL, IDLE_WAIT),
            code.call(SWITCH_CALL, 0x1700),
            code.call(DISPATCH_CALL, 0x1000),
        )

    def faulty_code(self) -> dict[int, bytes]:
        """Return the faulty driver's page of code, by its offset in the image."""
        return _page_of_code(
            self.code.trap, (FAULT, self.code.fault + self.code.back), self.code.call(FAULT_CALL, FAULT)
        )


def _page_of_code(trap: bytes, *pieces: tuple[int, bytes]) -> dict[int, bytes]:
    """Fill a page at offset 0x1000 with breakpoints and put instructions at offsets of the image."""
    page = bytearray(trap * (PAGE_SIZE // len(trap)))
    for offset, code in pieces:
        page[offset - 0x1000 : offset - 0x1000 + len(code)] = code
    return {0x1000: bytes(page)}


_X64_CODE = Code(
    trap=b"\xcc",
    call_size=5,
    bug_check=bytes.fromhex("48894c2408 4889542410 4c89442418 4c894c2420"),  # mov [rsp+8], rcx and so on
    idle=bytes.fromhex("fb f4"),  # sti; hlt
    fault=bytes.fromhex("8901"),  # mov [rcx], eax
    back=b"\xc3",
)

_X64_ROLES = Roles(
    instruction="Rip",
    stack="Rsp",
    frame="Rbp",
    link="",
    own="",
    first="Rcx",
    scratch="Rax",
    arguments=("Rcx", "Rdx", "R8", "R9"),
    kept=("Rbx", "Rsi", "R15"),
    general=(
        *("Rax", "Rcx", "Rdx", "Rbx", "Rbp", "Rsi", "Rdi"),
        *("R8", "R9", "R10", "R11", "R12", "R13", "R14", "R15"),
    ),
    frames=False,
)

X64_PLACES = Places(
    pointer_size=8,
    code=_X64_CODE,
    roles=_X64_ROLES,
    kernel=0xFFFFF805_12400000,
    drivers=0xFFFFF805_12800000,
    stacks=0xFFFFD000_20000000,
    control_regions=0xFFFFD000_20100000,
    pool=0xFFFFE000_10000000,
    window=0xFFFF9000_00000000,
    peb=0x7FF7_00010000,
    teb=0x7FF7_00012000,
    program=0x7FF7_00020000,
    ntdll=0x7FF7_00100000,
    user_stack=0x7FF7_00040000,
)

X86_PLACES = Places(
    pointer_size=4,
    roles=Roles(
        instruction="Eip",
        stack="Esp",
        frame="Ebp",
        link="",
        own="",
        first="Ecx",
        scratch="Eax",
        arguments=(),
        kept=("Ebx", "Esi", "Edi"),
        general=("Eax", "Ecx", "Edx", "Ebx", "Esi", "Edi"),
        frames=True,
    ),
    code=_X64_CODE._replace(bug_check=bytes.fromhex("8bff 55 8bec")),  # mov edi, edi; push ebp; mov ebp, esp
    kernel=0x82800000,
    drivers=0x88000000,
    stacks=0x8D000000,
    control_regions=0x8D100000,
    pool=0x8D200000,
    window=0,
    peb=0x7FFD4000,
    teb=0x7FFDE000,
    program=0x7FC00000,
    ntdll=0x7FD00000,
    user_stack=0x7FCA0000,
)

ARM64_PLACES = X64_PLACES._replace(
    code=Code(
        trap=bytes.fromhex("00003ed4"),  # brk #0xf000
        call_size=4,
        bug_check=bytes.fromhex("fd7bbea9 fd030091"),  # stp fp, lr, [sp, #-0x20]!; mov fp, sp
        idle=bytes.fromhex("9f3f03d5 7f2003d5"),  # dsb sy; wfi
        fault=bytes.fromhex("010000b9"),  # str w1, [x0]
        back=bytes.fromhex("c0035fd6"),  # ret
    ),
    roles=Roles(
        instruction="Pc",
        stack="Sp",
        frame="Fp",
        link="Lr",
        own="X18",
        first="X0",
        scratch="X8",
        arguments=("X0", "X1", "X2", "X3", "X4"),
        kept=("X19", "X20", "X21"),
        general=tuple(f"X{number}" for number in range(29) if number != 18),
        frames=True,
    ),
)

PLACES = {Machine.I386: X86_PLACES, Machine.AMD64: X64_PLACES, Machine.ARM64: ARM64_PLACES}
