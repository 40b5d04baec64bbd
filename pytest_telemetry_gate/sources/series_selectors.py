"""Selectors of single series: which of them one request can name, and how the targets of a selector are told.

Texts in, texts out; nothing is asked here.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from pytest_telemetry_gate.errors import PromQLError
from pytest_telemetry_gate.model.arrivals import target_of
from pytest_telemetry_gate.promql import Matcher, Vector, ast, parse
from pytest_telemetry_gate.promql.labels import quote

__all__ = [
    "CountedSeries",
    "Labels",
    "by_target",
    "count_samples",
    "find_up",
    "group_series",
    "join_selector",
    "matchers_of",
    "stands_alone",
    "sum_scrapes",
]

_MAX_REQUESTED = 40_000  # samples in one answer
_MAX_SERIES = 60  # in one answer: their times are one table
_LITERAL = re.compile(r"[^.*+?()\[\]{}^$\\|]+")
_SPECIAL = re.compile(r"[\\.+*?()|\[\]{}^$]")

Labels = Mapping[str, str]


@dataclass(slots=True)
class CountedSeries:
    """One series whose raw samples are wanted: ``exact`` are its labels with the metric's name."""

    question: int
    exact: Labels
    samples: int


def matchers_of(selector: str) -> tuple[Matcher, ...]:
    """Return the matchers of a plain selector; raises PromQLError."""
    parsed = parse(selector)
    if not isinstance(parsed, ast.VectorSelector):
        message = f"{selector!r} is no selector"
        raise PromQLError(message)
    return parsed.matchers


def find_up(selector: str, jobs: Iterable[str]) -> str:
    """Return the selector of the targets' ``up``, or nothing where no target can be told.

    Names with a colon are those of recording rules, which nobody scrapes
    (https://prometheus.io/docs/practices/rules/). ``jobs`` are those that the series have.
    """
    return _find_up(selector, frozenset(jobs))


@lru_cache(maxsize=1024)
def _find_up(selector: str, jobs: frozenset[str]) -> str:
    if ":" in _name_of(selector):
        return ""
    matchers = [matcher for matcher in matchers_of(selector) if matcher.name in {"job", "instance"}]
    if not any(matcher.name == "job" for matcher in matchers):
        named = sorted(job for job in jobs if job)
        if not named:
            return ""
        matchers.append(_equal_any("job", named))
    return f"up{{{', '.join(sorted(map(str, matchers)))}}}"


def _listed_texts(matcher: Matcher) -> tuple[str, ...]:
    """Return the texts that a matcher lists one by one; none where it takes texts by a pattern."""
    if matcher.op == "=":
        return (matcher.value,) if matcher.value else ()
    texts = tuple(matcher.value.split("|")) if matcher.op == "=~" else ()
    return texts if all(_LITERAL.fullmatch(text) for text in texts) else ()


def _name_of(selector: str) -> str:
    """Return the metric's name, or an empty text where the selector does not state one."""
    names = [matcher for matcher in matchers_of(selector) if matcher.name == "__name__" and matcher.op == "="]
    return names[0].value if len(names) == 1 else ""


def _equal_any(name: str, values: Sequence[str]) -> Matcher:
    if len(values) == 1:
        return Matcher(name, "=", values[0])
    return Matcher(name, "=~", "|".join(_SPECIAL.sub(r"\\\g<0>", value) for value in values))


def by_target(number: int, selector: str, counts: Vector) -> dict[tuple[str, str], list[CountedSeries]]:
    """Return the counted series by target; their names are the selector's where functions dropped them."""
    name = _name_of(selector)
    series: dict[tuple[str, str], list[CountedSeries]] = {}
    for labels, count in zip(counts.labels, counts.values.tolist(), strict=True):
        exact = {**labels, **({"__name__": name} if name else {})}
        series.setdefault(target_of(labels), []).append(CountedSeries(number, exact, round(count)))
    return series


def count_samples(selector: str, reach: str) -> str:
    """Return the query that counts the samples of each series.

    A function drops the names of metrics, and then two series may be alike, which is an error. Where the selector lists
    names, each is therefore counted for itself and gets its name back.
    """
    matchers = matchers_of(selector)
    names = [name for matcher in matchers if matcher.name == "__name__" for name in _listed_texts(matcher)]
    if len(names) < 2:
        return f"count_over_time({selector}[{reach}])"
    rest = tuple(matcher for matcher in matchers if matcher.name != "__name__")
    parts = []
    for name in names:
        own = ast.VectorSelector(name, (Matcher("__name__", "=", name), *rest)).selector
        parts.append(f'label_replace(count_over_time({own}[{reach}]), "__name__", {quote(name)}, "", "")')
    return f"({' or '.join(parts)})"


def sum_scrapes(
    series: Iterable[tuple[Labels, float, float]], selector: str
) -> dict[tuple[str, str], tuple[int, int]]:
    """Return by target how many scrapes its ``up`` tells of, and how many of them were good.

    ``series`` are the labels of each ``up`` with these two numbers. Those count that satisfy the selector as far as they
    have its labels.
    """
    matchers = [matcher for matcher in matchers_of(selector) if matcher.name != "__name__"]
    sums: dict[tuple[str, str], tuple[int, int]] = {}
    for labels, tried, good in series:
        if all(matcher.matches(labels[matcher.name]) for matcher in matchers if matcher.name in labels):
            before = sums.get(target_of(labels), (0, 0))
            sums[target_of(labels)] = before[0] + round(tried), before[1] + round(good)
    return sums


def stands_alone(selector: str, target: tuple[str, str]) -> bool:
    """Tell whether each series of a target without an instance may come from a place of its own.

    Those of a recording rule, whose names have a colon, come from one rule.
    """
    return not target[1] and ":" not in _name_of(selector)


def group_series(wanted: Sequence[CountedSeries]) -> Iterator[list[CountedSeries]]:
    """Group series that one selector can name: those whose labels differ in the value of one label only."""
    waiting = list(wanted)
    while waiting:
        best: list[CountedSeries] = []
        for name in dict.fromkeys(key for one in waiting for key in one.exact):
            buckets: dict[frozenset[tuple[str, str]], list[CountedSeries]] = defaultdict(list)
            for one in waiting:
                if name in one.exact:
                    rest = frozenset((key, text) for key, text in one.exact.items() if key != name)
                    buckets[rest].append(one)
            largest = max(buckets.values(), key=len)
            if len(largest) > len(best):
                best = largest
            if len(best) == len(waiting):
                break
        best = best or waiting[:1]
        taken = set(map(id, best))
        waiting = [one for one in waiting if id(one) not in taken]
        yield from _portions(best)


def _portions(series: Sequence[CountedSeries]) -> Iterator[list[CountedSeries]]:
    """Yield series in groups whose answers are not too large."""
    group: list[CountedSeries] = []
    room = _MAX_REQUESTED
    for one in series:
        if group and (one.samples > room or len(group) >= _MAX_SERIES):
            yield group
            group, room = [], _MAX_REQUESTED
        group.append(one)
        room -= one.samples
    if group:
        yield group


def join_selector(group: Sequence[CountedSeries], selector: str) -> str:
    """Return one selector for all series of a group, of which the first was found by ``selector``."""
    values: dict[str, dict[str, None]] = defaultdict(dict)
    for one in group:
        for name, text in one.exact.items():
            values[name][text] = None
    matchers = [_equal_any(name, list(texts)) for name, texts in values.items()]
    if not any(matcher.name == "__name__" for matcher in matchers):
        # The metric has no single name: take what the question says of it.
        matchers += [matcher for matcher in matchers_of(selector) if matcher.name == "__name__"]
    name = next((m.value for m in matchers if m.name == "__name__" and m.op == "="), "")
    return ast.VectorSelector(name, tuple(matchers)).selector
