"""What an expression reads, told from its text."""

from __future__ import annotations

import pytest

from pytest_telemetry_gate.promql import parse
from pytest_telemetry_gate.promql.spans import SelectorSpan, spans

END = 10_000_000


def read(promql: str, start: int = END) -> list[tuple[str, int, int, bool]]:
    return [(one.selector, one.end, one.length, one.instant) for one in spans(parse(promql), start, END)]


@pytest.mark.parametrize(
    ("promql", "expected"),
    [
        ("1 + time()", []),
        ("up", [("up", END, 0, True)]),
        ('up{job="a"} offset 1m', [('up{job="a"}', END - 60_000, 0, True)]),
        ("rate(a[5m] offset -1m)", [("a", END + 60_000, 300_000, False)]),
        ("a @ 9 or b @ start()", [("a", 9000, 0, True), ("b", END, 0, True)]),
        ("max_over_time(rate(a[5m])[1h:1m])", [("a", END, 3_900_000, False)]),
        ("max_over_time(a[1h:1m] offset 10m)", [("a", END - 600_000, 3_600_000, True)]),
        ("max_over_time(rate(a[5m] offset 1m)[1h:1m] @ 5000)", [("a", 4_940_000, 3_900_000, False)]),
        ("max_over_time((a @ 9)[1h:1m])", [("a", 9000, 0, True)]),
        ("max_over_time((a @ end() offset 1s)[1h:1m] offset 1h)", [("a", END - 1000, 0, True)]),
        ("topk(scalar(k), sum by (x) (-(a))) / b", [("k", END, 0, True), ("a", END, 0, True), ("b", END, 0, True)]),
    ],
)  # fmt: skip
def test_what_is_read_at_one_moment(promql: str, expected: list[tuple[str, int, int, bool]]) -> None:
    assert read(promql) == expected


def test_what_is_read_over_a_range() -> None:
    assert read("rate(a[5m])", END - 1000) == [("a", END, 301_000, False)]
    assert read("a @ start() + b @ end()", END - 1000) == [("a", END - 1000, 0, True), ("b", END, 0, True)]
    assert SelectorSpan("a", END, 1000, instant=True) in set(spans(parse("a"), END - 1000, END))
