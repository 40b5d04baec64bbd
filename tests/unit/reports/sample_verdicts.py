"""Verdicts as gates give them, for the tests of what is made of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

from pytest_telemetry_gate.model.dossier import Dossier
from pytest_telemetry_gate.model.verdict import Level, Outcome, Verdict

START = datetime.fromisoformat("2025-01-22T14:00:00-08:00").timestamp()
NOW = START + 48 * 3600 + 600
NAMED = {"0h": 0.25, "12h": 12.0, "24h": 24.0, "36h": 36.0, "48h": 48.0}

# criterion, group, title, unit, limit, baseline, figures at the named checkpoints
STEP2 = (
    ("parse_duration_p50", "Parser", "`parse_duration_ms` p50", "ms", "<= 60", 58.1, (58.9, 58.8, 58.7, 58.5, 58.4)),
    ("parse_duration_p95", "Parser", "`parse_duration_ms` p95", "ms", "<= 90", 83.5, (84.7, 84.6, 84.5, 84.3, 84.2)),
    ("parse_batch_size", "Parser", "`parse_batch_size` mean", "", ">= 120", 121.4, (123.1, 122.9, 122.8, 122.5, 122.3)),
    ("parser_failures", "Parser", "`parser_failure_total`", "", "== 0", 0.0, (0, 0, 0, 0, 0)),
    ("parse_events", "Parser", "`parse_total`", "", ">= 4000000", None, (None, None, None, None, 4_812_345)),
    ("parser_restarts", "Parser", "parser restarts after the rollout", "", "== 0", None, (None, 0, 0, 0, 0)),
    ("cli_latency_p95", "CLI", "`cli_latency_p95_ms`", "ms", "< 50", 47.1, (48.3, 48.2, 48.1, 47.9, 47.8)),
    ("cli_restarts", "CLI", "CLI restarts after the rollout", "", "== 0", None, (None, 0, 0, 0, 0)),
    ("cicd_success_ratio", "CI/CD", "`cicd_success_ratio`", "%", ">= 95", 97.6, (97.8, 98.0, 98.1, 98.2, 98.3)),
    ("cpu", "Infrastructure", "`resource_utilization_cpu_percent`", "%", "< 75", 64.0, (64.2, 64.2, 64.3, 64.2, 64.1)),
    ("stream_lag", "Infrastructure", "`telemetry_stream_lag_ms`", "ms", "< 400", 195, (218, 215, 212, 208, 205)),
    ("telemetry_variance", "Telemetry", "telemetry variance vs Sprint 1", "", "within ±5 %", 27.8, (2.3, 2.2, 2.1, 2.0, 1.9)),
    ("no_alerts", "Alerts", "alerts fired", "", "== 0", None, (0, 0, 0, 0, 0)),
    ("no_escalations", "Alerts", "PagerDuty escalations", "", "== 0", None, (0, 0, 0, 0, 0)),
    ("no_incidents", "Alerts", "incidents", "", "== 0", None, (0, 0, 0, 0, 0)),
    ("window", "Rollout", "deployment window", "min", "<= 90", None, (None, None, None, None, 90)),
    ("all_within", "Rollout", "metrics within thresholds", "%", "== 100", None, (100, 100, 100, 100, 100)),
    ("variance_trend", "Rollout", "variance, forecast for 72 h", "%", "<= 5", None, (None, None, None, None, 1.7)),
)  # fmt: skip
HOURLY = {"parse_duration_p50", "parse_duration_p95", "parse_batch_size", "parser_failures", "cli_latency_p95",
          "cicd_success_ratio", "cpu", "stream_lag", "telemetry_variance"}  # fmt: skip


def verdict(criterion: str = "parse_duration_p95", checkpoint: str = "24h", /, **changes: Any) -> Verdict:
    """Return the verdict about one criterion of Telemetry Step 2 at one checkpoint, named or hourly."""
    line, (_, group, title, unit, limit, baseline, figures) = next(
        (20 + 9 * place, row) for place, row in enumerate(STEP2) if row[0] == criterion
    )
    hours = NAMED.get(checkpoint) or float(checkpoint.removesuffix("h"))
    column = max(place for place, at in enumerate(NAMED.values()) if at <= max(hours, 0.25))
    value = figures[column]
    fields: dict[str, Any] = {}
    if criterion == "telemetry_variance":
        fields = {
            "variance": value,
            "tolerance": 5.0,
            "margin": 5 - value,
            "value": baseline * (1 + value / 100),
        }
        reason = f"+{value:.1f} % against 27.8 (Sprint 1), within ±5 %"
    else:
        number = float(limit.split()[-1])
        fields = {
            "value": float(value),
            "margin": None if "==" in limit else value - number if ">" in limit else number - value,
        }
        if baseline:
            fields["variance"] = value - baseline if unit == "%" else (value - baseline) / baseline * 100
        reason = f"{value} {unit}".strip() + f" is inside {limit} {unit}".rstrip()
    query = (
        'histogram_quantile(0.95, sum by (le) (rate(parse_duration_ms_bucket{job="parser"}[1h])))'
        if criterion == "parse_duration_p95"
        else f'avg_over_time({criterion}{{job="parser"}}[1h])'
    )
    defaults: dict[str, Any] = {
        "suite": "telemetry-step2",
        "suite_title": "Telemetry Step 2: 48-hour validation",
        "group": group,
        "criterion": criterion,
        "title": title,
        "region": "",
        "checkpoint": checkpoint,
        "outcome": Outcome.PASS,
        "reason": reason,
        "query": query,
        "time": START + hours * 3600,
        "unit": unit,
        "limit": f"{limit} {unit}".strip(),
        "baseline": baseline,
        "baseline_name": "Sprint 1" if baseline is not None else "",
        "variance_unit": "pp" if unit == "%" else "%",
        "coverage": 0.9972,
        "environment": "recorded",
        "source": "recording step2-48h.telemetry.zip",
        "named": checkpoint in NAMED,
        "path": "step2.gate.yaml",
        "line": line,
    }
    return Verdict(**{**defaults, **fields, **changes})


def step2() -> list[Verdict]:
    """Return the verdicts of Telemetry Step 2, in which everything passes."""
    found = []
    for row in STEP2:
        found += [
            verdict(row[0], name) for name, value in zip(NAMED, row[6], strict=True) if value is not None
        ]
        if row[0] in HOURLY:
            found += [verdict(row[0], f"{hour}h") for hour in range(1, 49) if f"{hour}h" not in NAMED]
    return found


def regressed() -> list[Verdict]:
    """Return the verdicts of Telemetry Step 2 gone wrong: a slow p95, an alert, a gap, a restart, a waived batch size."""
    found = []
    for one in step2():
        hours = (one.time - START) / 3600 if one.time else 0.0
        if one.criterion == "parse_duration_p95" and hours >= 20:
            value = 90.04 if hours == 20 else 93 + hours / 48
            found.append(_failed(one, value, f"{value:.4g} ms is outside the limit <= 90 ms"))
        elif one.criterion == "no_alerts" and hours >= 36:
            told = '1 is outside the limit == 0; 1 alert fired: TelemetryVarianceHigh{severity="warning"} 2025-01-24T04:12:00Z for 3m'
            found.append(_failed(one, 1.0, told, severity=Level.CRIT))
        elif one.criterion == "stream_lag" and hours in {29, 30, 31}:
            why = 'coverage 41.6 %, below 90 %: telemetry_stream_lag_ms{job="telemetry"} over 1h'
            found.append(replace(one, outcome=Outcome.INCONCLUSIVE, reason=why, coverage=0.4166))
        elif one.criterion == "parser_restarts" and hours >= 36:
            found.append(_failed(one, 1.0, "1 is outside the limit == 0"))
        elif one.criterion == "telemetry_variance" and hours in {24, 25}:
            told = "+4.4 % against 27.8 (Sprint 1), within ±5 % (level warn)"
            found.append(
                replace(one, outcome=Outcome.WARN, level=Level.WARN, reason=told, variance=4.4, margin=0.6)
            )
        elif one.criterion == "parse_batch_size" and hours == 36:
            told = (
                "waived until 2025-02-01T00:00:00Z by QA lead: small files in the nightly corpus "
                "(fail: 118.2 is outside the limit >= 120)"
            )
            found.append(replace(one, outcome=Outcome.WAIVED, value=118.2, margin=-1.8, reason=told))
        elif one.criterion == "all_within" and hours >= 24:
            told = "87.5 % is outside the limit == 100 %; 7 of 8 checks; not: parse_duration_p95 fail"
            found.append(_failed(one, 87.5, told))
        else:
            found.append(one)
    return found


def _failed(one: Verdict, value: float, reason: str, **changes: Any) -> Verdict:
    margin = None if one.margin is None or one.value is None else one.margin - abs(value - one.value)
    variance = (value - one.baseline) / one.baseline * 100 if one.baseline else None
    return replace(
        one, outcome=Outcome.FAIL, value=value, reason=reason, margin=margin, variance=variance, **changes
    )


def halfway() -> list[Verdict]:
    """Return the verdicts of Telemetry Step 2 as they are after 24 hours."""
    found = []
    for one in step2():
        if one.time is not None and one.time > START + 24 * 3600:
            blank = replace(one, value=None, margin=None, variance=None, coverage=None)
            found.append(replace(blank, outcome=Outcome.PENDING, reason="due 2025-01-24T22:00:30Z, in 1d"))
        else:
            found.append(one)
    return found


def regions(verdicts: list[Verdict] | None = None) -> list[Verdict]:
    """Return the same verdicts in three regions, of which the last is slow and cannot be reached in the end."""
    found = []
    for region in ("us-west-2", "eu-central-1", "ap-southeast-2"):
        for one in verdicts or step2():
            here = replace(one, region=region, environment="prod")
            if (
                region == "ap-southeast-2"
                and one.criterion == "cli_latency_p95"
                and one.checkpoint in {"24h", "36h"}
            ):
                here = _failed(here, 52.3, "52.3 ms is outside the limit < 50 ms")
            elif region == "ap-southeast-2" and one.checkpoint == "48h":
                why = "https://prom.ap.example.net: connection refused after 3 attempts"
                here = replace(
                    here, outcome=Outcome.ERROR, reason=why, value=None, margin=None, variance=None
                )
            found.append(here)
    return found


def hundreds(count: int = 400) -> list[Verdict]:
    """Return the verdicts of many criteria, of which few do not pass."""
    found = []
    for number in range(count):
        for checkpoint in ("24h", "48h"):
            one = verdict("parse_duration_p95", checkpoint)
            name = f"service_{number:03}_latency_p95"
            one = replace(
                one, criterion=name, title=f"`{name}`", group=f"Team {number // 50}", line=10 + number * 6
            )
            if number % 97 == 5 and checkpoint == "48h":
                one = _failed(one, 90 + number / 10, f"{90 + number / 10} ms is outside the limit <= 90 ms")
            if number == 250:
                one = replace(
                    one, outcome=Outcome.WARN, level=Level.CRIT, reason="+6.2 % against 83.5, within ±8 %"
                )
            found.append(one)
    return found


def mixed() -> list[Verdict]:
    """Return verdicts of hand-written tests and odd ones: no limit, no value, wide characters, control characters."""
    test = {
        "suite": "",
        "suite_title": "",
        "path": "tests/test_budget.py",
        "baseline": None,
        "variance": None,
    }
    return [
        verdict("cpu", "48h", **test, group="test_error_budget", criterion="check-1", title="check-1", line=12),
        verdict("cpu", "48h", **test, group="test_error_budget", criterion="check-2", title="错误预算 (エラー)",
                line=13, outcome=Outcome.FAIL, value=75.0, limit="< 75 %", margin=0.0,
                reason="75 % is outside the limit < 75 %"),
        verdict("cpu", "48h", **test, group="test_error_budget", criterion="check-3", line=14, value=None, limit="",
                title="control \x1b[31m characters\nand a line", outcome=Outcome.ERROR, margin=None,
                reason="parse error: unexpected \x00 in \u202elabel"),
        verdict("cpu", "48h", **test, group="test_free", criterion="check-1", title="no limit", line=30, limit="",
                value=0.0123, unit="s", margin=None),
    ]  # fmt: skip


def dossiers(verdicts: Iterable[Verdict]) -> list[Dossier]:
    """Return dossiers that hold nothing but their verdicts."""
    return [Dossier(one) for one in verdicts]
