"""The reports of `dumpkind` as JSON."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from windbg_ext.render.dumpkind import header_text, shown_stack
from windbg_ext.render.json_text import write_json
from windbg_ext.render.traffic import traffic_json
from windbg_ext.structs.bug_check_pages import parameter_meanings

if TYPE_CHECKING:
    from windbg_ext.commands.dumpkind import DumpReport
    from windbg_ext.commands.dumpkind.details import Details
    from windbg_ext.commands.dumpkind.modules import CodeAddress


def dumpkind_json(report: DumpReport) -> str:
    """Return the report of a file as JSON, an item of the list "dumps"."""
    bug_check = report.bug_check
    moment = None if report.system_time is None else _moment(report.system_time)
    document: dict[str, object] = {
        "path": report.path,
        "kind": report.kind,
        "packed": report.packed,
        "dump_type": report.dump_type,
        "architecture": report.architecture,
        "build": report.build,
        "windows": report.windows,
        "processors": report.processors,
        "bug_check": None
        if bug_check is None
        else {
            "code": f"0x{bug_check.code:X}",
            "name": bug_check.name,
            "parameters": [f"0x{parameter:x}" for parameter in bug_check.parameters],
            "meanings": list(parameter_meanings(bug_check.plain_code, bug_check.parameters)),
        },
        "system_time": None if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "system_up_time_seconds": None if report.system_up_time is None else report.system_up_time / 10_000_000,
        "ram_bytes": report.ram_bytes,
        "pages_in_file": report.pages_in_file,
        "file_bytes": report.file_bytes,
        "expected_bytes": report.whole.expected,
        "missing_bytes": report.whole.missing,
        "complete": report.complete,
        "attributes": None if report.attributes is None else list(report.attributes),
        "comment": report.comment,
        "process": report.process,
        "crash_address": None if report.crash_address is None else _place(report.crash_address),
        "stack": [_place(place) for place in shown_stack(report)],
        "stack_length": len(report.stack),
        "signature": None if report.signature is None else report.signature.text,
        "signature_hash": None if report.signature is None else report.signature.hash,
        "suspects": [
            {
                "name": suspect.name,
                "address": f"0x{suspect.address:x}",
                "offset": f"0x{suspect.offset:x}",
                "found": list(suspect.found),
                "microsoft": suspect.microsoft,
            }
            for suspect in report.suspects
        ],
        "evidence": [{"field": item.field, "value": item.value, "means": item.means} for item in report.evidence],
        "problem": "; ".join(report.problems) or None,
        "advice": report.advice or None,
        "traffic": traffic_json(report.traffic),
        "notes": list(report.notes),
    }
    if report.details is not None:
        document["details"] = _details_json(report.details)
    return write_json(document)


def _place(place: CodeAddress) -> dict[str, object]:
    return {
        "address": f"0x{place.address:x}",
        "module": place.module,
        "offset": None if place.offset is None else f"0x{place.offset:x}",
    }


def _details_json(details: Details) -> dict[str, object]:
    memory = details.memory_map
    document: dict[str, object] = {
        "header": {field.name: header_text(field) for field in details.header_fields},
        "memory_map": None
        if memory is None
        else {
            "runs": [
                {"base_page": f"0x{base:x}", "pages": pages, "pages_present": present}
                for (base, pages), present in zip(memory.runs, memory.in_runs)
            ],
            "pages_present": memory.present,
            "pages_missing": memory.missing,
        },
        "secondary_data": [
            {"guid": guid, "name": name or None, "offset": offset, "bytes": length}
            for guid, name, offset, length in details.secondary
        ],
        "parts": [{"part": name, "offset": offset, "bytes": length} for name, offset, length in details.parts],
        "data_blocks": [
            {"address": f"0x{address:x}", "offset": offset, "bytes": length}
            for address, offset, length in details.data_blocks
        ],
        "modules": [
            {"name": module.name, "base": f"0x{module.base:x}", "bytes": module.size} for module in details.modules
        ],
        "unloaded_drivers": [
            {"name": driver.name, "start": f"0x{driver.start:x}", "end": f"0x{driver.end:x}"}
            for driver in details.unloaded_drivers
        ],
        "processors": [
            {
                "number": processor.number,
                "instruction": _hexadecimal(processor.instruction),
                "stack_pointer": _hexadecimal(processor.stack),
                "thread": _hexadecimal(processor.thread),
                "process": processor.process,
                "crashed": processor.crashed,
            }
            for processor in details.processors
        ],
        "file_parts": [
            {"part": name, "offset": offset, "bytes": length} for name, offset, length in details.file_parts
        ],
    }
    if details.not_listed:
        document["not_listed"] = dict(details.not_listed)
    return document


def _hexadecimal(address: int | None) -> str | None:
    return None if address is None else f"0x{address:x}"


def _moment(filetime: int) -> datetime | None:
    try:
        return datetime(1601, 1, 1, tzinfo=timezone.utc) + timedelta(microseconds=filetime // 10)
    except OverflowError:
        return None
