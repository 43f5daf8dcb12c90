"""The evidence for the kind of a dump, which `windbg_ext.dump.kinds` tells.

Source: mindumpdef.h (Attributes); the marks of the two families of small dumps were measured on real ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from windbg_ext.commands.dumpkind.report import Evidence
from windbg_ext.dump.header import physical_pages
from windbg_ext.dump.kinds import ROWS, Body, DumpKind, body_of, engine_sets_live_bit, kind_of
from windbg_ext.structs.bug_checks import LIVE_ONLY, LIVE_OR_CRASH, M_BIT, bug_check_name
from windbg_ext.structs.header import FILL, Attributes
from windbg_ext.structs.triage import TRIAGE_OPTIONS_ALL, MiniDumpFields

if TYPE_CHECKING:
    from collections.abc import Iterator

    from windbg_ext.dump.header import KnownFields
    from windbg_ext.structs.layouts import TriageDump

ATTRIBUTES = {
    Attributes.HIBER_CRASH: "it crashed while it went into or came out of hibernation",
    Attributes.DUMP_DEVICE_POWER_OFF: "the disk that takes the dump was powered off",
    Attributes.INSUFFICIENT_DUMPFILE_SIZE: "the paging file or dedicated dump file was too small for the dump",
    Attributes.KERNEL_GENERATED_TRIAGE_DUMP: "the small dump was written by the kernel as it crashed",
    Attributes.LIVE_DUMP_GENERATED_DUMP: "a live dump: the machine went on running",
    Attributes.DUMP_IS_GENERATED_OFFLINE: "made after the restart from what the crash left behind",
    Attributes.FILTER_DUMP_FILE: "pages that do not help debugging were filtered out: an active dump",
    Attributes.EARLY_BOOT_CRASH: "it crashed early in its start",
    Attributes.ENCRYPTED_DUMP_DATA: "the pages are encrypted",
    Attributes.DECRYPTED_DUMP: "the pages were encrypted, and are decrypted now",
}


def attribute_bits(known: KnownFields) -> Iterator[tuple[str, int, str]]:
    """Yield (name, bit, meaning) of each bit of Attributes that is set; nothing where the field was never set."""
    value = known.attributes or 0
    for bit in (1 << number for number in range(32)):
        if value & bit:
            flag = next((flag for flag in ATTRIBUTES if flag == bit), None)
            yield (attribute_name(flag), bit, ATTRIBUTES[flag]) if flag else (f"unknown 0x{bit:x}", bit, "not public")


def attribute_name(flag: Attributes) -> str:
    """Return a bit's name as mindumpdef.h writes it: InsufficientDumpfileSize."""
    return "".join(word.capitalize() for word in str(flag.name).split("_"))


def has(known: KnownFields, flag: Attributes) -> bool:
    """Tell whether a bit of Attributes is set, which it never is in a field that holds the writer's fill."""
    return bool((known.attributes or 0) & flag)


def evidence_of(known: KnownFields, pages: int | None) -> Iterator[Evidence]:
    """Yield the evidence for the kind, strongest first. pages: in the file, None for a small dump."""
    dump_type = known.dump_type
    if dump_type is None:
        yield Evidence("DumpType", "unset", "the header does not tell what follows it")
    else:
        row = ROWS.get(dump_type)
        shown = f"0x{dump_type:x}" if dump_type > 9 else str(dump_type)
        yield Evidence("DumpType", shown, row.means if row else "no known type of dump")
    yield from _attribute_evidence(known)
    code = known.bug_check_code
    if code is not None and code & ~M_BIT in LIVE_ONLY:
        yield Evidence(
            "BugCheckCode", f"0x{code:X}", f"{bug_check_name(code)}: never crashes a machine, so a live dump"
        )
    elif code is not None and code & ~M_BIT in LIVE_OR_CRASH:
        yield Evidence("BugCheckCode", f"0x{code:X}", f"{bug_check_name(code)}: occurs in crashes and in live dumps")
    yield from _pages_evidence(known, pages)
    if kind_of(known) is DumpKind.KERNEL and body_of(dump_type) in (Body.BITMAP, Body.SUMMARY):  # ranges: no setting
        yield Evidence(
            "kernel or automatic",
            "same file",
            "only the paging file is sized otherwise; CrashControl\\CrashDumpEnabled tells: 2 kernel, 7 automatic",
        )


def _attribute_evidence(known: KnownFields) -> Iterator[Evidence]:
    value = known.attributes
    if value is None:
        yield Evidence("Attributes", "unset", 'holds the fill "PAGE": the writer did not set it')
        return
    if not value:
        yield Evidence("Attributes", "0x0", "no bit is set")
    for name, bit, means in attribute_bits(known):
        if bit == Attributes.LIVE_DUMP_GENERATED_DUMP and engine_sets_live_bit(known):
            means = "set by debuggers in small dumps of any machine, so no sign of a live dump here"
        if bit == Attributes.FILTER_DUMP_FILE and kind_of(known) is DumpKind.COMPLETE:
            means = "set, though a dump of this type is never filtered, so no sign of an active dump here"
        yield Evidence("Attributes", f"0x{bit:x} {name}", means)


def _pages_evidence(known: KnownFields, pages: int | None) -> Iterator[Evidence]:
    ram = physical_pages(known.raw)
    if ram is None:
        yield Evidence("PhysicalMemoryBlock", "unset", "the header does not tell how much RAM there was")
    elif pages is not None:
        yield Evidence("pages", f"{pages:,} of {ram:,}", _share(known, pages, ram))


def _share(known: KnownFields, pages: int, ram: int) -> str:
    if pages >= ram:
        return "all of RAM"
    left = f"{ram - pages:,} pages of RAM are left out"
    if kind_of(known) is not DumpKind.COMPLETE:
        return left
    if has(known, Attributes.FILTER_DUMP_FILE):
        return f"{left}, though a dump of this type is never filtered"
    if known.attributes is None:
        return f"{left}; an active dump with unset Attributes would look the same"
    return f"{left}, though no attribute says that pages were filtered"


BY_KERNEL = "as in small dumps that the crashing kernel writes"
BY_ENGINE = "as in small dumps that the debugger engine writes"


def small_marks(
    known: KnownFields, triage: TriageDump, file_size: int, driver_names: tuple[str, ...]
) -> Iterator[Evidence]:
    """Yield the marks by which small dumps of the crashing kernel and of the debugger engine differ.

    The engine writes them for .dump /m and for error reporting. Who wrote a file is not told by the marks for certain:
    another program may set any of them. driver_names: as the list of drivers has them.
    """
    attributes = known.attributes
    if attributes is None:
        yield Evidence("mark: Attributes", "unset", BY_ENGINE)
    elif attributes & Attributes.KERNEL_GENERATED_TRIAGE_DUMP:
        yield Evidence("mark: Attributes", f"0x{attributes:x}", BY_KERNEL)
    status = known.writer_status
    yield Evidence("mark: WriterStatus", *(("unset", BY_KERNEL) if status is None else (str(status), BY_ENGINE)))
    unset = known.raw.physical_memory_block.startswith(FILL)
    yield Evidence("mark: PhysicalMemoryBlock", *(("unset", BY_ENGINE) if unset else ("set", BY_KERNEL)))
    options = triage.triage_options
    yield Evidence("mark: TriageOptions", f"0x{options:x}", BY_ENGINE if options == TRIAGE_OPTIONS_ALL else BY_KERNEL)
    fields = known.mini_dump_fields
    if fields is not None:
        by = BY_KERNEL if fields & MiniDumpFields.MM_INFORMATION else BY_ENGINE
        yield Evidence("mark: MiniDumpFields", f"0x{fields:x}", by)
    if driver_names:
        full = any("\\" in name for name in driver_names)
        yield Evidence("mark: driver names", *(("full paths", BY_ENGINE) if full else ("base names", BY_KERNEL)))
    space = known.required_dump_space
    if space is not None and space > file_size and status == 0:
        yield Evidence(
            "RequiredDumpSpace", f"{space:,}", "of the dump it was made from; it does not mean that this is cut"
        )
