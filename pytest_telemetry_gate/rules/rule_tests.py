"""promtool's rule test files: what they say, read with every problem at its line.

https://prometheus.io/docs/prometheus/latest/configuration/unit_testing_rules/; keys: ``cmd/promtool/unittest.go``.
"""

from __future__ import annotations

import glob
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pytest_telemetry_gate.errors import SuiteError
from pytest_telemetry_gate.files.document import Document
from pytest_telemetry_gate.rules.files import RuleGroup, load_rule_file
from pytest_telemetry_gate.rules.notation import (
    Histogram,
    Labels,
    WrittenSeries,
    parse_milliseconds,
    parse_number,
    parse_series,
)
from pytest_telemetry_gate.support.places import Place
from pytest_telemetry_gate.support.suggestions import suggest

__all__ = ["AlertTest", "ExpectedAlert", "ExprTest", "RuleTest", "RuleTestFile", "load_rule_tests"]

_FILE_KEYS = ("rule_files", "evaluation_interval", "group_eval_order", "tests", "fuzzy_compare")
_TEST_KEYS = (
    "name", "interval", "input_series", "alert_rule_test", "promql_expr_test", "external_labels", "external_url",
    "start_timestamp",
)  # fmt: skip
_DEFAULT_INTERVAL = 60_000  # ms


@dataclass(frozen=True, slots=True)
class ExpectedAlert:
    """An alert that must fire, with all of its labels but ``alertname``, and its annotations."""

    labels: Mapping[str, str]
    annotations: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class AlertTest:
    """Which alerts of a name must fire ``time`` ms after the start, and no others."""

    time: int
    name: str
    expected: tuple[ExpectedAlert, ...]
    line: int


@dataclass(frozen=True, slots=True)
class ExprTest:
    """What an expression must yield ``time`` ms after the start: values by labels."""

    expr: str
    time: int
    expected: tuple[tuple[Labels, float], ...]
    line: int


@dataclass(frozen=True, slots=True)
class RuleTest:
    """One entry of ``tests``: series with a sample every ``interval`` ms from ``start`` on (ms), and what must come of them."""

    name: str
    interval: int
    series: tuple[WrittenSeries, ...]
    alerts: tuple[AlertTest, ...]
    exprs: tuple[ExprTest, ...]
    line: int
    start: int = 0
    external_labels: Mapping[str, str] = field(default_factory=dict)
    external_url: str = ""


@dataclass(frozen=True, slots=True)
class RuleTestFile:
    """A whole file: rule groups in the order of their evaluation every ``interval`` ms, and the tests.

    With ``fuzzy`` values may be off in the last bit.
    """

    groups: tuple[RuleGroup, ...]
    interval: int
    tests: tuple[RuleTest, ...]
    fuzzy: bool = False


def load_rule_tests(path: Path, shown: str) -> RuleTestFile:
    """Read a test file and its rule files; ``shown`` is its path as people call it. Raises SuiteError at the line."""
    return _Reader(Document(path, shown), path.parent).file()


class _Reader:
    def __init__(self, document: Document, folder: Path) -> None:
        self._document = document
        self._folder = folder

    def file(self) -> RuleTestFile:
        content = self._keys(self._document.value, (), _FILE_KEYS)
        groups = list(self._groups(content))
        interval = self._duration(content, "evaluation_interval", ()) or _DEFAULT_INTERVAL
        fuzzy = content.get("fuzzy_compare", False)
        if not isinstance(fuzzy, bool):
            raise self._error(("fuzzy_compare",), "fuzzy_compare: is true or false")
        tests = self._list(content.get("tests") or [], ("tests",))
        if not tests:
            raise self._error(("tests",), "the file has no `tests`: nothing would be tested")
        return RuleTestFile(
            tuple(self._ordered(groups, content)),
            interval,
            tuple(self._test(test, ("tests", number), interval) for number, test in enumerate(tests)),
            fuzzy,
        )

    def _groups(self, content: Mapping[str, Any]) -> Iterator[RuleGroup]:
        patterns = self._list(content.get("rule_files") or [], ("rule_files",))
        if not patterns:
            raise self._error(("rule_files",), "needs `rule_files`: nothing would be tested")
        seen: set[Path] = set()
        for number, pattern in enumerate(patterns):
            found = sorted(glob.glob(str(pattern), root_dir=self._folder))  # noqa: PTH207 - it may be absolute
            if not found:
                # promtool warns, and passes tests that expect nothing
                raise self._error(("rule_files", number), f"rule_files: no file is called {pattern!r}")
            for name in found:
                path = self._folder / name
                if path not in seen:
                    seen.add(path)
                    yield from load_rule_file(path, _shown_beside(self._document.shown, name))

    def _ordered(self, groups: Sequence[RuleGroup], content: Mapping[str, Any]) -> list[RuleGroup]:
        order = [
            str(name) for name in self._list(content.get("group_eval_order") or [], ("group_eval_order",))
        ]
        again = next((name for name in order if order.count(name) > 1), None)
        if again is not None:
            raise self._error(("group_eval_order",), f"group {again!r} is in the order twice")
        places = {name: number for number, name in enumerate(order)}
        return sorted(groups, key=lambda group: places.get(group.name, len(order)))

    def _test(self, test: object, place: Place, evaluation_interval: int) -> RuleTest:
        keys = self._keys(test, place, _TEST_KEYS)
        start = self._start(keys, place)
        return RuleTest(
            name=str(keys.get("name") or f"test {int(place[-1]) + 1}"),
            interval=self._duration(keys, "interval", place) or evaluation_interval,
            series=tuple(
                self._series(entry, (*place, "input_series", number))
                for number, entry in enumerate(
                    self._list(keys.get("input_series") or [], (*place, "input_series"))
                )
            ),
            alerts=tuple(
                self._alert_test(entry, (*place, "alert_rule_test", number))
                for number, entry in enumerate(
                    self._list(keys.get("alert_rule_test") or [], (*place, "alert_rule_test"))
                )
            ),
            exprs=tuple(
                self._expr_test(entry, (*place, "promql_expr_test", number))
                for number, entry in enumerate(
                    self._list(keys.get("promql_expr_test") or [], (*place, "promql_expr_test"))
                )
            ),
            line=self._document.line(place),
            start=start,
            external_labels=self._texts(keys, "external_labels", place),
            external_url=str(keys.get("external_url") or ""),
        )

    def _start(self, keys: Mapping[str, Any], place: Place) -> int:
        from pytest_telemetry_gate.support.durations import parse_time

        if keys.get("start_timestamp") is None:
            return 0
        text = self._document.text((*place, "start_timestamp"))
        try:
            return (
                round(float(text) * 1000)
                if text.replace(".", "", 1).isdigit()
                else round(parse_time(text) * 1000)
            )
        except ValueError as error:
            raise self._error((*place, "start_timestamp"), f"start_timestamp: {error}") from None

    def _series(self, entry: object, place: Place) -> WrittenSeries:
        keys = self._keys(entry, place, ("series", "values"))
        written = f"{self._need(keys, 'series', place)} {self._need(keys, 'values', place)}"
        try:
            series = parse_series(written)
        except ValueError as error:
            raise self._error(place, f"input_series: {error}") from None
        if any(isinstance(value, Histogram) for value in series.values):
            raise self._error(place, "input_series: native histograms are not supported")
        return series

    def _alert_test(self, entry: object, place: Place) -> AlertTest:
        keys = self._keys(entry, place, ("eval_time", "alertname", "exp_alerts"))
        expected = []
        for number, alert in enumerate(self._list(keys.get("exp_alerts") or [], (*place, "exp_alerts"))):
            where = (*place, "exp_alerts", number)
            told = self._keys(alert, where, ("exp_labels", "exp_annotations"))
            expected.append(
                ExpectedAlert(
                    self._texts(told, "exp_labels", where), self._texts(told, "exp_annotations", where)
                )
            )
        return AlertTest(
            self._duration(keys, "eval_time", place) or 0,
            self._need(keys, "alertname", place),
            tuple(expected),
            self._document.line(place),
        )

    def _expr_test(self, entry: object, place: Place) -> ExprTest:
        keys = self._keys(entry, place, ("expr", "eval_time", "exp_samples"))
        expected = []
        for number, sample in enumerate(self._list(keys.get("exp_samples") or [], (*place, "exp_samples"))):
            where = (*place, "exp_samples", number)
            told = self._keys(sample, where, ("labels", "value", "histogram"))
            if "histogram" in told:
                raise self._error(where, "histogram: native histograms are not supported")
            expected.append((self._metric(told, where), self._value(told, where)))
        return ExprTest(
            self._need(keys, "expr", place),
            self._duration(keys, "eval_time", place) or 0,
            tuple(expected),
            self._document.line(place),
        )

    def _metric(self, told: Mapping[str, Any], place: Place) -> Labels:
        text = str(told.get("labels") or "{}")
        try:
            series = parse_series(text)
        except ValueError as error:
            raise self._error((*place, "labels"), f"labels: {error}") from None
        if series.values:
            raise self._error((*place, "labels"), f"labels: {text!r} has values behind its labels")
        return series.labels

    def _value(self, told: Mapping[str, Any], place: Place) -> float:
        text = self._document.text((*place, "value")) if "value" in told else "0"
        try:
            return (
                math.nan
                if text.lower() in {".nan", "nan"}
                else parse_number(text.lstrip("+").replace(".inf", "inf").replace(".Inf", "inf"))
            )
        except ValueError:
            raise self._error((*place, "value"), f"value: {text!r} is no number") from None

    def _texts(self, keys: Mapping[str, Any], key: str, place: Place) -> dict[str, str]:
        value = keys.get(key) or {}
        if not isinstance(value, dict) or any(isinstance(text, dict | list) for text in value.values()):
            raise self._error((*place, key), f"{key}: must be a mapping of names to texts")
        return {str(name): self._document.text((*place, key, name)) for name in value}

    def _duration(self, keys: Mapping[str, Any], key: str, place: Place) -> int | None:
        if keys.get(key) is None:
            return None
        try:
            return parse_milliseconds(self._document.text((*place, key)))
        except ValueError as error:
            raise self._error((*place, key), f"{key}: {error}") from None

    def _need(self, keys: Mapping[str, Any], key: str, place: Place) -> str:
        if keys.get(key) is None or isinstance(keys[key], dict | list) or keys[key] == "":
            raise self._error(place, f"needs `{key}`")
        return self._document.text((*place, key))

    def _keys(self, value: object, place: Place, known: Sequence[str]) -> Mapping[str, Any]:
        if not isinstance(value, dict):
            raise self._error(place, "must be a mapping of keys to values")
        for key in value:
            if key not in known:
                raise self._error((*place, key), f"unknown key {key!r}{suggest(str(key), known)}")
        return value

    def _list(self, value: object, place: Place) -> list[Any]:
        if not isinstance(value, list):
            raise self._error(place, f"{place[-1]}: must be a list")
        return value

    def _error(self, place: Place, message: str) -> SuiteError:
        return self._document.error(place, message)


def _shown_beside(shown: str, name: str) -> str:
    """Return how people call a file that another names: beside that one."""
    folder = shown.rpartition("/")[0]
    return f"{folder}/{name}" if folder and not Path(name).is_absolute() else name
