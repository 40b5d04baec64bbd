"""Values and labels that are seldom met: infinities in many blocks, names that never stand together, wild buckets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from promql.differential import Differential
from promql.questions import Question
from promql.server_engine import ServerEngine, openmetrics

from pytest_telemetry_gate.promql import Engine, MemoryStorage

if TYPE_CHECKING:
    from collections.abc import Callable

    import servers

BEGIN = 1_700_000_000
INF, NAN = float("inf"), float("nan")
TIMES = BEGIN * 1000 + 15_000 * np.arange(241)
PHASES = 125 * np.arange(20)


def series() -> list[tuple[dict[str, str], np.ndarray, np.ndarray]]:
    """Return series that were scraped at other times, so that each is a block of its own in a long question."""
    counts = np.arange(241.0)
    found = []
    for number, phase in enumerate(PHASES.tolist()):
        odd = (INF, -INF, NAN, 1e308, -1e308)[number] if number < 5 else float(number)
        labels = {"__name__": "g", "group": str(number % 7), "i": str(number)}
        values = np.where((counts % 11 == number % 11) | (number == 0), odd, counts + number)
        found.append((labels, TIMES[: 241 - number] + phase, values[: 241 - number]))
    half = len(TIMES) // 2
    found += [
        ({"__name__": "early_total", "x": "1"}, TIMES[: half - 30], counts[: half - 30]),
        ({"__name__": "late_total", "x": "1"}, TIMES[half + 30 :], counts[half + 30 :]),
        ({"__name__": "mixed", "y": "1"}, TIMES, np.where(counts % 4 == 1, INF, counts)),
    ]
    buckets = {"1": 5 * counts, "2": 3 * counts, "x": counts, "+Inf": 9 * counts}
    found += [({"__name__": "wild_bucket", "le": le}, TIMES, values) for le, values in buckets.items()]
    return found


AGGREGATED = [
    f"{op}{by}({inner})"
    for op in ("avg", "sum", "min", "max", "count", "group", "stddev", "stdvar")
    for by in (" by (i) ", " by (group) ", " without (i) ", " ")
    for inner in ("g", "max_over_time(g[5m])", "g offset 20m")
]
OTHERS = [
    *(f"{func}(g[2m])" for func in ("rate", "increase", "delta", "irate", "idelta", "deriv", "changes", "resets")),
    *(f"{func}_over_time(g[2m])" for func in ("avg", "sum", "min", "max", "last", "present")),
    "quantile by (group) (0.5, g)", "quantile_over_time(0.5, g[2m])",
    "holt_winters(g[2m], 0.5, 0.5)", "holt_winters(mixed[30s], 0.3, 0.7)", "holt_winters(mixed[1m], 0.3, 0.7)",
    "predict_linear(mixed[2m], 60)",
    *(f'{func}({{__name__=~"early_total|late_total"}}[1m])' for func in ("rate", "last_over_time", "count_over_time")),
    '-{__name__=~"early_total|late_total"}', 'abs({__name__=~"early_total|late_total"})',
    '{__name__=~"early_total|late_total"} * 2', 'sum by (x) ({__name__=~"early_total|late_total"})',
    'sum_over_time({__name__=~"early_total|late_total"}[5m:1m])', 'timestamp({__name__=~"early_total|late_total"})',
    "histogram_quantile(0.9, wild_bucket)", "histogram_quantile(1.1, wild_bucket)", "histogram_quantile(NaN, wild_bucket)",
    'count_values without (i) ("__name__", g)', 'count_values("__name__", g)',
    f"sum by ({', '.join(f'l{n}' for n in range(40))}, group) (g)", f"g + on ({', '.join(f'l{n}' for n in range(40))}, i) g",
]  # fmt: skip


@pytest.fixture(scope="module")
def both(prometheus_server: Callable[..., servers.Server]) -> Differential:
    found = series()
    samples = (
        (labels, int(time), float(value))
        for labels, times, values in found
        for time, value in zip(times, values, strict=True)
    )
    server = prometheus_server(openmetrics=openmetrics(samples), interval="1m")
    return Differential(Engine(MemoryStorage(found), semantics="2"), ServerEngine(server))


@pytest.mark.integration
@pytest.mark.parametrize("promql", [*AGGREGATED, *OTHERS])
def test_odd_values_have_the_answer_of_the_server(promql: str, both: Differential) -> None:
    for start, end, step in (
        (BEGIN + 1800.0, BEGIN + 1800.0, 0.0),
        (BEGIN + 3500.0, BEGIN + 3500.0, 0.0),
        (BEGIN - 60.0, BEGIN + 3660.0, 5.0),
    ):
        assert both.disagreement(Question(promql, start, end, step)) == ""
