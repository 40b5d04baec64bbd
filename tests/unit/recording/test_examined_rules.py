"""What was found out about rules is recorded for each time that was judged, and united like everything else."""

from __future__ import annotations

import json

import pytest

from pytest_telemetry_gate.model.events import Evaluation, Events, Rule
from pytest_telemetry_gate.recording.merge import check_events, events_to_index, examined_rules, merge_events


def history(start, end, *, blind=None, series=None, **more):
    rules = (
        Rule("Slow", "f;g", 30.0, {"team": "x"}, "a > 1", blind=blind, series=series),
        Rule("Other", "f;g", 30.0),
    )
    return events_to_index(Events(start, end, complete=True, rules=rules, **more))


def found(wire, start, end):
    slow = next(rule for rule in examined_rules(wire, start, end) if rule.alert == "Slow")
    return slow.blind, slow.series


def test_each_time_keeps_what_was_found_out_for_it():
    early = history(0, 10, blind="", series=({"pod": "a"},))
    late = history(0, 20, blind="a has no sample since 12", series=())
    for united in (merge_events(early, late), merge_events(late, early)):
        merged = json.loads(json.dumps(united))
        check_events(merged)
        assert found(merged, 0, 10) == ("", ({"pod": "a"},))
        assert found(merged, 0, 20) == ("a has no sample since 12", ())
        assert found(merged, 0, 15) == (None, None)
        assert [rule["alert"] for rule in merged["rules"]] == ["Other", "Slow"]


def test_two_suites_that_ask_for_other_labels_keep_both():
    merged = merge_events(
        history(0, 10, blind="", series=({"pod": "a"},)), history(0, 10, blind="", series=({"team": "y"},))
    )
    assert found(merged, 0, 10) == ("", ({"pod": "a"}, {"team": "y"}))
    assert merge_events(merged, merged) == merged


def test_a_repetition_that_did_not_look_takes_nothing_away():
    looked = history(0, 10, blind="", series=({"pod": "a"},))
    assert found(merge_events(looked, history(0, 10)), 0, 10) == ("", ({"pod": "a"},))


def test_kinds_and_external_labels_are_united():
    merged = merge_events(
        history(0, 10, kinds=("page",), external_labels={"cluster": "eu"}),
        history(0, 10, kinds=("incident",)),
    )
    events = Events.from_wire(merged)
    assert (events.kinds, events.external_labels) == (("incident", "page"), {"cluster": "eu"})


def test_a_history_of_an_older_version_was_not_examined():
    wire = {
        "from": 0,
        "to": 10,
        "complete": True,
        "rules": [{"alert": "Slow", "file": "f", "group": "g", "interval": 1}],
    }
    check_events(wire)
    assert examined_rules(wire, 0, 10) == (Rule("Slow", "f;g", 1.0),)


@pytest.mark.parametrize("entry", [1, {}, {"from": 0, "to": 1, "blind": "", "series": [1]}])
def test_damage_is_found(entry):
    wire = {**history(0, 1), "examined": [entry]}
    wire["rules"] = [{"alert": "S", "group": "g", "interval": 1}]
    if isinstance(entry, dict) and entry:
        wire["examined"] = [{**entry, "alert": "S", "group": "g"}]
    with pytest.raises((KeyError, TypeError, ValueError)):
        check_events(wire)


def test_evaluations_cross_with_what_they_lack():
    events = Events(0, 1, complete=True, evaluations=(Evaluation("g", 1.0, 2.0, None, 5.0),))
    assert Events.from_wire(json.loads(json.dumps(events.to_wire()))) == events
