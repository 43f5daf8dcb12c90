"""Text as the debugger's markup: shown as it is, with links that hold nothing but this program's own commands."""

from __future__ import annotations

import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from windbg_ext.render.dml import dml_text, link

OWN_COMMAND = re.compile(r"db 0x[0-9a-f]{9,16}|lmvm [A-Za-z0-9_]+")
TAG = re.compile(r"<[^>]*>")
MARKUP_LIKE = st.text(alphabet="<>&\"'/=; \n\x1b\\.abcdefx0123456789linkcmdqsyexdl", max_size=60)


def shown(markup: str) -> str:
    """What the debugger shows of markup."""
    return html.unescape(TAG.sub("", markup))


@given(st.one_of(st.text(), MARKUP_LIKE))
def test_any_text_is_shown_as_it_is(text: str) -> None:
    assert shown(dml_text(text)) == html.unescape(text.replace("&", "&amp;"))


@given(MARKUP_LIKE)
def test_no_text_becomes_a_tag_but_links_with_commands_of_our_own(text: str) -> None:
    for tag in TAG.findall(dml_text(text)):
        command = re.fullmatch(r'<link cmd="([^"]*)">|</link>', tag)
        assert command is not None
        assert command[1] is None or OWN_COMMAND.fullmatch(command[1])


@pytest.mark.parametrize(
    ("text", "markup"),
    [
        ("at 0xfffff80512991010.", 'at <link cmd="db 0xfffff80512991010">0xfffff80512991010</link>.'),
        ("0x7ff700040780", '<link cmd="db 0x7ff700040780">0x7ff700040780</link>'),
        ("page frame 0x16430", "page frame 0x16430"),
        ("faulty.sys", '<link cmd="lmvm faulty">faulty.sys</link>'),
        ("FLTMGR.SYS", '<link cmd="lmvm FLTMGR">FLTMGR.SYS</link>'),
        ("ntoskrnl.exe", '<link cmd="lmvm nt">ntoskrnl.exe</link>'),
        (r"C:\x\faulty.sys", r"C:\x\faulty.sys"),
        ("a-b.sys", "a-b.sys"),
        ('<link cmd="q">x</link>', "&lt;link cmd=&quot;q&quot;&gt;x&lt;/link&gt;"),
        ("q.sys<&", '<link cmd="lmvm q">q.sys</link>&lt;&amp;'),
    ],
)
def test_addresses_and_modules_are_links_and_nothing_else(text: str, markup: str) -> None:
    assert dml_text(text) == markup


def test_a_command_is_escaped_in_its_link() -> None:
    assert link("a < b", "!x -c a&b<c>") == '<link cmd="!x -c a&amp;b&lt;c&gt;">a &lt; b</link>'


@pytest.mark.parametrize("command", ['!x "y"', "!x\ny", "!x\x00", "!x \N{LATIN SMALL LETTER U WITH DIAERESIS}"])
def test_a_command_that_no_link_can_hold_is_shown_without_one(command: str) -> None:
    assert link("text", command) == "text"
