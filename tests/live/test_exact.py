"""Answers are those of the server, however the questions travelled: joined, single, split; Prometheus and VictoriaMetrics."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import faults
import numpy as np
import pytest
import servers
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from regions import LiveProject

from pytest_telemetry_gate.errors import UnreachableError
from pytest_telemetry_gate.gate.fetch import joinable
from pytest_telemetry_gate.gate.gate import Gate
from pytest_telemetry_gate.gate.registry import Registry
from pytest_telemetry_gate.model.answers import Answer, Value
from pytest_telemetry_gate.model.environment import Deadline, Environment, Origin, RegionSettings
from pytest_telemetry_gate.model.questions import Instant
from pytest_telemetry_gate.plugin import builtin_hooks
from pytest_telemetry_gate.promql import Engine, Matrix, MemoryStorage, Vector
from pytest_telemetry_gate.recorder.recorder import RegionRequest, record
from pytest_telemetry_gate.recording import Recording
from pytest_telemetry_gate.sources.prometheus import PrometheusSource

pytestmark = pytest.mark.integration

START, STEP, COUNT = 1737583200, 15, 1800  # 7.5 hours
AT = float(START + STEP * 1000)
SERIES: dict[str, list[float]] = {
    'cpu{job="parser",zone="a"}': [70 + number % 7 for number in range(COUNT)],
    'cpu{job="parser",zone="b"}': [50 + number % 5 / 3 for number in range(COUNT)],
    'up{job="parser"}': [1] * COUNT,
    'jobs_total{job="parser",kind="a"}': [number % 400 for number in range(COUNT)],
    'jobs_total{job="parser",kind="b"}': [number * 0.1 for number in range(COUNT)],
    'late{job="parser"}': [1.5 if number > 990 else np.nan for number in range(COUNT)],
    'huge{job="parser"}': [float("inf")] * COUNT,
    'odd{job="parser",text="a \\"quoted\\" \\\\ line"}': [0.1 + 0.2] * COUNT,
}
QUERIES = [
    "cpu", "cpu{zone='a'}", '{__name__=~"cpu|up"}', "cpu # with a comment", "cpu\n# and another", "cpu > 60",
    "cpu > bool 60", "nothing", "absent(nothing)", "absent(cpu)", "sum(cpu)", "sum by (zone) (cpu)", "-cpu",
    "avg(cpu) without (zone)", "cpu offset 1h", "cpu @ 1737590000", "cpu @ end()", "rate(jobs_total[5m])",
    "increase(jobs_total[1h])", "max_over_time(cpu[1h:1m])", "vector(1)", "vector(1) / 0", "-vector(1) / 0",
    "vector(0) / 0", "huge", "-huge", "huge - huge", "late", "cpu * on (job) group_left up", "cpu and up",
    "cpu or up", "cpu unless cpu{zone='b'}", "topk(1, cpu)", "bottomk(1, cpu)", "quantile(0.5, cpu)", "stddev(cpu)",
    "label_replace(cpu, 'x', '$1', 'zone', '(.*)')", "label_join(cpu, 'x', '-', 'job', 'zone')", "odd", "odd * 3",
    "count_values('value', up)", "sort(cpu)", "sort_desc(cpu)", "changes(cpu[10m])", "resets(jobs_total[2h])",
    "deriv(jobs_total[10m])", "predict_linear(jobs_total[10m], 3600)", "timestamp(cpu)", "time() - timestamp(cpu)",
    "clamp_max(cpu, 60)", "(cpu)", "((cpu)) + 1", "vector(time())", "histogram_quantile(0.9, cpu)", "count(cpu) == 2",
    "group(cpu)", "abs(-cpu)", "ln(cpu)", "hour(vector(time()))", "sum(rate(jobs_total[5m])) / sum(up)",
]  # fmt: skip


def text() -> str:
    """Return the series as OpenMetrics, without samples where they are NaN."""
    lines = []
    for name, values in SERIES.items():
        heading = f"# TYPE {name.partition('{')[0]} unknown"
        if heading not in lines:
            lines.append(heading)
        for number, value in enumerate(values):
            if not np.isnan(value):
                lines.append(
                    f"{name} {'+Inf' if value == np.inf else repr(float(value))} {START + number * STEP}"
                )
    return "\n".join([*lines, "# EOF", ""])


@pytest.fixture(scope="module", params=["prometheus", "victoria-metrics"])
def server(request: pytest.FixtureRequest) -> servers.Server:
    if request.param == "prometheus":
        return request.getfixturevalue("prometheus_server")(openmetrics=text())
    found: servers.Server = request.getfixturevalue("victoria_metrics")
    lines = [f"{line}000" for line in text().splitlines() if not line.startswith("#")]
    servers.victoria_import(found, lines)
    return found


def source(url: str, name: str = "eu", **options: object) -> PrometheusSource:
    return PrometheusSource(region(url, name, **options))


def region(url: str, name: str = "eu", **options: object) -> RegionSettings:
    return RegionSettings(name, "prometheus", {"url": url, **options}, {}, Origin("telemetry.yaml"), Path())


def together(url: str, asked: list[Instant]) -> dict[Instant, Answer]:
    """Ask as a gate asks: ahead, in batches."""
    registry = Registry(
        builtin_hooks.pytest_telemetry_gate_sources(), builtin_hooks.pytest_telemetry_gate_event_sources(), {}
    )
    gate = Gate(
        Environment("live", Path("telemetry.yaml"), {"eu": region(url)}, deadline=Deadline(60.0)), registry
    )
    gate._asker.fetch(asked)
    return {question: gate.ask(question) for question in asked}


def singly(one: PrometheusSource, promql: str, at: float = AT) -> str:
    return Answer(one.instant(promql, at)).digest


def test_the_table_is_long_enough_to_need_several_requests():
    assert len(QUERIES) > 50
    assert all(joinable(Instant("", promql, AT)) for promql in QUERIES)


def test_joined_answers_are_the_single_ones(server: servers.Server):
    live = source(server.url)
    whole = live.vectors(QUERIES, AT)
    assert whole is not None
    for promql, found in zip(QUERIES, whole, strict=True):
        assert Answer(found).digest == singly(live, promql), promql
        assert not any("telemetry_gate" in key for labels in found.labels for key in labels)
    assert whole[QUERIES.index("cpu")].labels[0]["__name__"] == "cpu"
    assert sum(bool(one.labels) for one in whole) > 45


def test_joined_ranges_are_the_single_ones(server: servers.Server):
    live = source(server.url)
    start, end, step = AT - 1200.0, float(AT), 150.0
    for chosen in (QUERIES[:30], QUERIES[30:]):
        whole = live.matrices(chosen, start, end, step)
        assert whole is not None
        for promql, found in zip(chosen, whole, strict=True):
            single = live.range(promql, start, end, step)
            assert sorted(map(repr, found.labels)) == sorted(map(repr, single.labels)), promql
            rows = [single.labels.index(labels) for labels in found.labels]
            np.testing.assert_array_equal(found.present, single.present[rows])
            shown = np.where(single.present[rows], single.values[rows], 0)
            np.testing.assert_array_equal(np.where(found.present, found.values, 0), shown)


@settings(max_examples=25, deadline=None)
@given(
    chosen=st.lists(st.sampled_from(QUERIES), min_size=2, max_size=50),
    at=st.integers(START, START + STEP * COUNT),
)
def test_any_choice_at_any_time_is_joined_exactly(server: servers.Server, chosen: list[str], at: int):
    live = source(server.url)
    whole = live.vectors(chosen, at + 0.5)
    assert whole is not None
    assert [Answer(one).digest for one in whole] == [singly(live, promql, at + 0.5) for promql in chosen]


def test_a_bad_query_is_told_of_and_its_companions_are_answered(server: servers.Server):
    bad = "cpu + on (job) cpu"  # many to many
    asked = [
        Instant("eu", promql, AT)
        for promql in [*QUERIES[:20], bad, *QUERIES[20:], "scalar(up)", "1 + 1", "cpu[1m]"]
    ]
    answers = together(server.url, asked)
    live = source(server.url)
    for question in asked:
        answer = answers[question]
        if question.promql == bad:
            assert answer.error.startswith(f"region eu: {server.url}/api/v1/query: HTTP 422: ")
            assert "match" in answer.error or "duplicate" in answer.error
        else:
            assert answer.error == ""
            assert answer.digest == singly(live, question.promql), question.promql


def test_a_warning_belongs_to_the_query_that_caused_it(server: servers.Server):
    def warn(exchange: faults.Exchange) -> None:
        more = {"warnings": ["store is down"]} if "jobs_total" in exchange.asked.query else {}
        faults.beside(exchange, **more)

    with faults.serving(faults.relay(server.url)) as front:
        front.faults["warn"] = warn
        asked = [Instant("eu", promql, AT) for promql in QUERIES]
        answers = together(front.url("warn"), asked)
        assert {one.promql for one in asked if answers[one].partial} == {
            one for one in QUERIES if "jobs_total" in one
        }
        assert all(answers[one].digest == singly(source(server.url), one.promql) for one in asked)


def test_queries_travel_in_the_body(server: servers.Server):
    with faults.serving(faults.relay(server.url)) as front:
        live = source(front.url(), params={"dedup": True})
        long = " or ".join(f'cpu{{zone="{"z" * 100}{number}"}}' for number in range(70)) + " or cpu"
        assert Answer(live.instant(long, AT)).digest == singly(source(server.url), "cpu")
        (asked,) = front.asked
        assert (asked.method, asked.in_address, asked.fields["dedup"]) == ("POST", {}, "true")


@pytest.mark.parametrize(
    ("promql", "step"), [("cpu", 1.0), ("rate(jobs_total[5m])", 1.0), ("late", 1.0), ("sum(cpu)", 0.5)]
)
def test_long_ranges_are_split_and_joined_without_a_seam(ranged: servers.Server, promql: str, step: float):
    start, end = float(START + 600), float(START + STEP * COUNT - 600)
    with faults.serving(faults.relay(ranged.url)) as front:
        found = source(front.url()).range(promql, start, end, step)
        sizes = [
            round((float(one.fields["end"]) - float(one.fields["start"])) / step) + 1 for one in front.asked
        ]
    points = int((end - start) / step) + 1
    assert sum(sizes) == points == len(found.times)
    assert max(sizes) <= 11_000
    assert len(sizes) == -(-points // 11_000)
    assert len(np.unique(found.times)) == points
    rows = []
    for name, values in SERIES.items():
        times = np.arange(COUNT) * STEP * 1000 + START * 1000
        kept = ~np.isnan(values)
        rows.append((labels_of(name), times[kept], np.asarray(values)[kept]))
    wanted = Engine(MemoryStorage(rows), semantics="2").range(promql, start, end, step)
    assert Answer(found).digest == Answer(wanted).digest or same(found, wanted)


@pytest.fixture(scope="module")
def ranged(prometheus_server: Callable[..., servers.Server]) -> servers.Server:
    return prometheus_server(openmetrics=text())


def labels_of(name: str) -> dict[str, str]:
    metric, _, rest = name.partition("{")
    pairs = rest.rstrip("}").split('",')
    labels = {"__name__": metric}
    for pair in pairs:
        key, _, value = pair.partition('="')
        labels[key] = json.loads(f'"{value.removesuffix(chr(34))}"')
    return labels


def same(one, other) -> bool:
    """Tell whether two matrices are of the same series and steps, and of values that differ in the last bits at most."""
    order = [[sorted(labels.items()) for labels in matrix.labels] for matrix in (one, other)]
    assert sorted(order[0]) == sorted(order[1])
    places = [order[1].index(labels) for labels in order[0]]
    assert (one.present == other.present[places]).all()
    there = one.present
    np.testing.assert_allclose(one.values[there], other.values[places][there], rtol=1e-12)
    return True


def test_a_server_that_is_gone_is_told_at_once(server: servers.Server):
    with pytest.raises(UnreachableError, match="connection refused"):
        source(servers.NOBODY).vectors(QUERIES[:2], AT)


def test_the_same_gate_on_both(project: LiveProject, server: servers.Server):
    project.suite(
        "- {id: cpu, query: 'max(cpu)', expect: '< 80'}\n"
        "- {id: p50, query: 'quantile(0.5, cpu)', window: 10m, expect: '> 40', tolerance: 20%, baseline: 60}\n"
        "- {id: jobs, count: 'jobs_total{job=\"parser\"}', expect: '> 100'}\n"
        "- {id: none, query: nothing, expect: '> 0'}\n"
        "- {id: bad, query: 'cpu + on (job) cpu', expect: '> 0'}\n"
        "- {id: alerts, alerts: {match: {team: telemetry}}, expect: '== 0'}\n".replace("\\\n", "\n")
    )
    project.regions({"eu": server.url}, scrape_interval="15s")
    found = project.verdicts()
    assert {name: verdict for name, (verdict, _) in found.items()} == {
        "eu-cpu": "pass",
        "eu-p50": "pass",
        "eu-jobs": "pass",
        "eu-none": "inconclusive",
        "eu-bad": "error",
        "eu-alerts": "inconclusive",
    }
    assert "no alerting rule matches" in found["eu-alerts"][1]
    assert project.result.ret == 1


def test_where_victoria_metrics_differs(victoria_metrics: servers.Server, ranged: servers.Server):
    """docs/explanation/live.md lists what this test finds."""
    lines = [f"{line}000" for line in text().splitlines() if not line.startswith("#")]
    servers.victoria_import(victoria_metrics, lines)

    def asked(promql: str) -> tuple[object, object]:
        return tuple(source(server.url).instant(promql, AT) for server in (ranged, victoria_metrics))  # type: ignore[return-value]

    real, victoria = asked("vector(0) / 0")
    assert np.isnan(real.values).all()
    assert (len(real.labels), len(victoria.labels)) == (1, 0)
    real, victoria = asked("scalar(nothing)")
    assert np.isnan(real.value)
    assert victoria.labels == []
    real, victoria = asked("avg_over_time(cpu{zone='a'}[5m])")
    assert real.labels == [{"job": "parser", "zone": "a"}]
    assert victoria.labels == [{"__name__": "cpu", "job": "parser", "zone": "a"}]
    # From -285 s to 0 s there are 19 steps, which Prometheus stretches to the window; VictoriaMetrics counts from -300 s.
    real, victoria = asked("increase(jobs_total{kind='a'}[290s])")
    np.testing.assert_allclose(real.values, 19 * 290 / 285)
    np.testing.assert_allclose(victoria.values, 20)
    real, victoria = asked("cpu{zone='a'}[1m]")
    assert real.times[0] == AT - 60
    assert victoria.times[0] == AT - 45
    assert {one.query("cpu +", AT)["errorType"] for one in (ranged, victoria_metrics)} == {"bad_data", "422"}
    assert source(victoria_metrics.url).rules() == ([], [])
    assert source(victoria_metrics.url).probe()["semantics"] == "3"


def test_a_recording_answers_as_its_server(server: servers.Server, tmp_path: Path):
    live = source(server.url)
    live.restore_probe(live.probe())
    asked = [Instant("eu", promql, AT) for promql in [*QUERIES, "rate(jobs_total[7h])", "late[7h]"]]
    out = tmp_path / "a.telemetry.zip"
    assert record(out, {"eu": RegionRequest(live, asked)}, recorded_at=AT).failures == {}
    recording = Recording.open(out)
    engine = Engine(recording.storage("eu"), semantics=recording.semantics)
    for question in asked:
        if live.semantics == "2":  # a Prometheus of that version, whose arithmetic the engine has
            assert_close(
                engine.instant(question.promql, AT), live.instant(question.promql, AT), question.promql
            )
    for promql in ("jobs_total[7h]", "cpu", "late[7h]", "absent(nothing)"):
        assert Answer(engine.instant(promql, AT)).digest == singly(live, promql)


def assert_close(found: Value, expected: Value, promql: str) -> None:
    assert isinstance(found, Vector | Matrix)
    assert isinstance(expected, Vector | Matrix)
    ours, theirs = by_labels(found), by_labels(expected)
    assert ours.keys() == theirs.keys(), promql
    for key, value in ours.items():
        np.testing.assert_allclose(value, theirs[key], rtol=1e-9, err_msg=promql)


def by_labels(answer: Vector | Matrix) -> dict[str, NDArray[np.float64]]:
    labels = (json.dumps(one, sort_keys=True) for one in answer.labels)
    return dict(zip(labels, np.asarray(answer.values), strict=True))
