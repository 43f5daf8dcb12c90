"""Reports as JSON documents with keys that scripts may rely on: snake_case, sizes in bytes, null for unknown."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from windbg_ext.commands.minify import MinifyReport


def minify_json(report: MinifyReport) -> str:
    """Give the report of `minify`."""
    return json.dumps(
        {
            "source": str(report.source),
            "destination": str(report.destination),
            "bytes": report.bytes,
            "parts": [{"part": part.part, "bytes": part.bytes, "blocks": part.blocks} for part in report.parts],
            "left_out": [{"part": lost.part, "why": lost.why} for lost in report.left_out],
            "processors": report.processors,
            "modules": report.modules,
            "complete": report.complete,
        },
        indent=2,
    )
