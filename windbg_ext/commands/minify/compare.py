"""What is asked of a small dump and of its source: each answer of either, side by side."""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING, Protocol

from windbg_ext.commands.minify.header import small_header
from windbg_ext.commands.minify.parts.processors import processor_stack
from windbg_ext.commands.minify.parts.stack import call_stack
from windbg_ext.commands.minify.parts.structures import mm_information
from windbg_ext.dump.small_file import SmallDump, lay_out, mini_dump_fields
from windbg_ext.errors import DumpError, MemoryReadError
from windbg_ext.kernel import DumpTarget
from windbg_ext.kernel.debugger_data import read_debugger_data
from windbg_ext.kernel.modules import MAX_UNLOADED_NAME
from windbg_ext.kernel.processors import read_processors
from windbg_ext.memory.paging import PAGE_MASK, PAGE_SIZE
from windbg_ext.memory.virtual import read_pointer, read_run
from windbg_ext.structs.header import DumpType
from windbg_ext.values import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from windbg_ext.commands.minify.crash import Crash
    from windbg_ext.dump.dump import Dump
    from windbg_ext.dump.small import Driver
    from windbg_ext.dump.small_file import DataBlock
    from windbg_ext.kernel.modules import Module, UnloadedDriver
    from windbg_ext.kernel.processors import Processor
    from windbg_ext.kernel.target import Blob
    from windbg_ext.memory import VirtualMemory
    from windbg_ext.sources import Source
    from windbg_ext.sources.progress import Progress
    from windbg_ext.structs.layouts import DumpUnloadedDriver
    from windbg_ext.structs.structure import Structure

CHUNK = 1 << 20
"""Bytes that are compared at once."""
NOTHING_ELSE, LAID_OUT, KEPT = "nothing else", "those that belong there", "the same bytes"
OF_THE_FILE = ("dump_type", "required_dump_space", "mini_dump_fields")
"""Fields of the header that the writer sets to what the file is."""
OF_THE_WRITER = ("writer_status", "attributes", "kd_debugger_data_block", "comment")
"""Fields that `minify` may change: see `small_header`."""


class Answers(Protocol):
    """Where answers are noted."""

    def compare(self, answer: str, source: object, small: object) -> bool:
        """Note an answer of the source and that of the small dump; None of the source: it has none, so nobody asks."""


class Compared(NamedTuple):
    """A crash, and the small dump of it, open and loaded. written: what it was meant to be, if that is known."""

    crash: Crash
    dump: Dump
    loaded: SmallDump
    written: SmallDump | None


def compare_all(both: Compared, answers: Answers, progress: Progress) -> None:
    """Ask everything, in the order in which a debugger would."""
    _header(both, answers)
    _layout(both, answers)
    _structures(both, answers)
    _processors(both, answers)
    _modules(both, answers)
    _unloaded_drivers(both, answers)
    _blocks(both, answers, progress)
    _secondary_data(both, answers)


def _header(both: Compared, answers: Answers) -> None:
    source, changed, small = both.crash.target.header.raw, small_header(both.crash, None), both.loaded.header
    if both.written is not None:
        changed = changed.replace(comment=both.written.header.comment)
    all_kept = answers.compare("header", type(source).NAME, type(small).NAME)
    if not all_kept:
        return
    for field in type(source).FIELDS:
        name = field.attribute
        if name in OF_THE_FILE or (name == "comment" and both.written is None):
            continue
        expected = field.of(changed if name in OF_THE_WRITER else source)
        all_kept &= answers.compare(f"header, {field.name}", expected, field.of(small))
    if all_kept:  # what lies between the fields
        own = {name: getattr(small, name) for name in (*OF_THE_FILE, "comment")}
        answers.compare(
            "header, between its fields", NOTHING_ELSE, NOTHING_ELSE if changed.replace(**own) == small else ""
        )


def _layout(both: Compared, answers: Answers) -> None:
    """Ask whether the file is laid out as its own parts require, so that none of them is cut."""
    small, loaded = both.dump.small, both.loaded
    answers.compare("header, DumpType", int(DumpType.TRIAGE), loaded.header.dump_type)
    answers.compare("header, RequiredDumpSpace", both.dump.source.size, loaded.header.required_dump_space)
    answers.compare("header, MiniDumpFields", mini_dump_fields(loaded), loaded.header.mini_dump_fields)
    if small is None:
        return
    body, triage = lay_out(loaded)
    for field in type(triage).FIELDS:
        answers.compare(f"{triage.NAME}.{field.name}", field.of(triage), field.of(small.triage))
    for name in ("service_pack_build", "triage_options", "data_page_address"):  # which `minify` leaves as they are
        answers.compare(f"{triage.NAME}.{name}", getattr(SmallDump(loaded.header), name), getattr(loaded, name))
    answers.compare(f"{triage.NAME}.architecture_specific", b"", loaded.architecture_specific.rstrip(b"\0"))
    try:
        differs = _first_difference(both.dump.source, loaded.header.SIZE + triage.SIZE, body)
    except OSError as error:
        differs = error.strerror or str(error)
    answers.compare("parts and the tables of them", LAID_OUT, LAID_OUT if differs is None else differs)


def _first_difference(source: Source, begin: int, body: Sequence[bytes]) -> str | None:
    """Return where a file is not what is laid out from an offset on, None where it is. All of it may be 100 MB."""
    at = begin
    for piece in body:
        for start in range(0, len(piece), CHUNK):
            expected = piece[start : start + CHUNK]
            if source.read(at, len(expected)) != expected:
                return f"others at 0x{at:x} to 0x{at + len(expected):x} of the file"
            at += len(expected)
    return None


def _structures(both: Compared, answers: Answers) -> None:
    crash, small = both.crash, both.loaded
    block, memory, thread = crash.debugger_data, crash.memory, crash.shown_thread

    def read(address: int, size: int) -> bytes | None:
        try:
            return memory.read(address, size) if address and size else None
        except MemoryReadError:
            return None

    answers.compare("debugger data block", block.data, small.debugger_data)
    answers.compare("KPRCB", read(crash.processor.prcb, block.size_prcb), small.prcb or None)
    answers.compare("ETHREAD", read(thread.address if thread else 0, block.size_ethread), small.thread or None)
    answers.compare("EPROCESS", read(thread.process if thread else 0, block.size_eprocess), small.process or None)
    stack = call_stack(crash)
    answers.compare("call stack, address", stack.address, small.top_of_stack)
    answers.compare("call stack", read_run(memory, stack.address, stack.length) or None, small.call_stack or None)
    answers.compare("MM information", mm_information(memory, block), small.mm or None)


def _processors(both: Compared, answers: Answers) -> None:
    """Ask for registers, thread and stack of every processor, as a debugger finds them: from KiProcessorBlock on."""
    crash, target = both.crash, DumpTarget(both.dump)
    memory, header = target.memory, target.header
    there: tuple[Processor, ...] = ()
    try:
        block = read_debugger_data(memory, header.kd_debugger_data_block, header.ps_loaded_module_list, target.budget)
        there = read_processors(memory, block, header.number_processors, header.architecture)
    except DumpError as error:
        answers.compare("list of processors", "one", f"none that can be read ({error.field}: {error.why})")
    current = crash.debugger_data.offset_prcb_current_thread
    for processor, small in zip_longest(crash.kernel.processors, there[: len(crash.kernel.processors)]):
        name = f"processor {processor.number}"
        answers.compare(f"{name}, KPRCB", processor.prcb, small.prcb if small else None)
        registers = processor.context.data if processor.context else None
        answers.compare(f"{name}, registers", registers, small.context.data if small and small.context else None)
        thread = _pointer(crash.memory, processor.prcb + current)
        answers.compare(f"{name}, thread", thread, _pointer(memory, small.prcb + current) if small else None)
        if processor.context is not None:
            wanted = processor_stack(crash, processor, processor.context.stack_pointer)
            stack = read_run(wanted.memory or crash.memory, wanted.address, wanted.length)
            answers.compare(f"{name}, stack", stack or None, read_run(memory, wanted.address, len(stack)) or None)


def _pointer(memory: VirtualMemory, address: int) -> int | None:
    try:
        return read_pointer(memory, address)
    except MemoryReadError:
        return None


def _modules(both: Compared, answers: Answers) -> None:
    kernel = both.crash.kernel
    expected = [_module(module) for module in (*kernel.modules.modules, *kernel.user_modules.modules)]
    there = [_driver(driver) for driver in both.loaded.drivers]
    for module, driver in zip_longest(expected, there):
        if module is None:
            answers.compare("module", "no more", driver)
        else:
            answers.compare(f"module {module[0]}", module, driver)


def _module(module: Module) -> tuple[object, ...]:
    where = f"0x{module.base:x}", f"0x{module.size:x}", f"0x{module.entry_point:x}"
    return module.full_name or module.name, *where, module.check_sum, module.time_date_stamp or 0, NOTHING_ELSE


def _driver(driver: Driver) -> tuple[object, ...]:
    entry = driver.entry
    where = f"0x{entry.dll_base:x}", f"0x{entry.size_of_image:x}", f"0x{entry.entry_point:x}"
    rest = entry.replace(
        driver_name_offset=0, dll_base=0, size_of_image=0, entry_point=0, check_sum=0, time_date_stamp=0
    )
    return driver.name, *where, entry.check_sum, entry.time_date_stamp, _rest(rest)


def _rest(structure: Structure) -> str:
    """Say what there is in a structure in which all that is known was set to zero."""
    return NOTHING_ELSE if structure == type(structure).blank() else "other bytes"


def _unloaded_drivers(both: Compared, answers: Answers) -> None:
    expected, there = both.crash.kernel.unloaded_drivers, both.loaded.unloaded_drivers
    if expected is None:
        return
    if there is None:
        answers.compare("unloaded drivers", f"{len(expected)}", None)
        return
    for gone, driver in zip_longest(map(_gone, expected), map(_listed, there)):
        answers.compare("unloaded driver", gone or "no more", driver)


def _gone(driver: UnloadedDriver) -> tuple[object, ...]:
    name = driver.name.encode("utf-16-le", "surrogatepass")[:MAX_UNLOADED_NAME]
    return name, f"0x{driver.start:x}", f"0x{driver.end:x}", len(name), NOTHING_ELSE


def _listed(driver: DumpUnloadedDriver) -> tuple[object, ...]:
    name, behind = driver.driver_name[: driver.name_length], driver.driver_name[driver.name_length :]
    where = f"0x{driver.start_address:x}", f"0x{driver.end_address:x}"
    blank = bytes(len(name)) + behind
    rest = driver.replace(name_length=0, name_maximum_length=0, driver_name=blank, start_address=0, end_address=0)
    return name, *where, driver.name_maximum_length, _rest(rest)


def _blocks(both: Compared, answers: Answers, progress: Progress) -> None:
    """Ask the source for the bytes of every data block. A stack in user mode is that of the process that runs there."""
    crash, blocks = both.crash, both.loaded.data_blocks
    if both.written is not None:
        meant, there = ([block.address for block in of] for of in (both.written.data_blocks, blocks))
        answers.compare(
            "addresses of memory", "those that were saved", "those that were saved" if meant == there else "others"
        )
    elsewhere = _stacks_elsewhere(crash)
    for index, block in enumerate(blocks):
        if not index % 256:
            progress("verifying", index, len(blocks))
        differs = _unlike(crash, block, elsewhere)
        answers.compare(f"memory at 0x{block.address:x}", *(differs or (KEPT, KEPT)))


def _stacks_elsewhere(crash: Crash) -> dict[int, list[VirtualMemory]]:
    """Return the memories of other processes, by the pages of the stacks that processors have there."""
    found: dict[int, list[VirtualMemory]] = {}
    for processor in crash.kernel.processors:
        if processor.context is None:
            continue
        wanted = processor_stack(crash, processor, processor.context.stack_pointer)
        if wanted.memory is not None:
            for page in range(wanted.address & ~PAGE_MASK, wanted.address + wanted.length, PAGE_SIZE):
                found.setdefault(page, []).append(wanted.memory)
    return found


def _unlike(
    crash: Crash, block: DataBlock, elsewhere: Mapping[int, Sequence[VirtualMemory]]
) -> tuple[object, bytes] | None:
    """Return what the source has at a data block and what the block has, where they differ; None where they do not."""
    for start in range(0, len(block.data), CHUNK):
        address, data = block.address + start, block.data[start : start + CHUNK]
        expected: object
        try:
            expected = crash.memory.read(address, len(data))
        except MemoryReadError as error:
            expected = f"none ({error})"
        if expected != data and not _is_elsewhere(crash, address, data, elsewhere):
            return expected, data
    return None


def _is_elsewhere(crash: Crash, address: int, data: bytes, elsewhere: Mapping[int, Sequence[VirtualMemory]]) -> bool:
    """Tell whether each page of some bytes is that of a process, as far as they are of user mode."""
    if address >= crash.architecture.lowest_kernel:
        return False
    end, at = address + len(data), address
    while at < end:
        upto = min(end, (at | PAGE_MASK) + 1)
        piece = data[at - address : upto - address]
        memories = (crash.memory, *elsewhere.get(at & ~PAGE_MASK, ()))
        if not any(read_run(memory, at, upto - at) == piece for memory in memories):
            return False
        at = upto
    return True


def _secondary_data(both: Compared, answers: Answers) -> None:
    """Ask for the secondary data blob by blob; those that were left out are not kept, but the ones behind them are."""
    there = DumpTarget(both.dump).secondary_data()
    small = next(there, None)
    for index, blob in enumerate(both.crash.target.secondary_data(), -1):  # the first one is the header
        name = "secondary data, header" if index < 0 else f"secondary data, blob {index}"
        if small is not None and small.size != blob.size:
            answers.compare(name, blob.size, None)
            continue
        try:
            kept = small is not None and all(one == other for one, other in zip_longest(blob.pieces, small.pieces))
        except DumpError:  # what the source cannot tell
            continue
        answers.compare(name, f"{blob.size:,} bytes", f"{blob.size:,} bytes" if kept else _other(small))
        small = next(there, None)
    if small is not None:
        answers.compare("secondary data", "no more", f"{small.size:,} more bytes")


def _other(small: Blob | None) -> str | None:
    return None if small is None else "other bytes"
