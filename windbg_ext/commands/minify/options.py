"""The options of `minify`, checked when they are made: the same for one dump, for many, and for a session."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from windbg_ext.errors import UsageError

if TYPE_CHECKING:
    from windbg_ext.commands.privacy.scrubbing import Scrubbing

MIN_SIZE = 64 << 10
MAX_COMMENT = 127
"""Characters of the header's field for a comment, its NUL not counted."""


@dataclass(frozen=True)
class MinifyOptions:
    """How a small dump is made.

    overwrite: replace the destination if it exists. size: the most bytes that the file may have, at least 64K; what
    does not fit is dropped, least important first. comment: at most 127 ASCII characters for the header. salvage: go
    on where kernel structures are damaged, and leave out what they lead to. verify: read the file back and compare
    it with its source; see `verify`. scrub: leave out what could identify a person or a machine, None: do not; then a
    small dump is a source, too.

    Raise UsageError where size or comment make no sense.
    """

    overwrite: bool = False
    size: int | None = None
    comment: str | None = None
    salvage: bool = False
    verify: bool = False
    scrub: Scrubbing | None = None

    def __post_init__(self) -> None:
        if self.size is not None and self.size < MIN_SIZE:
            raise UsageError(f"--size: {self.size} bytes are too few, a small dump takes at least {MIN_SIZE} (64K)")
        if self.verify and self.scrub is not None:
            raise UsageError("--verify and --scrub: what is left out would be a difference; choose one")
        if self.comment is not None:
            encode_comment(self.comment)


DEFAULTS = MinifyOptions()


def encode_comment(comment: str) -> bytes:
    """Encode a comment for the 128 bytes that the header has for it. Raise UsageError if it does not fit."""
    try:
        data = comment.encode("ascii")
    except UnicodeEncodeError:
        raise UsageError("--comment: the header of a dump holds ASCII text only") from None
    if len(data) > MAX_COMMENT or b"\0" in data:
        raise UsageError(f"--comment: the header of a dump holds {MAX_COMMENT} characters, these are {len(data)}")
    return data.ljust(MAX_COMMENT + 1, b"\0")
