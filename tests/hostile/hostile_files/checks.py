"""What holds after any run of any command, whatever its input was: the promises that hostile files are to break."""

from __future__ import annotations

import html
import json
import re
from typing import TYPE_CHECKING

from support.slowness import slowness

from hostile_files.case import MB

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hostile_files.case import Command
    from hostile_files.process import Outcome

HONEST_SPEED = 20 * MB
"""Bytes a second that a file's real bytes, holes not counted, may take beyond the seconds of a command."""
LONGEST_COMPLAINT = 4_000
"""Characters of a line on standard error: a path has up to 4,096 bytes on Linux, other names are cut."""


def broken(command: Command, outcome: Outcome, on_disk: int) -> Iterator[str]:
    """Yield what of the promises a run did not keep. on_disk: bytes that the case's files really take."""
    seconds = (command.seconds + on_disk / HONEST_SPEED) * slowness()
    if outcome.killed:
        yield f"it was killed after {outcome.processor_seconds:.1f} s of processor time, at {outcome.peak // MB} MB"
    elif outcome.processor_seconds > seconds:
        yield f"it took {outcome.processor_seconds:.1f} s of processor time, at most {seconds:.1f} s are right"
    if outcome.peak > command.peak_mb * MB:
        yield f"it took {outcome.peak // MB} MB of memory, at most {command.peak_mb} MB are right"
    if outcome.written > command.written:
        yield f"it wrote {outcome.written // MB} MB, at most {command.written // MB} MB are right"
    if len(outcome.out) > command.largest_output:
        yield f"its report has {len(outcome.out):,} bytes, at most {command.largest_output:,} are right"
    if not outcome.killed and outcome.status not in command.statuses:
        yield f"its exit status is {outcome.status}, right is {' or '.join(map(str, command.statuses))}"
    outside = unexpected(command, outcome)
    if outside and not outcome.killed:  # by us, with no chance to clean up
        yield f"it left or changed {', '.join(map(ascii, outside))}"
    if outcome.left_temporary and not outcome.killed:
        yield f"it left temporary files: {', '.join(outcome.left_temporary)}"
    if command.dml:
        yield from _of_dml(command, outcome)
    else:
        yield from _of_complaint(command, outcome)
        yield from _of_report(command, outcome)
    shown = (outcome.out + outcome.err).decode("utf-8", "replace").lower()
    yield from (f"it says {word!r}" for word in command.never if word in shown)


def unexpected(command: Command, outcome: Outcome) -> list[str]:
    """Return the files that a run left or changed and should not have; where it failed, that is all of them.

    A report that cannot be shown comes after the file.
    """
    done = outcome.status in (0, 1) or command.standard_output
    return [name for name in outcome.left if not done or not name.startswith(command.writes or ("\0",))]


def _of_complaint(command: Command, outcome: Outcome) -> Iterator[str]:
    """Yield what is wrong with standard error: one line for 2 and 3, nothing for 0 and 1."""
    if outcome.killed or command.standard_error:
        return
    if b"Traceback" in outcome.err:
        yield f"it ends in a traceback: {outcome.err.splitlines()[-1].decode('utf-8', 'replace')[:200]}"
        return
    text = outcome.err.decode("utf-8", "backslashreplace")
    if outcome.status in (0, 1):
        if text:
            yield f"it succeeds and complains: {text[:200]!a}"
        return
    if not text.startswith("windbg-ext: ") or text.count("\n") != 1 or not text.endswith("\n"):
        yield f"it does not complain in one line: {text[:300]!a}"
    if not text.rstrip("\n").replace("\n", "").isprintable():
        yield f"its complaint has characters that are not to be printed: {text[:300]!a}"
    if len(text) > LONGEST_COMPLAINT:
        yield f"its complaint has {len(text):,} characters"
    if command.field not in text:
        yield f"its complaint does not name {command.field}: {text[:300]!a}"


def _of_report(command: Command, outcome: Outcome) -> Iterator[str]:
    """Yield what is wrong with standard output."""
    if outcome.killed or command.standard_output or outcome.status not in (0, 1):
        return
    if command.json:
        yield from _of_json(outcome.out)
        return
    text = outcome.out.decode("utf-8", "replace")
    if not text:
        yield "it gives no report"
    lines = text.split("\n")
    if not all(line.isprintable() for line in lines):
        yield "its report has characters that are not to be printed"
    longest = max(map(len, lines))
    if longest > command.longest_line:
        yield f"its report has a line of {longest:,} characters, at most {command.longest_line:,} are right"


ELEMENT = re.compile(r'<link cmd="([^"<>]*)">([^"<>]*)</link>|<col fg="(?:emphfg|errfg|warnfg)">([^"<>]*)</col>')
"""The two elements of DML that are used."""
PATH = r"[\w.\\][\w .:()+~\\-]*"
LINKED = re.compile(
    rf'db 0x[0-9a-f]+|u 0x[0-9a-f]+|lmvm [A-Za-z]\w*|!\w+( -\w+)*( "?{PATH}"?)?( /html)?|\.opendump "?{PATH}"?;g'
    r'|\.shell -x start "" "[^"]+"'
)
"""The commands that links may run: nothing else, and nothing of a dump's behind a semicolon."""


def _of_dml(command: Command, outcome: Outcome) -> Iterator[str]:
    """Yield what is wrong with what a debugger shows: a report, or a complaint of one line."""
    if outcome.killed:
        return
    if outcome.err:
        yield f"it says something beside the debugger: {outcome.err[-300:]!r}"
    markup = outcome.out.decode("utf-8", "replace")
    plain = ELEMENT.sub(lambda found: found[2] or found[3] or "", markup)
    if re.search(r'[<>"]|&(?!(amp|lt|gt|quot);)', plain):
        yield f"its markup is not that of links: {re.findall('.{0,40}[<>].{0,40}', plain)[:3]!a}"
    for found in ELEMENT.finditer(markup):
        if found[1] is not None and not LINKED.fullmatch(html.unescape(found[1])):
            yield f"a link runs {found[1]!a}"
    text = html.unescape(plain)
    lines = text.split("\n")
    if not all(line.isprintable() for line in lines):
        yield "it has characters that are not to be printed"
    if max(map(len, lines)) > command.longest_line:
        yield f"it has a line of {max(map(len, lines)):,} characters, at most {command.longest_line:,} are right"
    if outcome.status in (0, 1):
        if not text:
            yield "it gives no report"
    elif not text.startswith("windbg-ext: ") or text.count("\n") != 1:
        yield f"it does not complain in one line: {text[:300]!a}"
    elif command.field not in text:
        yield f"its complaint does not name {command.field}: {text[:300]!a}"


def _of_json(data: bytes) -> Iterator[str]:
    """Yield what a strict parser (RFC 8259, and no text that UTF-8 cannot hold) has against a document."""

    def refuse(constant: str) -> object:
        raise ValueError(f"{constant} is no JSON")

    try:
        document = json.loads(data.decode("utf-8"), parse_constant=refuse)
    except ValueError as error:
        yield f"its JSON is none: {error}"
        return
    try:
        json.dumps(document, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        yield "its JSON has a lone surrogate, which strict parsers refuse"
