"""Runs promtool's rule tests with the engine: the same outcome for the same file.

Source: ``testGroup.test`` in Prometheus' ``cmd/promtool/unittest.go``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pytest_telemetry_gate.errors import PromQLError
from pytest_telemetry_gate.promql import MemoryStorage, Scalar, Vector
from pytest_telemetry_gate.promql.labels import format_series
from pytest_telemetry_gate.rules.evaluate import RuleEvaluation, grid
from pytest_telemetry_gate.rules.notation import WrittenSeries
from pytest_telemetry_gate.rules.rule_tests import AlertTest, ExprTest, RuleTest, RuleTestFile
from pytest_telemetry_gate.rules.template_functions import show
from pytest_telemetry_gate.support.durations import format_duration

__all__ = ["Mismatch", "run_rule_test"]

_YEAR_ONE = 62_135_596_800_000  # ms from Go's zero time, from which its rounding counts, to the epoch


@dataclass(frozen=True, slots=True)
class Mismatch:
    """Something that is not as a test says: what, where, what was expected and what came, each in lines."""

    what: str
    line: int
    expected: tuple[str, ...] = ()
    got: tuple[str, ...] = ()


def run_rule_test(file: RuleTestFile, test: RuleTest, semantics: str = "3") -> list[Mismatch]:
    """Run one entry of ``tests``; returns what is not as it says, nothing where all is."""
    try:
        storage = MemoryStorage(_stored(test))
    except PromQLError as error:
        return [Mismatch(f"input_series: {error}", test.line)]
    evaluation = RuleEvaluation(
        file.groups,
        storage,
        semantics=semantics,
        external_labels=test.external_labels,
        external_url=test.external_url,
    )
    found: list[Mismatch] = []
    last = _last_evaluation(test, file.interval)
    pending = sorted(test.alerts, key=lambda alert: alert.time)
    times = list(grid(test.start / 1000, (test.start + last) / 1000, file.interval / 1000))
    done = 0
    for alert in pending:
        # What a test says of a time, it says of the last evaluation before it.
        wanted = alert.time // file.interval + 1
        evaluation.run(times[done:wanted])
        done = max(done, wanted)
        found += _check_alert(evaluation, alert)
    evaluation.run(times[done:])
    failures = [
        Mismatch(
            f"rule {failure.rule.name} at {_after(round(failure.time * 1000) - test.start)}: {failure.reason}",
            failure.rule.line,
        )
        for failure in evaluation.failures
    ]
    for expr in test.exprs:
        found += _check_expr(evaluation, expr, test, fuzzy=file.fuzzy)
    return failures + found


def _stored(test: RuleTest) -> Iterator[tuple[dict[str, str], NDArray[np.int64], NDArray[np.float64]]]:
    """Yield the series of a test with the times of their samples (ms)."""
    united: dict[tuple[tuple[str, str], ...], WrittenSeries] = {}
    for series in test.series:
        united[series.labels] = series  # of the same series twice the later one counts
    for labels, series in united.items():
        told = [
            (test.start + number * test.interval, float(value))
            for number, value in enumerate(series.values)
            if value is not None
        ]
        if told:
            times, values = zip(*told, strict=True)
            yield dict(labels), np.array(times, dtype=np.int64), np.array(values, dtype=np.float64)


def _last_evaluation(test: RuleTest, interval: int) -> int:
    """Return how long after the start (ms) rules are evaluated: to the interval behind the last time of a test."""
    moments = [*(alert.time for alert in test.alerts), *(expr.time for expr in test.exprs)]
    latest = max(moments, default=0)
    moved = latest + interval // 2 + test.start + _YEAR_ONE
    return (moved + interval // 2) // interval * interval - _YEAR_ONE - test.start


def _check_alert(evaluation: RuleEvaluation, test: AlertTest) -> Iterator[Mismatch]:
    got = [
        (dict(alert.labels), tracker.annotations(alert))
        for tracker in evaluation.trackers
        if tracker.rule.name == test.name
        for alert in tracker.active.values()
        if alert.fired_at is not None
    ]
    expected = [
        ({**alert.labels, "alertname": test.name}, dict(alert.annotations)) for alert in test.expected
    ]
    if _sorted(got) != _sorted(expected):
        what = f"alertname {test.name} at {_after(test.time)}"
        yield Mismatch(what, test.line, tuple(_show_alerts(expected)), tuple(_show_alerts(got)))


_Alert = tuple[dict[str, str], dict[str, str]]


def _sorted(alerts: Iterable[_Alert]) -> list[list[list[tuple[str, str]]]]:
    return sorted([sorted(labels.items()), sorted(annotations.items())] for labels, annotations in alerts)


def _show_alerts(alerts: Sequence[_Alert]) -> Iterator[str]:
    if not alerts:
        yield "no alert"
    for labels, notes in sorted(alerts, key=lambda alert: sorted(alert[0].items())):
        told = f" {_show_texts(notes)}" if notes else ""
        yield f"{_show_texts(labels)}{told}"


def _show_texts(texts: Mapping[str, str]) -> str:
    return "{" + ", ".join(f"{name}={text!r}" for name, text in sorted(texts.items())) + "}"


def _check_expr(
    evaluation: RuleEvaluation, test: ExprTest, group: RuleTest, *, fuzzy: bool
) -> Iterator[Mismatch]:
    what = f"{test.expr} at {_after(test.time)}"
    try:
        value = evaluation.engine.instant(test.expr, (group.start + test.time) / 1000)
    except PromQLError as error:
        yield Mismatch(f"{what}: {error}", test.line)
        return
    if isinstance(value, Scalar):
        got: list[tuple[tuple[tuple[str, str], ...], float]] = [((), float(value.value))]
    elif isinstance(value, Vector):
        pairs = zip(value.labels, value.values.tolist(), strict=True)
        got = [(tuple(sorted(labels.items())), number) for labels, number in pairs]
    else:
        yield Mismatch(f"{what}: yields neither a vector nor a scalar", test.line)
        return
    expected = [(tuple(sorted(labels)), number) for labels, number in test.expected]
    got.sort(key=lambda sample: sample[0])
    expected.sort(key=lambda sample: sample[0])
    same = len(got) == len(expected) and all(
        one[0] == other[0] and _is_equal(one[1], other[1], fuzzy=fuzzy)
        for one, other in zip(got, expected, strict=True)
    )
    if not same:
        yield Mismatch(what, test.line, tuple(_show_samples(expected)), tuple(_show_samples(got)))


def _is_equal(left: float, right: float, *, fuzzy: bool) -> bool:
    """Compare as promtool does: NaN equals nothing, and ``fuzzy`` lets the last bit differ."""
    if left == right or not fuzzy:
        return left == right
    return math.nextafter(left, -math.inf) <= right <= math.nextafter(left, math.inf)


def _show_samples(samples: Sequence[tuple[tuple[tuple[str, str], ...], float]]) -> Iterator[str]:
    if not samples:
        yield "nothing"
    for labels, value in samples:
        yield f"{format_series(dict(labels)) or '{}'} {show(value)}"


def _after(milliseconds: int) -> str:
    return format_duration(milliseconds / 1000) if milliseconds else "0s"
