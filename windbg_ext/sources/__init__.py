"""Random access to bytes: local files, members of archives, streams of a caller. Nothing here knows what a dump is."""

from windbg_ext.sources.open import SourceLike, open_source, opened_source
from windbg_ext.sources.source import Range, Source, read_field, read_fields

__all__ = ["Range", "Source", "SourceLike", "open_source", "opened_source", "read_field", "read_fields"]
