"""Events cross processes unchanged, and say what they prove; tracks of samples are joined where they follow one another."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from pytest_telemetry_gate.criteria.alert_proof import find_unproven
from pytest_telemetry_gate.model.answers import Answer
from pytest_telemetry_gate.model.arrivals import Arrivals, Target, join_tracks
from pytest_telemetry_gate.model.events import Episode, Evaluation, Events, Rule, Silence
from pytest_telemetry_gate.model.questions import EventsQuestion
from pytest_telemetry_gate.model.rule_labels import can_raise
from pytest_telemetry_gate.model.sources import LiveSource, RuleExaminer

RULE = Rule("Slow", "rules.yml;shop", 30.0, {"team": "shop"}, "latency > 1", blind="")
MATCH = (("team", "=", "shop"),)
EVALUATED = Evaluation("rules.yml;shop", 30.0, 90.0, 0.0)
EVENTS = Events(
    0.0,
    100.0,
    complete=True,
    episodes=(Episode("alert", "Slow", 1.0, None, {"a": "b"}), Episode("alert", "Slow", 1.0, 2.0)),
    rules=(RULE, dataclasses.replace(RULE, blind=None), dataclasses.replace(RULE, blind="sees nothing", series=({"a": "b"},))),
    evaluations=(EVALUATED, dataclasses.replace(EVALUATED, failures=None, changed=5.0)),
    silences=(Silence(0.0, 1.0, (("a", "=", "b"),)),),
)  # fmt: skip


def test_events_come_back_the_same():
    assert Events.from_wire(json.loads(json.dumps(EVENTS.to_wire()))) == EVENTS


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        ("episodes", "start", float("nan")),
        ("episodes", "end", float("inf")),
        ("rules", "interval", float("inf")),
        ("episodes", "labels", {"a": 1}),
        ("rules", "labels", {"a": None}),
    ],
)
def test_what_is_no_time_and_what_are_no_labels_are_refused(kind, field, value):
    wire = EVENTS.to_wire()
    wire = {**wire, kind: [{**wire[kind][0], field: value}]}
    with pytest.raises(ValueError, match=r"is not a time|are not labels"):
        Events.from_wire(wire)


@pytest.mark.parametrize(
    ("matchers", "hides"),
    [
        ([("team", "=", "shop"), ("severity", "=", "page")], True),
        ([("team", "=", "shop"), ("severity", "=", "ticket")], False),
        ([("team", "=", "shop"), ("unheard", "=", "of")], True),
        ([("team", "!=", "shop")], False),
        ([], True),
    ],
)
def test_a_silence_hides_what_all_its_matchers_let(matchers, hides):
    silence = Silence(0.0, 1.0, tuple(matchers))
    assert silence.may_hide({"team": "shop", "severity": "page"}) is hides


@pytest.mark.parametrize(
    ("others", "says"),
    [
        ([], ""),
        ([Evaluation("rules.yml;other", 30.0, 90.0, 0.0)], ""),
        ([Evaluation("other.yml;other", 30.0, 90.0, 0.0, changed=5.0)], ""),
        ([Evaluation("rules.yml;other", 30.0, 90.0, 0.0, changed=5.0)], "'rules.yml;other' was removed or changed"),
    ],
)  # fmt: skip
def test_a_group_that_changed_beside_the_rules_leaves_doubt(others, says):
    events = Events(0.0, 100.0, complete=True, rules=(RULE,), evaluations=(EVALUATED, *others))
    found = find_unproven(events, MATCH)
    assert bool(found) == bool(says)
    assert says in found


@pytest.mark.parametrize(
    ("labels", "series", "match", "raised"),
    [
        ({"severity": "page"}, None, ("severity", "!=", "page"), False),
        ({"severity": "page"}, None, ("severity", "=~", "p.*"), True),
        ({"severity": "{{ $labels.grade }}"}, None, ("severity", "=~", "crit.*"), False),
        ({"severity": "{{ $labels.grade }}"}, ({"grade": "critical"},), ("severity", "=~", "crit.*"), True),
        ({"severity": "x{{ $labels.grade }}"}, None, ("severity", "=", "x"), False),
    ],
)
def test_what_a_rule_can_raise_is_known_by_its_series(labels, series, match, raised):
    assert can_raise(dataclasses.replace(RULE, labels=labels, series=series), (match,), {}) is raised


def test_what_was_raised_by_a_rule_of_another_name_says_nothing():
    seen = (Episode("alert", "Slow", 1.0, None, {"team": "shop", "grade": "high"}),)
    match = (("alertname", "=", "Slow"), ("grade", "=", "high"))
    assert can_raise(RULE, match, {}, seen)
    assert not can_raise(dataclasses.replace(RULE, alert="Other"), match, {}, seen)


class Plain:
    """A source of events that looks at no rules."""

    def events(self, kind, start, end):
        return "plain"


class Examining(Plain, RuleExaminer):
    def examined_events(self, kind, start, end, matches):
        return "examined"


def test_rules_are_examined_where_somebody_can_and_alerts_are_named():
    asked = EventsQuestion("", "alerts", 0.0, 1.0, (MATCH,))
    assert (asked.ask(Plain()), asked.ask(Examining())) == ("plain", "examined")
    assert dataclasses.replace(asked, matches=()).ask(Examining()) == "plain"


def test_a_live_source_has_all_that_one_needs():
    whole = type("Whole", (), dict.fromkeys(("probe", "restore_probe", "vectors")))
    assert issubclass(whole, LiveSource)
    assert not issubclass(type("Half", (), {"probe": None}), LiveSource)
    assert not issubclass(whole, type("Mine", (LiveSource,), {}))


def test_what_a_server_repeats_of_a_secret_is_scrubbed_from_targets():
    target = Target({"instance": "token-1"}, 3, np.array([1, 2, 3]))
    answer = Answer(Arrivals((target, Target({"instance": "b"}, 1))))
    scrubbed = answer.scrubbed(lambda text: text.replace("token", "***")).value
    assert [one.labels["instance"] for one in scrubbed.targets] == ["***-1", "b"]


def track(*times):
    return np.array(times), len(times)


@pytest.mark.parametrize(
    ("series", "keep_ended", "expected"),
    [
        ([(1, 2, 3), (4, 5)], False, [((1, 2, 3, 4, 5), 5)]),
        ([(4, 5, 6), (1, 2)], False, [((1, 2, 4, 5, 6), 5)]),
        ([(1, 2, 3), (3, 4)], False, [((1, 2, 3), 3), ((3, 4), 2)]),
        ([(2, 3, 4), (1, 2)], False, [((2, 3, 4), 3), ((1, 2), 2)]),
        ([(1, 2, 3), (1, 2, 3)], False, [((1, 2, 3), 3)]),
        ([(1, 2, 3), (2, 3)], False, [((1, 2, 3), 3)]),
        ([(1, 2, 3), (1, 2)], False, [((1, 2, 3), 3)]),
        ([(1, 2, 3), (2, 3)], True, [((1, 2, 3), 3)]),
        ([(1, 2, 3), (1, 2)], True, [((1, 2, 3), 3), ((1, 2), 2)]),
        ([(10, 20, 30), (5, 15, 25)], False, [((5, 15, 25), 3), ((10, 20, 30), 3)]),
        ([(1, 2), ()], False, [((1, 2), 2)]),
    ],
)
def test_series_that_follow_one_another_are_one_track(series, keep_ended, expected):
    found = join_tracks([track(*times) for times in series], keep_ended=keep_ended)
    assert [(tuple(times.tolist()), samples) for times, samples in found] == expected
