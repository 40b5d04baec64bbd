"""Each hook as a conftest.py would use it."""

from __future__ import annotations

from projects import said

SOURCE = """
import numpy as np
from pytest_telemetry_gate.promql import Engine, MemoryStorage

class Constant:
    description, extent, semantics, recorded_at = "a constant", "", "3", 1737600000.0
    scrape_intervals = {"": 15.0}

    def __init__(self, settings):
        times = np.arange(1737576000, 1737600000, 15) * 1000
        self.engine = Engine(MemoryStorage([({"__name__": "cpu", "job": "a"}, times, np.full(len(times), settings.options["level"]))]))

    def instant(self, promql, time):
        return self.engine.instant(promql, time)

    def range(self, promql, start, end, step):
        return self.engine.range(promql, start, end, step)

    def link(self, promql, time):
        return "http://graph.example/" + promql
"""


def test_sources_a_metric_source_of_a_conftest_is_judged(project):
    project.file(
        "conftest.py",
        SOURCE + "def pytest_telemetry_gate_sources():\n    return {'constant': Constant}\n",
    )
    project.file("telemetry.yaml", "default: c\nenvironments: {c: {source: constant, level: 80.0}}\n")
    project.suite()
    result = project.run("-v")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*80 % is outside the limit < 75 %*"])
    result.stdout.fnmatch_lines(["*http://graph.example/cpu*"])


def test_sources_two_plugins_cannot_claim_one_name(project):
    project.file(
        "conftest.py", SOURCE + "def pytest_telemetry_gate_sources():\n    return {'recording': Constant}\n"
    )
    project.suite()
    result = project.run()
    assert result.ret in {2, 4}
    assert "two plugins register the source 'recording'" in result.stdout.str() + result.stderr.str()
    assert "Traceback" not in result.stdout.str()


def test_event_sources_incidents_of_a_conftest_are_counted(project):
    project.file(
        "conftest.py",
        """
from pytest_telemetry_gate.model.events import Episode, Events

class Pager:
    description = "a pager"

    def __init__(self, settings, source):
        self.team = settings.options["team"]

    def events(self, kind, start, end):
        page = Episode("escalation", f"page of {self.team}", start + 60, start + 120)
        return Events(start, end, complete=True, episodes=(page,))

def pytest_telemetry_gate_event_sources():
    return {"pager": Pager}
""",
    )
    project.file(
        "telemetry.yaml",
        "default: r\nenvironments:\n  r:\n    source: recording\n    path: small.telemetry.zip\n"
        "    events: {incidents: {source: pager, team: telemetry}}\n",
    )
    project.suite("- {id: none, incidents: {kind: escalation}, expect: '== 0'}")
    result = project.run()
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*page of telemetry*"])


def test_criteria_a_kind_of_a_conftest_has_its_own_key(project):
    project.file(
        "conftest.py",
        """
from typing import ClassVar
from pydantic import Field
from pytest_telemetry_gate.criteria.evidence import collect_evidence
from pytest_telemetry_gate.criteria.decide import decide
from pytest_telemetry_gate.model.questions import Instant
from pytest_telemetry_gate.model.check import Criterion

class SeriesCount(Criterion):
    key: ClassVar[str] = "series"
    series: str = Field(description="a selector")

    def questions(self, check):
        yield Instant(check.region, check.expand(self.series), check.time)

    def judge(self, check, answers):
        answer = answers[Instant(check.region, check.expand(self.series), check.time)]
        return decide(check, (float(len(answer.value.labels)),), collect_evidence(check, answer, query=self.series))

def pytest_telemetry_gate_criteria():
    return [SeriesCount]
""",
    )
    project.suite("- {id: one, series: up, expect: '== 1'}\n- {id: two, series: up, expect: '== 2'}")
    result = project.run()
    result.assert_outcomes(passed=1, failed=1)
    schema = project.run("--telemetry-schema").stdout.str()
    assert '"series"' in schema


def test_verdict_notification_comes_once_for_each_verdict(project):
    project.file(
        "conftest.py",
        """
def pytest_telemetry_gate_verdict(verdict, config):
    with open(config.rootpath / "told.txt", "a") as file:
        file.write(f"{verdict.name} {verdict.outcome}\\n")
""",
    )
    project.suite("- {id: a, query: cpu, expect: '< 75'}\n- {id: b, query: cpu, expect: '> 75'}")
    project.run()
    told = project.path / "told.txt"
    assert sorted(told.read_text().splitlines()) == ["a[2h] pass", "b[2h] fail"]


def test_an_unknown_hook_of_ours_is_refused(project):
    project.file("conftest.py", "def pytest_telemetry_gate_verdicts(verdict):\n    pass\n")
    result = project.run()
    assert result.ret != 0
    assert "unknown hook 'pytest_telemetry_gate_verdicts'" in result.stdout.str() + result.stderr.str()


REPORT_HOOK = """
def pytest_telemetry_gate_report(report, files, config):
    with open("told.txt", "a") as file:
        outcome = report.content.gate.outcome
        print(outcome, report.digest[:7], [path.name for path in files], config.rootpath.name, file=file)
"""


def test_report_is_called_once_with_what_was_written(project):
    project.file("conftest.py", REPORT_HOOK)
    project.suite()
    for arguments in ((), ("-n2",)):
        told = project.path / "told.txt"
        told.unlink(missing_ok=True)
        result = project.run("--telemetry-report=r.json", *arguments)
        assert result.ret == 0, said(result)
        assert told.read_text() == f"pass sha256: ['r.json'] {project.path.name}\n"


def test_report_is_called_where_nothing_is_written(project):
    project.file("conftest.py", REPORT_HOOK)
    project.suite("- {id: cpu, query: cpu, expect: '< 1'}\n")
    assert project.run().ret == 1
    assert (project.path / "told.txt").read_text().startswith("fail sha256: [] ")


def test_report_an_implementation_that_fails_is_a_line(project):
    project.file(
        "conftest.py", "def pytest_telemetry_gate_report(report):\n    raise ValueError('no\\nway')\n"
    )
    project.suite()
    result = project.run("--telemetry-report=r.json")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["telemetry report: pytest_telemetry_gate_report: ValueError: no way*"])
    assert (project.path / "r.json").exists()
