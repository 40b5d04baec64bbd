"""Alerts of Grafana: what its histories tell, what of its rules is no proof, and where a history has holes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from event_settings import END, START, event_settings, event_source
from grafana_server import JSON, TOKEN, Grafana, Rule
from websites import Answer, Asked, serving

from pytest_telemetry_gate.errors import SourceError
from pytest_telemetry_gate.model.events import Events
from pytest_telemetry_gate.model.sources import Source
from pytest_telemetry_gate.promql import Engine, MemoryStorage
from pytest_telemetry_gate.sources.grafana.source import Grafana as GrafanaSource

HEARTBEAT = ", heartbeat: {alertname: Watchdog, every: 1m}"
BOTH = pytest.mark.parametrize("history", ["loki", "annotations"])


def ask(
    grafana: Grafana,
    history: str = "loki",
    *,
    answer: Callable[[Asked], Answer | None] | None = None,
    more: str = "",
    metrics: Any = None,
) -> Events:
    """Return what the source makes of a Grafana's answers."""
    with serving(answer or grafana.answer) as site:
        text = f"{{source: grafana, url: '{site.url}', token: {TOKEN}, history: {history}{more}}}"
        return event_source(text, metrics=metrics).events("alerts", START, END)


def spans(events: Events) -> list[tuple[str, float, float | None]]:
    return [
        (one.name, one.start - START, None if one.end is None else one.end - START) for one in events.episodes
    ]


def blind(events: Events) -> dict[str, str | None]:
    return {rule.alert: rule.blind for rule in events.rules}


@BOTH
def test_alerts_are_what_began_and_ended_between_changes(history: str) -> None:
    grafana = Grafana()
    grafana.change(START + 60, "Normal", "Pending", lag="a")
    grafana.change(START + 120, "Pending", "Alerting", lag="a")
    grafana.change(START + 300, "Alerting", "Recovering", lag="a")
    grafana.change(START + 420, "Recovering", "Normal", lag="a")
    grafana.change(START + 600, "Normal", "Alerting (NoData)", lag="b")
    events = ask(grafana, history)
    assert spans(events) == [("HighLag", 120, 420), ("HighLag", 600, None)]
    assert events.complete, events.reason
    assert {key: value for key, value in events.episodes[0].labels.items() if key != "grafana_folder"} == {
        "team": "telemetry",
        "lag": "a",
    }
    assert blind(events) == {"HighLag": ""}


@BOTH
def test_an_alert_from_before_is_carried_in_however_it_is_known(history: str) -> None:
    grafana = Grafana()
    grafana.change(START + 60, "Alerting", "Normal", lag="over")
    grafana.rules[0].alerts = [
        ("Alerting", START - 500, {"lag": "on"}),
        ("Normal", START - 9, {"lag": "off"}),
    ]
    events = ask(grafana, history)
    assert spans(events) == [("HighLag", -500, None), ("HighLag", 0, 60)]
    assert events.complete


def test_what_began_after_the_window_is_not_of_it_and_what_ended_after_it_has_no_end() -> None:
    grafana = Grafana()
    grafana.change(END - 10, "Normal", "Alerting", lag="a")
    grafana.change(END + 10, "Alerting", "Normal", lag="a")
    grafana.change(END + 20, "Normal", "Alerting", lag="b")
    assert spans(ask(grafana)) == [("HighLag", 3590, None)]


@BOTH
def test_more_changes_than_a_limit_are_asked_for_in_parts(history: str) -> None:
    grafana = Grafana()
    for number in range(1200):
        grafana.change(START + 1 + number, "Normal", "Alerting", lag=str(number))
    events = ask(grafana, history)
    assert (len(events.episodes), events.complete) == (1200, True)


@BOTH
def test_more_changes_at_once_than_a_limit_are_incomplete(history: str) -> None:
    grafana = Grafana()
    for number in range(1001):
        grafana.change(START + 5, "Normal", "Alerting", lag=str(number))
    events = ask(grafana, history)
    assert not events.complete
    assert "more changes of states at" in events.reason


def test_a_server_that_answers_with_less_than_its_limit_is_noticed_by_the_states_before() -> None:
    grafana = Grafana(cap=3)
    for number in range(6):
        states = ("Normal", "Alerting") if number % 2 == 0 else ("Alerting", "Normal")
        grafana.change(START + 1 + number, *states, lag="a")
    del grafana.changes[4]
    events = ask(grafana)
    assert not events.complete
    assert "a change between them is missing" in events.reason


@BOTH
@pytest.mark.parametrize(
    ("state", "told"),
    [
        ("NoData", "it was NoData from 2025-01-22T14:10:00Z to 2025-01-22T14:11:40Z"),
        ("Error", "it was Error from"),
        ("Normal (NoData)", "it was Normal (NoData) from"),
        ("Normal (Paused)", "it became Normal (Paused) at 2025-01-22T14:10:00Z"),
        ("Normal (NoData, KeepLast)", "it was Normal (NoData, KeepLast) from"),
        ("Normal (Updated)", "it became Normal (Updated) at 2025-01-22T14:10:00Z"),
    ],
)
def test_a_rule_that_saw_nothing_for_a_while_is_told(history: str, state: str, told: str) -> None:
    grafana = Grafana()
    grafana.change(START + 600, "Normal", state)
    grafana.change(START + 700, state, "Normal")
    events = ask(grafana, history)
    assert str(blind(events)["HighLag"]).startswith(told)
    assert events.episodes == ()


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        (Rule(health="nodata"), "its health is nodata"),
        (Rule(health="error"), "its health is error"),
        (Rule(paused=True), "it is paused"),
        (Rule(evaluated=0), "it has not been evaluated yet"),
        (Rule(evaluated=END - 600), "it was evaluated last at 2025-01-22T14:50:00Z"),
    ],
)
def test_how_a_rule_is_now_counts_where_nothing_changed_since(rule: Rule, told: str) -> None:
    assert blind(ask(Grafana([rule]))) == {"HighLag": told}


def test_a_rule_that_failed_after_the_window_alone_saw_all_of_it() -> None:
    grafana = Grafana([Rule(health="nodata")])
    grafana.change(END + 60, "Normal", "NoData")
    assert blind(ask(grafana)) == {"HighLag": ""}


def test_a_rule_that_saw_nothing_all_the_time_is_told_by_its_next_change() -> None:
    grafana = Grafana()
    grafana.change(END + 60, "NoData", "Normal")
    assert "it was NoData from" in str(blind(ask(grafana))["HighLag"])


def test_a_deleted_rule_that_had_changes_is_told() -> None:
    grafana = Grafana()
    grafana.change(START + 60, "Normal", "Alerting", Rule("Gone", "xyz"))
    assert blind(ask(grafana))["Gone"] == "it is not among the rules any more"


@BOTH
def test_a_rule_that_was_added_or_changed_since_the_window_began_is_told(history: str) -> None:
    told = blind(ask(Grafana([Rule(updated=START + 60)]), history))
    assert told == {"HighLag": "it was added or changed at 2025-01-22T14:01:00Z"}


@pytest.mark.parametrize("state", ["OK", "KeepLast"])
@pytest.mark.parametrize("setting", ["no_data_state", "exec_err_state"])
def test_a_rule_that_is_normal_without_data_leaves_no_trace_but_in_loki(setting: str, state: str) -> None:
    grafana = Grafana([Rule(**{setting: state})])  # type: ignore[arg-type]
    assert blind(ask(grafana)) == {"HighLag": ""}
    assert str(blind(ask(grafana, "annotations"))["HighLag"]).startswith(
        f"nothing tells whether it had data, as with {setting}: {state} it is normal then"
    )


def test_a_rule_whose_definition_nobody_has_is_told() -> None:
    grafana = Grafana()

    def answer(asked: Asked) -> Answer:
        return (200, JSON, b"{}") if "ruler" in asked.path else grafana.answer(asked)

    assert str(blind(ask(grafana, answer=answer))["HighLag"]).startswith("the ruler API does not have it")


def test_metrics_need_a_source_that_answers_promql() -> None:
    with pytest.raises(SourceError, match="needs an environment whose own source answers PromQL"):
        event_source(f"{{source: grafana, url: 'http://g', history: metrics{HEARTBEAT}}}", metrics=object())


def test_all_pages_of_rules_are_read() -> None:
    grafana = Grafana([Rule(name, name) for name in "abc"], pages_of_rules=3)
    assert set(blind(ask(grafana))) == set("abc")


def test_an_alert_that_fires_without_being_in_the_history_makes_it_incomplete() -> None:
    grafana = Grafana()
    grafana.rules[0].alerts = [("Alerting", START + 600, {})]
    events = ask(grafana)
    assert not events.complete
    assert events.reason == (
        "the rules API has HighLag firing since 2025-01-22T14:10:00Z, the history does not"
    )
    assert spans(events) == [("HighLag", 600, None)]


def test_without_loki_the_line_says_what_to_set() -> None:
    with pytest.raises(SourceError, match="needs Loki: else set history: annotations or metrics"):
        ask(Grafana(loki=False))
    assert ask(Grafana(loki=False), "annotations").complete


def test_an_expired_token_is_one_line_without_it() -> None:
    grafana = Grafana()
    with serving(grafana.answer) as site, pytest.raises(SourceError) as caught:
        event_source(f"{{source: grafana, url: '{site.url}', token: kanari-old}}").events(
            "alerts", START, END
        )
    assert "HTTP 401: unauthorized: is token wrong, expired or without the right?" in str(caught.value)
    assert "kanari" not in str(caught.value)
    assert "not Prometheus" not in str(caught.value)


def answered(status: int, body: bytes, headers: dict[str, str] | None = None) -> Callable[[Asked], Answer]:
    return lambda asked: (status, JSON | (headers or {}), body)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (answered(403, b'{"message": "no rights", "traceID": ""}'), "HTTP 403: forbidden: is token"),
        (answered(429, b"{}", {"Retry-After": "3600"}), "HTTP 429: .*retry after 1h"),
        (answered(200, b"{}"), "not of Grafana's API"),
        (answered(200, b'{"data": {"groups": [{"name": 1}]}}'), "not of Grafana's API"),
        (answered(200, b"[]"), "not of Grafana's API"),
        (answered(200, b"not json"), "response is not JSON"),
        (lambda asked: None, "3 attempts"),
    ],
)
def test_what_is_no_answer_is_one_line(answer: Callable[[Asked], Answer | None], told: str) -> None:
    with pytest.raises(SourceError, match=told) as caught:
        ask(Grafana(), answer=answer)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"{}", "not of Grafana's API"),
        (b'{"schema": {"fields": [{"name": "time"}]}, "data": {"values": [[1], [2]]}}', "not of Grafana's"),
        (
            b'{"schema": {"fields": [{"name": "time"}, {"name": "line"}]}, "data": {"values": [[1737554401000, 2], [{}]]}}',
            "not of Grafana's",
        ),
        (
            (
                b'{"schema": {"fields": [{"name": "time"}, {"name": "line"}]}, "data": {"values": '
                b'[[1737554401000], [{"previous": "Normal", "current": "Weird"}]]}}'
            ),
            "unknown state 'Weird'",
        ),
        (
            (
                b'{"schema": {"fields": [{"name": "time"}, {"name": "line"}]}, "data": {"values": '
                b'[[1637554401000], [{"previous": "Normal", "current": "Alerting"}]]}}'
            ),
            "answered for another time: a change at 2021-11-22T04:13:21Z",
        ),
        (
            (
                b'{"schema": {"fields": [{"name": "time"}, {"name": "line"}]}, "data": {"values": '
                b'[["2025-01-22T14:00:01"], [{"previous": "Normal", "current": "Alerting"}]]}}'
            ),
            "is not in milliseconds since the epoch",
        ),
    ],
)
def test_a_history_of_another_form_is_one_line(body: bytes, told: str) -> None:
    grafana = Grafana()

    def answer(asked: Asked) -> Answer:
        return (200, JSON, body) if "history" in asked.path else grafana.answer(asked)

    with pytest.raises(SourceError, match=told) as caught:
        ask(grafana, answer=answer)
    assert "\n" not in str(caught.value)


def test_titles_with_braces_are_told_from_labels() -> None:
    grafana = Grafana([Rule("Lag {high} of {all}", labels={"team": "a b, c", "of": "{x} - y"})])
    grafana.change(START + 60, "Normal", "Alerting")
    (episode,) = ask(grafana, "annotations").episodes
    assert (episode.name, episode.labels) == ("Lag {high} of {all}", {"team": "a b, c", "of": "{x} - y"})


def test_an_annotation_without_labels_in_its_text_is_refused() -> None:
    grafana = Grafana()

    def answer(asked: Asked) -> Answer:
        if "annotations" not in asked.path:
            return grafana.answer(asked)
        body = b'[{"id": 4, "text": "by hand", "time": 1737554401000, "prevState": "Normal", "newState": "Alerting"}]'
        return 200, JSON, body

    with pytest.raises(SourceError, match="annotation 4 does not tell its labels"):
        ask(grafana, "annotations", answer=answer)


class Metrics(Source):
    """A metric source in memory."""

    description = "metrics"

    def __init__(self, *series: tuple[dict[str, str], list[float]]) -> None:
        self._engine = Engine(
            MemoryStorage(
                [
                    (
                        {"__name__": "GRAFANA_ALERTS", **labels},
                        (START * 1000 + np.array(at) * 1000).astype(np.int64),
                        np.ones(len(at)),
                    )
                    for labels, at in series
                ]
            )
        )

    def instant(self, promql: str, time: float) -> Any:
        return self._engine.instant(promql, time=time)

    def range(self, promql: str, start: float, end: float, step: float) -> Any:
        raise NotImplementedError


def samples(name: str, state: str, first: int, last: int) -> tuple[dict[str, str], list[float]]:
    labels = {"alertname": name, "grafana_alertstate": state, "grafana_rule_uid": name.lower(), "team": "a"}
    return labels, list(range(first, last + 1, 60))


def test_the_metric_tells_alerts_by_its_samples_and_a_heartbeat_that_they_are_written() -> None:
    metrics = Metrics(
        samples("Watchdog", "alerting", -300, 3600),
        samples("HighLag", "pending", 540, 600),
        samples("HighLag", "alerting", 600, 900),
        samples("HighLag", "recovering", 960, 1200),
        samples("Other", "nodata", 600, 900),
    )
    grafana = Grafana([Rule("HighLag", "highlag"), Rule("Other", "other"), Rule("Watchdog", "w")])
    grafana.rules[2].alerts = [("Alerting", START - 9000, {})]
    events = ask(grafana, "metrics", more=HEARTBEAT, metrics=metrics)
    assert events.complete, events.reason
    assert spans(events) == [("HighLag", 600, 1260)]
    assert events.episodes[0].labels == {"team": "a"}
    assert blind(events) == {
        "HighLag": "",
        "Other": "it was nodata from 2025-01-22T14:10:00Z to 2025-01-22T14:16:00Z",
    }


@pytest.mark.parametrize(
    ("last", "told"),
    [
        (-60, "heartbeat Watchdog never came between"),
        (600, "heartbeat Watchdog did not come for 50m from 2025-01-22T14:10:00Z on"),
    ],
)
def test_a_metric_that_nobody_writes_is_no_proof(last: int, told: str) -> None:
    metrics = Metrics(samples("Watchdog", "alerting", -300, last))
    events = ask(Grafana(), "metrics", more=HEARTBEAT, metrics=metrics)
    assert not events.complete
    assert events.reason.startswith(told)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("token: t", "needs `url`"),
        ("url: 'http://g', tokn: t", r"unknown key 'tokn' \(did you mean 'token'\?\)"),
        ("url: 'http://g', token: ''", "token: empty"),
        ("url: 'http://g', token: [1]", "token: empty"),
        ("url: 'http://g', token: t, basic_auth: {username: a, password: b}", "at most one of token"),
        ("url: 'http://g', history: prometheus", "'prometheus' is not one of loki, annotations, metrics"),
        ("url: 'http://g', history: metrics", "heartbeat: .*go together"),
        ("url: 'http://g', heartbeat: {alertname: W, every: 1m}", "go together"),
        ("url: 'http://g', history: metrics, heartbeat: {alertname: W}", "heartbeat: must be"),
        ("url: 'http://g', history: metrics, heartbeat: {alertname: W, every: 0s}", "must be positive"),
        ("url: 'http://g', history: metrics, heartbeat: {alertname: W, every: often}", "not a duration"),
    ],
)
def test_settings_that_cannot_be_used_are_told_with_their_line(text: str, told: str) -> None:
    with pytest.raises(SourceError, match=f"^telemetry.yaml:7: .*{told}"):
        GrafanaSource.read_settings(event_settings(f"{{source: grafana, {text}}}"))


@pytest.mark.parametrize(("ahead", "told"), [(-600, " behind this"), (600, " ahead of this"), (-30, "")])
def test_a_clock_that_differs_makes_the_ends_of_the_window_unsure(ahead: float, told: str) -> None:
    grafana = Grafana()
    with serving(grafana.answer) as site:
        site.clock_ahead = ahead
        events = event_source(f"{{source: grafana, url: '{site.url}', token: {TOKEN}}}").events(
            "alerts", START, END
        )
        assert events.complete == (not told)
        assert told in events.reason
        assert not told or events.reason.startswith(f"the clock of {site.url} is ")


def test_incidents_are_refused() -> None:
    source = event_source("{source: grafana, url: 'http://g'}")
    with pytest.raises(SourceError, match=r"has no incidents: set events\.incidents"):
        source.events("incidents", START, END)
