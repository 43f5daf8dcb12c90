"""What the parameters of the most frequent bug checks mean.

Source: the pages of Microsoft's bug check code reference, as named in `page_title`. A bug check that is not here, or a
parameter without a text, is one whose meaning depends on more than the code.
"""

from __future__ import annotations

from windbg_ext.structs.bug_check_parameters import KIND_PARAMETER, PLACE_PARAMETER, STATUS_PARAMETER

REFERENCE = "https://learn.microsoft.com/windows-hardware/drivers/debugger/bug-check-code-reference2"
"""Microsoft's list of all bug checks, with a page for each."""

ACCESS = "IRQL at that time", "access: 0 read, 1 write, 8 execute", "address of the instruction"
EXCEPTION = "exception code", "address where the exception occurred"
PARAMETERS: dict[int, tuple[str, ...]] = {
    0xA: ("address that was referenced", *ACCESS),
    0x1E: (*EXCEPTION, "first parameter of the exception", "second parameter of the exception"),
    0x3B: ("exception code", "address of the instruction", "address of the context record"),
    0x50: (
        "address that was referenced",
        "access: 0 read, 1 or 2 write, 8 or 0x10 execute",
        "address of the instruction",
    ),
    0x7E: (*EXCEPTION, "address of the exception record", "address of the context record"),
    0x7F: ("number of the processor's trap, such as 8 for a double fault",),
    0x8E: (*EXCEPTION, "address of the trap frame"),
    0x9F: ("violation type, such as 3 for a device that blocks an IRP too long",),
    0xC5: (
        "address that was referenced",
        "IRQL at that time",
        "access: 0 read, 1 write",
        "address of the instruction",
    ),
    0xD1: ("address that was referenced", *ACCESS),
    0xEF: ("process object", "0: the process ended, 1: one of its threads ended"),
    0xF4: (
        "3: a process ended, 6: a thread ended",
        "object that ended",
        "address of the process's image file name",
        "address of an explanation",
    ),
    0xF7: ("security cookie on the stack", "security cookie that was expected", "complement of the expected cookie"),
    0xFC: ("address that was to be executed", "contents of its page table entry"),
    0x101: ("timeout in nominal clock ticks", "", "address of the PRCB of the hung processor"),
    0x116: ("TDR recovery context", "address in the display driver", "error code of the last operation"),
    0x124: ("source of the error: 0 is a machine check", "address of the WHEA_ERROR_RECORD"),
    0x133: ("0: one DPC or ISR took too long, 1: the processor was at DISPATCH_LEVEL or above for too long",),
    0x139: (
        "type of corruption, such as 2 for a stack cookie and 3 for a LIST_ENTRY",
        "address of the trap frame",
        "address of the exception record",
    ),
}
WITH_FIRST: dict[tuple[int, ...], tuple[str, ...]] = {
    (0x9F, 3): (
        "physical device object",
        "address of a TRIAGE_9F_POWER: lists of IRPs, threads and devices",
        "address of the blocked IRP",
    ),
    (0x124, 0): ("upper 32 bits of MCi_STATUS of the bank with the error", "lower 32 bits of it"),
    (0x133, 0): (
        "ticks that the DPC or ISR took",
        "ticks that it may take",
        "address of a DPC_WATCHDOG_GLOBAL_TRIAGE_BLOCK",
    ),
    (0x133, 1): ("watchdog period, in ticks", "address of a DPC_WATCHDOG_GLOBAL_TRIAGE_BLOCK"),
}
"""Parameters that follow those above, by the code and the first parameter, which says which of several errors it is."""

OTHERS = (
    (STATUS_PARAMETER, "exception code or NTSTATUS"),
    (KIND_PARAMETER, "says which of several errors it is"),
    (PLACE_PARAMETER, "address in the code that caused it, or in its driver"),
)
"""What is known of parameters of other bug checks."""


def parameter_meanings(code: int, parameters: tuple[int, ...]) -> tuple[str, ...]:
    """Return what each of the four parameters means, "" where this table does not tell.

    code: without its flag bit; parameters: of this crash, since the first may tell what the others are.
    """
    known = (*PARAMETERS.get(code, ()), *WITH_FIRST.get((code, *parameters[:1]), ()))
    meanings = [known[number - 1] if number <= len(known) else "" for number in (1, 2, 3, 4)]
    for numbers, meaning in OTHERS:
        number = numbers.get(code)
        if number is not None and not meanings[number - 1]:
            meanings[number - 1] = meaning
    return tuple(meanings)


def page_title(code: int, name: str) -> str:
    """Return the title of Microsoft's page on a bug check that has a documented name."""
    return f"Bug Check 0x{code:X}: {name}"
