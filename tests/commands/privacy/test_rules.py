"""The rules: what each finds, what it leaves alone, in both encodings at any alignment, and in what time."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

import pytest
from support.planted import FOREIGN, SECRETS, SID_BYTES, Secret, both, smbios

from windbg_ext.commands.privacy.rules import RULES
from windbg_ext.commands.privacy.search import Search, search
from windbg_ext.commands.privacy.words import OwnWords, own_words, read_rules
from windbg_ext.errors import DumpError, UsageError

if TYPE_CHECKING:
    from pathlib import Path


def found(data: bytes, own: OwnWords | None = None) -> dict[str, list[bytes]]:
    """Return what is found in data, by the key of the rule."""
    result: dict[str, list[bytes]] = {}
    for _, match in search(lambda: [data], Search(own or OwnWords())):
        result.setdefault(match.rule.key, []).append(data[match.start : match.end])
    return result


NOISE = bytes(random.Random(17).randrange(256) for _ in range(200))


@pytest.mark.parametrize("secret", SECRETS, ids=lambda secret: secret.text)
@pytest.mark.parametrize("shift", range(4))
@pytest.mark.parametrize("encoding", [0, 1], ids=["8-bit", "UTF-16"])
def test_a_rule_finds_its_secret_at_any_alignment_between_other_bytes(
    secret: Secret, shift: int, encoding: int
) -> None:
    core = both(secret.core)[encoding]
    for before in (bytes(shift), NOISE[: 8 + shift] + b"\0\0", b"\x2a\0"[: shift and 2], b"x\0" * (shift == 1)):
        data = before + both(secret.text)[encoding] + b"\0\0" + NOISE
        assert any(core in piece for piece in found(data).get(secret.what, []))


def test_a_name_in_letters_beyond_latin_is_found_whole() -> None:
    for shift in range(3):
        data = bytes(shift) + FOREIGN.text.encode("utf-16-le") + bytes(8)
        assert any(FOREIGN.core.encode("utf-16-le") in piece for piece in found(data)["user_name"])


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (r"C:\DOCUME~1\quist\x", "user_name"),
        ("/home/quist/.ssh", "user_name"),
        ("USERDOMAIN=NORDWERK", "computer_name"),
        (r"\??\UNC\tresor42\lohn\x", "computer_name"),
        (r"\Device\Mup\;LanmanRedirector\;Z:0000\tresor42\lohn", "computer_name"),
        ("WIN-0A1B2C3D4E5", "computer_name"),
        ("S-1-12-1-1111111111-222222222-333333333-444444444", "account"),
        ("3c52.829a.b107", "mac_address"),
        ("server 24.0.10.124", "ip_address"),
        ("2001:db8:0:1:2:3:4:5", "ip_address"),
        (r'"C:\Program Files\x\y.exe" /quiet', "command_line"),
        (r"\Projekte\Falke\plan 3.dwg", "file_name"),
        ("AKIAQ3EXAMPLE4KEY567", "token"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.abc", "token"),
        ("-----BEGIN RSA PRIVATE KEY-----\r\nMIIEow\r\n", "token"),
        ("https://quist:geheim@example.com/", "token"),
        ("xoxb-123456789012-abcdefghijkl", "token"),
        ("Authorization: Bearer abcdefghijklmnop0123", "token"),
        ("VK7JG-NPHTM-C97JM-9MPGT-3V66T", "token"),
        ("SSID=Familie Quist", "wireless_network"),
    ],
)
def test_other_forms_are_found(text: str, key: str) -> None:
    for data in both(text):
        assert key in found(b"\0\0\0" + data + b"\0\0\0")


@pytest.mark.parametrize(
    "text",
    [
        r"C:\Windows\System32\drivers\disk.sys",
        r"\Device\HarddiskVolume3\Windows\System32\ntdll.dll",
        r"C:\Program Files (x86)\Tool\tool.dll",
        r"C:\Users\Public\x.dll"[:15],
        r"\Registry\Machine\System\CurrentControlSet\Services\disk.sys",
        r"\SystemRoot\System32\win32k.sys",
        r"\_SB.PCI0.XHC.RHUB",
        r"D:\a\_work\1\s\driver\x64\Release\driver.pdb",
        "10.0.19041.1", "version 14.29.30.133", "Version=16.23.4.12, Culture=neutral", "Ver. 9.8.7.6",
        "FileVersion\0\00024.0.10.124", "ntfnoem17.in", "127.0.0.1", "255.255.255.0", "1.3.6.1.4.1.311", "6.1.0.0",
        "00:00:00:00:00:00", "ff-ff-ff-ff-ff-ff",
        "http://www.microsoft.com/pki/certs/x.crt", "crl.verisign.com",
        "{bc5c008f-1e3a-44d7-988d-86f6884c6758}",
        "std::vector<int>", "a@b", "user@localhost", "Desktop-Icon", "S-1-5-18", "S-1-5-32-544",
        "password: %s", "ntkrnlmp.exe", "RtlUserThreadStart",
    ],
)  # fmt: skip
def test_what_every_windows_has_is_not_found(text: str) -> None:
    for data in both(text):
        assert found(b"\0\0\0" + data + b"\0\0\0") == {}


def test_what_a_rule_learned_is_found_where_nothing_marks_it() -> None:
    data = rb"C:\Users\zoequist\x" + bytes(40) + b"\x01\x02ZoeQuist" + bytes(40) + "zoequist99".encode("utf-16-le")
    assert {b"ZoeQuist", "zoequist".encode("utf-16-le")} <= set(found(data)["user_name"])


def test_a_short_name_that_was_learned_is_found_as_a_whole_word_only() -> None:
    data = b"\0USERNAME=eva\0\0\0eva.lnk\0\0\0medieval\0\0\0"
    assert [piece for piece in found(data)["user_name"] if b"=" not in piece] == [b"eva"] * 2  # the rule's and this one


def test_names_that_every_machine_has_are_not_learned() -> None:
    assert "user_name" not in found(b"\0USERNAME=Administrator\0\0\0Administrator\0")
    assert len(found(b"\0USERNAME=Admin\0\0\0admin tools\0")["user_name"]) == 1


def test_smbios_tables_in_memory_are_found_with_the_numbers_that_they_tell() -> None:
    tables = smbios()
    keys = found(NOISE + tables + NOISE + b"\0NWH7731QX\0\0\0" + "lager-4471".encode("utf-16-le") + bytes(4))
    assert {tables, b"NWH7731QX", "lager-4471".encode("utf-16-le")} <= set(keys["hardware_number"])


def test_what_makers_write_who_have_no_serial_number_is_not_learned() -> None:
    blank = smbios().replace(b"NWH7731QX", b"Default string").replace(b"Lager-4471", b"To Be Filled By O.E.M.")
    assert b"Default string" not in found(blank + bytes(40) + b"Default string" + bytes(4))["hardware_number"]


def test_the_bytes_of_a_sid_are_found() -> None:
    assert found(NOISE + SID_BYTES + NOISE)["account"] == [SID_BYTES]
    local_system = bytes.fromhex("010100000000000512000000")
    assert "account" not in found(NOISE + local_system + NOISE)


def test_own_words_are_found_anywhere_and_globs_as_whole_words() -> None:
    own = own_words(["# comment", "", "Falke", "GRÜN", "nw-*-[??", "srv?7"])
    text = "\0projektfalke7 Grünland nw-hamburg-[12 srv17 srv177 xsrv17\0"
    for data in (text.encode("utf-8"), b"\1" + text.encode("utf-16-le")):
        encoding = "utf-8" if data[0] == 0 else "utf-16-le"
        pieces = {piece.decode(encoding) for piece in found(data, own)["own"]}
        assert pieces == {"falke", "Grün", "nw-hamburg-[12", "srv17"}


@pytest.mark.parametrize("line", ["*", "a*", "??x??", "x" * 201])
def test_an_own_rule_that_would_fit_everything_is_refused(line: str) -> None:
    with pytest.raises(UsageError, match="line 2"):
        own_words(["word", line])


def test_a_file_of_own_rules_may_be_utf8_or_what_powershell_writes(tmp_path: Path) -> None:
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        (tmp_path / "rules.txt").write_text("# ours\nGrün*\nfalke\n", encoding=encoding)
        assert read_rules(tmp_path / "rules.txt") == OwnWords(("falke",), ("grün*",))


def test_a_file_of_own_rules_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "rules.txt").write_bytes(b"\x80\x81\x82")
    with pytest.raises(UsageError, match="no text"):
        read_rules(tmp_path / "rules.txt")
    with pytest.raises(DumpError, match="cannot be read"):
        read_rules(tmp_path / "nowhere.txt")
    (tmp_path / "rules.txt").write_text("\n".join(f"word{number}" for number in range(1001)))
    with pytest.raises(UsageError, match="more than 1,000 rules"):
        read_rules(tmp_path / "rules.txt")


def test_every_rule_has_a_reason_and_a_name() -> None:
    assert all(rule.why and rule.name and rule.key for rule in RULES)


PIECES = [
    *(
        "C:\\",
        "\\a",
        "a.",
        "a-",
        "1.",
        "1:",
        "aa:",
        "::",
        "@",
        "a@a.",
        "eyJ",
        "eyJa-",
        "\\\\a",
        "S-1-5-21-",
        "1-",
        "=",
        "%",
    ),
    *("USERNAME=", ".exe ", "password=", "://a:", "-----BEGIN ", "\\users\\", "a", " ", "-", "111111-", "AAAAA-"),
    *(
        "serial number",
        "gh",
        "sk-",
        "ghp_",
        "bearer ",
        "\\device\\harddiskvolume1\\",
        "\\unc\\",
        "\\mup\\;",
        "00-",
        "ssid=",
    ),
]


SHORT, LONG = 4_000, 128_000
"""Characters."""


@pytest.mark.parametrize("encoding", ["ascii", pytest.param("utf-16-le", marks=pytest.mark.slow)])
def test_no_text_holds_the_rules_up(encoding: str) -> None:
    """Of each piece that rules are made of, repeated: the time grows as the text does, not as its square.

    A text of 32 times the length may take 320 times as long, which leaves room for a busy machine; its square is 1,024.
    """
    seconds = {}
    for piece in PIECES:
        for size in (SHORT, LONG):
            text = (piece * (size // len(piece))).encode(encoding)
            by = Search(own_words(["aa*a*a*a*a*ab", "?" * 20 + "aa", "11*1*1*12"]))
            start = time.process_time()
            assert sum(1 for _ in by.first(text)) <= size
            seconds[piece, size] = time.process_time() - start
    grown = 10 * LONG / SHORT
    assert [piece for piece in PIECES if seconds[piece, LONG] > grown * max(seconds[piece, SHORT], 0.001)] == []
