"""What reading a file on another machine took, as reports tell it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from windbg_ext.render.figures import count, size

if TYPE_CHECKING:
    from windbg_ext.sources.far import Traffic


def traffic_text(traffic: Traffic) -> str:
    """Return it as text: 3.5 MB in 217 requests, 22 round trips."""
    return f"{size(traffic.bytes)} in {count(traffic.requests, 'request')}, {count(traffic.rounds, 'round trip')}"


def traffic_json(traffic: Traffic | None) -> dict[str, int] | None:
    """Return it for JSON, None for a file of this machine."""
    if traffic is None:
        return None
    return {"bytes": traffic.bytes, "requests": traffic.requests, "round_trips": traffic.rounds}
