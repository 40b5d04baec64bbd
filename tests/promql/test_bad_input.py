"""Expressions that are wrong, or look it: refused where the server refuses them, answered alike where it does not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from promql.differential import Differential, ask
from promql.questions import Question
from promql.server_engine import ServerEngine, openmetrics

from pytest_telemetry_gate.promql import Engine, MemoryStorage, PromQLError

if TYPE_CHECKING:
    from collections.abc import Callable

    import servers

BEGIN = 1_700_000_000
EXPRESSIONS = (Path(__file__).parent / "bad_input.txt").read_text("utf-8").splitlines()
SERIES = [
    ({"__name__": name, "job": job, "instance": instance}, function)
    for name, function in (("hits_total", np.float64), ("depth", np.sin))
    for job in "ab"
    for instance in "12"
] + [({"__name__": "lat_bucket", "le": le, "job": "a"}, np.float64) for le in ("1", "2", "+Inf")]
QUESTIONS = [(BEGIN + 1800.0, BEGIN + 1800.0, 0.0), (BEGIN + 1500.0, BEGIN + 1800.0, 60.0)]


def storage() -> MemoryStorage:
    times = np.arange(BEGIN * 1000, (BEGIN + 3600) * 1000, 15_000)
    return MemoryStorage((labels, times, function(np.arange(240.0))) for labels, function in SERIES)


@pytest.fixture(scope="module")
def both(prometheus_server: Callable[..., servers.Server]) -> Differential:
    samples = (
        (labels, BEGIN * 1000 + 15_000 * place, float(value))
        for labels, function in SERIES
        for place, value in enumerate(function(np.arange(240.0)))
    )
    server = prometheus_server(openmetrics=openmetrics(samples), interval="1m")
    return Differential(Engine(storage(), semantics="2"), ServerEngine(server))


@pytest.mark.integration
@pytest.mark.parametrize("promql", EXPRESSIONS)
def test_bad_input_is_refused_where_the_server_refuses_it(
    promql: str, both: Differential, capfd: pytest.CaptureFixture[str]
) -> None:
    for start, end, step in QUESTIONS:
        assert both.disagreement(Question(promql, start, end, step)) == ""
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("semantics", ["2", "3"])
def test_bad_input_is_answered_or_refused_in_one_line(
    semantics: str, capfd: pytest.CaptureFixture[str]
) -> None:
    engine, refused = Engine(storage(), semantics=semantics), 0
    for promql in [
        *EXPRESSIONS,
        "\0",
        "\ud800",
        "x" * 10,
        "hits_total[5m" + "]" * 5,
        "(" * 5000,
        "-" * 5000 + "1",
    ]:
        for start, end, step in QUESTIONS:
            answer = ask(engine, Question(promql, start, end, step))
            if isinstance(answer, PromQLError):
                refused += 1
                assert "\n" not in str(answer).removesuffix(promql)
    assert refused > len(EXPRESSIONS) / 2
    assert capfd.readouterr() == ("", "")
