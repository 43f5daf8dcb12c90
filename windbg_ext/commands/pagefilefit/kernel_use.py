"""What the kernel uses now: an estimate of the next kernel dump, from a machine that runs.

A kernel dump holds all of the nonpaged pool, the images of drivers, and what of the paged pool is in RAM. It also holds
kernel stacks, page tables and other memory that Windows does not count in these figures, so they bound it from neither
side. Only the nonpaged pool is a floor: it is never paged out, and goes in whole.
"""

from __future__ import annotations

from dataclasses import dataclass

from windbg_ext.values import NamedTuple


class Performance(NamedTuple):
    """PERFORMANCE_INFORMATION, in pages, as far as it is used."""

    commit_peak: int
    kernel_total: int
    kernel_paged: int
    kernel_nonpaged: int
    page_size: int


@dataclass(frozen=True)
class Driver:
    """A driver that is loaded. bytes: of its image."""

    name: str
    bytes: int


@dataclass(frozen=True)
class KernelUse:
    """Bytes that the kernel uses now. None: Windows does not tell.

    paged, nonpaged: of its pools; drivers: with their images, none where Windows hides them; large_pages: names of
    drivers that are set to be loaded into large pages; peak_commit: the most that all programs and the kernel together
    ever had committed since Windows started; source: what told it.
    """

    paged: int
    nonpaged: int
    drivers: tuple[Driver, ...]
    large_pages: tuple[str, ...]
    peak_commit: int | None
    source: str

    @property
    def images(self) -> int:
        """The bytes of all drivers' images; those in large pages take whole ones."""
        every = "*" in self.large_pages
        in_large = {name.lower() for name in self.large_pages}
        return sum(
            -(-driver.bytes // LARGE_PAGE) * LARGE_PAGE if every or driver.name.lower() in in_large else driver.bytes
            for driver in self.drivers
        )

    @property
    def about(self) -> int:
        """The bytes that a kernel dump takes at least about."""
        return self.paged + self.nonpaged + self.images


LARGE_PAGE = 2 << 20
"""Bytes, on x64 and ARM64."""
