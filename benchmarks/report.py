"""The outputs of a report: how long each takes and how large it is, and how soon a browser shows the page.

    ./run bench report

The report of Telemetry Step 2, and one of 500 criteria in three regions at five checkpoints. Each output is told beside
the JSON of the same report, which is made of the same data by the standard library, so that a machine that is slow now
slows both.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

from benchmarks.__main__ import show
from pytest_telemetry_gate.model.report import Report
from pytest_telemetry_gate.reports.document.stored import write_json
from pytest_telemetry_gate.reports.html import render_html
from pytest_telemetry_gate.reports.markdown.render import render_markdown

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "unit" / "reports"))
import sample_report
from painting import first_paint

ROUNDS = 3
WANTED = {
    ("Step 2", "HTML"): "under 0.5 s, 150 KB",
    ("500 x 3 x 5", "HTML"): "under 10 s, 10 MB",
    ("500 x 3 x 5", "Markdown"): "under 10 s, 1 MB",
}


def seconds(render: Callable[[Report], str], report: Report) -> float:
    """Return how long an output takes, in seconds of this process."""
    begin = time.process_time()
    render(report)
    return time.process_time() - begin


def measure(name: str, report: Report) -> None:
    """Print the outputs of one report."""
    outputs: tuple[tuple[str, Callable[[Report], str]], ...] = (
        ("JSON", write_json),
        ("HTML", render_html),
        ("Markdown", render_markdown),
    )
    taken: dict[str, list[float]] = {what: [] for what, _ in outputs}
    sizes = {what: len(render(report).encode()) for what, render in outputs}
    for _ in range(ROUNDS):
        for what, render in outputs:
            taken[what].append(seconds(render, report))
    for what, _ in outputs:
        ratio = median(own / other for own, other in zip(taken[what], taken["JSON"], strict=True))
        figure = f"{median(taken[what]):.2f} s, ratio {ratio:.1f}, {sizes[what] / 1000:,.0f} KB"
        show(f"{name}: {what}, against JSON", figure, WANTED.get((name, what), ""))


def open_times(page: str) -> Iterator[tuple[float, float]]:
    """Yield how long a browser takes until it shows the first screen and until it has loaded all, in seconds."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        path = Path(name) / "report.html"
        path.write_text(page, "utf-8")
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
        for _ in range(ROUNDS):
            tab = browser.new_page(viewport={"width": 1280, "height": 900})
            tab.goto(path.as_uri())
            first = first_paint(tab)
            whole = tab.evaluate("() => performance.getEntriesByType('navigation')[0].loadEventEnd")
            yield first / 1000, whole / 1000
            tab.close()
        browser.close()


def opening(name: str, report: Report) -> None:
    """Print how soon the page is there, where there is a browser."""
    if shutil.which("chromium") is None:
        show(f"{name}: opened in a browser", "no chromium here", "")
        return
    first, whole = zip(*open_times(render_html(report)), strict=True)
    show(f"{name}: first screen, all of it", f"{median(first):.2f} s, {median(whole):.2f} s", "under 3 s")


def main() -> None:
    """Run them all."""
    show("what, against what", f"measured (medians of {ROUNDS})", "wanted")
    for name, report in (("Step 2", sample_report.regressed()), ("500 x 3 x 5", sample_report.large())):
        measure(name, report)
        opening(name, report)
