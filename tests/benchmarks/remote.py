"""Dumps on other machines: `python tests/benchmarks/remote.py [PROTOCOL...]`, with the servers of the tests.

For each protocol, behind a delay of 20 ms and a line of 10 MB/s: bytes received, requests, round trips and seconds of
`minify`, beside copying the file first and beside the naive way, a file that fsspec opens with its default cache.
Copying 1 GiB is measured, which takes 100 seconds; for 64 GiB it is computed from that.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Callable
from urllib.parse import urlsplit

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]

from sparse_dumps import FORMATS  # noqa: E402
from support.remote_servers import nginx, samba  # noqa: E402
from support.remote_servers.protocols import Servers  # noqa: E402

from samples.builder.sparse import write_sparse  # noqa: E402
from windbg_ext import minify  # noqa: E402
from windbg_ext.sources.remote.open import open_address  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Sequence

    from support.remote_servers.protocols import Served

GIB = 1 << 30
SIZES = {"1GiB": GIB, "64GiB": 64 * GIB}
PIECE = 1 << 20
PROTOCOLS = ("https", "smb", "sftp", "s3")
LONGEST = 120.0
"""Seconds that the naive way is waited for, longer than copying takes."""


def timed(work: Callable[[], object]) -> float:
    begun = time.monotonic()
    work()
    return time.monotonic() - begun


def copied(served: Served, name: str) -> float:
    """Return the seconds that copying a file of 1 GiB takes."""
    with closing(open_address(served.url(name))) as source:
        return timed(lambda: [source.read(at, PIECE) for at in range(0, source.size, PIECE)])


def naive(served: Served, protocol: str, name: str, folder: Path) -> str:
    """Return bytes and seconds of `minify` of what fsspec opens, in a process of its own that can be ended."""
    command = [sys.executable, __file__, "--naive", protocol, served.url(name), str(folder / f"naive-{protocol}.dmp")]
    before, begun = served.proxy.received, time.monotonic()
    told = ""
    try:
        done = subprocess.run(command, timeout=LONGEST, check=False, capture_output=True, text=True)
        if done.returncode:
            return f"naive: {done.stderr.splitlines()[-1]}"
    except subprocess.TimeoutExpired:
        told = " when it was ended"
    received = (served.proxy.received - before) / 1e6
    return f"naive {received:7.1f} MB {time.monotonic() - begun:6.1f} s{told}"


def minify_naively(protocol: str, url: str, small: str) -> None:
    """Do what who knows fsspec only would do: it needs to be told who one is."""
    import aiohttp
    import fsspec

    parts = urlsplit(url)
    reached = {"host": parts.hostname, "port": parts.port}
    options: dict[str, dict[str, object]] = {
        "https": {"client_kwargs": {"auth": aiohttp.BasicAuth(nginx.USER, nginx.PASSWORD)}},
        "smb": {**reached, "username": samba.USER, "password": samba.PASSWORD},
        "sftp": {**reached, "username": parts.username},
        "s3": {},
    }
    with fsspec.filesystem(protocol, **options[protocol]).open(
        url if protocol in ("https", "s3") else parts.path, "rb"
    ) as stream:
        minify(stream, small)


def measure(served: Served, protocol: str, folder: Path) -> None:
    for name, size in SIZES.items():
        small = folder / f"{protocol}-{name}.dmp"
        before, begun = served.proxy.received, time.monotonic()
        traffic = minify(served.url(f"{name}.dmp"), small).traffic
        seconds = time.monotonic() - begun
        assert traffic is not None
        row = f"{protocol:6} {size / GIB:4.0f} GiB  minify {(served.proxy.received - before) / 1e6:6.1f} MB"
        row += f" {traffic.requests:5} requests {traffic.rounds:3} round trips {seconds:6.1f} s"
        print(row, flush=True)
    print(f"{protocol:6}    1 GiB  {naive(served, protocol, '1GiB.dmp', folder)}", flush=True)
    seconds_of_copying = copied(served, "1GiB.dmp")
    row = f"copying first {seconds_of_copying:6.1f} s, computed for 64 GiB {64 * seconds_of_copying:8.0f} s"
    print(f"{protocol:6}    1 GiB  {row}", flush=True)


def main(protocols: Sequence[str]) -> None:
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        folder.chmod(0o755)
        files = folder / "files"
        files.mkdir()
        for name, size in SIZES.items():
            write_sparse(files / f"{name}.dmp", size, FORMATS["bitmap-all"])
        servers = Servers(folder, files)
        try:
            for protocol in protocols:
                served = servers.of(protocol)
                os.environ.update(served.environment)
                measure(served, protocol, folder)
        finally:
            servers.close()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--naive"]:
        minify_naively(*sys.argv[2:])
    else:
        main(sys.argv[1:] or PROTOCOLS)
