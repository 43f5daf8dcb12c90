"""dumpkind: which kind, by which evidence; bug check, Windows version, times and attributes by name.

Names of types and attributes: mindumpdef.h; codes: Microsoft's bug check reference.
"""

from __future__ import annotations

import struct

import pytest
from support.dump_bytes import dump32
from support.dumpkind_cases import ACTIVE, BITMAP, BY_NAME, COMPLETE, FILL, KERNEL, SMALL, build, look, look_at

from samples.builder import SAMPLES, Sample
from windbg_ext.render.dumpkind import dumpkind_document
from windbg_ext.render.html import write_html
from windbg_ext.render.pages.dumpkind import dumpkind_page
from windbg_ext.render.text import write_text
from windbg_ext.structs.header import Machine


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("complete", "complete"),
        ("complete-bitmap", "complete"),
        ("active", "active"),
        ("kernel", "kernel"),
        ("kernel-la57", "kernel"),
        ("ranges-kernel", "kernel"),
        ("ranges-active", "active"),
        ("ranges-complete", "complete"),
        ("small", "small"),
    ],
)
def test_a_sample_is_told_as_the_kind_that_it_was_built_as(name: str, kind: str) -> None:
    report = look(build(BY_NAME[name]))
    assert (report.kind, report.complete, report.problems) == (kind, True, ())


@pytest.mark.parametrize(
    ("dump_type", "kind"),
    [
        (1, "complete"),
        (2, "kernel"),
        (3, "header-only"),
        (4, "small"),
        (5, "complete"),
        (6, "kernel"),
        (7, "kernel"),
        (8, "kernel"),
        (9, "active"),
        (0xA, "complete"),
        (0, "none"),
        (0xB, "none"),
        (0xFFFFFFFF, "none"),
    ],
)
def test_every_dump_type_has_its_kind(dump_type: int, kind: str) -> None:
    report = look_at(KERNEL, DumpType=dump_type)
    assert (report.kind, report.dump_type) == (kind, dump_type)
    assert report.evidence[0].field == "DumpType"
    if kind == "none":
        assert f"DumpType: 0x{dump_type:x} is not one of" in report.problems[0]


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_a_report_says_what_the_machine_was_built_with(sample: Sample) -> None:
    machine, report = sample.machine, look(build(sample))
    assert (report.build, report.processors, report.architecture) == (
        machine.version.build,
        len(machine.processors),
        {Machine.I386: "x86", Machine.AMD64: "x64", Machine.ARM64: "ARM64"}[machine.architecture.machine_type],
    )
    assert (report.system_time, report.system_up_time) == (machine.system_time, machine.system_up_time)
    assert report.bug_check is not None
    assert (report.bug_check.code, report.bug_check.parameters) == (
        machine.bug_check.code,
        machine.bug_check.parameters,
    )
    assert report.ram_bytes == 4096 * sum(run.page_count for run in machine.ram)
    process = machine.process(machine.thread(machine.processors[machine.crashed].current_thread).process).name
    # the offset of the name in 32-bit Windows after 10586 is not known
    known = machine.architecture.machine_type is not Machine.I386 or machine.version.build <= 10586
    assert report.process == (process if known else None)


def test_a_dump_type_that_was_never_set_is_told_as_that() -> None:
    report = look_at(KERNEL, DumpType=FILL)
    assert (report.kind, report.dump_type) == ("none", None)
    assert report.problems == ("DumpType: was never set, so what follows the header cannot be told",)
    assert report.bug_check is not None


def test_kernel_and_automatic_are_the_same_file_and_said_to_be() -> None:
    assert any(item.field == "kernel or automatic" and "7 automatic" in item.means for item in look_at(KERNEL).evidence)


def test_attributes_are_named_bit_by_bit_and_unknown_ones_as_unknown() -> None:
    report = look_at(KERNEL, Attributes=0x21808 | 1)
    assert report.attributes == (
        "HiberCrash",
        "KernelGeneratedTriageDump",
        "unknown 0x800",
        "unknown 0x1000",
        "unknown 0x20000",
    )


@pytest.mark.parametrize(
    ("bit", "name"),
    tuple(
        enumerate(
            (
                *("HiberCrash", "DumpDevicePowerOff", "InsufficientDumpfileSize", "KernelGeneratedTriageDump"),
                *("LiveDumpGeneratedDump", "DumpIsGeneratedOffline", "FilterDumpFile", "EarlyBootCrash"),
                *("EncryptedDumpData", "DecryptedDump"),
            )
        )
    ),
)
def test_each_attribute_has_the_name_of_the_public_header(bit: int, name: str) -> None:
    report = look_at(KERNEL, Attributes=1 << bit)
    assert report.attributes == (name,)
    assert any(item.field == "Attributes" and name in item.value and item.means for item in report.evidence)


def test_the_fill_is_never_taken_for_attributes() -> None:
    """The fill would have the bits of live, filtered and encrypted dumps."""
    report = look_at(COMPLETE, Attributes=FILL)
    assert (report.kind, report.attributes, report.problems) == ("complete", None, ())


def test_fields_with_the_fill_are_unknown_instead_of_numbers() -> None:
    unset = dict.fromkeys(("NumberProcessors", "MinorVersion", "BugCheckCode"), FILL)
    times = dict.fromkeys(("SystemTime", "SystemUpTime"), FILL << 32 | FILL)
    report = look(build(KERNEL, {**unset, **times, "Comment": b"PAGE" * 32}))
    assert (report.processors, report.build, report.windows, report.bug_check) == (None, None, None, None)
    assert (report.system_time, report.system_up_time, report.comment) == (None, None, None)


def test_a_filtered_bitmap_is_active_and_an_unfiltered_one_with_pages_missing_is_not() -> None:
    assert look_at(ACTIVE).kind == "active"
    report = look_at(ACTIVE, Attributes=0)
    assert report.kind == "complete"
    assert any("no attribute says that pages were filtered" in item.means for item in report.evidence)
    unset = look_at(ACTIVE, Attributes=FILL)
    assert any("an active dump with unset Attributes would look the same" in item.means for item in unset.evidence)


def test_a_live_dump_is_told_by_its_attribute() -> None:
    assert look_at(KERNEL, Attributes=0x10).kind == "live"
    assert look_at(SMALL, Attributes=0x18).kind == "live"


@pytest.mark.parametrize("code", [0x141, 0x161, 0x1F5, 0x21C8, 0x10000161])
def test_a_live_dump_is_told_by_a_bug_check_that_never_crashes_a_machine(code: int) -> None:
    report = look_at(KERNEL, BugCheckCode=code, Attributes=0)
    assert report.kind == "live"
    assert any(item.field == "BugCheckCode" and "never crashes a machine" in item.means for item in report.evidence)


@pytest.mark.parametrize("code", [0x117, 0x124, 0x144, 0x164, 0x187])
def test_a_bug_check_of_crashes_and_live_dumps_decides_nothing(code: int) -> None:
    report = look_at(KERNEL, BugCheckCode=code, Attributes=0)
    assert report.kind == "kernel"
    assert any("crashes and in live dumps" in item.means for item in report.evidence)


def test_the_live_bit_that_a_debugger_sets_in_small_dumps_is_no_sign_of_a_live_dump() -> None:
    report = look_at(SMALL, Attributes=0x10, WriterStatus=0, BootId=FILL)
    assert report.kind == "small"
    assert any("no sign of a live dump" in item.means for item in report.evidence)


def test_a_masked_code_is_shown_both_ways() -> None:
    found = look_at(KERNEL, BugCheckCode=0x1000007E).bug_check
    assert found is not None
    assert (found.code, found.name) == (0x1000007E, "SYSTEM_THREAD_EXCEPTION_NOT_HANDLED_M")
    assert (found.plain_code, found.plain_name) == (0x7E, "SYSTEM_THREAD_EXCEPTION_NOT_HANDLED")
    other = look_at(KERNEL, BugCheckCode=0x100000D1).bug_check
    assert other is not None
    assert (other.name, other.plain_code) == ("DRIVER_IRQL_NOT_LESS_OR_EQUAL", 0xD1)


def test_a_code_that_nothing_documents_has_no_name() -> None:
    found = look_at(KERNEL, BugCheckCode=0xA0010001).bug_check
    assert found is not None
    assert (found.name, found.plain_name) == (None, None)


@pytest.mark.parametrize(
    ("build_number", "product", "name"),
    [
        (7601, 1, "Windows 7 SP1"),
        (7601, 3, "Windows Server 2008 R2 SP1"),
        (9600, 2, "Windows Server 2012 R2"),
        (19041, 1, "Windows 10 2004 to 22H2"),
        (26100, 3, "Windows Server 2025"),
        (12345, 1, None),
    ],
)
def test_windows_is_named_by_build_and_product(build_number: int, product: int, name: str | None) -> None:
    assert look_at(KERNEL, MinorVersion=build_number, ProductType=product).windows == name


def test_a_comment_is_given_up_to_its_end() -> None:
    assert look_at(KERNEL, Comment=b"from the lab\0rubbish".ljust(128, b"x")).comment == "from the lab"


def test_encrypted_pages_are_a_problem_and_not_looked_at() -> None:
    report = look_at(KERNEL, Attributes=0x100)
    assert "encrypted" in report.problems[0]
    assert (report.suspects, report.process) == ((), None)
    assert look_at(KERNEL, Attributes=0x300).problems == ()


def test_a_dump_that_did_not_fit_is_explained_in_plain_words() -> None:
    report = look_at(SMALL, Attributes=0xC)
    assert "paging file on the boot volume, or the dedicated dump file, was too small" in report.problems[0]
    assert "pagefilefit" in report.advice
    assert report.complete


def test_a_bitmap_whose_counts_differ_is_a_problem() -> None:
    data = bytearray(build(KERNEL))
    present = struct.unpack_from("<Q", data, 0x2028)[0]
    struct.pack_into("<Q", data, 0x2028, present + 3)
    report = look(bytes(data))
    assert report.problems == (f"bitmap: it has {present:,} bits set, its header says {present + 3:,} pages",)


def test_an_absurd_number_of_processors_is_a_problem_of_its_own() -> None:
    report = look_at(KERNEL, NumberProcessors=0xFFFF0000)
    assert any(problem.startswith("NumberProcessors: 4294901760,") for problem in report.problems)
    assert report.kind == "kernel"


def test_marks_of_a_small_dump_are_given_without_naming_an_author() -> None:
    marks = {item.field: item.means for item in look(build(SMALL)).evidence if item.field.startswith("mark: ")}
    assert set(marks) >= {
        "mark: WriterStatus",
        "mark: PhysicalMemoryBlock",
        "mark: TriageOptions",
        "mark: driver names",
    }
    assert all(means.startswith("as in small dumps that the ") for means in marks.values())
    assert "debugger engine" in marks["mark: WriterStatus"]
    data = bytearray(build(SMALL, header={"WriterStatus": FILL, "Attributes": 8}))
    struct.pack_into("<I", data, 0x1038, 0xDFF)  # MiniDumpFields
    means = {item.field: item.means for item in look(bytes(data)).evidence}
    for field in ("mark: WriterStatus", "mark: Attributes", "mark: MiniDumpFields"):
        assert "crashing kernel" in means[field]


def test_suspects_are_third_party_first_and_the_kernel_last() -> None:
    report = look(build(BITMAP))
    assert [(suspect.name, suspect.microsoft) for suspect in report.suspects] == [
        ("faulty.sys", False),
        ("ntoskrnl.exe", True),
    ]
    assert report.crash_address is not None
    assert report.suspects[0].address == report.crash_address.address
    assert report.suspects[0].found[:2] == ("instruction pointer", "parameter 2")


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_the_faulty_driver_of_every_sample_is_the_first_suspect(sample: Sample) -> None:
    faulty = next(module for module in sample.machine.modules if module.name == "faulty.sys")
    first = look(build(sample)).suspects[0]
    assert first.name == "faulty.sys"
    assert faulty.base <= first.address < faulty.end


@pytest.mark.parametrize(
    ("dump_type", "runs", "expected"),
    [(1, ((0x1, 0x9E), (0x100, 2)), 0x1000 + 160 * 0x1000), (3, (), 0x1000)],
)
def test_a_dump_of_32_bit_windows_answers_from_its_own_header(
    dump_type: int, runs: tuple[tuple[int, int], ...], expected: int
) -> None:
    data = dump32(dump_type, runs=runs, BugCheckCode=0x8E, NumberProcessors=2, MinorVersion=7601, Attributes=0)
    report = look(data.ljust(expected, b"\0"))
    assert (report.architecture, report.windows, report.processors) == ("x86", "Windows 7 SP1", 2)
    assert report.bug_check is not None
    assert (report.bug_check.name, report.bug_check.parameters) == (
        "KERNEL_MODE_EXCEPTION_NOT_HANDLED",
        (1, 2, 3, 0xFFFFFFFF),
    )
    assert (report.system_up_time, report.system_time) == (10_000_000 * 90061, 133_500_000_000_000_000)
    assert (report.whole.expected, report.whole.missing) == (expected, 0)
    assert all("no module list" in problem or "gives no address" in problem for problem in report.problems)
    assert look(data.ljust(expected, b"\0")[:-5]).whole.missing == 5


def test_a_small_dump_of_32_bit_windows_is_measured_by_its_own_size() -> None:
    triage = struct.pack("<2I", 0, 0x8000).ljust(0x68, b"\0")
    data = dump32(4, triage, BugCheckCode=0xA, NumberProcessors=1, MinorVersion=7601).ljust(0x8000, b"\0")
    report = look(data)
    assert (report.kind, report.whole.expected, report.whole.missing) == ("small", 0x8000, 0)
    assert look(data[:-1]).whole.missing == 1


@pytest.mark.parametrize(("machine", "name"), [(0xAA64, "ARM64"), (0x8664, "x64"), (0x1C0, "0x1c0")])
def test_the_architecture_is_named_or_given_as_its_number(machine: int, name: str) -> None:
    assert look_at(KERNEL, MachineImageType=machine).architecture == name


def test_details_are_there_when_asked_for() -> None:
    report = look(build(KERNEL), details=True)
    assert report.details is not None
    memory = report.details.memory_map
    assert memory is not None
    assert memory.present == report.pages_in_file
    assert memory.runs == tuple((run.base_page, run.page_count) for run in KERNEL.machine.ram)
    assert memory.missing == sum(run.page_count for run in KERNEL.machine.ram) - memory.present
    fields = {field.name: field for field in report.details.header_fields}
    assert (fields["MinorVersion"].numbers, fields["MinorVersion"].digits) == ((9600,), 8)
    assert (fields["Signature"].text, fields["Signature"].numbers) == ("PAGE", ())
    assert {module.name for module in report.details.modules} == {module.name for module in KERNEL.machine.modules}
    assert [guid for guid, _, _, _ in report.details.secondary] == [str(blob.tag) for blob in KERNEL.machine.secondary]
    small = look(build(SMALL), details=True).details
    assert small is not None
    assert small.data_blocks
    assert {name for name, _, _ in small.parts} >= {"PRCB", "call stack", "driver list"}


@pytest.mark.parametrize("pages", [0, 3, 50])
@pytest.mark.parametrize("sample", [COMPLETE, KERNEL], ids=["runs", "bitmap"])
def test_the_map_of_a_cut_dump_has_the_pages_that_are_still_in_the_file(sample: Sample, pages: int) -> None:
    data = build(sample)
    whole = look(data, details=True)
    assert whole.details is not None
    assert whole.details.memory_map is not None
    held = whole.details.memory_map.present
    secondary = sum(length for name, _, length in whole.details.file_parts if name == "secondary data")
    end = len(data) - secondary - held * 0x1000  # where the pages begin
    details = look(data[: end + pages * 0x1000 + 0xFFF], details=True).details
    assert details is not None
    assert details.memory_map is not None
    memory = details.memory_map
    assert (memory.present, memory.cut) == (pages, held - pages)
    assert memory.missing == (whole.details.memory_map.missing or 0) + held - pages
    assert sum(memory.in_runs) == sum(present for present, _ in memory.slices) == pages


def test_a_cut_dump_is_not_said_to_hold_the_pages_that_are_cut_off() -> None:
    report = look(build(COMPLETE)[:200_000], details=True)
    text = write_text(dumpkind_document(report))
    assert ", 88 pages by its header" in text
    assert "46 of 88 pages are there" in text
    assert "Physical memory: 46 pages in the file, 0 pages of RAM left out, 42 cut off" in text
    page = "".join(write_html(dumpkind_page(report)))
    assert "46 pages of memory are in the dump, 0 pages of RAM were left out, 42 are cut off" in page
    assert "RAM that was left out or cut off" in page


def test_the_memory_map_counts_where_ram_is_and_what_of_it_is_left_out() -> None:
    """Two runs of RAM in 64 parts: one page of the first is in the dump, and all of the second."""
    data = bytearray(b"PAGE" * 0x800)
    data[4:8] = b"DU64"
    struct.pack_into("<II", data, 0x30, 0x8664, 1)
    struct.pack_into("<I", data, 0xF98, 6)
    struct.pack_into("<IIQ4Q", data, 0x88, 2, 0, 32, 0, 16, 48, 16)
    bitmap = (1 | 0xFFFF << 48).to_bytes(8, "little")
    data += struct.pack("<8sI20xQQQ", b"SDMPDUMP", 1, 0x3000, 17, 64) + bitmap
    report = look(bytes(data).ljust(0x3000 + 17 * 0x1000, b"\0"), details=True)
    assert report.details is not None
    assert report.details.memory_map is not None
    memory = report.details.memory_map
    assert memory.slices == ((1, 1), *[(0, 1)] * 15, *[(0, 0)] * 32, *[(1, 1)] * 16)
    assert (memory.pages_per_slice, memory.present, memory.missing) == (1, 17, 15)
