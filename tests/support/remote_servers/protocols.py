"""One server of each protocol behind a proxy, and what a user has to set to reach it."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Callable, NamedTuple

from support.remote_servers import buckets, nginx, samba, ssh
from support.remote_servers.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DELAY, RATE = 0.02, 10e6
"""Seconds that an answer takes, and bytes a second."""


class Served(NamedTuple):
    """A folder under a URL. environment: what a user sets; place: the URL of the folder through the proxy."""

    proxy: Proxy
    place: str
    environment: dict[str, str]
    secret: str
    changed: Callable[[Path], None] = lambda path: None
    """Tells the server that a file of its folder is new or was written again."""

    def url(self, name: str) -> str:
        return f"{self.place}/{name}"


@contextmanager
def https(folder: Path, files: Path) -> Iterator[Served]:
    with nginx.nginx(folder, files) as web, Proxy(web.tls, delay=DELAY, rate=RATE) as proxy:
        netrc = _netrc(folder, nginx.USER, nginx.PASSWORD)
        environment = {"SSL_CERT_FILE": str(web.authority), "NETRC": netrc}
        yield Served(proxy, f"https://127.0.0.1:{proxy.port}/private", environment, nginx.PASSWORD)


@contextmanager
def smb(folder: Path, files: Path) -> Iterator[Served]:
    with samba.samba(folder, files) as port, Proxy(port, delay=DELAY, rate=RATE) as proxy:
        environment = {"NETRC": _netrc(folder, samba.USER, samba.PASSWORD)}
        yield Served(proxy, f"smb://127.0.0.1:{proxy.port}/private", environment, samba.PASSWORD)


@contextmanager
def sftp(folder: Path, files: Path) -> Iterator[Served]:
    with ssh.openssh(folder) as server, Proxy(server.port, delay=DELAY, rate=RATE) as proxy:
        ssh.know(server.home, proxy.port, folder)
        environment = {"HOME": str(server.home), "NETRC": str(folder / "none")}
        yield Served(proxy, f"sftp://{server.user}@127.0.0.1:{proxy.port}{files}", environment, "PRIVATE KEY")


@contextmanager
def s3(folder: Path, files: Path) -> Iterator[Served]:
    with buckets.s3rver(folder, files) as port, Proxy(port, delay=DELAY, rate=RATE) as proxy:
        environment = {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{proxy.port}",
            "AWS_ACCESS_KEY_ID": buckets.S3RVER_KEY,
            "AWS_SECRET_ACCESS_KEY": buckets.S3RVER_SECRET,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        place = f"s3://{buckets.BUCKET}"
        yield Served(
            proxy, place, environment, buckets.S3RVER_SECRET, lambda path: buckets.add_object(folder, path, path.name)
        )


PROTOCOLS: dict[str, Callable[[Path, Path], object]] = {"https": https, "smb": smb, "sftp": sftp, "s3": s3}


class Servers:
    """Servers of the same folder, each started when it is first asked for."""

    def __init__(self, folder: Path, files: Path) -> None:
        self.files = files
        self._folder, self._stack = folder, ExitStack()
        self._running: dict[str, Served] = {}

    def of(self, protocol: str) -> Served:
        if protocol not in self._running:
            own = self._folder / protocol
            own.mkdir(exist_ok=True)
            serving = PROTOCOLS[protocol](own, self.files)
            self._running[protocol] = self._stack.enter_context(serving)  # type: ignore[arg-type]
        return self._running[protocol]

    def close(self) -> None:
        self._stack.close()


def _netrc(folder: Path, user: str, password: str) -> str:
    path = folder / "netrc"
    path.write_text(f"machine 127.0.0.1 login {user} password {password}\n")
    path.chmod(0o600)
    return str(path)
