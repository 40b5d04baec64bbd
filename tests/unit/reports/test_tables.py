"""The tables of what was measured, as data: metrics, variances, events, replays, criteria."""

from __future__ import annotations

from dataclasses import replace

import pytest
from report_parts import (
    HOUR,
    START,
    alert_facts,
    check,
    criterion,
    lines,
    moment,
    suite,
)

from pytest_telemetry_gate.model.dossier import CASE
from pytest_telemetry_gate.model.events import Episode, Evaluation, Silence
from pytest_telemetry_gate.model.facts import (
    ChangeFacts,
    EventFacts,
    ForecastFacts,
    Member,
    MemberFacts,
    TrendFacts,
    TrendPoint,
)
from pytest_telemetry_gate.model.report import (
    CaseReport,
    SeriesReport,
)
from pytest_telemetry_gate.model.verdict import Level, Outcome
from pytest_telemetry_gate.reports.overview import tables
from pytest_telemetry_gate.reports.overview.tables import lay_out

FAIL, INCONCLUSIVE, PENDING, WARN = Outcome.FAIL, Outcome.INCONCLUSIVE, Outcome.PENDING, Outcome.WARN


def test_metrics_have_a_table_for_each_group() -> None:
    p95 = criterion(
        "p95",
        check("0h", 84.7, baseline=83.5, variance=1.4),
        check("12h", None, INCONCLUSIVE),
        check("13h", 93.0, FAIL, named=False),
        check("24h", 93.0, FAIL, baseline=83.5, variance=11.4),
        check("48h", None, PENDING),
        title="`parse_duration_ms` p95",
        unit="ms",
        expect="<= 90",
        baseline_name="Sprint 1",
    )
    failures = criterion(
        "failures", check("0h", 0.0, baseline=0.0), check("24h", 3.0, baseline=0.0), expect="== 3"
    )
    events = criterion("events", check("24h", 4_797_061.0), kind="count", expect=">= 4000000")
    rate = criterion("rate", check("24h", 12.5), unit="events/s", title="rate")
    absent = criterion("absent", check("24h", 0.0, absent=True), group="CLI", expect="== 0")
    told_elsewhere = [
        criterion("variance", check("24h", 50.0, variance=1.9), tolerance=5.0),
        criterion("alerts", check("24h", 0.0), kind="alerts"),
        criterion("replay", check("24h", 100.0), kind="replay"),
        criterion("window", check("24h", 90.0), kind="duration"),
        criterion("share", check("24h", 100.0), kind="ratio"),
        criterion("trend", check("24h", 1.0), kind="trend"),
        criterion("case", check("24h", None), kind=CASE),
    ]
    parser, cli = tables.tabulate_metrics(
        lay_out(suite(p95, failures, events, rate, absent, *told_elsewhere))
    )
    assert (parser.title, cli.title) == ("Parser", "CLI")
    assert lines(parser) == [
        "Metric | Sprint 1 | 0h | 12h | 24h | 48h | Delta | Target | Status",
        "`parse_duration_ms` p95 | 83.5 | 84.7 | inconclusive? | 93.0✗ | pending… | +11.4 % | ≤ 90 ms | fail since 13h✗",
        "failures | 0 | 0 |  | 3 |  | +3 | = 3 | pass✓",
        "events |  |  |  | 4.80M |  |  | ≥ 4M | pass✓",
        "rate (events/s) |  |  |  | 12.5 |  |  |  | pass✓",
        "parse_duration_ms p95: fail at 1 of 1 checkpoints between these, 13h",
    ]
    assert lines(cli) == ["Metric | 24h | Target | Status", "absent | absent | = 0 | pass✓"]


def test_regions_that_read_alike_share_a_row() -> None:
    same, other = (check("24h", 64.0),), (check("24h", 80.0, FAIL),)
    cpu = criterion("cpu", regions={"eu": same, "us": other, "ap": same}, unit="%", expect="< 75")
    lag = criterion("lag", regions={"eu": same, "us": same, "ap": same}, expect="< 75")
    whole = criterion("whole", check("24h", 3.0), expect="< 75", combine="sum")
    one_suite = suite(cpu, lag, whole, regions=("eu", "us", "ap"))
    assert lines(tables.tabulate_metrics(lay_out(one_suite))[0]) == [
        "Metric | Region | 24h | Target | Status",
        "cpu | eu, ap | 64 | < 75 % | pass✓",
        "cpu | us | 80✗ | < 75 % | fail✗",
        "lag | all | 64 | < 75 | pass✓",
        "whole | all | 3 | < 75 | pass✓",
    ]
    alike = suite(lag, regions=("eu", "us", "ap"))
    assert lines(tables.tabulate_criteria(lay_out(alike))) == [
        "Criterion | Target | Result | Status",
        "lag | < 75 | 64 | pass✓",
    ]


@pytest.mark.parametrize(
    ("better", "trends"),
    [("", ["worsening", "improving", "steady"]), ("lower", ["worsening", "improving", "steady"])],
)
def test_variances_with_their_change_since_the_deployment(better: str, trends: list[str]) -> None:
    checks = [
        check("0h", 102.3, variance=2.3, margin=2.7),
        check("12h", 105.5, FAIL, variance=5.5, margin=-0.5, level=Level.WARN),
        check("13h", 106.5, FAIL, variance=6.5, margin=-1.5, named=False),
        check("24h", None, INCONCLUSIVE),
        check("36h", 101.9, variance=1.9, margin=3.1),
        check("48h", 101.94, variance=1.94, margin=3.1),
    ]
    found = tables.tabulate_variances(
        lay_out(suite(criterion("v", *checks, tolerance=5.0, better=better, title="rate")))
    )
    sign = "+" if better else "±"
    assert [table.title for table in found] == ["rate"]
    assert lines(found[0]) == [
        "Checkpoint | Time | Variance | Since deployment | Trend | Status",
        f"0h | Wed 22 Jan 14:00 | +2.3 % | baseline | initial | pass, within {sign}5 %✓",
        f"12h | Thu 23 Jan 02:00 | +5.5 %✗ | +3.2 pp | {trends[0]} | fail, outside {sign}5 %✗",
        "24h | Thu 23 Jan 14:00 | inconclusive? |  |  | inconclusive?",
        f"36h | Fri 24 Jan 02:00 | +1.9 % | -0.4 pp | {trends[1]} | pass, within {sign}5 %✓",
        f"48h | Fri 24 Jan 14:00 | +1.9 % | -0.4 pp | {trends[2]} | pass, within {sign}5 %✓",
        "The largest variance was +6.5 % at 13 h (Thu 23 Jan 03:00).",
    ]


def test_a_variance_towards_the_better_side_is_an_improvement() -> None:
    checks = [check("0h", 99, variance=-1.0), check("12h", 97, variance=-3.0)]
    worse = lay_out(suite(criterion("v", *checks, tolerance=5.0)))
    better = lay_out(suite(criterion("v", *checks, tolerance=5.0, better="lower")))
    trends = [tables.tabulate_variances(sheet)[0].rows[1][4].text for sheet in (worse, better)]
    assert trends == ["worsening", "improving"]


def test_the_series_tells_the_largest_variance() -> None:
    one = criterion(
        "v",
        check("0h", 101.0, variance=1.0, baseline=100.0),
        tolerance=5.0,
        levels={"info": 3.0, "warn": 2.0},
    )
    series = SeriesReport(START, HOUR, (100.0, None, 97.5), (101.0, None, 99.0))
    content = replace(one.regions[""], series=series)
    sheet = lay_out(suite(replace(one, regions={"": content})))
    assert tables.tabulate_variances(sheet)[0].notes == (
        "The largest variance was -2.5 % at 2.5 h (Wed 22 Jan 16:30).",
    )
    assert lines(tables.tabulate_thresholds(sheet)) == [
        "Level | Threshold | Largest variance seen",
        "WARN | ±2 % | -2.5 % at 2.5 h!",
        "INFO | ±3 % | -2.5 % at 2.5 h",
    ]


def test_forecasts_are_sentences() -> None:
    points = tuple(TrendPoint(f"{hour}h", START + hour * HOUR, 2.0) for hour in range(4))
    forecast = ForecastFacts(START + 72 * HOUR, 1.69, 0.0365)
    facts = TrendFacts(points, slope=-0.2, slope_low=-0.2079, slope_high=-0.1921, forecast=forecast)
    rising = TrendFacts(
        slope=1.2, slope_low=0.4, slope_high=2.0, start=START + HOUR, step=HOUR, variances=(1.0, None, 3.0),
        breach=START + 61 * HOUR, change=ChangeFacts(START + 22.7 * HOUR, 1.0, 3.0),
    )  # fmt: skip
    trend = criterion(
        "t", check("48h", 1.69, trend=facts), kind="trend", title="forecast", unit="%", expect="<= 5"
    )
    few = criterion(
        "f", check("48h", None, INCONCLUSIVE, trend=TrendFacts(), reason="0 points"), kind="trend"
    )
    up = criterion("up", check("48h", 1.2, FAIL, trend=rising), kind="trend")
    assert tables.say_forecasts(lay_out(suite(trend, up, few))) == [
        (
            "forecast: +1.7 ± 0.04 % at 72 h; slope -0.200 (-0.208 .. -0.192) % a day, a straight line through 4 variances"
            " at checkpoints; limit ≤ 5 %: pass."
        ),
        (
            "up: slope +1.2 (+0.4 .. +2.0) % a day, a straight line through 2 hourly variances;"
            " breach projected at 61 h; since 22.7 h: from +1.0 to +3.0 %: fail."
        ),
        "f: 0 points: inconclusive.",
    ]


def test_events_say_what_proves_them() -> None:
    groups = tuple(Evaluation(f"r.yml;g{place}", 20.0, 60.0, None) for place in range(5))
    silence = Silence(START, START + 60, (("team", "=", "telemetry"),))
    criteria = [
        criterion("alerts", check("24h", 0.0, events=alert_facts()), kind="alerts", expect="== 0"),
        criterion(
            "many",
            check("24h", 0.0, events=alert_facts(evaluations=groups, silences=(silence,))),
            kind="alerts",
        ),
        criterion("own", check("24h", 0.0, events=EventFacts()), kind="alerts"),
        criterion("incidents", check("24h", 0.0, events=EventFacts()), kind="incidents"),
        criterion(
            "open", check("24h", 0.0, INCONCLUSIVE, reason="the history is incomplete"), kind="incidents"
        ),
    ]
    assert lines(tables.tabulate_events(lay_out(suite(*criteria)))) == [
        "What | Count | Proof | Status",
        "alerts | 0 | rule group telemetry: longest pause 18.6 s of 60 s allowed, 0 failures | pass✓",
        (
            "many | 0 | rule group g0: longest pause 20 s of 60 s allowed, failures not counted; rule group g1: longest pause 20 s of 60 s allo…"
            " | pass✓"
        ),
        "own | 0 | the suite's own `proof:` | pass✓",
        "incidents | 0 | history complete | pass✓",
        "open | 0? | the history is incomplete | inconclusive?",
    ]


def test_episodes_are_told_once_by_their_start() -> None:
    def episode(
        hour: float, name: str = "Backlog", end: float | None = 180.0, kind: str = "alert"
    ) -> Episode:
        start = START + hour * HOUR
        labels = {"alertname": name, "severity": "warn", "job": "parser"}
        return Episode(kind, name, start, None if end is None else start + end, labels)

    first, second, before = episode(20.1), episode(3, end=None), episode(-5)
    alerts = criterion(
        "a",
        check("24h", 2.0, FAIL, events=alert_facts(episodes=(first, second), carried_in=(before,))),
        kind="alerts",
    )
    again = criterion("b", check("24h", 1.0, FAIL, events=alert_facts(episodes=(first,))), kind="alerts")
    incident = criterion(
        "i",
        check("24h", 1.0, FAIL, events=EventFacts((episode(9, "P1", kind="escalation"),))),
        kind="incidents",
    )
    assert lines(tables.tabulate_episodes(lay_out(suite(alerts, again, incident)))) == [
        "What | Severity | From | Until | Lasted | Counted",
        "Backlog | warn | Wed 22 Jan 09:00 | Wed 22 Jan 09:03 | 3 min | no, from before",
        "Backlog | warn | Wed 22 Jan 17:00 | not over |  | ",
        "P1 (escalation) | warn | Wed 22 Jan 23:00 | Wed 22 Jan 23:03 | 3 min | ",
        "Backlog | warn | Thu 23 Jan 10:06 | Thu 23 Jan 10:09 | 3 min | ",
    ]
    many = EventFacts(tuple(episode(hour / 10) for hour in range(60)))
    told = tables.tabulate_episodes(lay_out(suite(criterion("a", check(events=many), kind="alerts"))))
    assert (len(told.rows), told.notes) == (50, ("and 10 more",))


def test_thresholds_name_the_rule_that_compares_with_them() -> None:
    variance = criterion(
        "v",
        check("24h", 1287.5, variance=3.0, query="sum(rate(telemetry_events_total[1h]))"),
        tolerance=5.0,
        levels={"info": 3.0, "warn": 4.0, "crit": 6.0},
    )
    fired = Episode("alert", "VarianceWarn", START + HOUR, START + 2 * HOUR)
    alerts = criterion("a", check("24h", 1.0, FAIL, events=alert_facts(episodes=(fired,))), kind="alerts")
    assert lines(tables.tabulate_thresholds(lay_out(suite(variance, alerts)))) == [
        "Level | Threshold | Rule | Largest variance seen | Fired",
        "INFO | ±3 % |  | +3.0 % at 24 h | ",
        "WARN | ±4 % | VarianceWarn | +3.0 % at 24 h | once",
        "CRIT | ±6 % |  | +3.0 % at 24 h | ",
    ]


def test_replays_by_checkpoint_and_their_figures() -> None:
    def members(good: int, bad: int, at: float) -> MemberFacts:
        names = [f"parse-{place}" for place in range(good)] + [f"cli-{place}" for place in range(bad)]
        outcomes = [Outcome.PASS] * good + [FAIL] * bad
        return MemberFacts(
            tuple(
                Member(name, "", "24h", outcome, "", counts=outcome.good, at=at)
                for name, outcome in zip(names, outcomes, strict=True)
            )
        )

    rate = criterion(
        "rate",
        check("12h", 100.0, members=members(5, 0, moment("12h") + HOUR)),
        check("24h", 58.3, FAIL, members=members(7, 7, moment("24h") + 120)),
        kind="replay",
        unit="%",
        expect="== 100",
    )
    payload = criterion("payload", check("24h", 0.847), kind="replay", unit="KB", expect="< 512")
    sheet = lay_out(suite(rate, payload))
    assert lines(tables.tabulate_replays(sheet)) == [
        "Checkpoint | Replayed | Passed | Not passed | Captured | Status",
        "12h | 5 parse | 5 of 5 |  | Thu 23 Jan 03:00, 60 min after the checkpoint | pass✓",
        (
            "24h | 7 parse, 7 cli | 7 of 14 | cli-0, cli-1, cli-2, cli-3, cli-4, and 2 more"
            " | Thu 23 Jan 14:02, 2 min after the checkpoint | fail✗"
        ),
    ]
    assert lines(tables.tabulate_replay_figures(sheet)) == [
        "Figure | 12h | 24h | Target | Status",
        "rate | 100.0 % | 58.3 %✗ | = 100 % | fail at 24h✗",
        "payload |  | 0.847 KB | < 512 KB | pass✓",
    ]
    assert lines(tables.tabulate_criteria(sheet)) == [
        "Criterion | Target | Result | Status",
        "rate | = 100 % | 58.3 %, 7 of 14 cases | fail at 24h✗",
        "payload | < 512 KB | 0.847 KB | pass✓",
    ]
    cases = [
        CaseReport(
            "qa", f"case-{place}", FAIL if place == 2 else Outcome.PASS, checkpoint="24h", captured_at=START
        )
        for place in range(3)
    ]
    (told,) = tables.tabulate_cases(sheet, cases)
    assert (told.title, lines(told)) == (
        "qa",
        [
            "Checkpoint | Replayed | Passed | Not passed | Captured | Status",
            "24h | 3 case | 2 of 3 | case-2 | Wed 22 Jan 14:00 | fail✗",
        ],
    )


def test_criteria_with_the_room_that_is_left() -> None:
    criteria = [
        criterion("cpu", check("24h", 64.1, margin=10.9), unit="%", expect="< 75"),
        criterion("v", check("24h", 50.0, variance=1.9, margin=3.1), tolerance=5.0),
        criterion(
            "over",
            check("18h", 95.0, FAIL, margin=-5.0),
            check("24h", 80.0, margin=10.0),
            unit="ms",
            expect="<= 90",
        ),
        criterion("level", check("24h", 50.0, WARN, variance=4.5, level=Level.CRIT), tolerance=5.0),
        criterion("gone", check("24h", None, Outcome.WAIVED), expect="<= 90", informational=True),
    ]
    assert lines(tables.tabulate_criteria(lay_out(suite(*criteria)))) == [
        "Criterion | Target | Result | Room | Status",
        "cpu | < 75 % | 64.1 % | 10.9 pp | pass✓",
        "v | ±5 % | +1.9 % | 3.1 pp | pass✓",
        "over | ≤ 90 ms | 80 ms, 95 ms at 18h | 10 ms | fail at 18h✗",
        "level | ±5 % | +4.5 % |  | warn (crit)!",
        "gone | ≤ 90 | waived |  | waived (informational)~",
    ]
