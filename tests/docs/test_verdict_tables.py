"""docs/explanation/verdicts.md, row by row, against the code."""

from __future__ import annotations

import re

import numpy as np
import pytest
from gates import HEAD, START, STEP, UP, MemoryGate, grid, make_verdict, series
from verdicts_page import table

from pytest_telemetry_gate.criteria.judge import judge
from pytest_telemetry_gate.model.answers import Answer, Answers, RegionFacts
from pytest_telemetry_gate.model.dossier import Dossier
from pytest_telemetry_gate.model.events import Episode, Events, Rule
from pytest_telemetry_gate.model.gate_outcome import decide_gate
from pytest_telemetry_gate.model.verdict import Outcome
from pytest_telemetry_gate.plugin.carried import Carried
from pytest_telemetry_gate.plugin.hooks import conclude

AT = START + 7200
GROUP = "rules.yml;telemetry"
CPU = "{id: cpu, query: cpu, expect: '< 75'}"
ABSENT = "{id: failures, count: 'failed_total{job=\"parser\"}', absent: zero, expect: '== 0'}"
LABELLED = "{id: failures, count: 'failed_total{job=\"parser\", reason=\"fraud\"}', expect: '== 0'}"
COUNT = "{id: failures, count: 'failed_total{job=\"parser\"}', expect: '== 0'}"
ALERTS = "{id: none, alerts: {match: {team: telemetry}}, expect: '== 0'}"
INCIDENTS = "{id: none, incidents: {}, expect: '== 0'}"


@pytest.fixture
def gate(tmp_path):
    return MemoryGate(tmp_path, data=[UP, series("cpu", 70.0)])


def test_the_page_knows_all_verdicts():
    assert {row["verdict"] for row in table("verdict")} == {str(outcome) for outcome in Outcome}


@pytest.mark.parametrize("row", table("verdict"), ids=lambda row: row["verdict"])
def test_the_seven_verdicts(row):
    verdict = make_verdict(row["verdict"])
    through = row["lets the gate through"]
    assert verdict.outcome.keeps_gate_open() == through.startswith("yes")
    assert verdict.outcome.keeps_gate_open(strict=True) == (through == "yes")
    try:
        conclude(Carried(dossiers=[Dossier(verdict)]), strict=False)
        found = "passed"
    except pytest.skip.Exception:
        found = "skipped"
    except pytest.fail.Exception:
        found = "failed"
    assert found == row["pytest"]


@pytest.mark.parametrize("row", table("value"), ids=lambda row: " ".join(filter(None, row.values())))
def test_limit_tolerance_and_level(gate, row):
    gate.data = [UP, series("cpu", float(row["value"]))]
    keys = {"id": "x", "query": "cpu"}
    keys.update(
        {key: row[key] for key in ("unit", "expect", "tolerance", "better", "baseline", "floor") if row[key]}
    )
    text = ", ".join(
        f"{key}: {value!r}" if key in {"expect", "unit"} else f"{key}: {value}" for key, value in keys.items()
    )
    verdict = gate.verdict(f"- {{{text}}}")
    assert (str(verdict.outcome), str(verdict.level or "")) == (row["verdict"], row["level"])


@pytest.mark.parametrize("row", table("limit"), ids=lambda row: row["limit"])
def test_quantiles_beyond_the_last_bucket(gate, row):
    shares = {"0.25": 0.2, "0.5": 0.3, "+Inf": 1.0}
    gate.data = [
        UP,
        *(
            series("wait_seconds_bucket", lambda at, share=share: (at - START + 9000) * share, le=bound)
            for bound, share in shares.items()
        ),
    ]
    query = "histogram_quantile(0.95, sum by (le) (rate(wait_seconds_bucket[10m])))"
    verdict = gate.verdict(f"- {{id: x, query: '{query}', unit: s, expect: '{row['limit']}'}}")
    assert str(verdict.outcome) == row["verdict"]


def rules_evaluated(times=None, failed=0.0):
    labels = {"job": "prometheus", "rule_group": GROUP}
    at = grid() if times is None else times
    return [
        series("prometheus_rule_group_last_evaluation_timestamp_seconds", lambda t: t - 1.0, at, **labels),
        series(
            "prometheus_rule_evaluation_failures_total",
            lambda t: np.where(t < AT - 600, 0.0, failed),
            at,
            **labels,
        ),
    ]


def known(team="telemetry", expr=""):
    rule = Rule("Slow", GROUP, STEP, {"team": team}, expr)
    return {"alerts": Events(START, AT, complete=True, rules=(rule,))}


RULES_ADDED = series(
    "prometheus_rule_group_rules",
    lambda t: np.where(t < AT - 600, 1.0, 2.0),
    job="prometheus",
    rule_group=GROUP,
)


def firing(start, seconds):
    times = start + np.arange(0, seconds, STEP)
    return series("ALERTS", 1.0, times, alertname="Slow", alertstate="firing", team="telemetry")


def with_data(criterion, *data, **fields):
    def situation(gate):
        gate.data = data
        for name, value in fields.items():
            setattr(gate, name, value)
        return gate.verdict(f"- {criterion}")

    return situation


def answered(**fields):
    def situation(gate):
        (check,) = gate.checks(f"- {CPU}")
        answers = {question: Answer(None, **fields) for question in check.questions()}
        return judge(check, Answers(gate.now, answers, {"": RegionFacts(gate.intervals)}))

    return situation


def partial(gate):
    (check,) = gate.checks(f"- {CPU}")
    whole = gate.answers(check)
    parts = {
        q: Answer(a.value, partial=True, warnings=("a store is down",)) for q, a in whole.answers.items()
    }
    return judge(check, Answers(gate.now, parts, {"": RegionFacts(gate.intervals)}))


def unreachable(gate):
    (check,) = gate.checks(f"- {CPU}")
    return judge(check, Answers(gate.now, {}, {"": RegionFacts(failure="connection refused")}))


def with_baseline_file(content):
    def situation(gate):
        (gate.folder / "base.yaml").write_text(f"version: 1\nname: old\n{content}\n", encoding="utf-8")
        head = HEAD + "baseline: {file: base.yaml}\n"
        return gate.verdict("- {id: cpu, query: cpu, tolerance: 5%}", head)

    return situation


FLAPS = np.array([time for time in grid() if time % 480 < 240])
HOLES = np.array([time for time in grid() if not START + 1800 < time < START + 2700])
SITUATIONS = {
    "the query has no series": with_data(CPU, UP),
    "the query has several series and no reduce": with_data(
        CPU, UP, series("cpu", 1.0), series("cpu", 1.0, x="y")
    ),
    "the window holds less data than coverage": with_data(
        "{id: cpu, query: 'avg_over_time(cpu[1h])', expect: '< 75'}",
        UP,
        series("cpu", 1.0, grid(start=AT - 3000)),
    ),
    "the metric stopped, and only the lookback still shows it": with_data(
        CPU, UP, series("cpu", 1.0, grid(end=AT - 200))
    ),
    "the scrape interval is unknown": with_data(CPU, series("cpu", 1.0, np.array([AT])), intervals={}),
    "the answer may be partial": partial,
    "the source gives an error": answered(error="bad gateway"),
    "the region cannot be reached": unreachable,
    "the baseline's query has no data, under a tolerance": with_data(
        "{id: cpu, query: cpu, tolerance: 5%, baseline: {offset: 30d}}", UP, series("cpu", 1.0)
    ),
    "the baseline file has no value, under a tolerance": with_baseline_file("values: {other: 1}"),
    "the baseline has expired, under a tolerance": with_baseline_file(
        "expires: 2025-01-01\nvalues: {cpu: 70}"
    ),
    "a counter is absent, the metadata know it and its target was up": with_data(
        COUNT, UP, metadata={"failed_total": "counter"}
    ),
    "a counter is absent, absent: zero says so and its target was up": with_data(ABSENT, UP),
    "a counter is absent, other labels of it are there": with_data(LABELLED, UP, series("failed_total", 3.0)),
    "a counter is absent, and nobody knows it": with_data(COUNT, UP),
    "a counter is absent, and its target was down": with_data(ABSENT, series("up", 0.0)),
    "a counter is absent, and its target is unknown": with_data(ABSENT),
    "a counter was there, and is gone while its target is up": with_data(
        COUNT, UP, series("failed_total", 0.0, grid(end=START + 1800))
    ),
    "one of four scrapes succeeded": with_data(
        "{id: cpu, query: 'avg_over_time(cpu[1h])', expect: '< 75'}",
        series("up", lambda t: (t % 60 == 0) * 1.0),
        series("cpu", 1.0, grid(step=60)),
    ),
    "one of two targets flaps": with_data(
        "{id: cpu, query: 'sum(rate(done_total[1h]))', expect: '> 0'}",
        series("done_total", lambda t: t),
        series("done_total", lambda t: t, FLAPS, instance="b:1"),
    ),
    "a target is gone, and none has taken its place": with_data(
        "{id: cpu, query: 'sum(rate(done_total[1h]))', expect: '> 0'}",
        series("done_total", lambda t: t),
        series("done_total", lambda t: t, grid(end=AT - 1200), instance="b:1"),
    ),
    "a pod was replaced": with_data(
        "{id: cpu, query: 'sum(rate(done_total[1h]))', expect: '> 0'}",
        series("done_total", lambda t: t, grid(end=AT - 1200)),
        series("done_total", lambda t: t, grid(start=AT - 1180), instance="b:1"),
    ),
    "scrapes are slow, and none is missing": with_data(
        "{id: cpu, query: 'min_over_time(cpu[9m])', expect: '< 75'}", series("cpu", 1.0, grid(step=120))
    ),
    "the newest sample is older than three intervals": with_data(
        "{id: cpu, query: 'avg_over_time(cpu[1h])', expect: '< 75'}", series("cpu", 1.0, grid(end=AT - 100))
    ),
    "of a new and an old name one has samples": with_data(
        "{id: cpu, query: 'sum(cpu) or sum(processor)', expect: '< 75'}", series("cpu", 1.0)
    ),
    "a job that the query names has no samples": with_data(
        """{id: cpu, query: 'sum(rate(done_total{job=~"parser|mailer"}[1h]))', expect: '> 0'}""",
        series("done_total", lambda t: t),
    ),
    "no alert fired and the rules were evaluated": with_data(ALERTS, UP, *rules_evaluated(), events=known()),
    "no alert fired and no rule matches": with_data(ALERTS, UP, *rules_evaluated(), events=known("db")),
    "no alert fired and nothing proves the evaluation": with_data(ALERTS, UP, events=known()),
    "no alert fired and the proof looks at a part of the time": with_data(
        "{id: none, alerts: {proof: up}, expect: '== 0'}", UP, events=known()
    ),
    "no alert fired and the evaluation had a gap": with_data(
        ALERTS, UP, *rules_evaluated(HOLES), events=known()
    ),
    "no alert fired and evaluations failed": with_data(
        ALERTS, UP, *rules_evaluated(failed=2.0), events=known()
    ),
    "no alert fired and nothing counts failed evaluations": with_data(
        ALERTS, UP, rules_evaluated()[0], events=known()
    ),
    "no alert fired and the rule's metric has no samples": with_data(
        ALERTS, UP, *rules_evaluated(), events=known(expr="errors_total > 1")
    ),
    "no alert fired and rules were added meanwhile": with_data(
        ALERTS, UP, *rules_evaluated(), RULES_ADDED, events=known()
    ),
    "no alert fired, and the label comes from the rule's series": with_data(
        "{id: none, alerts: {match: {instance: 'a:1'}}, expect: '== 0'}",
        UP,
        *rules_evaluated(),
        events=known(expr="up == 0"),
    ),
    "a query on ALERTS has no value above its limit and no rule": with_data(
        "{id: none, query: 'count(ALERTS) or vector(0)', expect: '== 0'}",
        UP,
        *rules_evaluated(),
        events={"alerts": Events(START, AT, complete=True)},
    ),
    "an alert fired for one evaluation and resolved": with_data(
        ALERTS, UP, *rules_evaluated(), firing(START + 600, STEP), events=known()
    ),
    "an alert fired before the rollout and went on": with_data(
        ALERTS, UP, *rules_evaluated(), firing(START - 900, 1800), events=known()
    ),
    "no incident, and the history is complete": with_data(
        INCIDENTS, UP, events={"incidents": Events(START, AT, complete=True)}
    ),
    "no incident, and the history is incomplete": with_data(
        INCIDENTS, UP, events={"incidents": Events(START, AT, complete=False)}
    ),
    "no incident, and nobody knows the kind": with_data(
        "{id: none, incidents: {kind: escalations}, expect: '== 0'}",
        UP,
        events={"incidents": Events(START, AT, complete=True)},
    ),
    "no incident, and there is no history": with_data(INCIDENTS, UP),
}


def test_the_page_and_the_tests_know_the_same_situations():
    assert sorted(re.sub("`", "", row["situation"]) for row in table("situation")) == sorted(SITUATIONS)


@pytest.mark.parametrize("row", table("situation"), ids=lambda row: row["situation"])
def test_what_is_missing_never_passes(gate, row):
    verdict = SITUATIONS[re.sub("`", "", row["situation"])](gate)
    assert str(verdict.outcome) == row["verdict"], verdict.reason


def test_an_incident_is_a_failure(gate):
    gate.events = {
        "incidents": Events(START, AT, complete=True, episodes=(Episode("incident", "P1", START + 9, None),))
    }
    assert gate.verdict(f"- {INCIDENTS}").outcome is Outcome.FAIL


@pytest.mark.parametrize("row", table("clock"), ids=lambda row: row["clock"])
def test_the_clock(gate, row):
    amount, unit, side, what = re.fullmatch(
        r"(?:(\d+) (\w+) )?(before|at|after) the (\w+)", row["clock"]
    ).groups()
    seconds = int(amount or 0) * {"s": 1, "h": 3600, "y": 366 * 86400, None: 0}[unit]
    gate.now = (START if what == "rollout" else AT) + (-seconds if side == "before" else seconds)
    assert str(gate.verdict(f"- {CPU}").outcome) == row["verdict"]


@pytest.mark.parametrize("row", table("verdicts"), ids=lambda row: " ".join(filter(None, row.values())))
def test_the_outcome_of_the_gate(row):
    selected, collected = map(int, row["selected of collected"].split(" of "))
    found = decide_gate(
        [
            make_verdict(word.split(" ")[0], informational="(informational)" in word)
            for word in row["verdicts"].split(", ")
            if word not in {"", "no verdict"}
        ],
        unheard=row["verdicts"].count("no verdict"),
        selected=selected,
        collected=collected,
        strict="--telemetry-strict" in row["options"],
        partial="--telemetry-partial" in row["options"],
        asked=[make_verdict("pass").checkpoint] if "--telemetry-checkpoint" in row["options"] else (),
    )
    assert (str(found.outcome), found.opens) == (row["outcome"], row["gate"] == "opens")
