"""What a server of shares sends, counted where it comes in.

smbprotocol makes room for a message as soon as its length is told, which may be 4 GB.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from smbclient import ClientConfig
from smbprotocol.connection import Connection
from smbprotocol.transport import Tcp

if TYPE_CHECKING:
    from windbg_ext.sources.remote.meter import Meter


class _MeteredTcp(Tcp):  # type: ignore[misc]  # mypy does not look into smbprotocol
    """A line whose bytes are counted before there is room for them."""

    meter: Meter

    def _recv(self, length: int, timeout: float) -> tuple[bytes | None, float]:
        if not self.meter.take(length):
            self.close()
            return None, timeout
        received: tuple[bytes | None, float] = super()._recv(length, timeout)
        return received


class MeteredConnection(Connection):  # type: ignore[misc]  # nor here
    """A connection over such a line."""

    def __init__(self, meter: Meter, host: str, port: int, *, require_signing: bool) -> None:
        self._meter = meter
        super().__init__(ClientConfig().client_guid, host, port, require_signing=require_signing)

    @property
    def transport(self) -> Tcp | None:
        """The line, once there is one."""
        return self._line

    @transport.setter
    def transport(self, made: Tcp | None) -> None:
        if made is not None:
            metered = _MeteredTcp(made.server, made.port, made.timeout)
            metered.meter = self._meter
            made = metered
        self._line = made
