"""What a web server sends, counted where it comes in: before it is known to be a header, an answer or part of one.

aiohttp bounds a line and the number of headers, but neither interim answers (100 Continue) nor what may stand between
the chunks of a body. It takes them for as long as they come.
"""

from __future__ import annotations

from functools import partial
from inspect import signature
from typing import TYPE_CHECKING

import aiohttp
from aiohttp.client_proto import ResponseHandler

from windbg_ext.errors import DumpError

if TYPE_CHECKING:
    import asyncio
    from ssl import SSLContext

    from windbg_ext.sources.remote.meter import Meter


class _Metered(ResponseHandler):  # type: ignore[misc]  # mypy does not look into aiohttp
    """A connection of aiohttp whose bytes are counted."""

    def __init__(self, meter: Meter, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop=loop)
        self._meter = meter

    def data_received(self, data: bytes) -> None:
        """Take bytes that came, unless they are too many."""
        if self._meter.take(len(data)):
            super().data_received(data)
        elif self.transport is not None:
            self.transport.abort()


class MeteredConnector(aiohttp.TCPConnector):  # type: ignore[misc]  # nor here
    """Connections that share a meter."""

    def __init__(self, meter: Meter, *, limit: int, context: SSLContext | None) -> None:
        super().__init__(limit=limit, ssl=True if context is None else context)
        self._factory = partial(_Metered, meter, loop=self._loop)


def metered_session(meter: Meter) -> type:
    """Return what aiobotocore is to make its connections with. Raise DumpError where it is too old for that."""
    from aiobotocore.config import AioConfig
    from aiobotocore.httpsession import AIOHTTPSession

    if "http_session_cls" not in signature(AioConfig).parameters:
        raise DumpError("URL", "what reads s3:// is too old", "python -m pip install 'aiobotocore>=2.26'")

    class MeteredSession(AIOHTTPSession):  # type: ignore[misc]  # it ships no types
        async def _get_session(self, proxy_url: str | None) -> aiohttp.ClientSession:
            session = await super()._get_session(proxy_url)
            session.connector._factory = partial(_Metered, meter, loop=session.connector._loop)
            return session

    return MeteredSession
