"""An HTML report read by a parser of its own: its elements, attributes, texts and hashes."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass, field, fields, is_dataclass, replace
from enum import Enum
from html.parser import HTMLParser
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Report = TypeVar("Report")
VOID = frozenset(("meta", "input", "col"))


@dataclass
class Element:
    """An element: its name, its attributes, the text inside it, scripts and styles included."""

    name: str
    attributes: dict[str, str]
    text: str = ""


@dataclass
class HtmlPage(HTMLParser):
    """A page, parsed. unclosed: elements that are closed in no order or never."""

    elements: list[Element] = field(default_factory=list)
    text: str = ""
    unclosed: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._open: list[Element] = []

    @classmethod
    def of(cls, markup: str) -> HtmlPage:
        page = cls()
        page.feed(markup)
        page.close()
        page.unclosed += [element.name for element in page._open]
        return page

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.elements.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(Element(tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        if self._open and self._open[-1].name == tag:
            self._open.pop()
        else:
            self.unclosed.append(tag)

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1].name not in ("script", "style"):
            self.text += data
        for element in self._open:
            element.text += data

    def all(self, name: str) -> list[Element]:
        """Return all elements of a name."""
        return [element for element in self.elements if element.name == name]

    @property
    def policy(self) -> dict[str, list[str]]:
        """The Content-Security-Policy, by directive."""
        (meta,) = (found for found in self.all("meta") if "http-equiv" in found.attributes)
        directives = (part.split() for part in meta.attributes["content"].split(";"))
        return {name: values for name, *values in directives}


def hash_of(text: str) -> str:
    """Return the source of a policy that allows a text."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def with_texts(value: Report, text: Callable[[str], str]) -> Report:
    """Return a report in which every text of every field, however deep, is another one; what decides stays."""
    changed: Report = _changed(value, text)
    return changed


def _changed(value: Any, text: Callable[[str], str]) -> Any:
    if isinstance(value, Enum):
        return value
    if isinstance(value, str):
        return text(value)
    if isinstance(value, PurePath):
        return type(value)(re.sub("[/\0]", "", text(str(value))))
    if is_dataclass(value) and not isinstance(value, type):
        changes = {each.name: _changed(getattr(value, each.name), text) for each in fields(value) if each.init}
        return replace(value, **changes)
    if isinstance(value, tuple):
        parts = [_changed(part, text) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    return value
