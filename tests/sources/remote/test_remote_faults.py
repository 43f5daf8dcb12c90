"""What goes wrong on the way: each fault has its line, none a wrong answer, and no line a secret."""

from __future__ import annotations

import gzip
import logging
import os
import shutil
import threading
import time
from typing import TYPE_CHECKING

import pytest
from support.command_line import refusal_of, run, run_process
from support.remote_servers import nginx, samba, ssh
from support.remote_servers.protocols import PROTOCOLS
from support.remote_servers.proxy import Proxy

from windbg_ext.sources.remote import source as remote_source
from windbg_ext.sources.remote.source import Patience

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.remote_servers.protocols import Served, Servers

pytestmark = pytest.mark.server
each_protocol = pytest.mark.parametrize("protocol", PROTOCOLS)
BUSY = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
BROKEN = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@pytest.fixture
def served(servers: Servers, protocol: str, monkeypatch: pytest.MonkeyPatch) -> Served:
    served = servers.of(protocol)
    for name, value in served.environment.items():
        monkeypatch.setenv(name, value)
    return served


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory, files: Path) -> Iterator[nginx.WebServers]:
    with nginx.nginx(tmp_path_factory.mktemp("nginx"), files) as running:
        yield running


def line(url: str) -> str:
    """Return what a user sees, without the URL."""
    told = refusal_of(run("dumpkind", url))
    return told.partition(f"{url}: ")[2]


def same_as_local(servers: Servers, url: str, folder: Path) -> bool:
    run("minify", servers.files / "complete.dmp", folder / "local.dmp")
    outcome = run("minify", url, folder / "far.dmp")
    assert outcome.status == 0, outcome
    return (folder / "far.dmp").read_bytes() == (folder / "local.dmp").read_bytes()


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (
            "whole/complete.dmp",
            "server: sends whole files only, and cannot be asked for a part of one; copy the file to this machine",
        ),
        (
            "forced/complete.dmp",
            "server: packs files while it sends them, so that no place in them is known; copy the file to this machine",
        ),
        ("files/not-there.dmp", "file: is not there (404); check the URL"),
        ("forbidden/a.dmp", "file: may not be read (403); check the URL, and who you are for the server"),
        (
            "elsewhere/a.dmp",
            "server: redirects to http://localhost, which is refused; name the file there, if you trust it",
        ),
        ("to-file/a.dmp", "server: redirects to file:, which is refused; check the URL"),
        ("round/a.dmp", "server: redirects more than 5 times; check the URL"),
        (
            "private/complete.dmp",
            "server: asks for user and password (401); put user and password for this host into ~/.netrc, "
            "and use https://, since they are not sent over a plain connection",
        ),
        (
            "closed/a.dmp",
            "server: the server answers 503, and asks to come back in 86400 s; try again then, "
            "or copy the file to this machine",
        ),
    ],
)
def test_what_a_web_server_answers_is_told_in_one_line(web: nginx.WebServers, path: str, expected: str) -> None:
    assert line(f"http://127.0.0.1:{web.plain}/{path}") == expected


def test_a_server_without_ranges_is_refused_before_it_sends_much(web: nginx.WebServers) -> None:
    with Proxy(web.plain) as proxy:
        assert "whole files only" in line(f"http://127.0.0.1:{proxy.port}/whole/bitmap-64GiB.dmp")
        assert proxy.received < 4 << 20


@pytest.mark.parametrize("path", ["files", "moved", "packed"])
def test_ranges_redirects_on_the_same_server_and_packing_for_others_are_no_fault(
    servers: Servers, web: nginx.WebServers, path: str, tmp_path: Path
) -> None:
    assert same_as_local(servers, f"http://127.0.0.1:{web.plain}/{path}/complete.dmp", tmp_path)


def test_a_server_that_stays_broken_is_told_after_some_tries(
    web: nginx.WebServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote_source, "DEFAULT_PATIENCE", Patience(3, 0.01))
    told = line(f"http://127.0.0.1:{web.plain}/broken/a.dmp")
    assert told.startswith("connection: the server answers 500; tried 3 times in ")
    assert told.endswith(" s; try again later, or copy the file to this machine")


@pytest.mark.parametrize("answer", [BUSY, BROKEN])
def test_a_server_that_is_busy_for_a_moment_is_asked_again(
    servers: Servers, web: nginx.WebServers, answer: bytes, tmp_path: Path
) -> None:
    with Proxy(web.plain) as proxy:
        proxy.answer_instead(answer)
        begun = time.monotonic()
        assert same_as_local(servers, f"http://127.0.0.1:{proxy.port}/files/complete.dmp", tmp_path)
        assert time.monotonic() - begun >= (1 if answer is BUSY else 0)


def test_a_certificate_that_is_not_trusted_is_refused(web: nginx.WebServers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    told = line(f"https://127.0.0.1:{web.tls}/files/complete.dmp")
    assert told.startswith("server: is not trusted (")
    assert told.endswith("; SSL_CERT_FILE names a file with the authorities to trust")


@each_protocol
@pytest.mark.parametrize("fault", ["reset_after", "cut_after"])
def test_a_connection_that_breaks_in_the_middle_is_made_again(
    servers: Servers, served: Served, fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote_source, "DEFAULT_PATIENCE", Patience(6, 0.05))
    getattr(served.proxy, fault)(90_000, times=3)
    assert same_as_local(servers, served.url("complete.dmp"), tmp_path)


@each_protocol
def test_a_server_that_is_not_there_is_told(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote_source, "DEFAULT_PATIENCE", Patience(2, 0.01))
    nowhere = served.url("complete.dmp").replace(f":{served.proxy.port}", ":1")
    if "AWS_ENDPOINT_URL" in served.environment:
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    told = line(nowhere)
    assert told.startswith("connection: ")
    assert "; tried 2 times in " in told


@each_protocol
def test_a_file_that_is_not_there_is_told(served: Served) -> None:
    assert line(served.url("not-there.dmp")).startswith("file: is not there")


@each_protocol
def test_a_server_that_says_nothing_any_more_is_not_waited_for_without_end(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("asynchronous", "held", "http", "smb", "sftp", "buckets", "transport"):
        __import__(f"windbg_ext.sources.remote.{module}")
        monkeypatch.setattr(f"windbg_ext.sources.remote.{module}.STALL_SECONDS", 0.5, raising=False)
    monkeypatch.setattr(remote_source, "DEFAULT_PATIENCE", Patience(1))
    served.proxy.hang(70_000, times=1000)
    begun = time.monotonic()
    try:
        outcome = run("dumpkind", served.url("complete.dmp"))
    finally:
        served.proxy.hang(0, times=0)
    assert outcome.status == 3
    assert ": connection: no answer " in outcome.err
    assert outcome.err.endswith("; tried once; try again later, or copy the file to this machine\n")
    assert time.monotonic() - begun < 40


@each_protocol
def test_a_file_that_changes_while_it_is_read_is_an_error(servers: Servers, served: Served, tmp_path: Path) -> None:
    from windbg_ext.errors import DumpError
    from windbg_ext.sources.remote.open import open_address

    name = f"changing-{served.place.partition(':')[0]}.dmp"
    path = servers.files / name
    shutil.copy(servers.files / "complete.dmp", path)
    served.changed(path)
    source = open_address(served.url(name))
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    os.utime(path, (1_700_000_000, 1_700_000_000))
    served.changed(path)

    def read() -> None:
        source.read(200_000, 10)
        source.confirm()

    with pytest.raises(DumpError, match="file: has changed while it was read"):
        read()
    source.close()


@each_protocol
def test_packed_files_are_streamed(servers: Servers, served: Served, tmp_path: Path) -> None:
    path = servers.files / f"packed-{served.place[:3]}.dmp.gz"
    path.write_bytes(gzip.compress((servers.files / "complete.dmp").read_bytes(), 1))
    served.changed(path)
    assert same_as_local(servers, served.url(path.name), tmp_path)


def test_a_wrong_password_is_refused_and_no_guest_stands_in(
    servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = servers.of("smb")
    for user, told in (
        (samba.USER, "server: refuses user and password"),
        ("nobody-knows-me", "server: does not know this user, and takes everybody for a guest"),
    ):
        netrc = tmp_path / "netrc"
        netrc.write_text(f"machine 127.0.0.1 login {user} password Falsch-1\n")
        monkeypatch.setenv("NETRC", str(netrc))
        for share in ("private", "open"):
            url = served.url("complete.dmp").replace("private", share)
            assert line(url) == f"{told}; docs/remote.md tells where to put user and password"


def test_a_guest_reads_a_share_for_everybody_and_no_other(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    served = servers.of("smb")
    monkeypatch.setenv("NETRC", "/nowhere")
    assert run("dumpkind", served.url("complete.dmp").replace("private", "open")).status == 0
    assert line(served.url("complete.dmp")).startswith("file: may not be read")


def test_sessions_of_one_user_are_not_used_for_another(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    served = servers.of("smb")
    monkeypatch.setenv("NETRC", served.environment["NETRC"])
    assert run("dumpkind", served.url("complete.dmp")).status == 0
    monkeypatch.setenv("NETRC", "/nowhere")
    assert run("dumpkind", served.url("complete.dmp")).status == 3


def test_an_unknown_host_key_is_refused(servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    served = servers.of("sftp")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert line(served.url("complete.dmp")).startswith(
        "server: its host key is not among those that are known (~/.ssh/known_hosts)"
    )


def test_a_password_opens_an_sftp_server(tmp_path: Path, files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with ssh.rclone_sftp(tmp_path, files) as server:
        monkeypatch.setenv("HOME", str(server.home))
        monkeypatch.setenv("NETRC", "/nowhere")
        url = f"sftp://{server.user}@127.0.0.1:{server.port}/complete.dmp"
        assert line(url).startswith("server: ")
        netrc = tmp_path / "netrc"
        netrc.write_text(f"machine 127.0.0.1 login {server.user} password {ssh.PASSWORD}\n")
        monkeypatch.setenv("NETRC", str(netrc))
        assert run("dumpkind", url).status == 0


@each_protocol
def test_secrets_are_in_no_output_whatever_happens(
    served: Served, caplog: pytest.LogCaptureFixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr(remote_source, "DEFAULT_PATIENCE", Patience(2, 0.01))
    said = []
    for url in (served.url("complete.dmp"), served.url("not-there.dmp")):
        for options in (("-v",), ("--json",), ("--csv",), ("--html", tmp_path / "report.html", "--overwrite")):
            outcome = run("dumpkind", url, *options)
            said += [outcome.out, outcome.err]
        outcome = run("minify", url, tmp_path / "small.dmp", "--overwrite", "-v")
        said += [outcome.out, outcome.err]
    served.proxy.reset_after(0, times=50)
    said += [run("dumpkind", served.url("complete.dmp")).err]
    served.proxy.reset_after(0, times=0)
    said += [(tmp_path / "report.html").read_text(), *(record.getMessage() for record in caplog.records)]
    assert not [text for text in said if served.secret in text]


def test_a_presigned_url_keeps_its_signature_to_itself(web: nginx.WebServers, tmp_path: Path) -> None:
    secret = "Geheimnis-77"
    url = f"http://127.0.0.1:{web.plain}/files/complete.dmp?X-Amz-Signature={secret}"
    for arguments in (
        ("dumpkind", url, "-v"),
        ("dumpkind", url, "--json"),
        ("minify", url, tmp_path / "a.dmp", "--json"),
    ):
        outcome = run(*arguments)
        assert outcome.status == 0
        assert secret not in outcome.out + outcome.err
        assert "complete.dmp?***" in outcome.out


def test_without_the_libraries_one_line_says_what_to_install(tmp_path: Path) -> None:
    for name in ("fsspec", "aiohttp", "paramiko", "smbclient", "smbprotocol", "s3fs"):
        (tmp_path / f"{name}.py").write_text(f"raise ImportError('no {name}', name='{name}')\n")
    for scheme in ("https", "smb", "sftp", "s3", "az", "gs"):
        outcome = run_process("dumpkind", f"{scheme}://host/share/a.dmp", PYTHONPATH=f"{tmp_path}{os.pathsep}.")
        assert outcome.status == 3
        assert "is not installed" in outcome.err
        assert outcome.err.endswith("python -m pip install 'windbg-ext[remote]'\n")
        assert len(outcome.err.splitlines()) == 1


def test_a_library_that_is_too_old_is_told_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    class Old:
        def __init__(self, connector_args: object = None) -> None: ...

    monkeypatch.setattr("aiobotocore.config.AioConfig", Old)
    told = line("s3://dumps/a.dmp")
    assert told == "URL: what reads s3:// is too old; python -m pip install 'aiobotocore>=2.26'"


def test_threads_may_share_a_far_source(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    from windbg_ext.sources.remote.open import open_address

    served = servers.of("https")
    for name, value in served.environment.items():
        monkeypatch.setenv(name, value)
    data = (servers.files / "complete.dmp").read_bytes()
    source = open_address(served.url("complete.dmp"))
    wrong: list[int] = []

    def read(start: int) -> None:
        for at in range(start, len(data), 70_000):
            if source.read(at, 5000) != data[at : at + 5000]:
                wrong.append(at)

    threads = [threading.Thread(target=read, args=(start,)) for start in range(0, 40_000, 10_000)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    source.close()
    assert wrong == []
