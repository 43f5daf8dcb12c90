"""The pictures of reports in the manual: python tests/browser/pictures.py [FOLDER]

They are made of the samples by Debian's Chromium. optipng makes them smaller where it is there.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from browser.browser import DESKTOP, PAPER, PHONE, opened, running  # noqa: E402 - as a program, too
from browser.reports import write_reports  # noqa: E402

if TYPE_CHECKING:
    from playwright.sync_api import Browser

FOLDER = ROOT / "docs" / "pictures"


@dataclass(frozen=True)
class View:
    """A report as somebody sees it. most: pixels of its height that the picture shows."""

    file: str
    report: str
    size: tuple[int, int] = DESKTOP
    dark: bool = False
    media: str = "screen"
    most: int = 4000


VIEWS = (
    View("dumpkind.png", "dumpkind", most=2200),
    View("dumpkind-dark.png", "dumpkind", dark=True, most=1100),
    View("dumpkind-phone.png", "dumpkind", PHONE, most=1700),
    View("dumpkind-print.png", "dumpkind", PAPER, media="print", most=1123),
    View("dumps.png", "dumps", (1360, 900), most=1700),
    View("catalog.png", "catalog", (1360, 900), most=1800),
    View("pagefilefit.png", "pagefilefit", most=1500),
    View("machines.png", "machines", (1360, 900), most=1300),
    View("minify.png", "minify", most=2200),
)


def picture(browser: Browser, reports: dict[str, Path], view: View, path: Path) -> None:
    """Take a picture of a report."""
    with opened(browser, reports[view.report], view.size, dark=view.dark, media=view.media) as (page, _):
        height: int = page.evaluate("document.documentElement.scrollHeight")
        page.set_viewport_size({"width": view.size[0], "height": min(height, view.most)})
        if view.media == "print":  # the margins of a page, which a printer adds
            page.evaluate("document.body.style.padding = '40px'")
        page.screenshot(path=path, animations="disabled")


def main() -> None:
    """Make all of them."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as work, running() as browser:
        reports = write_reports(Path(work))
        for view in VIEWS:
            picture(browser, reports, view, folder / view.file)
    optipng = shutil.which("optipng")
    if optipng is not None:
        subprocess.run([optipng, "-quiet", "-o3", "-strip", "all", *sorted(folder.glob("*.png"))], check=True)


if __name__ == "__main__":
    main()
