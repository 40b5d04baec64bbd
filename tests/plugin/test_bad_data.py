"""Configurations, recordings and samples that cannot be judged: one line each, and never an open gate."""

from __future__ import annotations

import json
import shutil
import zipfile

import gates
import numpy as np
import pytest
from gates import START
from projects import CONFIG, CPU, EVENTS, HEAD, PASSING, SERIES
from test_bad_input import assert_refused

from pytest_telemetry_gate.model.events import Events

LIVE = "default: live\nenvironments:\n  live: {{source: prometheus, {}}}\n"
CONFIGS = {
    "not-yaml": ("environments: {", 4, "telemetry.yaml:2", "not YAML"),
    "empty": ("", 4, "telemetry.yaml:1", "empty"),
    "unknown-key": (CONFIG + "defualt: a\n", 4, "telemetry.yaml:4", "unknown key 'defualt' (did you mean 'default'?)"),
    "duplicate-key": (CONFIG + "default: a\n", 4, "telemetry.yaml:4", "duplicate key 'default'"),
    "no-environments": ("default: a\n", 4, "telemetry.yaml", "environments"),
    "environments-is-a-list": ("default: a\nenvironments: [a]\n", 4, "telemetry.yaml:2", "mapping"),
    "environment-is-text": ("default: a\nenvironments: {a: b}\n", 4, "telemetry.yaml:2", "mapping"),
    "default-unknown": (CONFIG.replace("default: recorded", "default: recrded"), 4, "telemetry.yaml:2", "did you mean 'recorded'?"),
    "no-default": (CONFIG.replace("default: recorded\n", ""), 4, "telemetry.yaml:1", "known environments: recorded"),
    "no-source": (CONFIG.replace("source: recording, ", ""), 4, "telemetry.yaml:3", "needs 'source'"),
    "events-of-an-unknown-kind": (
        CONFIG.replace("path:", "events: {alrts: {source: recording}}, path:"), 4, "telemetry.yaml:3", "did you mean 'alerts'?"
    ),
    "region-that-node-ids-cannot-carry": (
        CONFIG.replace("path:", "regions: {'a::b': {}}, path:"), 4, "telemetry.yaml:3", "region 'a::b'"
    ),
    "unknown-key-of-a-recording": (CONFIG.replace("path:", "pth: a, path:"), 4, "telemetry.yaml:3", "unknown key 'pth'"),
    "region-without-source": (
        "default: a\nenvironments:\n  a:\n    regions:\n      eu: {path: b}\n", 4, "telemetry.yaml:5", "region 'eu': needs 'source'"
    ),
    "event-source-missing": (
        CONFIG.replace("path:", "events: {alerts: {}}, path:"), 4, "telemetry.yaml:3", "events.alerts: needs 'source'"
    ),
    "scrape-interval": (CONFIG.replace("path:", "scrape_interval: often, path:"), 4, "telemetry.yaml:3", "not a duration"),
    "scrape-interval-zero": (CONFIG.replace("path:", "scrape_interval: 0s, path:"), 4, "telemetry.yaml:3", "scrape_interval"),
    "variable-missing": (CONFIG.replace("small.telemetry.zip", "'${NOWHERE_SET}'"), 4, "telemetry.yaml:3", "NOWHERE_SET is not set"),
    "file-missing": (CONFIG.replace("small.telemetry.zip", "'${file:none.txt}'"), 4, "telemetry.yaml:3", "none.txt"),
    "unknown-source": (CONFIG.replace("source: recording", "source: prometeus"), 4, "telemetry.yaml:3", "unknown source: 'prometeus' (did you mean 'prometheus'?)"),
    "unknown-event-source": (
        CONFIG.replace("path:", "events: {alerts: {source: oncall}}, path:"), 4, "telemetry.yaml:3", "unknown event source for alerts: 'oncall'; known: alertmanager"
    ),
    "key-of-an-event-source-without-any": (
        CONFIG.replace("path:", "events: {alerts: {source: recording, url: x}}, path:"), 4, "telemetry.yaml:3", "unknown key 'url': event source recording is the region's own"
    ),
    "unknown-key-of-a-server": (
        LIVE.format("urll: x, url: 'http://127.0.0.1:1'"), 4, "telemetry.yaml:3", "unknown key 'urll' (did you mean 'url'?)"
    ),
    "unknown-key-of-tls": (
        LIVE.format("url: 'https://127.0.0.1:1', tls_config: {ca: x}"), 4, "telemetry.yaml:3", "tls_config: unknown key 'ca'; allowed: ca_file"
    ),
    "no-such-authority": (
        LIVE.format("url: 'https://127.0.0.1:1', tls_config: {ca_file: none.pem}"), 4, "telemetry.yaml:3", "tls_config.ca_file: there is no file none.pem"
    ),
    "empty-variable-of-an-address": (
        LIVE.format("url: 'http://${NOT_SET:-}:9090'"), 4, "telemetry.yaml:3", "url: not an address", "(${NOT_SET:-} is empty)"
    ),
    "empty-variable-of-credentials": (
        LIVE.format("url: 'http://127.0.0.1:1', authorization: {credentials: '${NOT_SET:-}'}"), 4, "telemetry.yaml:3", "authorization.credentials: empty", "(${NOT_SET:-} is empty)"
    ),
    "empty-variable-of-a-path": (CONFIG.replace("small.telemetry.zip", "'${NOT_SET:-}'"), 4, "telemetry.yaml:3", "(${NOT_SET:-} is empty)"),
    "empty-variable-of-a-source": (CONFIG.replace("source: recording", "source: '${NOT_SET:-}'"), 4, "telemetry.yaml:3", "(${NOT_SET:-} is empty)"),
    "no-address": (LIVE.format("timeout: 3s"), 4, "telemetry.yaml:3", "needs `url`"),
    "address-without-a-scheme": (LIVE.format("url: '127.0.0.1:9090'"), 4, "telemetry.yaml:3", "url: not an address such as https://prometheus.example.net, with its http:// or https://"),
    "semantics": (LIVE.format("url: 'http://127.0.0.1:1', semantics: 4"), 4, "telemetry.yaml:3", "semantics: 4 is not one of"),
    "alertmanager-without-an-address": (
        LIVE.format("url: 'http://127.0.0.1:1', events: {alerts: {source: alertmanager}}"), 4, "telemetry.yaml:3", "needs `url`"
    ),
    "path-missing": (CONFIG.replace(", path: small.telemetry.zip", ""), 4, "telemetry.yaml:3", "path"),
    "recording-missing": (CONFIG.replace("small.", "none."), 1, "none.telemetry.zip", "there is no such recording"),
    "recording-is-a-folder": (CONFIG.replace("small.telemetry.zip", "."), 1, "there is no such recording"),
    "unknown-region": (
        CONFIG.replace("path:", "regions: {eu: {}, us: {path: two.telemetry.zip}}, path:"), 1, "two.telemetry.zip"
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CONFIGS)
def test_a_configuration_that_cannot_be_used(project, case):
    content, code, *words = CONFIGS[case]
    path = project.file("telemetry.yaml", content)
    project.suite(PASSING)
    assert_refused(project.run(), code, *words)
    assert path.read_text() == content


def test_a_region_names_the_variable_that_its_environment_shares(project):
    project.file(
        "telemetry.yaml",
        "default: a\nenvironments:\n  a:\n    source: prometheus\n    url: '${NOT_SET:-}'\n    regions:\n      eu: {}\n",
    )
    project.suite(PASSING)
    assert_refused(project.run(), 4, "telemetry.yaml:5: needs `url`", "(${NOT_SET:-} is empty)")


@pytest.mark.parametrize("workers", [(), ("-n1",)])
def test_a_configuration_under_the_other_ending_is_told(bare, workers):
    bare.file("telemetry.yml", CONFIG)
    bare.suite(PASSING, name="gates/small.gate.yaml")
    assert_refused(
        bare.run(*workers),
        4,
        "there is no telemetry.yaml in gates",
        "telemetry.yml is there: call it telemetry.yaml",
    )


def test_a_suite_outside_of_the_rootdir_is_told(bare):
    bare.file("elsewhere/telemetry.yaml", CONFIG)
    path = bare.suite(PASSING, name="elsewhere/gates/small.gate.yaml")
    root = bare.path / "root"
    bare.file("root/pytest.ini", "[pytest]\n")
    result = bare.run(f"--rootdir={root}", "-c", root / "pytest.ini", path)
    assert_refused(
        result,
        4,
        "the suite is outside of the rootdir",
        "`telemetry_config = ../elsewhere/telemetry.yaml` in pytest.ini",
    )


def test_the_file_that_the_ini_names_is_not_there(project):
    project.pytester.makeini("[pytest]\ntelemetry_config = conf/telemetry.yaml\n")
    project.suite(PASSING)
    assert_refused(project.run(), 4, "telemetry_config of tox.ini: there is no file conf/telemetry.yaml")


def test_no_configuration_at_all(bare):
    bare.suite(PASSING)
    assert_refused(bare.run(), 4, "there is no telemetry.yaml", "known environments: none")


def test_what_is_wrong_in_other_environments_does_not_matter(project):
    project.file("telemetry.yaml", CONFIG + "  prod: {source: x, token: '${NOWHERE_SET}'}\n")
    project.suite(PASSING)
    assert project.run().ret == 0


def rewritten(path, change, drop=()):
    """Write a recording anew with members changed: name and content in, content out."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist() if name not in drop}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, change(name, content))


def index(**changes):
    def change(name, content):
        return json.dumps({**json.loads(content), **changes}) if name == "index.json" else content

    return lambda path: rewritten(path, change)


def in_region(**changes):
    return index(
        regions={"": {"groups": [], "scrape_intervals": {}, "time_range": [], "events": {}, **changes}}
    )


def cut(size):
    return lambda path: path.write_bytes(path.read_bytes()[:size])


def flipped(path):
    content = bytearray(path.read_bytes())
    for place in range(100, content.index(b"index.json") - 40, 40):
        content[place] ^= 0xFF
    path.write_bytes(bytes(content))


def swapped_digest(name, content):
    return content[:-8] + b"\0" * 8 if name.endswith("0.npy") else content


def without_members(path):
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if name.endswith(".npy")]
    rewritten(path, lambda _, content: content, drop=names)


DAMAGE = {
    "empty": cut(0),
    "truncated": cut(900),
    "without-its-last-byte": cut(-1),
    "text": lambda path: path.write_text("hello"),
    "no-index": lambda path: rewritten(path, lambda _, content: content, drop=["index.json"]),
    "index-is-not-json": lambda path: rewritten(path, lambda n, c: b"{" if n == "index.json" else c),
    "index-is-a-list": lambda path: rewritten(path, lambda n, c: b"[]" if n == "index.json" else c),
    "newer-format": index(format=99),
    "no-clock": index(recorded_at=None),
    "clock-is-nan": index(recorded_at=float("nan")),
    "unknown-semantics": index(semantics="9"),
    "regions-damaged": index(regions={"": {"groups": [{}]}}),
    "no-such-region": index(regions={}),
    "interval-without-end": in_region(scrape_intervals={"parser": float("inf")}),
    "interval-is-text": in_region(scrape_intervals={"parser": "often"}),
    "time-range-is-text": in_region(time_range=["a", "b"]),
    "time-range-is-nan": in_region(time_range=[0, float("nan")]),
    "members-are-numbers": index(members={"0/00000/times.npy": 5}),
    "members-unlisted": index(members={}),
    "members-missing": without_members,
    "samples-changed": lambda path: rewritten(path, swapped_digest),
    "bit-flipped": flipped,
}


@pytest.mark.parametrize("case", DAMAGE)
def test_a_damaged_recording_opens_no_gate(project, case):
    path = project.path / "small.telemetry.zip"
    DAMAGE[case](path)
    before = path.read_bytes()
    project.suite(PASSING)
    result = project.run()
    assert_refused(result, 1, "ERROR", "small.telemetry.zip")
    result.assert_outcomes(failed=1)
    assert path.read_bytes() == before


INCIDENTS = {"from": START - 60, "to": START + 9999, "complete": True, "episodes": []}
EPISODE = {"kind": "incident", "name": "a", "start": START + 60, "end": None, "labels": {}}


@pytest.mark.parametrize(
    "changed",
    [
        {"from": float("nan")},
        {"to": "tomorrow"},
        {"complete": "no"},
        {"episodes": [{**EPISODE, "start": float("nan")}]},
        {"episodes": [{**EPISODE, "start": "2025"}]},
        {"episodes": [{**EPISODE, "labels": "x"}]},
        {"episodes": [{"kind": "incident"}]},
        {"episodes": 5},
    ],
)
def test_damaged_events_open_no_gate(project, changed):
    region = {"groups": [], "scrape_intervals": {"parser": 15}, "time_range": [START, START + 9999]}
    path = project.path / "small.telemetry.zip"
    index(regions={"": {**region, "events": {"incidents": INCIDENTS}}})(path)
    project.suite("- {id: none, incidents: {}, expect: '== 0'}\n")
    assert project.run().ret == 0
    index(regions={"": {**region, "events": {"incidents": {**INCIDENTS, **changed}}}})(path)
    assert_refused(project.run(), 1, "none[2h]")


def test_only_what_is_damaged_is_an_error(project):
    def damaged(name, content):
        return content[:-8] + b"\0" * 8 if name in wanted else content

    path = project.path / "small.telemetry.zip"
    with zipfile.ZipFile(path) as archive:
        groups = json.loads(archive.read("index.json"))["regions"][""]["groups"]
    wanted = {metric["member"] for group in groups for metric in group["metrics"] if metric["name"] == "cpu"}
    rewritten(path, damaged)
    project.suite(PASSING + "- {id: cpu, query: cpu, expect: '< 75'}\n")
    result = project.run()
    assert result.ret == 1
    result.assert_outcomes(passed=1, failed=1)


LATE = gates.grid(START + 3600, START + 3 * 3600)
GAP = np.concatenate((gates.grid(START - 1800, START + 2000), gates.grid(START + 6500)))
ODD = (
    *SERIES,
    gates.series("nan", np.nan),
    gates.series("inf", np.inf),
    gates.series("zero", 0),
    gates.series("late_total", 5, LATE),
    gates.series("gap", 5, GAP),
)
WHOLE = "window: 2h, expect: '< 100'}\n"
SAMPLES = {
    "nan": ("- {id: a, query: nan, expect: '< 75'}", "INCONCLUSIVE", "the value is NaN"),
    "nan-not-equal": ("- {id: a, query: nan, expect: '!= 75'}", "INCONCLUSIVE", "the value is NaN"),
    "infinite": ("- {id: a, query: inf, expect: '> 75'}", "INCONCLUSIVE", "the value is +Inf"),
    "division-by-zero": ("- {id: a, query: cpu / zero, expect: '> 75'}", "INCONCLUSIVE", "+Inf"),
    "nothing": ("- {id: a, query: nothing, expect: '< 75'}", "INCONCLUSIVE", "no data"),
    "nothing-not-equal": ("- {id: a, query: nothing, expect: '!= 75'}", "INCONCLUSIVE", "no data"),
    "filtered-away": ("- {id: a, query: cpu > 100, expect: '< 75'}", "INCONCLUSIVE", "no data"),
    "sum-of-nothing": ("- {id: a, query: 'sum(rate(nothing_total[5m]))', expect: '< 1'}", "INCONCLUSIVE", "no data"),
    "or-vector-zero": ("- {id: a, query: 'sum(nothing) or vector(0)', expect: '< 1'}", "INCONCLUSIVE", "nothing"),
    "absent-counter": ("- {id: a, count: 'nothing_total{job=\"none\"}', expect: '== 0'}", "INCONCLUSIVE", 'no samples of up{job="none"}'),
    "gap": ("- {id: a, query: 'avg_over_time(gap[$__window])', " + WHOLE, "INCONCLUSIVE", "coverage"),
    "before-the-data": ("- {id: a, query: 'avg_over_time(cpu[$__window])', window: 9h, expect: '< 75'}", "INCONCLUSIVE", "coverage"),
    "two-series": ("- {id: a, query: latency_ms, unit: ms, expect: '< 75'}", "INCONCLUSIVE", "2 series and no reduce", "zone='a'"),
    "baseline-zero": ("- {id: a, query: cpu, baseline: 0, tolerance: 5%}", "INCONCLUSIVE", "needs a floor"),
    "baseline-nothing": ("- {id: a, query: cpu, baseline: {query: nothing}, tolerance: 5%}", "INCONCLUSIVE", "baseline", "no data"),
    "baseline-nan": ("- {id: a, query: cpu, baseline: {query: nan}, tolerance: 5%}", "INCONCLUSIVE", "baseline", "NaN"),
    "baseline-infinite": ("- {id: a, query: cpu, baseline: {query: inf}, tolerance: 5%}", "INCONCLUSIVE", "baseline", "Inf"),
    "baseline-two-series": ("- {id: a, query: cpu, baseline: {query: latency_ms}, tolerance: 5%}", "INCONCLUSIVE", "baseline", "2 series"),
    "baseline-before-the-data": ("- {id: a, query: cpu, baseline: {offset: 7d}, tolerance: 5%}", "INCONCLUSIVE", "baseline", "no data"),
    "no-rule-matches": ("- {id: a, alerts: {match: {team: none}}, expect: '== 0'}", "INCONCLUSIVE", "no alerting rule matches", "Slow"),
    "no-incidents": ("- {id: a, incidents: {kind: any}, expect: '== 0'}", "ERROR", "holds no incidents"),
    "many-to-many": ("- {id: a, query: 'latency_ms / on(job) latency_ms', expect: '> 0', reduce: max}", "ERROR", "many"),
}  # fmt: skip


@pytest.mark.parametrize("case", SAMPLES)
def test_samples_that_cannot_be_judged(bare, case, monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")
    bare.file("telemetry.yaml", CONFIG)
    bare.recording(ODD)
    criteria, outcome, *words = SAMPLES[case]
    bare.suite(criteria)
    result = bare.run()
    assert_refused(result, 1, outcome, *words)
    result.assert_outcomes(failed=1)


def test_a_checkpoint_before_the_data_begins(project):
    project.suite(PASSING, HEAD.replace("2025-01-22T1", "2025-01-21T1"))
    assert_refused(project.run(), 1, "INCONCLUSIVE", "no data")


def test_a_baseline_before_the_data_begins(project):
    project.suite(CPU.replace("expect", "tolerance: 5%, baseline: {offset: 7d}, expect"))
    assert_refused(
        project.run(), 1, "INCONCLUSIVE", "baseline: no data: cpu has no value at 2025-01-16T00:00:00Z"
    )


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (HEAD.replace("end: 2025", "end: 2035"), "rollout.end 2035-01-22T23:30:00Z"),
        (HEAD.replace("[2h]", "[2h, 10y]"), "checkpoint 2035-01-20T22:00:00Z"),
    ],
)
def test_no_date_ten_years_ahead_is_just_pending(project, head, words):
    project.suite(PASSING, head)
    assert_refused(project.run(), 1, "ERROR", words, "is the year right?")


def test_a_rollout_ten_years_ahead_is_not_just_pending(project):
    project.suite(PASSING, HEAD.replace("2025-01-22", "2035-01-22"))
    assert_refused(project.run(), 1, "is the year right?")


def test_a_baseline_file_without_the_value(project):
    project.file("base.yaml", "version: 1\nname: Sprint 1\nvalues: {other: 3}\n")
    project.suite("- {id: cpu, query: cpu, tolerance: 5%}", HEAD + "baseline: {file: base.yaml}\n")
    assert_refused(project.run(), 1, "baseline 'Sprint 1' has no value for 'cpu'")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("version: 1\nname: a\nvalues: {cpu: .nan}\n", ("base.yaml:3", "finite")),
        ("version: 1\nname: a\nvalues: {cpu: many}\n", ("base.yaml:3", "not a number")),
        ("version: 1\nname: a\nvalues: {cpu: {value: 3, unit: ms}}\n", ("small.gate.yaml:9", "'ms'", "'%'")),
        ("version: 1\nname: a\nvalues: {cpu: 3\n", ("base.yaml", "not YAML")),
        ("version: 1\nvalues: {cpu: 3}\n", ("base.yaml:1", "needs 'name'")),
    ],
)
def test_a_baseline_file_that_cannot_be_used(project, content, words):
    project.file("base.yaml", content)
    project.suite("- {id: cpu, query: cpu, unit: '%', tolerance: 5%}", HEAD + "baseline: {file: base.yaml}\n")
    result = project.run()
    assert_refused(result, result.ret, *words)
    assert result.ret in {1, 2}


def test_a_stale_baseline_file(project):
    project.file("base.yaml", "version: 1\nname: a\nexpires: 2025-01-01\nvalues: {cpu: 70}\n")
    project.suite("- {id: cpu, query: cpu, tolerance: 5%}", HEAD + "baseline: {file: base.yaml}\n")
    assert_refused(project.run(), 1, "INCONCLUSIVE", "expired")


EVALUATED = "prometheus_rule_group_last_evaluation_timestamp_seconds"
FAILED = "prometheus_rule_evaluation_failures_total"
RULES = "rules.yml;parser"


def evaluated(times=None, **labels):
    return gates.series(EVALUATED, lambda at: at - at % 60, times, rule_group=RULES, **labels)


def failed(value, **labels):
    return gates.series(FAILED, value, rule_group=RULES, **labels)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ((), "nothing proves"),
        ((evaluated(GAP), failed(0)), "was not evaluated for"),
        ((evaluated(LATE), failed(0)), "was not evaluated for"),
        ((evaluated(), failed(lambda at: (at > START + 600) * 2.0)), "2 failed evaluations"),
        (
            (
                evaluated(replica="a"),
                failed(lambda at: (at > START + 600) * 2.0, replica="a"),
                evaluated(replica="b"),
                failed(0, replica="b"),
            ),
            "2 failed evaluations",
        ),
    ],
)
def test_no_alerts_without_proof(bare, data, words):
    bare.file("telemetry.yaml", CONFIG)
    bare.recording((*SERIES, *data))
    bare.suite("- {id: a, alerts: {match: {team: telemetry}}, expect: '== 0'}")
    assert_refused(bare.run(), 1, "INCONCLUSIVE", words)


@pytest.mark.parametrize(
    "data",
    [
        (evaluated(), failed(0)),
        (
            evaluated(gates.grid(START - 1800, START + 3000), replica="a"),
            evaluated(gates.grid(START + 2970), replica="b"),
            failed(0, replica="a"),
        ),
    ],
    ids=["one-server", "one-after-the-other"],
)
def test_no_alerts_with_proof(bare, data):
    bare.file("telemetry.yaml", CONFIG)
    bare.recording((*SERIES, *data))
    bare.suite("- {id: a, alerts: {match: {team: telemetry}}, expect: '== 0'}")
    assert bare.run().ret == 0


def test_a_recording_that_never_asked_for_alerts_proves_nothing(bare):
    """It was made for other criteria, so that ALERTS may have been left out."""
    bare.file("telemetry.yaml", CONFIG)
    bare.recording(events={})
    bare.suite(
        "- {id: a, alerts: {match: {team: x}, proof: 'min_over_time(up[$__range])'}, expect: '== 0'}\n"
        "- {id: b, query: 'count(ALERTS) or vector(0)', expect: '== 0'}"
    )
    result = bare.run()
    assert_refused(
        result, 1, "INCONCLUSIVE", "small.telemetry.zip holds no alerts: record it with this criterion"
    )
    assert result.parseoutcomes()["failed"] == 2


def test_the_unknown_variable_of_a_match_is_an_error_of_the_file(bare):
    bare.file("telemetry.yaml", CONFIG)
    bare.recording()
    bare.suite("- {id: a, alerts: {match: {team: $tema}}, expect: '== 0'}")
    assert_refused(bare.run(), 2, "small.gate.yaml:", "criterion 'a'", "$tema")


def test_a_history_with_holes_proves_nothing(bare):
    bare.file("telemetry.yaml", CONFIG)
    known = Events(EVENTS.start, EVENTS.start + 60, complete=True)
    bare.recording(events={"incidents": known})
    bare.suite("- {id: a, incidents: {kind: escalation}, expect: '== 0'}")
    assert_refused(bare.run(), 1, "INCONCLUSIVE", "covers only")


def test_an_unreadable_suite(project):
    path = project.suite(PASSING)
    path.unlink()
    path.symlink_to(project.path / "nowhere")
    result = project.run("small.gate.yaml")
    assert result.ret in {1, 2, 4}
    shutil.rmtree(project.path / "nowhere", ignore_errors=True)
