"""Every rule of Microsoft's pages, at seven sizes of RAM, for 32-bit and 64-bit Windows. Sizes are in MB.

The expected figures are typed from the pages themselves (as named in each test), not calculated by the program.
"""

from __future__ import annotations

import pytest

from windbg_ext.commands.pagefilefit import (
    DumpKind,
    HandFigures,
    KindReport,
    PagefileFitReport,
    PagingFile,
    Verdict,
    pagefilefit,
)
from windbg_ext.errors import UsageError

MB, GB = 1 << 20, 1 << 30
SIZES = ("1 GB", "4 GB", "16 GB", "32 GB", "64 GB", "512 GB", "6 TB")
RAM = dict(zip(SIZES, (1024, 4096, 16384, 32768, 65536, 524288, 6291456)))
SYSTEM_MANAGED = (PagingFile("?:\\pagefile.sys"),)

ram_sizes = pytest.mark.parametrize("size", SIZES)
architectures = pytest.mark.parametrize("architecture", ["x86", "x64", "ARM64"])


def by_size(*figures: int | None) -> dict[str, int | None]:
    return dict(zip(SIZES, figures))


def report_of(size: str, architecture: str, **figures: object) -> PagefileFitReport:
    hand = HandFigures(ram=RAM[size] * MB, architecture=architecture, **figures)  # type: ignore[arg-type]
    return pagefilefit(by_hand=hand)


def kind_of(kind: DumpKind, size: str, architecture: str) -> KindReport:
    return report_of(size, architecture).kind(kind)


def figures_of(report: KindReport, page: str) -> list[tuple[str, int | None]]:
    """Return (role, bytes) of each figure that a page has for a kind."""
    return [(source.role, source.bytes) for source in report.sources if page in source.page]


# --- small ---


@ram_sizes
@architectures
@pytest.mark.parametrize(
    "page",
    [
        "memory-dump-file-options (KB254649)",
        "read-small-memory-dump-file (KB315263)",
        "configure-system-failure-and-recovery-options",
    ],
)
def test_a_small_dump_needs_2_mb(page: str, architecture: str, size: str) -> None:
    report = kind_of(DumpKind.SMALL, size, architecture)
    assert report.needs == 2 * MB
    assert figures_of(report, page) == [("safe", 2 * MB)]


@ram_sizes
@architectures
def test_a_small_dump_needs_1_mb_by_the_article_on_page_file_sizes(architecture: str, size: str) -> None:
    page = "how-to-determine-the-appropriate-page-file-size-for-64-bit-versions-of-windows"
    assert figures_of(kind_of(DumpKind.SMALL, size, architecture), page) == [("other", 1 * MB)]


@ram_sizes
@architectures
def test_the_floor_of_a_small_dump_is_the_64_kb_of_the_debuggers_documentation(architecture: str, size: str) -> None:
    report = kind_of(DumpKind.SMALL, size, architecture)
    assert report.floor == 64 * 1024
    assert figures_of(report, "small-memory-dump") == [("safe", 2 * MB), ("floor", 64 * 1024)]


# --- kernel and automatic ---

KERNEL_KINDS = pytest.mark.parametrize("kind", [DumpKind.KERNEL, DumpKind.AUTOMATIC], ids=lambda kind: str(kind.value))
THIRD_OF_RAM = by_size(357913941, 1431655765, 5726623061, 11453246122, 22906492245, 183251937962, 2199023255552)


@pytest.mark.parametrize("architecture", ["x64", "ARM64"])
@ram_sizes
@KERNEL_KINDS
def test_a_kernel_dump_of_64_bit_windows_takes_ram_and_128_mb_at_worst(
    kind: DumpKind, size: str, architecture: str
) -> None:
    expected = by_size(1152, 4224, 16512, 32896, 65664, 524416, 6291584)[size]
    report = kind_of(kind, size, architecture)
    assert expected is not None
    assert report.needs == expected * MB
    assert figures_of(report, "configure-system-failure-and-recovery-options") == [("safe", expected * MB)]


@ram_sizes
@KERNEL_KINDS
def test_a_kernel_dump_of_32_bit_windows_takes_2_gb_and_16_mb_at_worst(kind: DumpKind, size: str) -> None:
    report = kind_of(kind, size, "x86")
    assert report.needs == 2064 * MB
    assert figures_of(report, "configure-system-failure-and-recovery-options") == [("safe", 2064 * MB)]


@ram_sizes
@KERNEL_KINDS
def test_kb254649_gives_150_mb_to_2_gb_for_32_bit_windows(kind: DumpKind, size: str) -> None:
    report = kind_of(kind, size, "x86")
    assert figures_of(report, "KB254649") == [("floor", 150 * MB), ("other", 2048 * MB)]
    assert report.floor == 150 * MB


@ram_sizes
@architectures
@KERNEL_KINDS
def test_a_kernel_dump_is_about_a_third_of_ram(kind: DumpKind, architecture: str, size: str) -> None:
    report = kind_of(kind, size, architecture)
    assert figures_of(report, "kernel-memory-dump") == [("typical", THIRD_OF_RAM[size])]


@ram_sizes
@KERNEL_KINDS
def test_the_third_of_ram_is_shown_as_the_floor_of_64_bit_windows_which_has_no_other(kind: DumpKind, size: str) -> None:
    assert kind_of(kind, size, "x64").floor == THIRD_OF_RAM[size]


@KERNEL_KINDS
def test_a_third_of_ram_is_no_bound_so_less_room_is_no_no(kind: DumpKind) -> None:
    report = pagefilefit(by_hand=HandFigures(ram=64 * GB, paging_files=(PagingFile("C:\\pagefile.sys", GB, GB),)))
    assert report.kind(kind).verdict is Verdict.CANNOT_BE_TOLD


# --- active ---


@ram_sizes
@architectures
def test_no_page_gives_a_figure_for_active_dumps_complete_is_the_upper_bound_and_kernel_the_lower(
    architecture: str, size: str
) -> None:
    report = kind_of(DumpKind.ACTIVE, size, architecture)
    assert report.needs == kind_of(DumpKind.COMPLETE, size, architecture).needs
    assert report.floor == THIRD_OF_RAM[size]
    assert {source.page for source in report.sources} == {"no page gives a figure for active dumps"}


# --- complete ---

SAFE = by_size(1281, 4353, 16641, 33025, 65793, 524545, 6291713)
FLOOR = by_size(1025, 4097, 16385, 32769, 65537, 524289, 6291457)


@ram_sizes
@architectures
@pytest.mark.parametrize(
    "page", ["how-to-determine-the-appropriate-page-file-size", "memory-dump-file-options (KB254649)"]
)
def test_a_complete_dump_needs_ram_and_257_mb(page: str, architecture: str, size: str) -> None:
    expected = SAFE[size]
    assert expected is not None
    report = kind_of(DumpKind.COMPLETE, size, architecture)
    assert report.needs == expected * MB
    assert figures_of(report, page) == [("safe", expected * MB)]


@ram_sizes
@architectures
def test_the_floor_of_a_complete_dump_is_ram_and_1_mb(architecture: str, size: str) -> None:
    expected = FLOOR[size]
    assert expected is not None
    report = kind_of(DumpKind.COMPLETE, size, architecture)
    assert report.floor == expected * MB
    assert figures_of(report, "complete-memory-dump") == [("floor", expected * MB)]


@ram_sizes
@architectures
def test_the_page_on_freezes_gives_ram_and_100_mb(architecture: str, size: str) -> None:
    expected = by_size(1124, 4196, 16484, 32868, 65636, 524388, 6291556)[size]
    assert expected is not None
    report = kind_of(DumpKind.COMPLETE, size, architecture)
    assert figures_of(report, "windows-based-computer-freeze-troubleshooting") == [("other", expected * MB)]


@ram_sizes
@architectures
def test_the_best_practices_of_2026_give_ram_and_300_mb_up_to_32_gb(architecture: str, size: str) -> None:
    expected = by_size(1324, 4396, 16684, 33068, None, None, None)[size]
    report = kind_of(DumpKind.COMPLETE, size, architecture)
    assert figures_of(report, "best practices") == [("other", None if expected is None else expected * MB)]


def test_a_megabyte_over_32_gb_the_300_mb_no_longer_apply() -> None:
    report = pagefilefit(by_hand=HandFigures(ram=32769 * MB)).kind(DumpKind.COMPLETE)
    assert figures_of(report, "best practices") == [("other", None)]


@pytest.mark.parametrize(
    ("room", "verdict"),
    [
        (16384, Verdict.DOES_NOT_FIT),
        (16384.999, Verdict.DOES_NOT_FIT),
        (16385, Verdict.CANNOT_BE_TOLD),
        (16640.999, Verdict.CANNOT_BE_TOLD),
        (16641, Verdict.FITS),
    ],
)
def test_the_example_that_everybody_quotes_16_gb_and_a_megabyte_is_the_floor_not_the_safe_figure(
    room: float, verdict: Verdict
) -> None:
    size = int(room * MB)
    hand = HandFigures(ram=16 * GB, paging_files=(PagingFile("C:\\pagefile.sys", size, size),))
    report = pagefilefit(by_hand=hand).kind(DumpKind.COMPLETE)
    assert report.verdict is verdict
    assert {source.bytes for source in report.sources} >= {16385 * MB, 16641 * MB, 16484 * MB, 16684 * MB}


# --- system-managed paging files (the article on page file sizes) ---


@ram_sizes
@architectures
def test_a_system_managed_file_has_an_eighth_of_ram_at_most_32_gb_at_least(architecture: str, size: str) -> None:
    expected = by_size(128, 512, 2048, 4096, 8192, 32768, 32768)[size]
    assert expected is not None
    space = report_of(size, architecture, paging_files=SYSTEM_MANAGED).space
    assert space.now == expected * MB
    assert "RAM / 8, at most 32 GB" in space.now_from


@ram_sizes
@architectures
def test_a_system_managed_file_grows_to_three_times_ram_or_4_gb(architecture: str, size: str) -> None:
    expected = by_size(4096, 12288, 49152, 98304, 196608, 1572864, 18874368)[size]
    assert expected is not None
    space = report_of(size, architecture, paging_files=SYSTEM_MANAGED).space
    assert space.maximum == expected * MB
    assert "3 x RAM or 4 GB" in space.maximum_from


@ram_sizes
def test_a_system_managed_file_has_at_most_an_eighth_of_its_volume(size: str) -> None:
    expected = by_size(4096, 12288, 49152, 65536, 65536, 65536, 65536)[size]
    assert expected is not None
    space = report_of(size, "x64", paging_files=SYSTEM_MANAGED, volume_size=512 * GB).space
    assert space.maximum == expected * MB


@ram_sizes
def test_for_a_crash_dump_it_grows_to_within_1_gb_of_the_free_space(size: str) -> None:
    """100 GB are free: 99 GB more than the minimum size, unless three times RAM is less."""
    expected = by_size(4096, 12288, 49152, 98304, 101376 + 8192, 101376 + 32768, 101376 + 32768)[size]
    assert expected is not None
    figures = {"paging_files": SYSTEM_MANAGED, "free_space": 100 * GB, "volume_size": 256 * GB}
    space = report_of(size, "x64", **figures).space
    assert space.maximum == expected * MB


@ram_sizes
def test_after_an_automatic_dump_that_did_not_fit_all_three_sizes_are_shown(size: str) -> None:
    as_ram = by_size(1024, 4096, 16384, 32768, 65536, 524288, 6291456)[size]
    at_most_32 = by_size(1024, 4096, 16384, 32768, 32768, 32768, 32768)[size]
    figures = {"paging_files": SYSTEM_MANAGED, "kind": DumpKind.AUTOMATIC}
    report = report_of(size, "x64", **figures)
    (advice,) = (advice.text for advice in report.advice if "the pages disagree" in advice.text)
    assert f"at least RAM = {as_ram:,} MB (debugger documentation, automatic-memory-dump)" in advice
    assert f"RAM, at most 32 GB = {at_most_32:,} MB (how-to-determine-the-appropriate-page-file-size" in advice
    assert f"RAM + 257 MB = {SAFE[size]:,} MB (how-to-determine-the-appropriate-page-file-size" in advice


# --- the rest of the rules ---


@pytest.mark.parametrize(("architecture", "told"), [("x86", True), ("x64", False)])
def test_a_paging_file_of_more_than_4_gb_needs_pae_on_32_bit_windows(architecture: str, told: bool) -> None:
    over = (PagingFile("C:\\pagefile.sys", 4 * GB + MB, 4 * GB + MB),)
    advice = report_of("4 GB", architecture, paging_files=over).advice
    assert any("PAE" in item.text for item in advice) is told


def test_a_paging_file_of_4_gb_needs_no_pae() -> None:
    advice = report_of("4 GB", "x86", paging_files=(PagingFile("C:\\pagefile.sys", GB, 4 * GB),)).advice
    assert not any("PAE" in item.text for item in advice)


@pytest.mark.parametrize(("size", "verdict"), [(2 * MB - 1, Verdict.DOES_NOT_FIT), (2 * MB, Verdict.FITS)])
def test_windows_makes_no_paging_file_under_2_mb(size: int, verdict: Verdict) -> None:
    hand = HandFigures(ram=GB, paging_files=(PagingFile("C:\\pagefile.sys", size, size),))
    assert pagefilefit(by_hand=hand).kind(DumpKind.SMALL).verdict is verdict


def test_the_kinds_are_always_in_the_same_order() -> None:
    report = pagefilefit(by_hand=HandFigures(ram=GB))
    assert [kind.kind.value for kind in report.kinds] == ["small", "kernel", "automatic", "active", "complete"]


@architectures
def test_every_figure_names_a_page_and_a_date(architecture: str) -> None:
    for report in report_of("16 GB", architecture).kinds:
        assert report.sources
        assert all(source.page and source.says and source.as_of for source in report.sources)


def test_an_architecture_that_windows_does_not_run_on_is_wrong_use() -> None:
    with pytest.raises(UsageError, match="--architecture: 'mips' is none of x86, x64, ARM64"):
        pagefilefit(by_hand=HandFigures(ram=GB, architecture="mips"))
