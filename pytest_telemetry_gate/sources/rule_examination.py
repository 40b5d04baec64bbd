"""What rules could see, and which alerts their series could make, asked of the metric source in few requests.

The window is looked at in at most ``_MOMENTS`` moments. At each of them a selector needs samples of its metric, whatever
their labels: ``requests_total{code="500"}`` may have none as long as nothing failed, and an empty label is none. Only
what says whose samples they are counts as well: of ``errors_total{job="shop"}`` the targets of that job have to be there.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from types import MappingProxyType
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pytest_telemetry_gate.errors import PromQLError, SourceError, UnreachableError
from pytest_telemetry_gate.model.answers import doubtful_warnings
from pytest_telemetry_gate.model.events import Match, Rule
from pytest_telemetry_gate.model.rule_labels import can_raise, labels_asked, may_raise
from pytest_telemetry_gate.model.sources import metadata_of, metric_names_of
from pytest_telemetry_gate.promql import Matrix, ast, parse
from pytest_telemetry_gate.promql.blindness import (
    needed_selectors,
    sight,
    without_comparisons,
    without_matchers,
)
from pytest_telemetry_gate.promql.labels import Matcher, label_name
from pytest_telemetry_gate.sources.joined import INDEX, join
from pytest_telemetry_gate.support.durations import format_time
from pytest_telemetry_gate.support.numbers import format_percent

__all__ = ["Ranges", "examine_rules"]

_MOMENTS = 25
_LEAST_STEP = 300.0  # seconds: a server's lookback, in which any healthy target has been scraped
_REACH = 600.0  # seconds before a moment in which samples count for it
_LEAST_SHARE = 0.9  # of the moments since a metric was first seen
_MAX_TEXT = 6000  # characters of a joined query: some proxies take no more in an address
_MAX_SERIES = 10  # label sets kept of a rule that fit no match; those that fit one are all kept
_OF_A_TARGET = "job"
_SUFFIXES = (
    "_total",
    "_created",
    "_bucket",
    "_count",
    "_sum",
    "_info",
)  # of samples, not of their family's name


class Ranges(Protocol):
    """The part of a metric source that is needed here."""

    def range(self, promql: str, start: float, end: float, step: float) -> Matrix:
        """Evaluate at every step from start to end, both included, in seconds."""
        ...


def examine_rules(
    metrics: Ranges,
    rules: Sequence[Rule],
    matches: Sequence[Match],
    start: float,
    end: float,
    *,
    warnings: list[str],
    external: Mapping[str, str] = MappingProxyType({}),
) -> tuple[Rule, ...]:
    """Return the rules, with ``blind`` and ``series`` of those that could raise an alert which satisfies a match.

    The time is from start to end, in seconds. Doubts of the source are added to the list of warnings. Rules that
    somebody has examined already stay as they are.
    """
    exprs = dict(_expressions(rules, matches))
    asker = _Asker(metrics, *_grid(start, end), warnings)
    selectors = dict.fromkeys(selector for expr in exprs.values() for selector in needed_selectors(expr))
    texts = {selector: _presence_query(selector, asker.reach) for selector in selectors}
    label_queries = {
        number: _label_queries(exprs[number], rules[number], matches)
        for number in exprs
        if labels_asked(rules[number], matches)
    }
    wanted = [*texts.values(), *(text for several in label_queries.values() for text in several)]
    answers = asker.ask(dict.fromkeys(wanted))
    presence = {
        selector: np.asarray(found.present.any(axis=0))
        for selector, text in texts.items()
        if (found := answers[text]) is not None
    }
    examined, known_names = list(rules), _Names(metrics)
    for number, expr in exprs.items():
        rule = rules[number]
        if all(selector in presence for selector in needed_selectors(expr)):
            blind = _describe_blindness(expr, presence, asker, known_names)
            rule = dataclasses.replace(rule, blind=blind)
        if number in label_queries:
            series = _series(answers, label_queries[number])
            chosen = None if series is None else _chosen(rule, series, matches, external)
            rule = dataclasses.replace(rule, series=chosen)
        examined[number] = rule
    return tuple(examined)


def _expressions(rules: Sequence[Rule], matches: Sequence[Match]) -> Iterator[tuple[int, ast.Expr]]:
    """Yield number and expression of each rule that is worth a look; one that cannot be read stays unexamined."""
    for number, rule in enumerate(rules):
        if rule.expr and rule.blind is None and any(may_raise(rule, match) for match in matches):
            try:
                yield number, parse(rule.expr)
            except PromQLError:
                continue


def _grid(start: float, end: float) -> tuple[float, float, float]:
    """Return the first and last moment and the step, in seconds; each moment stands for the step before it."""
    step = max(_LEAST_STEP, float(math.ceil((end - start) / _MOMENTS)))
    count = max(1, math.floor((end - start) / step + 1e-9))
    return end - (count - 1) * step, end, step


def _presence_query(selector: ast.VectorSelector, reach: float) -> str:
    """Return a query that has a value wherever there are samples of which a selector could have some."""
    own = _count(without_matchers(selector, (_OF_A_TARGET,)), reach)
    matchers = tuple(matcher for matcher in selector.matchers if matcher.name == _OF_A_TARGET)
    if not matchers or not selector.name:
        return own
    # A metric that a job has not exposed yet may do with those of others, as long as the job has targets.
    up = dataclasses.replace(selector, name="up", matchers=(Matcher("__name__", "=", "up"), *matchers))
    return f"{own} or ({_count(up, reach)} and {_count(without_matchers(selector, ()), reach)})"


def _count(selector: ast.VectorSelector, reach: float) -> str:
    return f"count(last_over_time({ast.MatrixSelector(selector, round(reach * 1000))}))"


def _label_queries(expr: ast.Expr, rule: Rule, matches: Sequence[Match]) -> tuple[str, ...]:
    """Return what yields the values of the labels that the matches ask for, and the same without matchers on other labels.

    The others count where the first has nothing: which pods could fail is known although none has. A matcher stays for the
    match that asks for its label; where it does not, nothing is known of that label.
    """
    ground = without_comparisons(expr)
    if ground.type != "vector":
        return ()
    names = labels_asked(rule, matches)
    limited = {
        matcher.name
        for node in ast.walk(ground)
        if isinstance(node, ast.VectorSelector) and node.name
        for matcher in node.matchers
    } - {_OF_A_TARGET}
    # A label of which nothing is known must not be taken for one that is not there.
    needed = {name for match in matches for name, op, _ in match if op != "="}
    texts = [_count_by(names, ground)]
    for match in matches:
        kept = (needed | set(labels_asked(rule, (match,)))) & limited
        told = [name for name in names if name in kept or name not in limited]
        texts.append(_count_by(told, without_matchers(ground, (_OF_A_TARGET, *sorted(kept)))))
    return tuple(dict.fromkeys(texts))


def _count_by(names: Sequence[str], expr: ast.Expr) -> str:
    return f"count by ({', '.join(map(label_name, names))}) ({expr})"


def _series(
    answers: Mapping[str, Matrix | None], queries: Sequence[str]
) -> Sequence[Mapping[str, str]] | None:
    found: list[Mapping[str, str]] = []
    for number, text in enumerate(queries):
        answer = answers[text]
        if answer is None:
            return None
        found += answer.labels
        if found and number == 0:
            break
    return found


def _chosen(
    rule: Rule, series: Sequence[Mapping[str, str]], matches: Sequence[Match], external: Mapping[str, str]
) -> tuple[Mapping[str, str], ...]:
    """Return the label sets that make an alert which satisfies a match, and a few of the others to show."""
    fitting: list[Mapping[str, str]] = []
    others: list[Mapping[str, str]] = []
    for labels in series:
        alone = dataclasses.replace(rule, series=(labels,))
        fits = any(can_raise(alone, match, external) for match in matches)
        (fitting if fits else others).append(dict(labels))
    return (*fitting, *others[:_MAX_SERIES])


def _describe_blindness(
    expr: ast.Expr,
    presence: Mapping[ast.VectorSelector, NDArray[np.bool_]],
    asker: _Asker,
    names: _Names,
) -> str:
    """Return why an expression could not see what it is about, or nothing."""
    times = asker.times
    seen = sight(expr, presence, len(times))
    if seen.present.all():
        return ""
    lacking = seen.lacking
    never = [selector for selector in lacking if not presence[selector].any()]
    mislabelled = [selector for selector in never if asker.has_samples(selector)]
    if never and not mislabelled and all(names.has_family(selector.name) for selector in never):
        return ""  # It is exposed, but has no series yet.
    if not seen.present.any():
        if mislabelled:
            return f"no target is {_describe_job(mislabelled[0])}, though others have {mislabelled[0].name}"
        hint = names.nearest(never[0].name) if never else ""
        return f"{_name(never or lacking)} has no sample in this time{hint}"
    first = int(np.argmax(seen.present))
    since = seen.present[first:]
    if not since[-1]:
        last = times[first + int(np.flatnonzero(since)[-1])]
        return f"{_name(lacking)} has no sample since {format_time(float(last))}"
    share = float(since.mean())
    if share < _LEAST_SHARE:
        return f"{_name(lacking)} has samples in only {format_percent(share)} of this time"
    return ""


def _name(selectors: Iterable[ast.VectorSelector]) -> str:
    return " or ".join(dict.fromkeys(without_matchers(one, (_OF_A_TARGET,)).selector for one in selectors))


def _describe_job(selector: ast.VectorSelector) -> str:
    wanted = [str(matcher) for matcher in selector.matchers if matcher.name == _OF_A_TARGET]
    return f"{{{', '.join(wanted)}}}"


class _Names:
    """What the source knows of metrics besides their samples, asked once and only where it is needed."""

    def __init__(self, source: object) -> None:
        self._source = source

    @cached_property
    def _families(self) -> frozenset[str]:
        return frozenset(metadata_of(self._source))

    def has_family(self, name: str) -> bool:
        """Tell whether targets expose the family of a metric, if only without series."""
        return name in self._families or any(
            name.removesuffix(suffix) in self._families for suffix in _SUFFIXES if name.endswith(suffix)
        )

    def nearest(self, name: str) -> str:
        """Return a hint at the name of a metric that has samples, or nothing."""
        near = get_close_matches(name, metric_names_of(self._source), 1) if name else []
        return f" (did you mean {near[0]}?)" if near and near[0] != name else ""


@dataclass(frozen=True)
class _Asker:
    """Asks many queries over one grid of moments, joined as far as the source takes it."""

    metrics: Ranges
    start: float
    end: float
    step: float
    warnings: list[str]

    @property
    def reach(self) -> float:
        return min(self.step, _REACH)

    @property
    def times(self) -> NDArray[np.float64]:
        count = round((self.end - self.start) / self.step) + 1
        return self.end - self.step * np.arange(count - 1, -1, -1, dtype=np.float64)

    def has_samples(self, selector: ast.VectorSelector) -> bool:
        """Tell whether a metric has any samples, whatever their labels; asked only where a selector has none."""
        bare = without_matchers(selector, ())
        if bare == selector:
            return False
        answer = self._ask(_count(bare, self.reach))
        return answer is not None and bool(answer.present.any())

    def ask(self, queries: Iterable[str]) -> dict[str, Matrix | None]:
        """Return the answer to each query, None where the source refuses it; raises UnreachableError."""
        answers: dict[str, Matrix | None] = {}
        for part in _portions(queries):
            joined = self._ask(join(part))
            if joined is not None:
                answers.update(zip(part, _separate(joined, len(part)), strict=True))
            else:
                answers.update((query, self._ask(query)) for query in part)
        return answers

    def _ask(self, query: str) -> Matrix | None:
        try:
            answer = self.metrics.range(query, self.start, self.end, self.step)
        except UnreachableError:
            raise
        except (SourceError, PromQLError):
            return None
        self.warnings.extend(text for text in doubtful_warnings(answer.warnings) if text not in self.warnings)
        return answer


def _portions(queries: Iterable[str]) -> Iterator[list[str]]:
    portion: list[str] = []
    length = 0
    for query in queries:
        if portion and length + len(query) > _MAX_TEXT:
            yield portion
            portion, length = [], 0
        portion.append(query)
        length += len(query)
    if portion:
        yield portion


def _separate(answer: Matrix, count: int) -> list[Matrix]:
    """Return the answers to joined queries, by the number that each of their series carries."""
    numbers = [int(labels.get(INDEX, "-1")) for labels in answer.labels]
    parts = []
    for number in range(count):
        rows = [row for row, own in enumerate(numbers) if own == number]
        labels = [{k: v for k, v in answer.labels[row].items() if k != INDEX} for row in rows]
        parts.append(Matrix(labels, answer.times, answer.values[rows], answer.present[rows]))
    return parts
