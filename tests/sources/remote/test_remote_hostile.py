"""Servers made to hold us up: what a hostile file may not take, a hostile server may not either."""

from __future__ import annotations

import sys
from itertools import chain, count
from typing import TYPE_CHECKING

import pytest
from hostile_files.case import Command
from hostile_files.checks import broken
from hostile_files.machines import sample
from hostile_files.process import run
from support.remote_servers.hostile import CLOSE, forever, head, hostile_server, part_head, whole

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from support.remote_servers.hostile import Answer, Request

pytestmark = [
    pytest.mark.server,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory of a process: Linux only"),
]
DUMP = sample("kernel")
PART = "HTTP/1.1 206 Partial Content\r\n"
Y = b"y" * 0x10000
HUGE = 10**18 - 1
LISTED = "http://s3.amazonaws.com/doc/2006-03-01/"


def endless(start: bytes, piece: bytes) -> Answer:
    return lambda request: chain([start], forever(piece))


def once(answer: bytes) -> Answer:
    return lambda request: [answer]


def chunked(request: Request) -> bytes:
    span = f"Content-Range: bytes {request.first}-{request.last}/{HUGE}"
    return head("206 Partial Content", span, "Transfer-Encoding: chunked")


def rising_headers(request: Request) -> Iterator[bytes]:
    yield PART.encode()
    for number in count():
        yield b"X-%d: %s\r\n" % (number, Y[:1000])


def cut(request: Request) -> Iterator[bytes]:
    data = DUMP[request.first : request.last + 1]
    yield part_head(request, size=len(DUMP)) + data[: len(data) // 2]
    yield CLOSE


FILES: dict[str, tuple[Answer, str]] = {
    "headers without end": (rising_headers, "server"),
    "a header line without end": (endless(f"{PART}X: ".encode(), Y), "server"),
    "a status line without end": (endless(b"HTTP/1.1 206 ", Y), "server"),
    "interim answers without end": (
        endless(head("100 Continue"), head("100 Continue") * 1000),
        "server: sends more than",
    ),
    "a body without end": (
        lambda request: chain([part_head(request, size=HUGE, length=HUGE)], forever(Y)),
        "server: sends more",
    ),
    "an error page without end": (endless(head("404 Not Found", "Connection: close"), Y), "is not there (404)"),
    "a whole file without end": (endless(head("200 OK", "Connection: close"), Y), "sends whole files only"),
    "a redirect whose page has no end": (
        endless(head("302 Found", "Location: /b.dmp", "Connection: close"), Y),
        "redirects more than 5 times",
    ),
    "redirects without end": (
        lambda request: [head("302 Found", f"Location: {request.path}x", "Content-Length: 0")],
        "redirects more than 5 times",
    ),
    "a redirect to no URL": (once(head("302 Found", "Location: http://[::1/x", "Content-Length: 0")), "server"),
    "chunks of a byte without end": (
        lambda request: chain([chunked(request)], forever(b"1\r\ny\r\n" * 10_000)),
        "server: sends more",
    ),
    "a chunk's extension without end": (
        lambda request: chain([chunked(request) + b"1;"], forever(Y)),
        "server: sends more than",
    ),
    "another part than was asked for": (
        lambda request: [part_head(request, size=len(DUMP), shift=0x1000) + bytes(request.last + 1 - request.first)],
        "server: sends bytes 4,096 to",
    ),
    "a thousand times the part that was asked for": (
        lambda request: [part_head(request, size=len(DUMP), length=1 << 30), *[DUMP] * 1000, CLOSE],
        "server: sends more",
    ),
    "half of each part": (cut, "connection: the answer"),
}


@pytest.mark.parametrize(("answer", "told"), FILES.values(), ids=FILES)
def test_a_web_server_that_sends_such_a_file_is_given_up(answer: Answer, told: str, tmp_path: Path) -> None:
    with hostile_server(answer) as server:
        check(Command(("dumpkind", f"http://127.0.0.1:{server.port}/a.dmp"), (3,), told), tmp_path)


def page(links: Iterable[str], *, behind: bytes = b"") -> bytes:
    return whole("".join(f"<a href='{link}'>x</a>" for link in links).encode() + behind)


LISTINGS: dict[str, tuple[Answer, str]] = {
    "has no end": (
        endless(head("200 OK", "Content-Type: text/html", "Connection: close"), b"<a href='f.dmp'>x</a>" * 1000),
        "folder: is listed in more than",
    ),
    "has subfolders without end": (once(page(["sub/"])), "2,000 folders"),
    "has subfolders without end, each page with 4 MB": (
        once(page(["sub/"], behind=b" " * 4_100_000)),
        "folder: is listed in more than",
    ),
    "links 150,000 times out of the folder": (
        once(page(f"../f{number}" for number in range(150_000))),
        "more than 60,000 links",
    ),
    "has 25,000 files": (once(page(f"f{number}.dmp" for number in range(25_000))), "20,000 files"),
    "has a name of 3 MB": (once(page(["n" * 3_000_000 + "/"])), "holds no file"),
    "has a million parts of a path": (once(page(["a/../" * 600_000])), "holds no file"),
    "has a link with 300,000 targets": (once(whole(b"<a" + b" href='a'" * 300_000 + b">")), "holds no file"),
    "begins a million links": (once(whole(b"<a " * 1_000_000)), "holds no file"),
    "begins four million elements": (once(whole(b"<" * 4_000_000)), "holds no file"),
    "begins a million comments": (once(whole(b"<!--" * 1_000_000)), "holds no file"),
    "begins a million declarations": (once(whole(b"<![" * 1_000_000)), "holds no file"),
    "has a million references": (once(whole(b"<a href='" + b"&am" * 1_000_000 + b"'>")), "holds no file"),
    "has a million quotes that never end": (once(whole(b'<a href="\' href="' * 200_000)), "60,000 links"),
}


@pytest.mark.parametrize(("answer", "told"), LISTINGS.values(), ids=LISTINGS)
def test_a_web_folder_whose_page_is_like_that_is_given_up(answer: Answer, told: str, tmp_path: Path) -> None:
    with hostile_server(answer) as server:
        check(Command(("dumpkind", f"http://127.0.0.1:{server.port}/"), (3,), told), tmp_path)


def keys(names: Iterable[str] = (), *, more: bool = False) -> bytes:
    found = "".join(f"<Contents><Key>{name}</Key><Size>1</Size></Contents>" for name in names)
    again = "<NextContinuationToken>again</NextContinuationToken>" if more else ""
    listing = f"<IsTruncated>{str(more).lower()}</IsTruncated>{again}{found}"
    return whole(f'<ListBucketResult xmlns="{LISTED}">{listing}</ListBucketResult>'.encode(), "application/xml")


XML_HEAD = head("200 OK", "Content-Type: application/xml", "Connection: close")
ENTITIES = "".join(f'<!ENTITY l{level} "{f"&l{level - 1};" * 10}">' for level in range(1, 10))
BUCKETS: dict[str, tuple[Answer, str]] = {
    "keys without end": (once(keys((f"f{number}.dmp" for number in range(1000)), more=True)), "22,000 keys"),
    "pages without end": (once(keys(more=True)), "100 pages of a few keys"),
    "pages without end, each with a key": (once(keys(["f.dmp"], more=True)), "100 pages of a few keys"),
    "a page without end": (endless(XML_HEAD + b"<ListBucketResult>", b"<Contents/>" * 1000), "server: sends more than"),
    "a page of 300,000 keys": (once(keys(f"f{number}.dmp" for number in range(300_000))), "server: sends more than"),
    "400,000 elements one in the other": (once(whole(b"<a>" * 400_000, "application/xml")), "connection"),
    "entities that swell": (
        once(whole(f'<!DOCTYPE x [<!ENTITY l0 "lol">{ENTITIES}]><x>&l9;</x>'.encode(), "application/xml")),
        "connection",
    ),
    "interim answers without end": (
        endless(head("100 Continue"), head("100 Continue") * 1000),
        "server: sends more than",
    ),
}


@pytest.mark.parametrize(("answer", "told"), BUCKETS.values(), ids=BUCKETS)
def test_a_bucket_that_lists_such_a_thing_is_given_up(answer: Answer, told: str, tmp_path: Path) -> None:
    assert look("s3://bucket/", answer, told, tmp_path) <= 110


def test_keys_that_are_not_in_the_folder_count_too(tmp_path: Path) -> None:
    elsewhere = once(keys((f"f{number}.dmp" for number in range(1000)), more=True))
    assert look("s3://bucket/folder/", elsewhere, "22,000 keys", tmp_path) <= 30


def look(url: str, answer: Answer, told: str, folder: Path) -> int:
    """Look into a bucket that is given up. Return how many requests it had."""
    with hostile_server(answer) as server:
        environment = {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.port}",
            "AWS_ACCESS_KEY_ID": "reader",
            "AWS_SECRET_ACCESS_KEY": "none",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        check(Command(("dumpkind", url), (3,), told, environment=tuple(environment.items())), folder)
        return server.requests


def check(command: Command, folder: Path) -> None:
    """Run a command within limits: what it may take is nothing that a server can tell."""
    problems = list(broken(command, run(command, folder), 0))
    assert not problems, "\n".join(problems)
