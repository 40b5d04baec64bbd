"""OpenMetrics text with names in quotes, as Prometheus 3 writes those that are no identifiers."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_telemetry_gate.errors import RecordingError
from pytest_telemetry_gate.promql import Engine, Matcher
from pytest_telemetry_gate.recording import Recording, import_openmetrics

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r"), min_size=1, max_size=8)


def imported(folder, *lines):
    """Import lines of text, and return the labels of the series that they make."""
    (folder / "a.om").write_text("\n".join([*lines, "# EOF", ""]), "utf-8", newline="\n")
    out = folder / "a.telemetry.zip"
    import_openmetrics(folder / "a.om", out, overwrite=True)
    groups = Recording.open(out).storage().select((Matcher("__name__", "=~", ".+"),), 0, 0)
    return [labels for group in groups for labels in group.labels]


@pytest.mark.parametrize(
    ("line", "labels"),
    [
        ('{"http.server.requests"} 1 1', {"__name__": "http.server.requests"}),
        ('{"http.server.requests",job="edge"} 1 1', {"__name__": "http.server.requests", "job": "edge"}),
        (
            '{"http.server","service.name"="a b",job="edge",} 1 1',
            {"__name__": "http.server", "service.name": "a b", "job": "edge"},
        ),
        ('{job="edge","http.server"} 1 1', {"__name__": "http.server", "job": "edge"}),
        ('plain{"service.name"="}"} 1 1', {"__name__": "plain", "service.name": "}"}),
        (r'{"a \"quoted\" \\ name\n","l\\\""="\\"} 1 1', {"__name__": 'a "quoted" \\ name\n', 'l\\"': "\\"}),
        ('{"größe","maß"="日本"} 1 1 # {id="x"} 1', {"__name__": "größe", "maß": "日本"}),
        ('{"a",empty=""} 1 1', {"__name__": "a"}),
        ('{"up"} 1 1', {"__name__": "up"}),
    ],
)
def test_names_in_quotes_are_names(tmp_path, line, labels):
    assert imported(tmp_path, line) == [labels]


def test_a_name_with_and_without_quotes_is_one_series(tmp_path):
    assert imported(tmp_path, 'up{a="1"} 1 1', '{"up",a="1"} 1 2', '{a="1","up"} 1 3') == [
        {"__name__": "up", "a": "1"}
    ]
    engine = Engine(Recording.open(tmp_path / "a.telemetry.zip").storage())
    assert engine.instant('count_over_time({"up"}[10s])', 3).values.tolist() == [3]


def test_a_type_may_be_of_a_name_in_quotes(tmp_path):
    imported(
        tmp_path, '# TYPE "http.server" counter', '# HELP "http.server" Of all.', '{"http.server_total"} 1 1'
    )
    assert Recording.open(tmp_path / "a.telemetry.zip").metadata() == {"http.server": "counter"}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{job="edge"} 1 1', "a sample without a metric name: '{job=\"edge\"}'"),
        ("{} 1 1", "a sample without a metric name: '{}'"),
        ('{""} 1 1', "a sample without a metric name: '{\"\"}'"),
        ('http{"server"} 1 1', 'a second metric name "server"'),
        ('{"http","server"} 1 1', 'a second metric name "server"'),
        ('{"http",a="1","a"="2"} 1 1', "duplicate label 'a'"),
        ('{"http",""="2"} 1 1', 'a label without a name: \'{"http",""="2"}\''),
        ('{"http",a} 1 1', "not a label: 'a'"),
        ('{"http"a="1"} 1 1', 'not a label: \'"http"a="1"\''),
        ('{"http} 1 1', "not a sample: '{\"http} 1 1'"),
        ('"http" 1 1', "not a sample: '\"http\" 1 1'"),
        ('# TYPE "http counter', "not a metric name: '\"http'"),
        ('# TYPE "http" countre', "unknown type 'countre'; known: counter, "),
        ('{"http"} 1', "a sample without a timestamp cannot be recorded"),
    ],
)
def test_what_is_no_name_is_refused_with_its_line(tmp_path, line, message):
    with pytest.raises(RecordingError) as caught:
        imported(tmp_path, "up 1 1", line)
    assert str(caught.value).startswith(f"{tmp_path / 'a.om'}:2: {message}")
    assert "\n" not in str(caught.value)


@settings(max_examples=100)
@given(texts, st.dictionaries(texts.filter(lambda name: name != "__name__"), texts, max_size=3))
def test_any_name_in_quotes_is_read_back(tmp_path_factory, name, labels):
    def quoted(text):
        escaped = text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
        return f'"{escaped}"'

    pairs = [quoted(name), *(f"{quoted(label)}={quoted(value)}" for label, value in labels.items())]
    assert imported(tmp_path_factory.mktemp("openmetrics"), f"{{{','.join(pairs)}}} 1 1") == [
        {"__name__": name, **labels}
    ]


def intervals_of(folder, lines):
    path = folder / "intervals.om"
    path.write_text("\n".join([*lines, "# EOF", ""]))
    return import_openmetrics(path, folder / "intervals.telemetry.zip").scrape_intervals


def test_the_interval_of_a_job_is_that_of_its_up_where_other_series_are_rarer(tmp_path):
    lines = [f'up{{job="parser"}} {int(moment % 60 == 0)} {moment}' for moment in range(0, 600, 15)]
    lines += [
        f'done_{number}_total{{job="parser"}} 1 {moment}'
        for number in range(3)
        for moment in range(0, 600, 60)
    ]
    assert intervals_of(tmp_path, lines) == {"parser": 15.0}


def test_the_interval_of_a_job_is_not_that_of_rules_that_carry_its_label(tmp_path):
    lines = [f'done_total{{job="parser"}} 1 {moment}' for moment in range(0, 600, 15)]
    lines += [
        f'job:done:rate{number}m{{job="parser"}} 1 {moment}'
        for number in (1, 5)
        for moment in range(0, 600, 60)
    ]
    assert intervals_of(tmp_path, lines) == {"parser": 15.0}


def test_a_job_that_has_nothing_but_rules_has_their_interval(tmp_path):
    lines = [f'job:done:rate5m{{job="parser"}} 1 {moment}' for moment in range(0, 600, 60)]
    assert intervals_of(tmp_path, lines) == {"parser": 60.0}
