"""Which alerts a rule could raise, by its labels, its templates and its series."""

from __future__ import annotations

import re

import pytest

from pytest_telemetry_gate.model.events import Episode, Rule
from pytest_telemetry_gate.model.label_templates import pattern_of
from pytest_telemetry_gate.model.rule_labels import can_raise, labels_asked

SERIES = ({"namespace": "shop", "grade": "critical"}, {"namespace": "till", "grade": "minor"})


def rule(series=SERIES, **labels):
    return Rule("Slow", "f;g", 30.0, labels, "latency > 1", series=series)


def equal(**labels):
    return tuple((name, "=", value) for name, value in labels.items())


@pytest.mark.parametrize(
    ("template", "text", "becomes"),
    [
        ("page", "page", True),
        ("{{ $labels.grade }}", "critical", True),
        ("{{$labels.grade}}", "minor", False),
        ("{{ .Labels.grade }}", "critical", True),
        ("team-{{ $labels.namespace }}", "team-shop", True),
        ("team-{{ $labels.namespace }}", "team-till", False),
        ("{{ $labels.grade | toUpper }}", "CRITICAL", True),
        ("{{ if gt $value 9.0 }}page{{ else }}ticket{{ end }}", "page", True),
        ("{{ if gt $value 9.0 }}page{{ else }}ticket{{ end }}", "ticket", True),
        ("{{ if gt $value 9.0 }}page{{ else }}ticket{{ end }}", "pageticket", False),
        ("{{ if a }}x{{ else if b }}y{{ end }}z", "yz", True),
        ("{{ if a }}x{{ if b }}y{{ end }}{{ end }}z", "xyz", True),
        ("{{ if a }}x{{ end }}", "y", False),
        ("a {{- if b -}} c {{- end }}", "ac", True),
        ("{{ $externalLabels.cluster }}", "eu", True),
        ("{{ $externalLabels.cluster }}", "us", False),
        ("{{/* why */}}{{ $x := $labels.grade }}page", "page", True),
        ("{{ range query `up` }}{{ .Value }}{{ end }}", "anything", True),
        ("a.b", "axb", False),
    ],
)
def test_what_a_template_can_become(template, text, becomes):
    pattern = pattern_of(template, SERIES[0], {"cluster": "eu"})
    assert (re.fullmatch(pattern, text, re.DOTALL) is not None) is becomes


@pytest.mark.parametrize(
    ("match", "stated", "can"),
    [
        (equal(alertname="Slow"), {}, True),
        (equal(alertname="Fast"), {}, False),
        (equal(severity="page"), {"severity": "page"}, True),
        (equal(severity="page"), {"severity": "info"}, False),
        (equal(namespace="shop"), {}, True),
        (equal(namespace="shpo"), {}, False),
        (equal(namespace="till", grade="critical"), {}, False),  # of no one series
        (equal(namespace="till", severity="minor"), {"severity": "{{ $labels.grade }}"}, True),
        (equal(namespace="till", severity="critical"), {"severity": "{{ $labels.grade }}"}, False),
        (equal(cluster="eu"), {}, True),
        (equal(cluster="us"), {}, False),
        (equal(cluster="us"), {"cluster": "us"}, True),
        ((("alertname", "=~", "S.*"), ("namespace", "!=", "shop")), {}, True),
        ((("namespace", "!~", "shop|till"),), {}, False),
    ],
)
def test_a_label_of_the_series_is_as_good_as_one_that_the_rule_states(match, stated, can):
    assert can_raise(rule(**stated), match, {"cluster": "eu"}) is can


def test_a_rule_whose_series_nobody_looked_at_can_raise_what_it_states_and_what_it_has_raised():
    unseen = rule(None, severity="{{ $labels.grade }}", team="till")
    assert can_raise(unseen, equal(team="till"), {})
    assert not can_raise(unseen, equal(severity="critical"), {})
    assert not can_raise(unseen, equal(namespace="shop"), {})
    fired = Episode("alert", "Slow", 1.0, 2.0, {"namespace": "shop", "severity": "critical", "team": "till"})
    assert can_raise(unseen, equal(namespace="shop", severity="critical"), {}, [fired])
    assert not can_raise(unseen, equal(namespace="till"), {}, [fired])


def test_a_rule_without_series_can_raise_nothing_of_a_label():
    assert not can_raise(rule(()), equal(namespace="shop"), {})
    assert can_raise(rule(()), equal(alertname="Slow"), {})


def test_only_the_labels_are_asked_for_that_decide():
    templated = rule(None, severity="{{ $labels.grade }}", team="till")
    assert labels_asked(templated, [equal(team="till", alertname="Slow")]) == ()
    assert labels_asked(templated, [equal(severity="page", namespace="shop")]) == ("grade", "namespace")
    assert labels_asked(templated, [equal(alertname="Other", namespace="shop")]) == ()
