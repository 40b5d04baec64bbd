"""What stands in JUnit XML about a test: properties as strings, and the text of a failure.

pytest writes both; here they are made such that any XML 1.0 parser reads them back, whatever labels contain.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from pytest_telemetry_gate.model.verdict import Outcome, Verdict, worst
from pytest_telemetry_gate.reports.failures import figures_of
from pytest_telemetry_gate.reports.status import figures
from pytest_telemetry_gate.support import text
from pytest_telemetry_gate.support.durations import format_time
from pytest_telemetry_gate.support.numbers import format_value

__all__ = ["failure_text", "is_property", "properties", "properties_of"]

_PREFIX = "telemetry."
_TEXTS = (
    "suite", "group", "criterion", "title", "region", "checkpoint", "environment", "reason", "unit", "limit",
    "baseline_name", "variance_unit", "query", "source", "semantics", "link", "digest",
)  # fmt: skip
_NUMBERS = ("value", "margin", "baseline", "variance", "tolerance", "coverage")
_ORDER = (
    "verdict", "level", "severity", "value", "unit", "limit", "margin", "baseline", "baseline_name", "variance",
    "variance_unit", "tolerance", "coverage", "suite", "group", "criterion", "title", "region", "checkpoint", "time",
    "environment", "query", "reason", "source", "semantics", "link", "digest", "warnings", "where",
)  # fmt: skip


def is_property(name: str) -> bool:
    """Tell whether a property is one of ours."""
    return name.startswith(_PREFIX)


def properties(verdict: Verdict, prefix: str = _PREFIX) -> list[tuple[str, str]]:
    """Return names and values for ``item.user_properties``, in a fixed order; what a verdict lacks is left out.

    Numbers are written with twelve significant digits in the verdict's unit, times in UTC.
    """
    found = {
        "verdict": str(verdict.outcome),
        "level": str(verdict.level or ""),
        "severity": str(verdict.severity or ""),
        "time": "" if verdict.time is None else format_time(verdict.time),
        "warnings": "; ".join(verdict.warnings),
        "where": f"{verdict.path}:{verdict.line}" if verdict.path else "",
    }
    found.update((name, getattr(verdict, name)) for name in _TEXTS)
    for name in _NUMBERS:
        number = getattr(verdict, name)
        found[name] = "" if number is None else _number(number)
    if verdict.variance is None and verdict.tolerance is None:
        del found["variance_unit"]
    safe = {name: text.for_xml(text.without_password(found[name])) for name in _ORDER if found.get(name)}
    return [(prefix + name, content) for name, content in safe.items()]


def properties_of(verdicts: Sequence[Verdict]) -> list[tuple[str, str]]:
    """Return the properties of a test.

    One verdict has the names ``telemetry.value`` and so on. Several have ``telemetry.1.value``,
    ``telemetry.2.value``, ... in the order of the checks, after ``telemetry.verdict``, the worst of them, and
    ``telemetry.checks``, their number.
    """
    if len(verdicts) == 1:
        return properties(verdicts[0])
    if not verdicts:
        return []
    found = [(f"{_PREFIX}verdict", str(worst(verdicts).outcome)), (f"{_PREFIX}checks", str(len(verdicts)))]
    for number, verdict in enumerate(verdicts, 1):
        found.extend(properties(verdict, f"{_PREFIX}{number}."))
    return found


def failure_text(verdicts: Sequence[Verdict]) -> str:
    """Return the message of a failed test: verdict, value, limit and query of the worst one on the first line.

    The lines after it explain every verdict given. Raises ValueError where there is none.
    """
    if not verdicts:
        message = "no verdict to tell about"
        raise ValueError(message)
    first = worst(verdicts)
    others = f" (and {len(verdicts) - 1} more)" if len(verdicts) > 1 else ""
    lines = [_headline(first) + others]
    for verdict in (first, *(one for one in verdicts if one is not first)):
        if verdict is not first:
            lines.extend(("", _headline(verdict)))
        lines.extend(f"  {text.one_line(line)}" for line in _details(verdict) if line)
    return "\n".join(lines)


def _headline(verdict: Verdict) -> str:
    told = figures(verdict)
    if verdict.outcome in {Outcome.INCONCLUSIVE, Outcome.ERROR} and verdict.limit:
        told += f" (limit {verdict.limit})"
    query = f"; query: {verdict.query}" if verdict.query else ""
    return text.one_line(text.without_password(f"{verdict.outcome.upper()} {verdict.name}: {told}{query}"))


def _details(verdict: Verdict) -> Iterator[str]:
    if figures(verdict) != text.plain(text.without_password(verdict.reason)):
        yield text.without_password(verdict.reason)
    yield from verdict.details
    where = f" ({verdict.path}:{verdict.line})" if verdict.path else ""
    parts = [verdict.suite, verdict.group, verdict.title.replace("`", "")]
    yield f"criterion {' / '.join(part for part in parts if part)}{where}"
    places = [
        f"region {verdict.region}" if verdict.region else "",
        f"checkpoint {verdict.checkpoint}" if verdict.checkpoint else "",
    ]
    yield ", ".join(place for place in places if place)
    yield from figures_of(verdict)


def _number(value: float) -> str:
    return f"{value:.12g}" if math.isfinite(value) else format_value(value)
