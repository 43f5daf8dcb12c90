"""`--scrub`: what could identify a person or a machine is left out, of what was collected or of a small dump."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from windbg_ext.commands.minify.header import of_the_machine
from windbg_ext.commands.minify.options import encode_comment
from windbg_ext.commands.minify.secondary import SECONDARY_DATA
from windbg_ext.commands.privacy.kept import overlap
from windbg_ext.commands.privacy.scrub import scrub
from windbg_ext.commands.privacy.scrubbing import Scrubbing
from windbg_ext.commands.privacy.stretches import Stretch, blob_name
from windbg_ext.dump.small_file import driver_size, lay_out, load_small_dump
from windbg_ext.errors import DumpError, MemoryReadError
from windbg_ext.kernel.debugger_data import read_debugger_data
from windbg_ext.limits import MAX_PRIVACY, MAX_SECONDARY_COPIED, MAX_STRETCHES
from windbg_ext.structs.layouts import layouts_of
from windbg_ext.values import NamedTuple

if TYPE_CHECKING:
    from windbg_ext.commands.minify.account import Account
    from windbg_ext.commands.minify.collector import Collector
    from windbg_ext.commands.minify.options import MinifyOptions
    from windbg_ext.commands.privacy.scrub import Scrubbed
    from windbg_ext.dump.small_file import SmallDump
    from windbg_ext.kernel.target import DumpTarget, Target

CALL_STACK, DRIVERS, USER_MODULES = "call stack", "driver list", "user-mode modules"
"""Parts that become shorter."""


def scrub_collected(target: Target, options: MinifyOptions, collector: Collector) -> Scrubbed:
    """Scrub what was collected of a large dump, and take what is left out off the account."""
    made = collector.dump
    secondary = _secondary(target, collector.account)
    scrubbed = scrub(
        made,
        target,
        options.scrub or Scrubbing(),
        blobs=secondary.blobs,
        windows=[(address, address + length) for address, length in collector.ranges],
        comment=_comment(options),
        not_taken=collector.refused_ranges,
    )
    account = collector.account
    for piece in collector.saved:
        lost = sum(end - start for start, end in overlap((piece.start, piece.end), scrubbed.removed))
        if lost:
            account.give_back(piece.part, lost, whole=lost == piece.end - piece.start)
    account.give_back(CALL_STACK, len(made.call_stack) - len(scrubbed.dump.call_stack), whole=False)
    lowest = target.header.architecture.lowest_kernel
    for before, behind in zip(made.drivers, scrubbed.dump.drivers):
        part = DRIVERS if before.entry.dll_base >= lowest else USER_MODULES
        account.give_back(part, driver_size(before) - driver_size(behind), whole=False)
    return scrubbed._replace(blobs=scrubbed.blobs | secondary.others)


def scrub_small(target: DumpTarget, options: MinifyOptions, account: Account) -> Scrubbed:
    """Scrub a small dump. Raise DumpError where it cannot be read, or is longer than --size."""
    dump = target.dump
    if dump.small is None:
        raise DumpError("TRIAGE_DUMP", "cannot be read", "get the dump again")
    MAX_STRETCHES.check(len(dump.small.data_blocks), "TRIAGE_DUMP.DataBlocksCount")
    MAX_PRIVACY.check(sum(block.size for block in dump.small.data_blocks), "TRIAGE_DUMP.DataBlocks")
    whole = load_small_dump(dump.source, dump.header, dump.small, dump.budget)
    secondary = _secondary(target, account)
    scrubbed = scrub(whole, target, options.scrub or Scrubbing(), blobs=secondary.blobs, comment=_comment(options))
    header = of_the_machine(scrubbed.dump.header)
    scrubbed = scrubbed._replace(dump=replace(scrubbed.dump, header=header), blobs=scrubbed.blobs | secondary.others)
    size = layouts_of(header).header.SIZE + layouts_of(header).triage.SIZE
    size += sum(map(len, lay_out(scrubbed.dump)[0]))
    if options.size is not None and size > options.size:
        raise DumpError("--size", f"{options.size} bytes, {size} are left of it", "give a larger --size")
    _enter(scrubbed.dump, account)
    return scrubbed


def _enter(dump: SmallDump, account: Account) -> None:
    """Enter what goes in of a small dump, by the names that `dumpkind -v` has for its parts."""
    layouts = layouts_of(dump.header)
    account.enter("headers, context, exception", layouts.header.SIZE + layouts.triage.SIZE)
    for part, data in (
        ("KPRCB", dump.prcb),
        ("ETHREAD", dump.thread),
        ("EPROCESS", dump.process),
        (CALL_STACK, dump.call_stack),
        ("debugger data block", dump.debugger_data),
        ("MM information", dump.mm),
        ("data page", dump.data_page),
    ):
        if data:
            account.enter(part, len(data))
    for driver in dump.drivers:
        account.enter(DRIVERS, driver_size(driver))
    if dump.unloaded_drivers is not None:
        account.enter("unloaded drivers", len(dump.unloaded_drivers) * layouts.dump_unloaded_driver.SIZE)
    for block in dump.data_blocks:
        account.enter("data blocks", len(block.data))


def _comment(options: MinifyOptions) -> bytes | None:
    return None if options.comment is None else encode_comment(options.comment)


class _Secondary(NamedTuple):
    """Secondary data that is looked through, the head of the chain with number -1, and the numbers of other blobs."""

    blobs: tuple[Stretch, ...]
    others: frozenset[int]


def _secondary(target: Target, account: Account) -> _Secondary:
    """Read the secondary data. What cannot be looked through is not shared."""
    from uuid import UUID  # its import takes long on CPython 3.9

    copied, blobs, others = 0, list[Stretch](), set[int]()
    for number, blob in enumerate(target.secondary_data(), -1):
        if copied + blob.size > MAX_SECONDARY_COPIED:
            others.add(number)
            account.lose(SECONDARY_DATA, f"a blob of {blob.size:,} bytes is too long to be looked through")
            continue
        try:
            data = b"".join(blob.pieces)
        except DumpError as error:
            others.add(number)
            account.lose(SECONDARY_DATA, f"blob {number} {error.why}")
            continue
        copied += blob.size
        tag = str(UUID(bytes_le=blob.tag)) if blob.tag else ""
        blobs.append(Stretch(blob_name(tag), data, number=number, tag=tag))
    return _Secondary(tuple(blobs), frozenset(others))


def processors_of(target: Target) -> int:
    """Return how many processors a debugger can show of a small dump: one without the list of all."""
    header, memory = target.header, target.memory
    try:
        block = read_debugger_data(memory, header.kd_debugger_data_block, header.ps_loaded_module_list, target.budget)
        memory.read(block.ki_processor_block, memory.layouts.pointer_size * header.number_processors)
    except (DumpError, MemoryReadError):
        return 1
    return header.number_processors
