"""Reports as JSON that every parser takes: RFC 8259, and no text that UTF-8 cannot hold."""

from __future__ import annotations

import json


def write_json(report: object) -> str:
    """Return a report as JSON, in ASCII.

    Names out of dumps and of files may hold half of a surrogate pair, which many parsers refuse, and then refuse the
    whole report. Such a half becomes the six characters that stand for it, as in \\ud800.
    """
    text = json.dumps(report, indent=2)
    return json.dumps(_with_whole_characters(report), indent=2) if "\\ud" in text else text


def _with_whole_characters(value: object) -> object:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, dict):
        return {_with_whole_characters(key): _with_whole_characters(below) for key, below in value.items()}
    if isinstance(value, (list, tuple)):
        return [_with_whole_characters(below) for below in value]
    return value
