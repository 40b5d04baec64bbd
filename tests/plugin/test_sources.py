"""Further sources of an environment, which criteria name: their own languages, events, recordings, and what is refused."""

from __future__ import annotations

import json
import zipfile

import pytest
from projects import HEAD, said, write_test

# Numbers stand in a file: what a query yields, with its coverage and unit; a query that is not there has no data.
PLUGIN = """
import json
import pathlib

from pytest_telemetry_gate.model.events import Episode, Events
from pytest_telemetry_gate.model.query_sources import Dialect, QuerySource, Readings
from pytest_telemetry_gate.model.sources import EventSource


class Words(Dialect):
    name = "words"

    def check(self, query):
        return "" if query.text.islower() else f"{query.text!r} has capital letters"


class Sheet(QuerySource):
    dialect = Words()

    def __init__(self, settings):
        self.path = settings.resolve(settings.options["path"])
        self.description = f"sheet {settings.options['path']}"

    def read(self, query):
        given = json.loads(self.path.read_text())
        known = given.get(f"{query.text} until {query.end:.0f}") or given.get(query.text)
        return Readings() if known is None else Readings.from_wire({"coverage": None, **known})

    def link(self, query):
        return f"http://sheets.example/{query.text}"


class Bound(Words):
    name, binds_variables = "bound words", True


class BoundSheet(Sheet):
    dialect = Bound()

    def read(self, query):
        return Readings(({},), (float(len(query.variables["job"])),), coverage=1.0)


class Unproven(Words):
    name, needs_coverage_none = "unproven words", "it counts nothing"


class UnprovenSheet(Sheet):
    dialect = Unproven()


class Pager(EventSource):
    description = "pager"

    def __init__(self, settings, source):
        self.names = settings.options["incidents"]

    def events(self, kind, start, end):
        episodes = tuple(Episode("escalation", name, start + 60, start + 90) for name in self.names)
        return Events(start, end, complete=True, episodes=episodes, kinds=("escalation",))


def pytest_telemetry_gate_sources():
    return {"sheet": Sheet, "bound": BoundSheet, "unproven": UnprovenSheet}


def pytest_telemetry_gate_event_sources():
    return {"pager": Pager}
"""
CONFIG = """\
default: mixed
environments:
  mixed:
    source: recording
    path: small.telemetry.zip
    sources:
      rollup: {source: sheet, path: sheet.json}
      loose: {source: unproven, path: sheet.json}
      bound: {source: bound, path: sheet.json}
      pager: {source: pager, incidents: []}
      twin: {source: recording, path: small.telemetry.zip}
  offline: {source: recording, path: out.telemetry.zip}
"""
WHOLE = {"labels": [{}], "values": [40.0], "coverage": 1.0}
ROLLUP = "- {id: rows, source: rollup, query: rows a minute, window: 1h, expect: '> 30'}\n"
MIXED = (
    ROLLUP
    + "- {id: cpu, query: cpu, unit: '%', expect: '< 75'}\n"
    + "- {id: twin, source: twin, query: cpu, unit: '%', expect: '< 75'}\n"
    + "- {id: pages, source: pager, incidents: {kind: escalation}, expect: '== 0'}\n"
    + "- {id: bound, source: bound, query: letters of job, window: 1h, expect: '== 6'}\n"
)
BOUND = HEAD + "variables: {job: parser}\n"


@pytest.fixture
def mixed(project):
    """A project whose environment has several sources; ``sheet`` writes what one of them says."""
    project.file("conftest.py", PLUGIN)
    project.file("telemetry.yaml", CONFIG)

    def sheet(**given):
        project.file("sheet.json", json.dumps({name.replace("_", " "): told for name, told in given.items()}))

    project.sheet = sheet
    sheet(rows_a_minute=WHOLE)
    return project


def test_each_criterion_asks_the_source_that_it_names(mixed):
    mixed.suite(MIXED, head=BOUND)
    result = mixed.run("-v", "--telemetry-explain")
    assert result.ret == 0
    result.assert_outcomes(passed=5)
    result.stdout.fnmatch_lines(["*http://sheets.example/rows a minute*"])


def test_a_value_outside_its_limit_fails_with_its_source(mixed):
    mixed.sheet(rows_a_minute={**WHOLE, "values": [20.0]})
    mixed.suite(ROLLUP)
    result = mixed.run()
    assert result.ret == 1
    assert "20 is outside the limit > 30" in said(result)
    assert "sheet sheet.json" in said(result)


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        (None, "no data: rows a minute has no value from"),
        ({"labels": [], "values": []}, "no data: rows a minute has no value from"),
        ({"coverage": None}, "nothing proves the coverage of rows a minute"),
        ({"coverage": None, "note": "it counts no rows"}, "rows a minute: it counts no rows"),
        ({"coverage": 0.5}, "coverage 50 %, below 90 %"),
        ({"doubt": "page 2 of 3 is missing"}, "page 2 of 3 is missing"),
        ({"values": [float("nan")]}, "the value is NaN"),
        ({"labels": [{"a": "1"}, {"a": "2"}], "values": [40, 50]}, "2 series and no reduce"),
    ],
)
def test_what_proves_nothing_does_not_pass(mixed, told, reason):
    mixed.sheet(**({} if told is None else {"rows_a_minute": {**WHOLE, **told}}))
    mixed.suite(ROLLUP)
    result = mixed.run()
    assert result.ret == 1
    assert "INCONCLUSIVE" in said(result)
    assert reason in said(result)


def test_the_unit_that_a_source_tells_must_be_that_of_the_suite(mixed):
    mixed.sheet(rows_a_minute={**WHOLE, "unit": "ms"})
    mixed.suite("- {id: rows, source: rollup, query: rows a minute, window: 1h, unit: s, expect: '< 50s'}\n")
    result = mixed.run()
    assert result.ret == 1
    assert "the source says that the values are in ms, the suite says s: write `unit: ms`" in said(result)


def test_without_coverage_only_the_author_of_the_suite_can_let_it_pass(mixed):
    mixed.sheet(rows_a_minute={**WHOLE, "coverage": None})
    mixed.suite(
        "- {id: rows, source: loose, query: rows a minute, window: 1h, coverage: none, expect: '> 30'}\n"
    )
    result = mixed.run("-v", "--telemetry-explain")
    assert result.ret == 0
    assert "coverage: none, nothing proves that its data are whole" in said(result)


@pytest.mark.parametrize(
    ("criterion", "message"),
    [
        (
            "source: rolup, query: rows",
            "source: environment 'mixed' has no source 'rolup' (did you mean 'rollup'?)",
        ),
        ("source: rollup, query: ROWS", "query: 'ROWS' has capital letters"),
        (
            "source: loose, query: rows",
            "source 'loose' (unproven words) cannot prove its coverage: it counts nothing; write `coverage: none`",
        ),
        (
            "source: rollup, count: rows_total",
            "source 'rollup' is asked in words, and `count` is about PromQL",
        ),
        (
            "source: rollup, query: rows, up: 'up{job=\"a\"}'",
            "up: source 'rollup' is asked in words and has no targets",
        ),
        ("source: pager, query: rows", "source: 'pager' (pager, telemetry.yaml:10) has no metrics"),
        ("source: rollup, incidents: {}", "source: 'rollup' (sheet, telemetry.yaml:7) has no events"),
        (
            "query: cpu, coverage: none",
            "coverage: `none` is for sources that cannot prove it; PromQL's samples do",
        ),
        (
            "source: rollup, duration: rollout",
            "a criterion of kind `duration` asks no source of its own",
        ),
        (
            "source: rollup, query: rows, baseline: {control: {job: a}}, tolerance: 5%",
            "baseline.control: a query in words has no selectors",
        ),
        (
            "source: rollup, query: rows, baseline: 5, tolerance: 5%, confidence: 95%",
            "confidence: the variance of a query in words has no interval",
        ),
    ],
)
def test_what_cannot_work_is_told_where_it_is_written(mixed, criterion, message):
    expect = "" if "tolerance" in criterion else ", expect: '== 0'"
    mixed.suite(f"- {{id: one, {criterion}{expect}}}\n")
    result = mixed.run()
    assert result.ret not in {0, 5}
    assert "small.gate.yaml:8: criterion 'one': " + message in said(result)
    assert "Traceback" not in said(result)


def test_a_baseline_is_what_the_same_query_gave_earlier(mixed):
    start = 1737583200
    mixed.sheet(
        **{
            f"rows_a_minute_until_{start}": {**WHOLE, "values": [50.0]},
            f"rows_a_minute_until_{start + 7200}": {**WHOLE, "values": [54.0]},
        }
    )
    criterion = (
        "- {{id: rows, source: rollup, query: rows a minute, window: 1h, baseline: {{{}}}, tolerance: {}}}\n"
    )
    mixed.suite(criterion.format("offset: 2h", "10%"))
    assert mixed.run().ret == 0
    mixed.suite(criterion.format("offset: 2h", "5%"))
    result = mixed.run()
    assert result.ret == 1
    assert "+8.0 %" in said(result)
    mixed.suite(criterion.format("offset: 1h", "5%"))  # nothing was read then
    result = mixed.run()
    assert result.ret == 1
    assert "the baseline is of" in said(result)


def test_what_was_recorded_is_judged_the_same_without_the_sources(mixed):
    mixed.suite(MIXED, head=BOUND)
    live = mixed.run("-v", "--telemetry-record=out.telemetry.zip")
    assert live.ret == 0
    live.stdout.fnmatch_lines(
        ["telemetry recording: *: 4 series, * samples, and what bound, pager, rollup, twin answered; *"]
    )
    mixed.sheet(rows_a_minute={**WHOLE, "values": [1.0]})  # what the source says later has no say
    offline = mixed.run("-v", "--telemetry-env=offline")
    offline.assert_outcomes(passed=5)
    assert offline.ret == 0
    told = mixed.run("--telemetry-env=offline", "--telemetry-report=told.md")
    assert told.ret == 0
    report = (mixed.path / "told.md").read_text("utf-8")
    assert "| recording out.telemetry.zip of sheet sheet.json | 2 |" in report


def test_a_recording_answers_nothing_that_was_not_asked(mixed):
    mixed.suite(MIXED, head=BOUND)
    assert mixed.run("--telemetry-record=out.telemetry.zip").ret == 0
    mixed.suite(ROLLUP.replace("1h", "90m"))
    result = mixed.run("--telemetry-env=offline")
    assert result.ret == 1
    assert "recording out.telemetry.zip holds no answer of source 'rollup' to this query from" in said(result)
    mixed.suite(ROLLUP.replace("source: rollup", "source: other"))
    result = mixed.run("--telemetry-env=offline")
    assert result.ret not in {0, 5}
    assert "out.telemetry.zip holds nothing of a source 'other'; sources it holds:" in said(result)


def test_a_damaged_answer_is_an_error_of_the_check(mixed):
    mixed.suite(ROLLUP)
    assert mixed.run("--telemetry-record=out.telemetry.zip").ret == 0
    damage(mixed.path / "out.telemetry.zip", lambda given: given["readings"].update(labels=5))
    result = mixed.run("--telemetry-env=offline")
    assert result.ret == 1
    assert "damaged answer of source 'rollup' in index.json" in said(result)


def damage(path, change):
    """Change the first answer of a recording."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    index = json.loads(members["index.json"])
    change(index["regions"]["/rollup"]["answers"]["given"][0])
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in {**members, "index.json": json.dumps(index).encode()}.items():
            archive.writestr(name, content)


def test_every_region_has_its_own_sources(mixed):
    mixed.file("low.json", json.dumps({"rows a minute": {**WHOLE, "values": [20.0]}}))
    mixed.file(
        "telemetry.yaml",
        """\
        default: mixed
        environments:
          mixed:
            source: recording
            regions:
              eu: {path: small.telemetry.zip, sources: {rollup: {source: sheet, path: sheet.json}}}
              us: {path: small.telemetry.zip, sources: {rollup: {source: sheet, path: low.json}}}
        """,
    )
    mixed.suite(ROLLUP)
    result = mixed.run()
    result.assert_outcomes(passed=1, failed=1)
    assert "rows[us" in said(result)


def test_regions_that_share_a_source_are_refused(mixed):
    mixed.file(
        "telemetry.yaml",
        """\
        default: mixed
        environments:
          mixed:
            source: recording
            path: small.telemetry.zip
            sources: {rollup: {source: sheet, path: sheet.json}}
            regions: {eu: {path: small.telemetry.zip}, us: {path: small.telemetry.zip}}
        """,
    )
    mixed.suite(ROLLUP)
    result = mixed.run()
    assert result.ret not in {0, 5}
    assert "regions 'eu' and 'us' ask" in said(result)


def test_the_region_itself_may_have_a_language_of_its_own(mixed):
    mixed.file("telemetry.yaml", "default: d\nenvironments: {d: {source: sheet, path: sheet.json}}\n")
    mixed.suite(ROLLUP.replace("source: rollup, ", ""))
    result = mixed.run("-v", "--telemetry-record=out.telemetry.zip")
    assert result.ret == 0
    result.assert_outcomes(passed=1)
    mixed.file(
        "telemetry.yaml", "default: r\nenvironments: {r: {source: recording, path: out.telemetry.zip}}\n"
    )
    assert mixed.run("-v").ret == 0


def test_hand_written_tests_ask_named_sources(mixed):
    mixed.suite(ROLLUP)
    write_test(
        mixed,
        "telemetry.check('rows a minute', '> 30', source='rollup', window='1h', id='rows')",
        "telemetry.check(incidents={'kind': 'escalation'}, source='pager', expect='== 0')",
        "assert telemetry.incidents(source='pager') == []",
        "assert telemetry.value('cpu', source='twin') == 70",
        "assert len(telemetry.values('latency_ms', source='twin').labels) == 2",
        "assert telemetry.range('cpu', source='twin').present.all()",
        "assert telemetry.wait_until('rows a minute', '> 30', source='rollup', window='1h').value == 40",
    )
    result = mixed.run()
    assert result.ret == 0, said(result)
    mixed.file("telemetry.yaml", CONFIG.replace("incidents: []", "incidents: [Lag]"))
    result = mixed.run()
    assert result.ret == 1
    assert "1 is outside the limit == 0" in said(result)


@pytest.mark.parametrize(
    ("call", "told"),
    [
        ("telemetry.check('rows a minute', '> 30', source='rolup', window='1h')", "environment 'mixed' has no source 'rolup' (did you mean 'rollup'?)"),
        ("telemetry.value('cpu', source='rollup')", "source 'rollup' is asked in"),
        ("telemetry.value('cpu', source='twn')", "environment 'mixed' has no source 'twn' (did you mean 'twin'?)"),
        ("telemetry.incidents(source='pagr')", "environment 'mixed' has no source 'pagr' (did you mean 'pager'?)"),
        ("telemetry.check('nonsense', '> 30', source='rollup', window='1h')", "query"),
    ],
)  # fmt: skip
def test_a_source_that_a_hand_written_test_cannot_ask_is_one_line(mixed, call, told):
    mixed.suite(ROLLUP)
    write_test(mixed, call)
    result = mixed.run()
    assert result.ret == 1
    assert told in said(result)
