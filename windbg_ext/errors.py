"""The errors that this package raises on purpose.

The text of an error is one line: which file, which field, what is wrong, and what to do about it.
"""

from __future__ import annotations


class DumpError(Exception):
    """The dump cannot be read, or not far enough for what was asked (exit status 3).

    field: the place in the dump, as WinDbg or the public headers name it; why: what is wrong with it;
    advice: what the user can do next; path: the file, added where it is known.
    """

    def __init__(self, field: str, why: str, advice: str = "", path: str = "") -> None:
        super().__init__(field, why, advice, path)
        self.field = field
        self.why = why
        self.advice = advice
        self.path = path

    def __str__(self) -> str:
        """Return the whole error as one line."""
        line = f"{self.field}: {self.why}"
        if self.path:
            line = f"{self.path}: {line}"
        return f"{line}; {self.advice}" if self.advice else line


class DestinationError(DumpError):
    """The destination cannot be written, or must not be (exit status 3); `field` names it."""


class UsageError(Exception):
    """The options make no sense together or by themselves (exit status 2)."""


class MemoryReadError(Exception):
    """A virtual address cannot be read; the two subclasses tell why."""

    def __init__(self, address: int) -> None:
        super().__init__(address)
        self.address = address


class NotMappedError(MemoryReadError):
    """The page tables do not map this address to physical memory: no dump of any kind would hold it."""

    def __str__(self) -> str:
        """Return one line that names the address."""
        return f"0x{self.address:x} is not mapped"


class ReadFailure(str):
    """The reason why data in the dump cannot be read: the operating system cannot read the file there."""


class NotInDumpError(MemoryReadError):
    """The address is mapped, but its page (or a page table on the way to it) is not in this dump, or cannot be read.

    pfn: number of the missing page frame, None if there are no page tables (small dumps); why: the end of the message,
    a ReadFailure if the dump does hold the page.
    """

    def __init__(self, address: int, pfn: int | None = None, why: str = "not in this dump") -> None:
        super().__init__(address)
        self.pfn = pfn
        self.why = why

    def __str__(self) -> str:
        """Return one line that names the address and the missing page frame."""
        where = "" if self.pfn is None else f" is mapped to page frame 0x{self.pfn:x}, which"
        return f"0x{self.address:x}{where} is {self.why}"
