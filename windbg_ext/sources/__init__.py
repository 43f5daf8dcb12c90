"""Where bytes lie: files of this machine, members of archives, streams that a caller passes in. Knows no dumps."""

from windbg_ext.sources.open import SourceLike, open_source
from windbg_ext.sources.source import Range, Source, read_field, read_fields

__all__ = ["Range", "Source", "SourceLike", "open_source", "read_field", "read_fields"]
