"""A proxy between a client and a server: delay, a limit of bytes per second, faults; and it counts."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

PIECE = 1 << 14


class Proxy:
    """Answers of a server come `delay` seconds later, at most `rate` bytes a second of all connections together.

    received: bytes of answers so far; connections: how many there were. Faults, each for the next connections or
    answers: `reset_after`, `cut_after`, `answer_instead`, `hang`.
    """

    def __init__(self, port: int, *, delay: float = 0.0, rate: float | None = None) -> None:
        self.received = 0
        self.connections = 0
        self.port = 0
        self._to, self._delay, self._rate = port, delay, rate
        self._free_at = 0.0
        self._fault: tuple[str, int, bytes] | None = None
        self._faults_left = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def reset_after(self, received: int, times: int = 1) -> None:
        """Reset a connection after so many bytes of its answers, as many times."""
        self._fault, self._faults_left = ("reset", received, b""), times

    def cut_after(self, received: int, times: int = 1) -> None:
        """Close a connection properly after so many bytes of its answers, as many times."""
        self._fault, self._faults_left = ("cut", received, b""), times

    def answer_instead(self, answer: bytes, times: int = 1) -> None:
        """Answer the next connections so, whatever they ask for."""
        self._fault, self._faults_left = ("answer", 0, answer), times

    def hang(self, received: int, times: int = 1) -> None:
        """Send nothing more on a connection after so many bytes of its answers."""
        self._fault, self._faults_left = ("hang", received, b""), times

    def __enter__(self) -> Proxy:
        self._thread.start()
        starting = asyncio.run_coroutine_threadsafe(asyncio.start_server(self._serve, "127.0.0.1", 0), self._loop)
        server = starting.result(10)
        self.port = server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        async def end() -> None:
            others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in others:
                task.cancel()
            await asyncio.wait(others or [asyncio.ensure_future(asyncio.sleep(0))], timeout=5)

        asyncio.run_coroutine_threadsafe(end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        fault = self._take()
        try:
            if fault is not None and fault[0] == "answer":
                await reader.readuntil(b"\r\n\r\n")
                writer.write(fault[2])
                await writer.drain()
                return
            to_reader, to_writer = await asyncio.open_connection("127.0.0.1", self._to)
            try:
                await asyncio.gather(self._forward(reader, to_writer), self._return(to_reader, writer, fault))
            finally:
                to_writer.close()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            with contextlib.suppress(OSError):
                writer.close()

    def _take(self) -> tuple[str, int, bytes] | None:
        if self._fault is None or not self._faults_left:
            return None
        self._faults_left -= 1
        return self._fault

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(PIECE):
            writer.write(piece)
            await writer.drain()
        with contextlib.suppress(OSError):
            writer.write_eof()

    async def _return(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, fault: tuple[str, int, bytes] | None
    ) -> None:
        waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(1024)
        sending = asyncio.ensure_future(self._send(waiting, writer, fault))
        try:
            while True:
                piece = await reader.read(PIECE)
                await waiting.put((time.monotonic() + self._delay, piece))
                if not piece:
                    break
            await sending
        finally:
            sending.cancel()

    async def _send(
        self,
        waiting: asyncio.Queue[tuple[float, bytes]],
        writer: asyncio.StreamWriter,
        fault: tuple[str, int, bytes] | None,
    ) -> None:
        sent = 0
        while True:
            due, piece = await waiting.get()
            if self._rate is not None:
                self._free_at = max(self._free_at, due) + len(piece) / self._rate
                due = self._free_at
            pause = due - time.monotonic()
            if pause > 0.0005:
                await asyncio.sleep(pause)
            if fault is not None and sent + len(piece) > fault[1]:
                writer.write(piece[: max(0, fault[1] - sent)])
                await writer.drain()
                self.received += max(0, fault[1] - sent)
                if fault[0] == "hang":
                    await asyncio.sleep(3600)
                if fault[0] == "reset":
                    _reset(writer)
                writer.close()
                raise ConnectionResetError
            if not piece:
                writer.close()
                return
            sent += len(piece)
            self.received += len(piece)
            writer.write(piece)
            await writer.drain()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Let closing a connection send a reset instead of an end."""
    found = writer.get_extra_info("socket")
    if found is not None:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
