"""A web server for the files of a folder, which may hold back all but their first bytes until it is told to go on.

A run that reads such a file is in the middle for as long as the test wants, however fast or slow the machine is.
"""

from __future__ import annotations

import contextlib
import http.server
import threading
from typing import TYPE_CHECKING

from support.ports import LOCALHOST

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class HeldFiles:
    """The files of a folder, under URLs, each with its time as its version.

    While they are held, only requests that begin at byte 0 are answered: by these, a run learns of size and version.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._goes_on = threading.Event()
        self._goes_on.set()
        files = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                path = files.folder / self.path.partition("?")[0].lstrip("/")
                data = path.read_bytes()
                start, _, end = self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")
                if start != "0":
                    files._goes_on.wait()
                part = data[int(start) : int(end) + 1 if end else None]
                with contextlib.suppress(ConnectionError):  # who asked was killed meanwhile
                    self.send_response(206)
                    self.send_header("Content-Range", f"bytes {start}-{int(start) + len(part) - 1}/{len(data)}")
                    self.send_header("Content-Length", str(len(part)))
                    self.send_header("ETag", f'"{path.stat().st_mtime_ns}"')
                    self.end_headers()
                    self.wfile.write(part)

            def log_message(self, *_: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer((LOCALHOST, 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def url(self, name: str) -> str:
        """Return the URL of a file of the folder."""
        return f"http://{LOCALHOST}:{self._server.server_port}/{name}"

    def hold(self) -> None:
        """Let who asks for more than the first bytes wait."""
        self._goes_on.clear()

    def go_on(self) -> None:
        """Answer all who wait, and from now on at once."""
        self._goes_on.set()

    def close(self) -> None:
        """End the server."""
        self.go_on()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextlib.contextmanager
def held_files(folder: Path) -> Iterator[HeldFiles]:
    """Serve the files of a folder."""
    files = HeldFiles(folder)
    try:
        yield files
    finally:
        files.close()
