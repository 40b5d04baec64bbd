"""The report as one HTML page: whole without script, style sheet or network, the same for the same report."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

from pytest_telemetry_gate.model.report import Report
from pytest_telemetry_gate.model.verdict import Outcome
from pytest_telemetry_gate.reports.html.anchors import name_anchors
from pytest_telemetry_gate.reports.html.chapters import Chapters, arrange_chapters
from pytest_telemetry_gate.reports.html.colours import (
    DARK,
    LIGHT,
    OUTCOME_COLOURS,
    REGION_COLOURS,
    write_variables,
)
from pytest_telemetry_gate.reports.html.fault_rows import arrange_faults
from pytest_telemetry_gate.reports.html.figures import POINTS, count_points
from pytest_telemetry_gate.reports.html.prose import make_prose_renderers
from pytest_telemetry_gate.reports.overview.answer import find_answer
from pytest_telemetry_gate.reports.overview.cells import MARKS
from pytest_telemetry_gate.reports.overview.faults import find_faults
from pytest_telemetry_gate.reports.overview.key_figures import list_key_figures
from pytest_telemetry_gate.reports.overview.moments import Clock
from pytest_telemetry_gate.reports.overview.nearest import find_nearest
from pytest_telemetry_gate.reports.overview.signatures import list_signatures
from pytest_telemetry_gate.reports.overview.tables import (
    tabulate_changes,
    tabulate_evidence,
    tabulate_history,
)
from pytest_telemetry_gate.support.text import clip, one_line, visible

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["render_html"]

_REASON = 2000  # columns of a text
_LABEL = 120  # columns of a title; the report's JSON has it whole
_PASS_MARK = "✓"  # noqa: S105 - the sign in front of the word
_MARKS = {**MARKS, Outcome.PASS: _PASS_MARK, Outcome.ERROR: "✗", Outcome.PENDING: "…"}
_MEANINGS = {
    Outcome.FAIL: "outside its limit or tolerance",
    Outcome.ERROR: "could not be asked or computed",
    Outcome.INCONCLUSIVE: "data, coverage or baseline is missing; it never passes",
    Outcome.WARN: "inside, at level warn or crit",
    Outcome.WAIVED: "by name, until a date",
    Outcome.PENDING: "not due yet",
}
_WHOLE_HOURS = re.compile(r"([+-])(\d\d):?00")
_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 .,:_-·")


def render_html(report: Report) -> str:
    """Return the report as one HTML page.

    It depends on the report alone. Raises ModuleNotFoundError without the extra ``html``, and ValueError for a time zone
    that is unknown here.
    """
    environment = _environment()
    faults = find_faults(report)
    answer = find_answer(report, faults)
    suites = report.content.suites
    anchors = name_anchors(report)
    merged = max(1, -(-count_points(report) // POINTS))
    places = range(max(len(suites), 1))
    chapters = [arrange_chapters(report, place, anchors, merged=merged) for place in places]
    titles = [suite.title or suite.id for suite in suites]
    title = ", ".join(titles) or "Telemetry gate"
    digest = report.digest.removeprefix("sha256:")
    foot = " · ".join(filter(None, (suites[0].id if suites else "", answer.word, f"SHA-256 {digest[:16]}")))
    script = _script()
    return environment.get_template("page.html").render(
        report=report,
        title=title,
        answer=answer,
        faults=arrange_faults(report, faults, anchors),
        followers=faults.followers,
        nearest=[] if faults.faults else find_nearest(report),
        anchors={criterion: anchor for (_, _, criterion), anchor in anchors.items()},
        key_figures=list_key_figures(report),
        signatures=list_signatures(report),
        clock=Clock(suites[0]) if suites else None,
        zone=_name_zone(suites[0].timezone) if suites else "",
        chapters=chapters,
        contents=_contents(report, chapters),
        digest=digest,
        foot=_css_string(foot),
        light=write_variables(LIGHT),
        dark=write_variables(DARK),
        script=script,
        script_digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        Outcome=Outcome,
        outcome_colours=OUTCOME_COLOURS,
        region_colours=REGION_COLOURS,
        meanings=_MEANINGS,
        changes=tabulate_changes(report.changes.changes if report.changes else ()),
        history=tabulate_history(report.history),
        evidence=tabulate_evidence(report.content.evidence),
        nearest_regional=len({region for suite in suites for region in suite.regions}) > 1,
    )


def _contents(report: Report, chapters: list[Chapters]) -> list[tuple[str, str]]:
    """Return the anchors and titles of the page's sections."""
    found = [("sign-off", "Sign-off")] if list_signatures(report) else []
    if report.changes is not None:
        found.append(("changes", "What changed"))
    for one in chapters:
        found += [(f"{one.prefix}{name}", f"{title}{one.suffix}") for name, title in one.contents()]
    return [*found, ("evidence", "Evidence")]


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined  # of the extra `html`
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader("pytest_telemetry_gate.reports.html"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )
    render, render_line = make_prose_renderers()
    environment.filters.update(
        titled=_titled(Markup),
        prose=lambda text: Markup(render(text)),  # noqa: S704 - the renderer escapes all HTML in the text
        drawn=Markup,
        prose_line=lambda text: Markup(render_line(text)),  # noqa: S704 - likewise
        label=lambda text: _cut(text, _LABEL),
        name=lambda text: _breakable(Markup, _cut(text, _LABEL)),
        reason=lambda text: _cut(text, _REASON),
        mark=lambda outcome: _MARKS.get(outcome, ""),
    )
    environment.globals["style"] = Markup(_read("style.css"))  # noqa: S704 - a file of this package
    return environment


def _breakable(markup: Any, text: str) -> Any:
    """Return a name as markup that a narrow column breaks after an underscore, not in the middle of a word."""
    return markup("_<wbr/>").join(markup.escape(part) for part in visible(text).split("_"))


def _finalize(value: Any) -> Any:
    """Return what is written of a value: of a text, nothing that does not print as itself."""
    return visible(value) if type(value) is str else value


def _cut(text: str, width: int) -> str:
    """Return a text on one line and cut; what is much longer is cut first, since finding what does not print takes time."""
    return clip(one_line(text[: width * 4]), width, "…")


def _titled(markup: type) -> Callable[[str], Any]:
    """Return what makes the parts of a title between backticks code."""

    def write(title: str) -> Any:
        parts = _cut(title, _LABEL).split("`")
        if len(parts) % 2 == 0:
            parts[-2:] = ["`".join(parts[-2:])]
        return markup("").join(
            markup("<code>{}</code>").format(part) if number % 2 else part
            for number, part in enumerate(parts)
        )

    return write


def _script() -> Any:
    from markupsafe import Markup

    return Markup(_read("script.js"))  # noqa: S704 - a file of this package


@cache
def _read(name: str) -> str:
    from importlib.resources import files

    return files(__package__).joinpath("templates", name).read_text("utf-8")


def _name_zone(zone: str) -> str:
    """Return a zone as browsers know it: an offset of whole hours by its name, whose sign is the other way round."""
    match = _WHOLE_HOURS.fullmatch(zone)
    return zone if match is None else f"Etc/GMT{'+' if match[1] == '-' else '-'}{int(match[2])}"


def _css_string(text: str) -> str:
    """Return a string of a style sheet: whatever could end it, or the sheet, is an escape."""
    return "".join(
        char if char in _PLAIN else f"\\{ord(char):06x}" for char in clip(visible(text), _LABEL, "…")
    )
