"""docs/reference/promql.md is written from the registry; ``TELEMETRY_UPDATE_GOLDEN=1`` writes it anew."""

from __future__ import annotations

import os
from pathlib import Path

from pytest_telemetry_gate.promql.calls import PER_SERIES, WHOLE_VECTOR
from pytest_telemetry_gate.promql.function_table import (
    AGGREGATIONS,
    FUNCTIONS,
    NATIVE,
    NOTES,
    PROFILES,
    UNSUPPORTED,
)
from pytest_telemetry_gate.promql.over_time import WINDOW_FUNCTIONS

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "promql.md"
HEAD = """# PromQL

A recording is queried in PromQL, evaluated in the process. Answers agree with a server's: profile `"2"` with Prometheus 2.42,
profile `"3"` with Prometheus 3.0, tested by their own test scripts and against live servers. A recording stores the profile of
the server it was made from. What is not on this page is refused by name.

Samples are numbers; native histograms are refused. Steps are whole milliseconds. A query has
[limits](../explanation/engine.md#limits-of-a-query).
"""
OPERATORS = {
    "arithmetic": ["+", "-", "*", "/", "%", "^", "atan2"],
    "comparison, with or without `bool`": ["==", "!=", "<", "<=", ">", ">="],
    "sets": ["and", "or", "unless"],
    "matching": ["on", "ignoring", "group_left", "group_right", "fill"],
    "label matchers": ["=", "!=", "=~", "!~", "or between matchers"],
    "selectors": ["selector", "[range]", "[range:step]", "offset", "@"],
    "literals": ["names in quotes", "numbers and durations"],
}
IN_WORDS = {"selector", "or between matchers", *OPERATORS["literals"]}


def test_the_page_is_the_registry():
    if os.environ.get("TELEMETRY_UPDATE_GOLDEN"):
        PAGE.write_text(page(), encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == page()


def test_every_function_has_its_code():
    code = [*WHOLE_VECTOR, *PER_SERIES, *WINDOW_FUNCTIONS]
    assert set(FUNCTIONS) - set(code) == {"pi", "scalar", "time"}
    assert set(code) <= set(FUNCTIONS)
    assert len(set(code)) == len(code)


def test_every_note_is_about_something():
    known = {*FUNCTIONS, *AGGREGATIONS, *(name for names in OPERATORS.values() for name in names)}
    assert set(NOTES) <= known
    assert not (NATIVE | UNSUPPORTED) & known


NEWER = """
## Where newer servers answer otherwise

Profile `"3"` is Prometheus 3.0. A recording of a newer server is evaluated as 3.0 would:

| expression | profile `"3"` | newer servers |
|---|---|---|
| `many > on (job) one` | compared | 3.9: refused, many-to-one matching must be explicit |
| `-{__name__=~"a\\|b"}`, whose series never stand at the same time | refused, the same labelset | 3.14: one series |
| `mad_over_time(m[1m])` of samples with a NaN | a number | 3.14: NaN |
| `label_replace(one, "a.b", "$1", "job", "(.*)")` | refused, no label's name | 3.6: a label `a.b` |
| `topk(-Inf, many)` | refused, no int64 | later: empty |
| `m offset +1m` | taken | 2.42 and 3.0 refuse it, 3.14 takes it |
| `first_over_time(m[1m])` | refused | 3.14: a function |
| `m[30s + 30s]` | refused | 3.14: durations may be calculated |
"""


def page():
    parts = [
        HEAD,
        "## Functions\n",
        row("function", "answers with", *map(profile, PROFILES), "notes"),
        "|---|---|---|---|---|",
    ]
    for name, function in sorted(FUNCTIONS.items()):
        there = ["yes" if one in function.profiles else "" for one in PROFILES]
        parts.append(row(f"`{signature(function)}`", function.returns, *there, NOTES.get(name, "")))
    refused = [("need native histograms", NATIVE), ("are newer than Prometheus 3.0", UNSUPPORTED)]
    parts += ["\n## Refused functions\n", "| functions | because they |", "|---|---|"]
    parts += [row(", ".join(f"`{name}`" for name in sorted(names)), reason) for reason, names in refused]
    parts += ["\n## Aggregations\n", "All take `by` or `without`.\n", "| aggregation | notes |", "|---|---|"]
    parts += [row(f"`{name}`", NOTES.get(name, "")) for name in sorted(AGGREGATIONS)]
    parts += ["\n## Operators, matchers and selectors\n", "| kind | written | notes |", "|---|---|---|"]
    parts += [
        row(
            kind,
            name if name in IN_WORDS else f"`{name}`",
            NOTES.get(name, ""),
        )
        for kind, names in OPERATORS.items()
        for name in names
    ]
    parts += [NEWER]
    return "\n".join(parts) + "\n"


def row(*cells):
    return "|" + "|".join(f" {cell} ".replace("  ", " ") for cell in cells) + "|"


def profile(name):
    return f'`"{name}"`'


def signature(function):
    required = len(function.arguments) - max(function.optional, 0)
    repeated = function.optional < 0
    given = list(function.arguments[: required - repeated])
    more = function.arguments[required - repeated :]
    tail = [f"[{argument}{', ...' if repeated else ''}]" for argument in more]
    return f"{function.name}({', '.join(given + tail)})"
