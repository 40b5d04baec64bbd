"""Makes the pictures of ``docs/images`` from the example reports, in a real browser: ``./run pictures``.

Made again when the report looks different; a test holds that pages show these pictures and no others.
"""

from __future__ import annotations

import io
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from report_runs import write_reports

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

IMAGES = Path(__file__).resolve().parent / "images"
COLOURS = 128  # of a palette; a screenshot of text and plots loses nothing that is seen
MARGIN = 16  # pixels around what is cut out
PAPER_SCALE = 1.4  # of 72 dots an inch: text of the page can still be read


def _open(browser: Browser, report: Path, *, width: int, height: int, dark: bool = False) -> Page:
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light"
    )
    page = context.new_page()
    page.goto(report.as_uri())
    return page


def _first_screen(browser: Browser, reports: Path) -> bytes:
    page = _open(browser, reports / "telemetry_step2_regressed.html", width=1280, height=900)
    last = page.locator("#sign-off").bounding_box()
    assert last is not None
    height = min(900, last["y"] + last["height"] + MARGIN)
    return page.screenshot(clip={"x": 0, "y": 0, "width": 1280, "height": height})


def _phone(browser: Browser, reports: Path) -> bytes:
    report = reports / "telemetry_step2.html"
    return _open(browser, report, width=390, height=844, dark=True).screenshot()


def _variance(browser: Browser, reports: Path) -> bytes:
    page = _open(browser, reports / "telemetry_step2.html", width=1000, height=900)
    figure = page.locator("#c-telemetry_variance")
    figure.scroll_into_view_if_needed()
    around, plot = figure.bounding_box(), figure.locator("svg.plot").bounding_box()
    assert around is not None
    assert plot is not None
    return page.screenshot(
        clip={
            "x": around["x"] - MARGIN,
            "y": around["y"] - MARGIN,
            "width": around["width"] + 2 * MARGIN,
            "height": plot["y"] + plot["height"] - around["y"] + 2 * MARGIN,
        }
    )


def _paper(browser: Browser, reports: Path) -> bytes:
    import pypdfium2

    page = _open(browser, reports / "telemetry_step2_regressed.html", width=1280, height=900)
    content = io.BytesIO()
    with pypdfium2.PdfDocument(page.pdf(prefer_css_page_size=True, print_background=True)) as document:
        document[0].render(scale=PAPER_SCALE).to_pil().save(content, "PNG")
    return content.getvalue()


PICTURES: Mapping[str, Callable[[Browser, Path], bytes]] = {
    "report.png": _first_screen,
    "report-phone.png": _phone,
    "report-variance.png": _variance,
    "report-paper.png": _paper,
}


def make_pictures(chromium: str) -> None:
    """Write all pictures, with the browser at this path."""
    from PIL import Image
    from playwright.sync_api import sync_playwright

    IMAGES.mkdir(exist_ok=True)
    with TemporaryDirectory() as folder, sync_playwright() as playwright:
        write_reports(Path(folder))
        browser = playwright.chromium.launch(executable_path=chromium)
        for name, take in PICTURES.items():
            shown = Image.open(io.BytesIO(take(browser, Path(folder)))).convert("RGB")
            shown.quantize(COLOURS, dither=Image.Dither.NONE).save(IMAGES / name, optimize=True)
        browser.close()


if __name__ == "__main__":
    found = shutil.which("chromium")
    if found is None:
        sys.exit("missing: chromium (apt-get install chromium)")
    make_pictures(found)
