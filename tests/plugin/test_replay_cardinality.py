"""The cardinality of all cases of a checkpoint together is judged once, by an item of its own."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest
from projects import Project

TOOL = """
import json, urllib.request

def send(context, users=(), name="runs"):
    points = [
        {"asInt": "1", "startTimeUnixNano": "1", "timeUnixNano": "2", "attributes": [
            {"key": "user", "value": {"stringValue": user}}, {"key": "region", "value": {"stringValue": "eu"}}]}
        for user in users
    ]
    metric = {"name": name, "sum": {"isMonotonic": True, "aggregationTemporality": 2, "dataPoints": points}}
    document = {"resourceMetrics": [{"scopeMetrics": [{"metrics": [metric]}]}]}
    request = urllib.request.Request(
        context.endpoint + "/v1/metrics", json.dumps(document).encode(), {"Content-Type": "application/json"}
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    opener.open(request, timeout=10).close()
"""
SUITE = """\
version: 1
suite: many
checkpoints: {24h: {cases: 3}, 48h: {cases: 3}}
capture: {complete: {timeout: 300ms, quiet: 50ms}}
contracts:
  runs: {signal: metrics, select: {name: runs}, cardinality: {case: 2, checkpoint: %(limit)d}}
cases:
  - {id: one, drive: {python: {call: "tool:send", arguments: {users: [a, b]}}}, expect: {metrics: [{contract: runs}]}}
  - {id: two, drive: {python: {call: "tool:send", arguments: {users: [b, c]}}}, expect: {metrics: [{contract: runs}]}}
  - {id: three, drive: {python: {call: "tool:send", arguments: {users: [c], name: %(name)s}}}, expect: {metrics: [{contract: runs}]}}
"""


@pytest.fixture
def many(project: Project, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Project]:
    monkeypatch.syspath_prepend(project.path)
    monkeypatch.delitem(sys.modules, "tool", raising=False)

    def write(limit: int, name: str = "runs") -> Project:
        project.replay("many", SUITE % {"limit": limit, "name": name}, TOOL)
        return project

    return write


@pytest.mark.parametrize(
    ("limit", "told"),
    [
        (3, "PASS metric runs: cardinality: 3 attribute sets in 3 cases, at most 3"),
        (2, "FAIL metric runs: cardinality: 3 attribute sets in 3 cases, at most 2 (user has 3 values)"),
    ],
)
def test_a_limit_holds_for_all_cases_together_live_and_recorded(
    many: Callable[..., Project], limit: int, told: str
) -> None:
    """No case has more than two."""
    project = many(limit)
    live = project.run("-v", "--telemetry-record=many.telemetry.zip")
    passed = 4 if "PASS" in told else 3
    live.assert_outcomes(passed=passed, failed=4 - passed)
    live.stdout.fnmatch_lines(["*::cardinality[[]48h[]]*" + told.partition(" ")[0] + "*"])
    assert told.partition(" ")[2] in live.stdout.str()
    recorded = project.run("--telemetry-env=recorded")
    recorded.assert_outcomes(passed=passed, failed=4 - passed)


def test_a_case_that_captured_none_of_it_leaves_the_limit_undecided(many: Callable[..., Project]) -> None:
    """Its sets may be those that are too many, unless the others have too many already."""
    result = many(3, "walks").run("-k", "cardinality", "--telemetry-partial")
    told = "contract runs: cardinality: case three: it captured none of these metrics"
    result.stdout.fnmatch_lines([f"*INCONCLUSIVE*{told}*"])
    exceeded = many(1, "walks").run("-k", "cardinality", "--telemetry-partial")
    exceeded.stdout.fnmatch_lines(["*metric runs: cardinality: 3 attribute sets in 3 cases, at most 1*"])
    assert (result.ret, exceeded.ret) == (1, 1)


def test_the_name_of_the_item_is_reserved(many: Callable[..., Project]) -> None:
    project = many(3)
    path = project.path / "many.replay.yaml"
    path.write_text(path.read_text().replace("id: one", "id: cardinality"), "utf-8")
    project.run().stdout.fnmatch_lines(
        [
            "*many.replay.yaml:8: case 'cardinality': the name is reserved for `cardinality: {checkpoint: ...}`*"
        ]
    )
