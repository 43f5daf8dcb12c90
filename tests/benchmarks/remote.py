"""Dumps on other machines: `python tests/benchmarks/remote.py [FOLDER]`, with the servers of the tests.

For each protocol, behind a delay of 20 ms and a line of 10 MB/s: bytes received, requests, round trips and seconds of
`minify`, beside copying the file first and beside the naive way, a file that fsspec opens with its default cache.
Copying is measured for 64 MB of the file on the same line, and the time for the whole file computed from that.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Callable

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]

from support.remote_servers.protocols import Servers  # noqa: E402

from samples.builder.sparse import write_sparse  # noqa: E402
from samples.builder.writers import Complete  # noqa: E402
from windbg_ext import minify  # noqa: E402
from windbg_ext.sources.remote.open import open_address  # noqa: E402

if TYPE_CHECKING:
    from support.remote_servers.protocols import Served

GIB = 1 << 30
SIZES = {"1 GiB": GIB, "64 GiB": 64 * GIB}
COPIED = 64 << 20
PROTOCOLS = ("https", "smb", "sftp", "s3")
NAIVE = ("s3",)
"""fsspec's own classes for the others do not reach these servers without being told passwords and authorities."""


def timed(work: Callable[[], object]) -> float:
    begun = time.monotonic()
    work()
    return time.monotonic() - begun


def copied(served: Served, name: str) -> float:
    """Return the seconds that so much of a file takes in order."""
    with closing(open_address(served.url(name))) as source:
        return timed(lambda: [source.read(at, 1 << 20) for at in range(0, COPIED, 1 << 20)])


def naive(served: Served, name: str, small: Path) -> None:
    import fsspec

    with fsspec.open(served.url(name), "rb").open() as stream:
        minify(stream, small)


def measure(served: Served, protocol: str, name: str, size: int, folder: Path) -> None:
    small = folder / "small.dmp"
    small.unlink(missing_ok=True)
    before = served.proxy.received
    seconds = timed(lambda: reports.append(minify(served.url(name), small)))
    traffic = reports[-1].traffic
    assert traffic is not None
    received = served.proxy.received - before
    whole = copied(served, name) * size / COPIED
    row = f"{protocol:6} {size / GIB:4.0f} GiB  minify {received / 1e6:6.1f} MB {traffic.requests:5} requests"
    row += f" {traffic.rounds:3} round trips {seconds:6.1f} s   copying first {whole:8.0f} s"
    if protocol in NAIVE and size == GIB:
        small.unlink()
        before = served.proxy.received
        taken = timed(lambda: naive(served, name, small))
        row += f"   naive {(served.proxy.received - before) / 1e6:6.1f} MB {taken:6.1f} s"
    print(row, flush=True)


reports: list = []  # type: ignore[type-arg]


def main() -> None:
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as made:
        folder = Path(made)
        folder.chmod(0o755)
        files = folder / "files"
        files.mkdir()
        for name, size in SIZES.items():
            write_sparse(files / f"{name.replace(' ', '')}.dmp", size, Complete())
        servers = Servers(folder, files)
        try:
            for protocol in PROTOCOLS:
                served = servers.of(protocol)
                os.environ.update(served.environment)
                for name, size in SIZES.items():
                    measure(served, protocol, f"{name.replace(' ', '')}.dmp", size, folder)
        finally:
            servers.close()


if __name__ == "__main__":
    main()
