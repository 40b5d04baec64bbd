"""The properties of a test in JUnit XML: strings that any XML 1.0 parser reads back, whatever labels contain."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pytest_telemetry_gate.model.dossier import Dossier
from pytest_telemetry_gate.model.verdict import Verdict, worst_verdict
from pytest_telemetry_gate.support import text
from pytest_telemetry_gate.support.durations import format_time
from pytest_telemetry_gate.support.numbers import format_value

__all__ = ["FORMAT_PROPERTY", "is_property", "list_properties", "verdict_properties"]

_PREFIX = "telemetry."
FORMAT_PROPERTY = (f"{_PREFIX}format", "1")
"""The version of the properties' names and values, which the first test of a run states for all."""
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


def verdict_properties(verdict: Verdict, prefix: str = _PREFIX) -> list[tuple[str, str]]:
    """Return names and values for ``item.user_properties``, in a fixed order; what a verdict lacks is left out.

    Numbers are written with twelve significant digits in the verdict's unit, times in UTC.
    """
    texts = {
        "verdict": str(verdict.outcome),
        "level": str(verdict.level or ""),
        "severity": str(verdict.severity or ""),
        "time": "" if verdict.time is None else format_time(verdict.time),
        "warnings": "; ".join(verdict.warnings),
        "where": f"{verdict.path}:{verdict.line}" if verdict.path else "",
    }
    texts.update((name, getattr(verdict, name)) for name in _TEXTS)
    for name in _NUMBERS:
        number = getattr(verdict, name)
        texts[name] = "" if number is None else _number(number)
    if verdict.variance is None and verdict.tolerance is None:
        del texts["variance_unit"]
    safe = {
        name: text.escape_for_xml(text.strip_passwords(texts[name])) for name in _ORDER if texts.get(name)
    }
    return [(prefix + name, content) for name, content in safe.items()]


def list_properties(dossiers: Sequence[Dossier]) -> list[tuple[str, str]]:
    """Return the properties of a test.

    One verdict has the names ``telemetry.value`` and so on. Several have ``telemetry.1.value``,
    ``telemetry.2.value``, ... in the order of the checks, after ``telemetry.verdict``, the worst of them, and
    ``telemetry.checks``, their number.
    """
    verdicts = [one.verdict for one in dossiers]
    if len(verdicts) == 1:
        return verdict_properties(verdicts[0])
    if not verdicts:
        return []
    properties = [
        (f"{_PREFIX}verdict", str(worst_verdict(verdicts).outcome)),
        (f"{_PREFIX}checks", str(len(verdicts))),
    ]
    for number, verdict in enumerate(verdicts, 1):
        properties.extend(verdict_properties(verdict, f"{_PREFIX}{number}."))
    return properties


def _number(value: float) -> str:
    return f"{value:.12g}" if math.isfinite(value) else format_value(value)
