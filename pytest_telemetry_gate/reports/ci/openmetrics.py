"""A report as OpenMetrics text, which GitLab compares between branches and any Prometheus can scrape.

https://github.com/prometheus/OpenMetrics/blob/main/specification/OpenMetrics.md
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from pytest_telemetry_gate.model.report import CheckReport, Report
from pytest_telemetry_gate.support import text

__all__ = ["openmetrics"]

_HELP = {
    "opens": "1 where the gate opens, else 0.",
    "checks": "Checks by their outcome.",
    "value": "The value of a criterion at its last judged checkpoint, in its own unit.",
    "variance": "The variance of a criterion at its last judged checkpoint, in percent or percentage points.",
    "margin": "The room of a criterion to its limit at its last judged checkpoint, negative outside.",
}
_LABEL = 200


def openmetrics(report: Report) -> str:
    """Return gauges about the gate, and about each criterion in each region at its last judged checkpoint."""
    gate = report.content.gate
    families: dict[str, list[str]] = {
        "opens": [_sample("opens", {}, 1 if gate.opens else 0)],
        "checks": [
            _sample("checks", {"outcome": name}, count) for name, count in sorted(gate.counts.items())
        ],
    }
    for labels, check in _last_checks(report):
        for name, value in (("value", check.value), ("variance", check.variance), ("margin", check.margin)):
            if value is not None:
                families.setdefault(name, []).append(_sample(name, labels, value))
    lines = [line for name in _HELP if families.get(name) for line in _write_family(name, families[name])]
    return "\n".join([*lines, "# EOF"]) + "\n"


def _write_family(name: str, samples: Iterable[str]) -> Iterator[str]:
    yield f"# TYPE telemetry_gate_{name} gauge"
    yield f"# HELP telemetry_gate_{name} {_HELP[name]}"
    yield from samples


def _last_checks(report: Report) -> Iterator[tuple[Mapping[str, str], CheckReport]]:
    """Yield the last judged check of each criterion in each region, with labels that nothing else has."""
    found = []
    for suite in report.content.suites:
        for criterion in suite.criteria:
            for region in suite.regions_of(criterion):
                judged = [check for check in criterion.regions[region].checks if check.outcome.judged]
                if judged:
                    labels = {
                        "suite": suite.id,
                        "environment": suite.environment,
                        "criterion": criterion.id,
                        "region": region,
                    }
                    found.append((labels, criterion.group, judged[-1]))
    counts = Counter(_write_labels(labels) for labels, _, _ in found)
    numbers: Counter[str] = Counter()
    for labels, group, check in found:
        written = _write_labels(labels)
        numbers[written] += 1
        apart = {"group": group, "number": str(numbers[written])} if counts[written] > 1 else {}
        yield {**labels, **apart}, check


def _sample(name: str, labels: Mapping[str, str], value: float) -> str:
    return f"telemetry_gate_{name}{_write_labels(labels)} {_write_number(value)}"


def _write_labels(labels: Mapping[str, str]) -> str:
    written = ",".join(f'{name}="{_escape(value)}"' for name, value in labels.items() if value)
    return f"{{{written}}}" if written else ""


def _escape(content: str) -> str:
    shown = text.clip(text.one_line(text.strip_passwords(content)), _LABEL, "…")
    return shown.replace("\\", "\\\\").replace('"', '\\"')


def _write_number(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return ("+Inf" if value > 0 else "-Inf") if math.isinf(value) else repr(value)
