"""Debian's Chromium, headless, and what tests and the manual's pictures ask of it."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

ROOT = Path(__file__).parents[2]
SWITCHES = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--force-color-profile=srgb", "--font-render-hinting=none"),
)
DESKTOP, PHONE, PAPER = (1100, 900), (390, 844), (794, 1123)
"""Widths and heights in pixels; paper is A4 at 96 dots an inch."""
VIOLATIONS = """
window.violations = [];
document.addEventListener("securitypolicyviolation", event => window.violations.push(event.violatedDirective));
"""


class MissingBrowserError(Exception):
    """There is no Chromium, no Playwright or no axe-core."""


def chromium() -> str:
    """Return the path of Chromium. Raise MissingBrowserError without one."""
    found = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        raise MissingBrowserError("there is no chromium: apt-get install chromium, or name it in CHROMIUM")
    return found


def axe_core() -> str:
    """Return the source of axe-core. Raise MissingBrowserError without it."""
    folder = Path(os.environ.get("NODE_PATH", ROOT / "node_modules"))
    try:
        return (folder / "axe-core" / "axe.min.js").read_text(encoding="utf-8")
    except OSError:
        raise MissingBrowserError(f"there is no axe-core in {folder}: npm install axe-core") from None


@contextmanager
def running() -> Iterator[Browser]:
    """Start Chromium. Raise MissingBrowserError where that is not possible."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        raise MissingBrowserError("there is no playwright: pip install playwright") from None
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=list(SWITCHES))
        yield browser
        browser.close()


@dataclass
class Seen:
    """What a page did that a report must not: messages, requests for anything but itself, errors of its script."""

    messages: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@contextmanager
def opened(
    browser: Browser,
    path: Path,
    size: tuple[int, int] = DESKTOP,
    *,
    dark: bool = False,
    media: str = "screen",
    script: bool = True,
) -> Iterator[tuple[Page, Seen]]:
    """Open a report, and watch what it does."""
    width, height = size
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if dark else "light",
        java_script_enabled=script,
        device_scale_factor=1,
    )
    seen, address = Seen(), path.as_uri()
    page = context.new_page()
    page.add_init_script(VIOLATIONS)
    page.on("console", lambda message: seen.messages.append(message.text))
    page.on("pageerror", lambda error: seen.messages.append(str(error)))
    page.on("request", lambda request: seen.requests.append(request.url) if request.url != address else None)
    page.emulate_media(media="print" if media == "print" else "screen")
    page.goto(address)
    yield page, seen
    context.close()
