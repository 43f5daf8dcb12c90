"""URLs: their parts, what is refused, and what is never shown."""

from __future__ import annotations

import pytest

from windbg_ext.errors import DumpError
from windbg_ext.sources.remote.address import parse_address, without_secrets

PASSWORD = "Geheimnis-1"


@pytest.mark.parametrize(
    ("url", "host", "port", "user", "path", "base_name"),
    [
        ("https://host/a/MEMORY.DMP", "host", None, None, "/a/MEMORY.DMP", "MEMORY.DMP"),
        ("https://host:8443/My%20dumps/a b.dmp", "host", 8443, None, "/My%20dumps/a%20b.dmp", "a b.dmp"),
        ("http://[::1]:80/x", "::1", 80, None, "/x", "x"),
        ("smb://server/share/dumps/MEMORY.DMP", "server", None, None, "/share/dumps/MEMORY.DMP", "MEMORY.DMP"),
        ("smb://reader@server/share/100%.dmp", "server", None, "reader", "/share/100%.dmp", "100%.dmp"),
        ("sftp://me@host:2222/var/crash/a.dmp", "host", 2222, "me", "/var/crash/a.dmp", "a.dmp"),
        ("s3://bucket/2026/a b#1?.dmp", "bucket", None, None, "/2026/a b#1?.dmp", "a b#1?.dmp"),
        ("az://container/a.dmp", "container", None, None, "/a.dmp", "a.dmp"),
        ("gs://bucket/a.dmp", "bucket", None, None, "/a.dmp", "a.dmp"),
    ],
)
def test_a_url_has_these_parts(
    url: str, host: str, port: int | None, user: str | None, path: str, base_name: str
) -> None:
    address = parse_address(url)
    found = (address.host, address.port, address.user, address.path, address.base_name)
    assert found == (host, port, user, path, base_name)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("ftp://host/a.dmp", "ftp:// is not read"),
        ("file:///etc/passwd", "file:// is not read"),
        (f"https://reader:{PASSWORD}@host/a.dmp", "holds a password"),
        (f"sftp://reader:{PASSWORD}@host/a.dmp", "holds a password"),
        (f"s3://reader:{PASSWORD}@bucket/a.dmp", "names a user|holds a password"),
        ("https:///a.dmp", "names no host"),
        ("https://host:port/a.dmp", "host or port is wrong"),
        ("https://host/a\n.dmp", "control characters"),
        ("https://host/a/%2e%2e/b.dmp", "leads upwards"),
        ("smb://host/share/../b.dmp", "leads upwards"),
    ],
)
def test_what_is_no_url_of_a_dump_is_refused_and_shows_no_password(url: str, why: str) -> None:
    with pytest.raises(DumpError, match=why) as raised:
        parse_address(url)
    assert PASSWORD not in str(raised.value)


def test_a_password_is_shown_as_three_asterisks() -> None:
    with pytest.raises(DumpError) as raised:
        parse_address(f"smb://reader:{PASSWORD}@server/share/a.dmp")
    assert raised.value.path == "smb://reader:***@server/share/a.dmp"


def test_of_a_query_only_that_there_is_one_is_shown() -> None:
    address = parse_address(f"https://host/a.dmp?X-Amz-Signature={PASSWORD}")
    assert address.shown == "https://host/a.dmp?***"
    assert PASSWORD in address.url
    assert without_secrets(f"https://u:{PASSWORD}@host/?{PASSWORD}") == "https://u:***@host/?***"


def test_files_beside_one_are_named_where_they_can_be_written() -> None:
    assert parse_address("s3://bucket/a/b.dmp").beside("c.dmp") == "s3://bucket/a/c.dmp"
    assert parse_address("smb://u@host:1445/share/b.dmp").beside("c.dmp") == "smb://u@host:1445/share/c.dmp"
    assert parse_address("https://host/a/b.dmp").beside("c.dmp") is None


def test_files_beside_one_are_named_where_they_can_be_read() -> None:
    assert parse_address("https://host/a/SYSTEM").neighbour("SYSTEM.LOG1") == "https://host/a/SYSTEM.LOG1"
    assert parse_address("https://host/a/b%20c").neighbour("b c.LOG1") == "https://host/a/b%20c.LOG1"
    assert parse_address("https://host/a/SYSTEM?sig=x").neighbour("SYSTEM.LOG1") is None
    assert parse_address("smb://u@host/share/SYSTEM").neighbour("SYSTEM.LOG1") == "smb://u@host/share/SYSTEM.LOG1"
