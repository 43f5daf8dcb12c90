"""The parts of a small dump, most important first: one entry each, and a function that collects it.

What the debugger engine's own `.dump /m` saves was measured by comparing its output with the dumps it was made from.
This list holds the same and what that one forgets: the context buffers, without which the engine shows no registers and
no stack of a processor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from windbg_ext.commands.minify.account import Account
from windbg_ext.commands.minify.collector import Collector
from windbg_ext.commands.minify.header import small_header
from windbg_ext.commands.minify.parts.bug_check_lists import bug_check_lists
from windbg_ext.commands.minify.parts.bug_check_objects import bug_check_objects
from windbg_ext.commands.minify.parts.kernel_data import kernel_variables, registered_blocks
from windbg_ext.commands.minify.parts.linked import collect_linked_objects
from windbg_ext.commands.minify.parts.modules import collect_drivers, collect_unloaded_drivers, collect_user_modules
from windbg_ext.commands.minify.parts.page_tables import collect_page_table_entries
from windbg_ext.commands.minify.parts.processor_objects import processor_objects
from windbg_ext.commands.minify.parts.processors import collect_processors
from windbg_ext.commands.minify.parts.stack import collect_call_stack
from windbg_ext.commands.minify.parts.structures import (
    collect_debugger_data,
    collect_eprocess,
    collect_ethread,
    collect_headers,
    collect_kprcb,
    collect_mm_information,
)
from windbg_ext.commands.minify.parts.surroundings import (
    code,
    crash_surroundings,
    pages_at_registers,
    pages_of_parameters,
)
from windbg_ext.commands.minify.parts.threads import BUG_CHECK_LISTS, collect_other_threads
from windbg_ext.commands.minify.parts.windows import collect_windows
from windbg_ext.dump.small_file import SmallDump
from windbg_ext.memory.ahead import gather
from windbg_ext.sources.progress import no_progress
from windbg_ext.values import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Callable

    from windbg_ext.commands.minify.collector import Wanted
    from windbg_ext.commands.minify.crash import Crash
    from windbg_ext.sources.progress import Progress


class PlannedPart(NamedTuple):
    """A part that a small dump should have.

    name: what the report calls it. collect: puts it into the collector, as far as the crash's source holds it and it
    fits. essential: a debugger needs it, so that without it the small dump is not complete. looks_ahead: it has what it
    reads fetched together itself, where the source is far away.
    """

    name: str
    collect: Callable[[Crash, Collector], None]
    essential: bool = False
    looks_ahead: bool = False


def memory(ranges: Callable[[Crash], Iterable[Wanted]]) -> Callable[[Crash, Collector], None]:
    """Return the function that collects a part which is ranges of memory."""

    def collect(crash: Crash, collector: Collector) -> None:
        collector.follow(collector.save(ranges(crash)))

    return collect


PARTS = (
    PlannedPart("headers, context, exception", collect_headers, essential=True),
    PlannedPart("KPRCB", collect_kprcb, essential=True),
    PlannedPart("ETHREAD", collect_ethread, essential=True),
    PlannedPart("EPROCESS", collect_eprocess, essential=True),
    PlannedPart("call stack", collect_call_stack, essential=True),
    PlannedPart("debugger data block", collect_debugger_data, essential=True),
    PlannedPart("driver list", collect_drivers, essential=True),
    PlannedPart("user-mode modules", collect_user_modules),
    PlannedPart("unloaded drivers", collect_unloaded_drivers),
    PlannedPart("MM information", collect_mm_information),
    PlannedPart("processors", collect_processors, essential=True),
    PlannedPart("objects of the bug check", memory(bug_check_objects)),
    PlannedPart("data registered by drivers", memory(registered_blocks)),
    PlannedPart("kernel variables", memory(kernel_variables)),
    PlannedPart("code at instruction pointers", memory(code)),
    PlannedPart("surroundings of the crash", memory(crash_surroundings)),
    PlannedPart("pages at bug check parameters", memory(pages_of_parameters)),
    PlannedPart("pages at registers", memory(pages_at_registers)),
    PlannedPart(BUG_CHECK_LISTS, memory(bug_check_lists)),
    PlannedPart("windows at pointers", collect_windows, looks_ahead=True),
    PlannedPart("other threads and their stacks", collect_other_threads, looks_ahead=True),
    PlannedPart("objects linked with processors", memory(processor_objects)),
    PlannedPart("objects linked with those of the bug check", collect_linked_objects, looks_ahead=True),
    PlannedPart("page-table entries", collect_page_table_entries, looks_ahead=True),
)
"""All parts but secondary data, which is copied behind them. The order is that of importance: where the room ends, the
rest is left out. A part may use what those before it collected.
"""


def collect_parts(
    crash: Crash, comment: str | None, account: Account, progress: Progress, lowest: int = 0
) -> Collector:
    """Collect all parts of a small dump. comment: for its header; lowest: no memory below this address is taken."""
    collector = Collector(SmallDump(small_header(crash, comment)), crash.memory, account, progress, lowest)
    gather(crash.memory, lambda: _rehearse(crash, account.limit))
    for part in PARTS:
        collector.begin(part.name, essential=part.essential)
        part.collect(crash, collector)
    collector.finish()
    return collector


def _rehearse(crash: Crash, limit: int | None) -> None:
    """Collect what does not look ahead itself, to no end but to have it at hand."""
    collector = Collector(SmallDump(small_header(crash, None)), crash.memory, Account(limit), no_progress)
    for part in PARTS:
        if not part.looks_ahead:
            collector.begin(part.name, essential=part.essential)
            part.collect(crash, collector)
