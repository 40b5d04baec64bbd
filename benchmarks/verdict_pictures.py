"""The curves of the simulation of verdicts, as SVG: what became of checks, by the size of a change and by what can be seen."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from benchmarks.verdicts import Cell

__all__ = ["PICTURES", "draw"]

PICTURES = ("verdicts-by-change.svg", "verdicts-by-error.svg")
WIDTH, HEIGHT = 330, 220  # of a panel
LEFT, TOP, RIGHT, BOTTOM = 44, 34, 12, 38
MARGIN = 10  # of a page, to the right
STYLE = (
    "<style>text{font:12px sans-serif;fill:#333}.title{font-weight:bold}.axis{stroke:#999}.grid{stroke:#e4e4e4}"
    ".pass{stroke:#1a7f37;fill:#1a7f37}.fail{stroke:#b3261e;fill:#b3261e}.plain{stroke:#6b6b6b;fill:#6b6b6b}"
    ".kayenta{stroke:#1f5fbf;fill:#1f5fbf}path{fill:none!important;stroke-width:2}"
    ".plain path{stroke-dasharray:6 3}.kayenta path{stroke-dasharray:2 3}circle{stroke:none;fill-opacity:.55}</style>"
)
LINES = (
    ("pass", "gate passes", "gate", 0),
    ("fail", "gate fails", "gate", 2),
    ("plain", "plain threshold fails", "number", 2),
    ("kayenta", "Kayenta flags", "Kayenta", 2),
)
PANELS = (
    ("AR .9, 3.5 %", "1h"),
    ("wander 6 h, 1 %", "1h"),
    ("wander 6 h, 3 %", "1h"),
    ("AR .9, 10 %", "24h"),
)
ERRORS = (0.02, 4.0)  # the ends of the axis of errors


def draw(folder: Path, cells: Sequence[Cell], changes: Sequence[float]) -> None:
    """Write the pictures of judged cells to a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / PICTURES[0]).write_text(_by_change(cells, changes), "utf-8")
    (folder / PICTURES[1]).write_text(_by_error(cells), "utf-8")


def _by_change(cells: Sequence[Cell], changes: Sequence[float]) -> str:
    found = {(cell.kind, cell.window): cell for cell in cells if cell.reference == "7d"}
    panels = [key for key in PANELS if key in found]
    parts = []
    for number, key in enumerate(panels):
        cell = found[key]
        frame = _Frame(number % 2 * WIDTH, number // 2 * HEIGHT, lambda change: change / 0.10)
        body = frame.axes(
            f"{key[0]}, window {key[1]}", [(c, f"{c * 100:g} %") for c in (0, 0.025, 0.05, 0.075, 0.1)]
        )
        for name, _, judge, outcome in LINES:
            points = [(change, cell.share(judge, change, outcome)) for change in changes]
            body += f'<g class="{name}">{frame.line(points)}</g>'
        parts.append(body)
    rows = (len(panels) + 1) // 2
    return _page(
        2 * WIDTH,
        rows * HEIGHT,
        parts,
        [(name, text) for name, text, _, _ in LINES],
        "true change of the metric",
    )


def _by_error(cells: Sequence[Cell]) -> str:
    low, high = (math.log(end) for end in ERRORS)
    frame = _Frame(
        0, 0, lambda error: (math.log(min(max(error, ERRORS[0]), ERRORS[1])) - low) / (high - low), wide=2
    )
    body = frame.axes(
        "without a change: one point for each noise, window and reference",
        [(e, f"{e:g}") for e in (0.05, 0.1, 0.2, 0.5, 1, 2)],
    )
    series: list[tuple[str, str, Callable[[Cell], float]]] = [
        ("pass", "checks that the gate passes", lambda cell: cell.share("gate", 0.0, 0)),
        ("plain", "rollouts that a threshold fails", lambda cell: cell.failed("number", 0.0)),
        ("fail", "rollouts that the gate fails", lambda cell: cell.failed("gate", 0.0)),
    ]
    for name, _, share in series:
        dots = "".join(frame.dot(cell.error, share(cell)) for cell in cells)
        body += f'<g class="{name}">{dots}</g>'
    legend = [(name, text) for name, text, _ in series]
    return _page(2 * WIDTH, HEIGHT, [body], legend, "standard error of the variance, in tolerances")


class _Frame:
    """One panel: where numbers are on the page."""

    def __init__(self, left: float, top: float, across: Callable[[float], float], wide: int = 1) -> None:
        self._left, self._top, self._across = left + LEFT, top + TOP, across
        self._width, self._height = wide * WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def _place(self, x: float, y: float) -> tuple[float, float]:
        return self._left + self._across(x) * self._width, self._top + (1 - y) * self._height

    def axes(self, title: str, ticks: Sequence[tuple[float, str]]) -> str:
        """Return the axes of shares from 0 to 100 %, with a title."""
        parts = [f'<text class="title" x="{self._left}" y="{self._top - 10}">{escape(title)}</text>']
        right, bottom = self._left + self._width, self._top + self._height
        for share in (0, 0.5, 1):
            _, y = self._place(1, share)
            parts.append(f'<line class="grid" x1="{self._left}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>')
            parts.append(f'<text x="{self._left - 6}" y="{y + 4:.1f}" text-anchor="end">{share:.0%}</text>')
        for value, text in ticks:
            x, _ = self._place(value, 0)
            parts.append(f'<text x="{x:.1f}" y="{bottom + 16}" text-anchor="middle">{escape(text)}</text>')
        parts.append(f'<line class="axis" x1="{self._left}" x2="{right}" y1="{bottom}" y2="{bottom}"/>')
        return "".join(parts)

    def line(self, points: Sequence[tuple[float, float]]) -> str:
        """Return a line through points, none where a share is not known."""
        places = [self._place(x, y) for x, y in points if math.isfinite(y)]
        return f'<path d="M{" L".join(f"{x:.1f} {y:.1f}" for x, y in places)}"/>' if places else ""

    def dot(self, x: float, y: float) -> str:
        """Return a dot."""
        left, top = self._place(x, y)
        return f'<circle cx="{left:.1f}" cy="{top:.1f}" r="3"/>'


def _page(
    width: int, height: int, parts: Sequence[str], legend: Sequence[tuple[str, str]], below: str
) -> str:
    """Return an SVG with a legend and the name of the axis below its panels."""
    each = (width - LEFT) / len(legend)
    names = "".join(
        f'<g class="{name}"><circle cx="{LEFT + number * each + 4:.0f}" cy="{height + 26}" r="5"/></g>'
        f'<text x="{LEFT + number * each + 14:.0f}" y="{height + 30}">{escape(text)}</text>'
        for number, (name, text) in enumerate(legend)
    )
    axis = f'<text x="{width / 2:.0f}" y="{height + 6}" text-anchor="middle">{escape(below)}</text>'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width + MARGIN} {height + 42}" role="img">{STYLE}'
        f'<rect width="{width + MARGIN}" height="{height + 42}" fill="#fff"/>{"".join(parts)}{axis}{names}</svg>\n'
    )
