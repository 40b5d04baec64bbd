"""A plot as static SVG: one drawing that fits a desktop, a phone and paper, without script and without style sheet.

Across, everything is in percent of the width, down in pixels, so that texts never stretch. Only the data lie in an inner
drawing that does. Colours are attributes, those of the light theme; the style sheet's classes replace them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pytest_telemetry_gate.model.verdict import Outcome
from pytest_telemetry_gate.reports.html.axes import Scale, choose_range, choose_ticks
from pytest_telemetry_gate.reports.html.colours import LIGHT, OUTCOME_COLOURS
from pytest_telemetry_gate.reports.html.labels import SMALL, draw_axis, draw_labels
from pytest_telemetry_gate.reports.html.lanes import LANE_HEIGHT, draw_lane
from pytest_telemetry_gate.reports.html.plot import TOP, LineKind, Plot
from pytest_telemetry_gate.reports.html.ribbons import WIDTH, draw_cone, draw_ribbon
from pytest_telemetry_gate.reports.html.svg import element, percent, pixels, write_text

__all__ = ["draw_plot"]


def draw_plot(plot: Plot) -> str:
    """Return the plot as SVG, in the order in which things lie above each other."""
    scale = _scale(plot)
    title, description = f"{plot.id}-title", f"{plot.id}-text"
    return element(
        "svg",
        element("title", write_text(plot.title), id=title),
        element("desc", write_text(plot.description), id=description),
        *_ground(plot, scale),
        *_grid(plot, scale),
        *_lines(plot, scale),
        *_episodes(plot, scale),
        _data(plot, scale),
        *_lanes(plot, scale),
        *_marks(plot, scale),
        *draw_labels(plot, scale),
        *draw_axis(plot, scale),
        class_="plot",
        width="100%",
        height=plot.full_height,
        overflow="visible",
        role="img",
        aria_labelledby=f"{title} {description}",
        tabindex=0,
        font_family="system-ui,sans-serif",
        font_size=SMALL,
        data_unit=plot.unit or None,
    )


def _scale(plot: Plot) -> Scale:
    data = [value for ribbon in plot.ribbons for value in ribbon.extremes()]
    data += [mark.value for mark in plot.marks]
    if plot.cone is not None:
        data += [*plot.cone.low, *plot.cone.high]
    low, high = choose_range(
        data,
        near=[line.value for line in plot.lines if line.kind is not LineKind.LEVEL and not line.always],
        always=[line.value for line in plot.lines if line.always],
    )
    return Scale(plot.start, max(plot.end, plot.start + 1), low, high, plot.height)


def _box(scale: Scale, start: float, end: float, top: float, height: float, **attributes: str) -> str:
    left, right = scale.across(start), scale.across(end)
    return element(
        "rect",
        x=percent(left),
        y=pixels(top),
        width=percent(max(right - left, 0.002)),
        height=pixels(height),
        **attributes,
    )


def _ground(plot: Plot, scale: Scale) -> Iterator[str]:
    low, high = plot.allowed
    top = 0.0 if high is None else min(max(scale.down(high), 0.0), plot.height)
    bottom = plot.height if low is None else min(max(scale.down(low), 0.0), plot.height)
    if plot.banded:
        yield _strip(top, bottom, "pass", ".08", "allowed")
    else:
        yield _strip(0.0, top, "fail", ".09", "beyond")
        yield _strip(bottom, plot.height, "fail", ".09", "beyond")
    if plot.rollout is not None:
        start, end = plot.rollout
        yield _box(
            scale, start, end, TOP, plot.height, fill=LIGHT["muted"], fill_opacity=".1", class_="rollout"
        )
    for gap in plot.gaps:
        yield _box(
            scale,
            gap.start,
            gap.end,
            TOP,
            plot.height,
            fill="url(#hatch-inconclusive)",
            fill_opacity=".4",
            stroke=LIGHT["inconclusive"],
            stroke_opacity=".5",
            class_="gap",
        )


def _strip(top: float, bottom: float, colour: str, opacity: str, name: str) -> str:
    if bottom - top < 0.1:
        return ""
    return element(
        "rect",
        y=pixels(TOP + top),
        width="100%",
        height=pixels(bottom - top),
        fill=LIGHT[colour],
        fill_opacity=opacity,
        class_=name,
    )


def _grid(plot: Plot, scale: Scale) -> Iterator[str]:
    for moment in plot.moments:
        place = percent(scale.across(moment.at))
        yield element(
            "line", x1=place, x2=place, y1=TOP, y2=TOP + plot.height, stroke=LIGHT["line"], class_="grid"
        )
    for tick in choose_ticks(scale.low, scale.high):
        yield _level(scale, tick, stroke=LIGHT["line"], stroke_opacity=".7", class_="grid")


def _level(scale: Scale, value: float, **attributes: str) -> str:
    height = pixels(TOP + scale.down(value))
    return element("line", x2="100%", y1=height, y2=height, **attributes)


_STROKES: Mapping[LineKind, Mapping[str, str]] = {
    LineKind.LIMIT: {"stroke": LIGHT["fail"], "stroke_width": "1.4"},
    LineKind.BASELINE: {"stroke": LIGHT["text"], "stroke_dasharray": "5 4", "stroke_opacity": ".65"},
    LineKind.LEVEL: {"stroke": LIGHT["warn"], "stroke_dasharray": "1.5 3.5"},
}


def _lines(plot: Plot, scale: Scale) -> Iterator[str]:
    for line in plot.lines:
        if scale.shows(line.value):
            yield _level(scale, line.value, **_STROKES[line.kind], class_=line.kind)


def _episodes(plot: Plot, scale: Scale) -> Iterator[str]:
    for episode in plot.episodes:
        yield _box(
            scale,
            episode.start,
            episode.end,
            TOP,
            plot.height,
            fill=LIGHT["fail"],
            fill_opacity=".3",
            class_="episode",
        )


def _data(plot: Plot, scale: Scale) -> str:
    if not plot.ribbons and plot.cone is None:
        return ""
    loud = [ribbon.loud for ribbon in plot.ribbons]
    return element(
        "svg",
        *(draw_ribbon(ribbon, scale, faint=any(loud) and not ribbon.loud) for ribbon in plot.ribbons),
        draw_cone(plot.cone, scale) if plot.cone is not None else "",
        y=TOP,
        width="100%",
        height=plot.height,
        viewBox=f"0 0 {WIDTH} {plot.height}",
        preserveAspectRatio="none",
        class_="data",
        data_low=f"{scale.low:.9g}",
        data_high=f"{scale.high:.9g}",
        data_start=f"{scale.start:.12g}",
        data_end=f"{scale.end:.12g}",
    )


def _lanes(plot: Plot, scale: Scale) -> Iterator[str]:
    for number, lane in enumerate(plot.lanes):
        yield from draw_lane(lane, scale, bottom=TOP + plot.height + LANE_HEIGHT * (number + 1))


_SHAPES: Mapping[Outcome, str] = {
    Outcome.WARN: "M0-4.6L4.3 3.4H-4.3z",
    Outcome.FAIL: "M-3.8-3.8L3.8 3.8M-3.8 3.8L3.8-3.8",
    Outcome.ERROR: "M-3.5-3.5H3.5V3.5H-3.5z",
    Outcome.INCONCLUSIVE: "M0-4.4L4.4 0L0 4.4L-4.4 0z",
    Outcome.WAIVED: "M-3.4 0A3.4 3.4 0 1 0 3.4 0A3.4 3.4 0 1 0-3.4 0z",
}
_OUTLINED = {Outcome.FAIL, Outcome.INCONCLUSIVE, Outcome.WAIVED}


def _marks(plot: Plot, scale: Scale) -> Iterator[str]:
    for mark in plot.marks:
        if not scale.shows(mark.value):
            continue
        across, down = percent(scale.across(mark.at)), pixels(TOP + scale.down(mark.value))
        colour = OUTCOME_COLOURS[mark.outcome]
        if mark.outcome not in _SHAPES:
            yield element(
                "circle",
                cx=across,
                cy=down,
                r="3.6",
                fill=colour,
                stroke=LIGHT["ground"],
                class_=f"mark {mark.outcome}",
            )
            continue
        outlined = mark.outcome in _OUTLINED
        shape = element(
            "path",
            d=_SHAPES[mark.outcome],
            fill="none" if outlined else colour,
            stroke=colour if outlined else LIGHT["ground"],
            stroke_width="2.2" if outlined else "1",
            class_=f"mark {mark.outcome}",
        )
        yield element("svg", shape, x=across, y=down, overflow="visible")
