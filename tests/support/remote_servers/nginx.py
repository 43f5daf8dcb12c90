"""nginx: ranges on and off, gzip on the fly, redirects, TLS, basic authentication, errors; each has a path."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from support.ports import free_ports
from support.remote_servers.process import program, started

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

USER, PASSWORD = "reader", "Geheimnis-17"
PASSWORDS = f"{USER}:{{PLAIN}}{PASSWORD}\n"


class WebServers(NamedTuple):
    """Ports of one nginx: plain and TLS; authority: the file with the certificate of its authority."""

    plain: int
    tls: int
    authority: Path


@contextmanager
def nginx(folder: Path, files: Path) -> Iterator[WebServers]:
    """Serve the files of a folder. folder: where nginx may write."""
    import trustme

    executable = program("nginx", "nginx-light")
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost", "127.0.0.1")
    authority.cert_pem.write_to_path(str(folder / "authority.pem"))
    certificate.private_key_and_cert_chain_pem.write_to_path(str(folder / "server.pem"))
    (folder / "passwords").write_text(PASSWORDS)
    plain, tls = free_ports(2)
    (folder / "nginx.conf").write_text(_configuration(folder, files, plain, tls))
    for made in (folder, files):
        made.chmod(0o755)
    command = [executable, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")]
    with started(command, plain, folder / "output.log"):
        yield WebServers(plain, tls, folder / "authority.pem")


def _configuration(folder: Path, files: Path, plain: int, tls: int) -> str:
    temporary = "\n".join(
        f"  {kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = "user root;" if os.geteuid() == 0 else ""
    return f"""
daemon off;
{user}
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 512; }}
http {{
  access_log {folder}/access.log;
  default_type application/octet-stream;
  keepalive_requests 100000;
{temporary}
  server {{
    listen 127.0.0.1:{plain};
    listen 127.0.0.1:{tls} ssl;
    ssl_certificate {folder}/server.pem;
    ssl_certificate_key {folder}/server.pem;
    location /files/ {{ alias {files}/; autoindex on; }}
    location /whole/ {{ alias {files}/; max_ranges 0; }}
    location /packed/ {{ alias {files}/; gzip on; gzip_types *; gzip_min_length 1; gzip_proxied any; }}
    location /forced/ {{ alias {files}/; add_header Content-Encoding gzip; }}
    location /private/ {{ alias {files}/; auth_basic "dumps"; auth_basic_user_file {folder}/passwords; autoindex on; }}
    location /forbidden/ {{ return 403; }}
    location /moved/ {{ rewrite ^/moved/(.*)$ /files/$1 redirect; }}
    location /elsewhere/ {{ return 302 http://localhost:{plain}/files/; }}
    location /to-file/ {{ return 302 file:///etc/passwd; }}
    location /round/ {{ return 302 /round/; }}
    location /broken/ {{ return 500; }}
    location /busy/ {{ add_header Retry-After 1 always; return 503; }}
    location /closed/ {{ add_header Retry-After 86400 always; return 503; }}
  }}
}}
"""
