"""The texts of a plot: names of its lines at the right edge, numbers at the left one, moments below."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pytest_telemetry_gate.reports.html.axes import Scale, choose_ticks, spread_labels, write_tick
from pytest_telemetry_gate.reports.html.colours import LIGHT
from pytest_telemetry_gate.reports.html.plot import TOP, LineKind, Moment, Plot, Span
from pytest_telemetry_gate.reports.html.svg import element, percent, pixels, write_text
from pytest_telemetry_gate.support.text import clip

__all__ = ["SMALL", "draw_axis", "draw_labels"]

SMALL = 10.5  # pixels of a text
_LONG = 60  # characters of a name at the edge
_SHORT = 28  # characters of a name above a bar or below a line
_APART = 11.5  # pixels between labels


@dataclass(frozen=True, slots=True)
class _Label:
    """A text at the right edge, and where its bottom would like to be."""

    text: str
    down: float
    colour: str
    name: str


def draw_labels(plot: Plot, scale: Scale) -> Iterator[str]:
    labels = [*_line_labels(plot, scale)]
    if plot.cone is not None and plot.forecast:
        down = scale.down(plot.cone.middle[-1]) - 6
        colour = plot.cone.colour
        name = f"forecast region{colour}"
        labels.append(_Label(plot.forecast, down, LIGHT[f"region{colour}"], name))
    heights = spread_labels(
        [TOP + label.down for label in labels], apart=_APART, low=TOP - 2, high=TOP + plot.height - 3
    )
    for label, height in zip(labels, heights, strict=True):
        yield _text(
            clip(label.text, _LONG, "…"),
            "100%",
            height,
            label.colour,
            name=f"label {label.name}",
            anchor="end",
            dx=-4,
        )
    yield from _tick_labels(plot, scale)
    for span in plot.gaps:
        yield _span_label(span, scale, TOP + 26, "inconclusive")  # below a limit that lies further up
    for span in plot.episodes:
        yield _span_label(span, scale, TOP - 5, "fail")
    if plot.none:
        down = plot.height - 6 if plot.ribbons else plot.height / 2
        yield _text(
            clip(plot.none, _LONG, "…"),
            "50%",
            TOP + down,
            LIGHT["muted"],
            name="label muted",
            anchor="middle",
        )


def _line_labels(plot: Plot, scale: Scale) -> Iterator[_Label]:
    colours = {LineKind.LIMIT: "fail", LineKind.BASELINE: "text", LineKind.LEVEL: "warn"}
    for line in plot.lines:
        colour = LIGHT[colours[line.kind]]
        if scale.shows(line.value):
            if line.text:
                yield _Label(line.text, scale.down(line.value) - 4, colour, line.kind)
        elif line.far:
            above = line.value > scale.high
            yield _Label(line.far, 10 if above else plot.height - 3, colour, line.kind)


def _tick_labels(plot: Plot, scale: Scale) -> Iterator[str]:
    ticks = choose_ticks(scale.low, scale.high)
    for number, tick in enumerate(ticks):
        unit = f" {plot.unit}" if plot.unit and (number == len(ticks) - 1 or plot.unit == "%") else ""
        height = max(TOP + scale.down(tick) - 3, TOP + 9)
        yield _text(write_tick(tick, ticks) + unit, "0", height, LIGHT["muted"], name="label muted", dx=3)


def _span_label(span: Span, scale: Scale, height: float, colour: str) -> str:
    middle = (scale.across(span.start) + scale.across(span.end)) / 2
    anchor = "start" if middle < 0.15 else "end" if middle > 0.85 else "middle"
    return _text(
        clip(span.text, _SHORT, "…"),
        percent(middle),
        height,
        LIGHT[colour],
        name=f"label {colour}",
        anchor=anchor,
        weight=600,
    )


def draw_axis(plot: Plot, scale: Scale) -> Iterator[str]:
    height = plot.full_height - 4
    for moment in _apart(plot.moments, scale):
        place = scale.across(moment.at)
        anchor = "start" if place < 0.03 else "end" if place > 0.97 else "middle"
        more = element("tspan", write_text(f" · {moment.more}"), class_="more") if moment.more else ""
        yield _text(
            clip(moment.name, _SHORT, "…"),
            percent(place if anchor == "middle" else round(place)),
            height,
            LIGHT["muted"],
            name="muted",
            more=more,
            anchor=anchor,
        )


def _apart(moments: Iterable[Moment], scale: Scale) -> Iterator[Moment]:
    """Yield the moments whose names have room, as on a phone: a tenth of the width; the last one always has."""
    listed = list(moments)
    if not listed:
        return
    last = scale.across(listed[-1].at)
    before = -1.0
    for moment in listed[:-1]:
        place = scale.across(moment.at)
        if place - before >= 0.1 and last - place >= 0.1:
            before = place
            yield moment
    yield listed[-1]


def _text(
    text: str,
    x: str,
    y: float,
    colour: str,
    *,
    name: str,
    more: str = "",
    anchor: str = "start",
    dx: int | None = None,
    weight: int | None = None,
) -> str:
    return element(
        "text",
        write_text(text),
        more,
        x=x,
        y=pixels(y),
        text_anchor=None if anchor == "start" else anchor,
        fill=colour,
        class_=name,
        dx=dx,
        font_weight=weight,
    )
