"""Names, node ids and selection; derived criteria that no selection, order or worker changes."""

from __future__ import annotations

import pytest
from gates import START
from projects import CONFIG, HOURS, PASSING, SERIES, TREND, TWO


def words(result, *ids):
    """Return the verdict that -v told for each item."""
    told = {}
    for line in result.stdout.lines:
        for one in ids:
            if f"::{one}" in line or f"- {one}" in line:
                found = [
                    w
                    for w in line.split()
                    if w in {"PASS", "WARN", "FAIL", "INCONCLUSIVE", "ERROR", "PENDING"}
                ]
                if found:
                    told[one] = found[0]
    return told


@pytest.mark.parametrize(
    "arguments",
    [("-k", "share or trend"), ("-k", "trend"), ("-p", "reversing")],
)
def test_derived_criteria_do_not_depend_on_what_runs(project, arguments):
    project.suite(TREND, HOURS)
    project.file("reversing.py", "def pytest_collection_modifyitems(items):\n    items.reverse()\n")
    project.pytester.syspathinsert()
    whole = {one.get("name"): properties(one) for one in project.junit()}
    part = {one.get("name"): properties(one) for one in project.junit(*arguments, "--telemetry-partial")}
    assert part
    assert "share[2h]" in whole
    assert part == {name: whole[name] for name in part}


def properties(case):
    """Return a test's own properties; the version of them stands once in a file, on whichever test runs first."""
    found = {one.get("name"): one.get("value") for one in case.iter("property")}
    return {name: value for name, value in found.items() if name != "telemetry.format"}


def test_names_are_node_ids(project):
    project.suite(PASSING, TWO)
    result = project.run("--collect-only", "-q")
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        ["small.gate.yaml::Parser::requests[[]1h]", "small.gate.yaml::Parser::requests[[]2h]"]
    )
    result = project.run("small.gate.yaml::Parser::requests[1h]", "--telemetry-partial")
    assert result.ret == 0
    result.assert_outcomes(passed=1)


def test_the_region_stands_in_the_name_where_there_are_several(bare):
    bare.file(
        "telemetry.yaml",
        "default: a\nenvironments: {a: {source: recording, path: two.telemetry.zip, regions: {eu: {}, us: {}}}}\n",
    )
    bare.recording({"eu": SERIES, "us": SERIES}, "two.telemetry.zip")
    bare.suite(PASSING)
    result = bare.run("-v")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*requests[[]eu-2h]*", "*requests[[]us-2h]*"])
    assert bare.run("--telemetry-region=us", "--collect-only", "-q").parseoutcomes() == {"test": 1}


@pytest.mark.parametrize(
    ("expression", "count"),
    [
        ("telemetry(checkpoint='1h')", 2),
        ("telemetry(criterion='cpu')", 2),
        ("telemetry(criterion='cpu', checkpoint='2h')", 1),
        ("telemetry(level='crit')", 2),
        ("telemetry(suite='small')", 4),
        ("telemetry(group='Parser', env='recorded')", 4),
        ("not telemetry", 0),
        ("telemetry", 4),
    ],
)
def test_markers_select(project, expression, count):
    project.suite(PASSING + "- {id: cpu, query: cpu, expect: '< 75', level: crit}\n", TWO)
    result = project.run("-m", expression, "--telemetry-partial")
    result.assert_outcomes(passed=count, failed=0 if count else 1, deselected=4 - count)
    assert result.ret == (0 if count else 1)  # an option asks for a gate, and there is none


@pytest.mark.parametrize(
    ("expression", "count"), [("requests", 2), ("1h", 2), ("Parser and 2h", 2), ("cpu and 1h", 1)]
)
def test_keywords_select(project, expression, count):
    project.suite(PASSING + "- {id: cpu, query: cpu, expect: '< 75'}\n", TWO)
    project.run("-k", expression, "--telemetry-partial").assert_outcomes(passed=count, deselected=4 - count)


def test_strict_markers_know_ours(project):
    project.suite(PASSING)
    assert project.run("--strict-markers", "--strict-config", "-W", "error").ret == 0
    assert "telemetry(env=None" in project.run("--markers").stdout.str()


def test_collecting_opens_no_recording(project):
    (project.path / "small.telemetry.zip").unlink()
    project.suite(PASSING)
    result = project.run("--collect-only")
    assert result.ret == 0
    assert "telemetry gate:" not in result.stdout.str()


def test_recordings_of_two_clocks(bare):
    for folder, clock in (("a", START + 3700), ("b", START + 9000)):
        bare.file(f"{folder}/telemetry.yaml", CONFIG)
        bare.suite(PASSING, TWO, name=f"{folder}/{folder}.gate.yaml")
        bare.recording(name=f"{folder}/small.telemetry.zip", recorded_at=clock)
    result = bare.run()
    result.assert_outcomes(passed=3, skipped=1)
    assert result.ret == 0


def test_skipped_reasons_are_told(project):
    project.suite(
        "groups:\n  Parser:\n    " + PASSING.replace("> 90", "> 200") + "waivers:\n"
        "  - {criterion: requests, checkpoint: 1h, reason: 'known since May', owner: me, until: 2030-01-01}\n",
        TWO,
    )
    result = project.run("-rs", f"--telemetry-now={START + 4000}")
    result.assert_outcomes(skipped=2)
    text = result.stdout.str()
    assert "known since May" in text
    assert "due 2025-01-23T00:00:30Z" in text


def test_an_expired_waiver_waives_nothing(project):
    project.suite(
        "groups:\n  Parser:\n    " + PASSING.replace("> 90", "> 200") + "waivers:\n"
        "  - {criterion: requests, reason: known, owner: me, until: 2025-01-21}\n"
    )
    result = project.run()
    assert result.ret == 1
    assert "the waiver of me expired 2025-01-22T00:00:00Z" in " ".join(result.stdout.str().split())
