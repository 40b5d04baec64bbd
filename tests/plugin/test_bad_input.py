"""Whatever is wrong with what a user gives: one line with file and line, no traceback, and never an open gate."""

from __future__ import annotations

import pytest
from children import run_pytest
from projects import CONFIG, HEAD, Files

GROUPS = "groups:\n  Parser:\n    - {id: requests, query: requests, expect: '> 90'}\n"

TREND = (
    (
        GROUPS.replace("expect", "tolerance: 5%, baseline: 100, expect")
        + "    - {{id: heading, trend: {{of: requests}}, forecast: {{{}}}}}\n"
    )
    .replace("{id: requests", "{{id: requests")
    .replace("'> 90'}", "'> 90'}}")
)


def assert_refused(result, code, *words):
    """Hold a run to its exit code, to saying all words in one line, and to no traceback."""
    text = result.stdout.str() + result.stderr.str()
    assert result.ret == code, text
    assert "Traceback" not in text
    assert "INTERNALERROR" not in text
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert any(all(word in line for word in words) for line in lines), text


SUITES = {
    "tab": (HEAD + "groups:\n\tParser: []\n", "small.gate.yaml:7", "a tab, where YAML needs spaces"),
    "unclosed": (HEAD + "groups: {Parser: [\n", "small.gate.yaml:7", "not YAML"),
    "not-utf8": (HEAD.encode() + b"title: \xff\n", "small.gate.yaml:6", "not UTF-8"),
    "control": (HEAD + "title: 'a\x01b'\n" + GROUPS, "small.gate.yaml:6", "not YAML"),
    "empty": ("", "small.gate.yaml:1", "empty"),
    "list": ("- a\n", "small.gate.yaml:1", "mapping"),
    "two-documents": (HEAD + GROUPS + "---\na: 1\n", "small.gate.yaml", "not YAML"),
    "duplicate-key": (HEAD + GROUPS + GROUPS, "small.gate.yaml:9", "duplicate key 'groups' (first at line 6)"),
    "duplicate-key-in-criterion": (
        HEAD + GROUPS.replace("query:", "id: b, query:"),
        "small.gate.yaml:8",
        "duplicate key 'id'",
    ),
    "duplicate-id": (HEAD + GROUPS + GROUPS.splitlines()[2] + "\n", "small.gate.yaml:9", "duplicate criterion 'requests' (first at line 8)"),
    "unknown-key": (HEAD + "grups: {}\n" + GROUPS, "small.gate.yaml:6", "unknown key 'grups' (did you mean 'groups'?)"),
    "unknown-criterion-key": (
        HEAD + GROUPS.replace("expect", "exepct"),
        "small.gate.yaml:8",
        "unknown key 'exepct' (did you mean 'expect'?)",
    ),
    "other-tools-key": (HEAD + GROUPS.replace("expect", "threshold"), "small.gate.yaml:8", "did you mean 'expect'?"),
    "no-groups": (HEAD, "small.gate.yaml:1", "needs 'groups'"),
    "groups-empty": (HEAD + "groups: {}\n", "small.gate.yaml:6", "groups"),
    "group-not-a-list": (HEAD + "groups: {Parser: 3}\n", "small.gate.yaml:6", "list"),
    "group-is-null": (HEAD + "groups: {Parser: }\n", "small.gate.yaml:6", "list"),
    "group-is-empty": (HEAD + "groups: {Parser: []}\n", "small.gate.yaml:6", "Parser"),
    "groups-is-a-list": (HEAD + "groups: [a]\n", "small.gate.yaml:6", "mapping"),
    "criterion-is-text": (HEAD + "groups: {Parser: [a]}\n", "small.gate.yaml:6", "mapping"),
    "no-id": (HEAD + GROUPS.replace("id: requests, ", ""), "small.gate.yaml:8", "needs 'id'"),
    "odd-id": (HEAD + GROUPS.replace("id: requests", "id: 'a::b'"), "small.gate.yaml:8", "is not a name"),
    "two-kinds": (HEAD + GROUPS.replace("query:", "count: a, query:"), "small.gate.yaml:8", "exactly one of"),
    "no-limit": (HEAD + GROUPS.replace(", expect: '> 90'", ""), "small.gate.yaml:8", "expect"),
    "limit-without-operator": (HEAD + GROUPS.replace("> 90", "90"), "small.gate.yaml:8", "expect", "operator"),
    "limit-is-nan": (HEAD + GROUPS.replace("> 90", "> NaN"), "small.gate.yaml:8", "expect"),
    "limit-is-infinite": (HEAD + GROUPS.replace("> 90", "< 1e999"), "small.gate.yaml:8", "finite"),
    "range-upside-down": (HEAD + GROUPS.replace("> 90", "90 .. 60"), "small.gate.yaml:8", "larger to the smaller"),
    "range-of-two-dimensions": (
        HEAD + GROUPS.replace("expect: '> 90'", "unit: ms, expect: '1 KB .. 90 ms'"),
        "small.gate.yaml:8",
        "cannot be converted",
    ),
    "limit-with-a-unit-but-no-unit": (HEAD + GROUPS.replace("> 90", "> 90 ms"), "small.gate.yaml:8", "unit"),
    "units-of-two-dimensions": (
        HEAD + GROUPS.replace("expect: '> 90'", "unit: KB, expect: '> 90 ms'"),
        "small.gate.yaml:8",
        "do not measure the same",
    ),
    "unit-contradicts-the-name": (
        HEAD + GROUPS.replace("query: requests", "unit: s, query: max(latency_ms)"),
        "small.gate.yaml:8",
        "'s' contradicts the name of 'latency_ms'",
    ),
    "bare-limit-of-a-metric-in-milliseconds": (
        HEAD + GROUPS.replace("query: requests", "query: max(latency_ms)"), "small.gate.yaml:8", "write `unit: ms`"
    ),
    "percent-of-a-quotient": (
        HEAD + GROUPS.replace("query: requests", "unit: '%', query: requests / all_requests"),
        "small.gate.yaml:8",
        "write `unit: ratio`",
    ),
    "a-unit-spelt-otherwise": (
        HEAD + GROUPS.replace("query: requests", "unit: seconds, query: requests"), "small.gate.yaml:8", "write `unit: s`"
    ),
    "a-decimal-comma": (HEAD + GROUPS.replace("> 90", "> 0,050"), "small.gate.yaml:8", "0.05"),
    "coverage-of-nothing": (
        HEAD + GROUPS.replace("expect", "coverage: 0%, expect"), "small.gate.yaml:8", "coverage: must be more than 0%"
    ),
    "trends-of-each-other": (
        HEAD + """groups:
  Parser:
    - {id: up, trend: {of: down, better: lower}}
    - {id: down, trend: {of: up, better: lower}}
""",
        "small.gate.yaml:8",
        "follows from itself: up -> down -> up",
    ),
    "tolerance-without-percent": (
        HEAD + GROUPS.replace("expect: '> 90'", "baseline: 3, tolerance: 5"),
        "small.gate.yaml:8",
        "percentage",
    ),
    "tolerance-without-baseline": (
        HEAD + GROUPS.replace("expect: '> 90'", "tolerance: 5%"),
        "small.gate.yaml:8",
        "baseline",
    ),
    "baseline-is-nan": (
        HEAD + GROUPS.replace("expect: '> 90'", "baseline: .nan, tolerance: 5%"),
        "small.gate.yaml:8",
        "finite",
    ),
    "floor-is-infinite": (
        HEAD + GROUPS.replace("expect: '> 90'", "baseline: 0, floor: .inf, tolerance: 5%"),
        "small.gate.yaml:8",
        "finite",
    ),
    "baseline-file-missing": (HEAD + "baseline: {file: none.yaml}\n" + GROUPS, "small.gate.yaml:6", "none.yaml"),
    "baseline-with-two-origins": (
        HEAD + "baseline: {offset: 1h, at: 2025-01-22T14:00:00Z}\n" + GROUPS,
        "small.gate.yaml:6",
        "exactly one of",
    ),
    "promql-syntax": (HEAD + GROUPS.replace("query: requests", "query: 'sum(rate(requests[5m])'"), "small.gate.yaml:8", "query"),
    "promql-type": (HEAD + GROUPS.replace("query: requests", "query: 'rate(requests)'"), "small.gate.yaml:8", "query"),
    "promql-range": (HEAD + GROUPS.replace("query: requests", "query: 'requests[5m]'"), "small.gate.yaml:8", "matrix"),
    "promql-unknown-function": (
        HEAD + GROUPS.replace("query: requests", "query: 'frobnicate(requests)'"),
        "small.gate.yaml:8",
        "frobnicate",
    ),
    "promql-in-a-baseline": (
        HEAD + GROUPS.replace("expect: '> 90'", "tolerance: 5%, baseline: {query: 'sum('}"),
        "small.gate.yaml:8",
        "baseline",
    ),
    "promql-in-the-suites-baseline": (
        HEAD + "baseline: {query: 'sum('}\n" + GROUPS.replace("expect: '> 90'", "tolerance: 5%"),
        "small.gate.yaml",
        "baseline",
    ),
    "count-of-an-expression": (HEAD + GROUPS.replace("query: requests", "count: 'rate(a[5m])'"), "small.gate.yaml:8", "selector"),
    "unknown-variable": (HEAD + GROUPS.replace("query: requests", "query: 'a{b=\"$job\"}'"), "small.gate.yaml:8", "unknown variable $job"),
    "window-missing": (HEAD + GROUPS.replace("query: requests", "query: 'rate(a[$__window])'"), "small.gate.yaml:8", "$__window"),
    "window-of-one-checkpoint-missing": (
        HEAD.replace("[2h]", "[1h, {id: a, at: 2h, window: 30m}]") + GROUPS.replace("query: requests", "query: 'rate(a[$__window])'"),
        "small.gate.yaml:8",
        "$__window",
    ),
    "rollout-end-before-start": (HEAD.replace("T15:30", "T13:30") + GROUPS, "small.gate.yaml:3", "before rollout.start"),
    "rollout-without-a-zone": (HEAD.replace("T14:00:00-08:00", "T14:00:00") + GROUPS, "small.gate.yaml:3", "zone"),
    "rollout-not-a-time": (HEAD.replace("2025-01-22T14:00:00-08:00", "yesterday") + GROUPS, "small.gate.yaml:3", "not a time"),
    "rollout-infinite": (HEAD.replace("2025-01-22T14:00:00-08:00", "'-inf'") + GROUPS, "small.gate.yaml:3", "not a time"),
    "rollout-nan": (HEAD.replace("2025-01-22T15:30:00-08:00", "'nan'") + GROUPS, "small.gate.yaml:3", "not a time"),
    "checkpoint-before-rollout": (HEAD.replace("[2h]", "[-2h]") + GROUPS, "small.gate.yaml:4", "not after rollout.start"),
    "checkpoint-not-a-duration": (HEAD.replace("[2h]", "[soon]") + GROUPS, "small.gate.yaml:4", "neither a duration"),
    "checkpoint-infinite": (HEAD.replace("[2h]", "[inf]") + GROUPS, "small.gate.yaml:4", "inf"),
    "checkpoint-twice": (HEAD.replace("[2h]", "[2h, 2h]") + GROUPS, "small.gate.yaml:4", "duplicate checkpoint '2h'"),
    "checkpoint-with-a-bracket": (HEAD.replace("[2h]", "[{id: 'a]', at: 2h}]") + GROUPS, "small.gate.yaml:4", "is not a name"),
    "no-checkpoints": (HEAD.replace("[2h]", "[]") + GROUPS, "small.gate.yaml:4", "checkpoints"),
    "checkpoints-without-end": (HEAD.replace("[2h]", "[{every: 1ms, until: 9w}]") + GROUPS, "small.gate.yaml:4", "more than 10,000"),
    "criterions-unknown-checkpoint": (
        HEAD + GROUPS.replace("expect", "checkpoints: [3h], expect"),
        "small.gate.yaml:8",
        "unknown checkpoint '3h'",
    ),
    "levels-fall": (HEAD.replace("info: 3%", "info: 5%") + GROUPS, "small.gate.yaml:5", "rise"),
    "waiver-of-nothing": (
        HEAD + GROUPS + "waivers: [{criterion: request, reason: a, owner: b, until: 2030-01-01}]\n",
        "small.gate.yaml:9",
        "did you mean 'requests'?",
    ),
    "waiver-without-an-owner": (
        HEAD + GROUPS + "waivers: [{criterion: requests, reason: a, until: 2030-01-01}]\n",
        "small.gate.yaml:9",
        "owner",
    ),
    "version": (HEAD.replace("version: 1", "version: 2") + GROUPS, "small.gate.yaml:1", "version"),
    "ratio-of-nothing": (HEAD + "groups: {A: [{id: a, ratio: {of: [B]}, expect: '> 3%'}]}\n", "small.gate.yaml:6", "unknown group 'B'"),
    "trend-of-nothing": (HEAD + "groups: {A: [{id: a, trend: {of: b, better: lower}}]}\n", "small.gate.yaml:6", "unknown criterion 'b'"),
    "alias-inside-itself": (HEAD + "groups: &a {A: *a}\n", "small.gate.yaml:6", ""),
    "alias-bomb": (
        "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
        + "".join(f"{one}: &{one} [{', '.join(['*' + other] * 10)}]\n" for other, one in zip("abcdefgh", "bcdefghi", strict=True))
        + HEAD
        + GROUPS,
        "small.gate.yaml",
        "aliases that multiply",
    ),
    "tag": (HEAD + "title: !!python/name:os.system x\n" + GROUPS, "small.gate.yaml:6", "the tag 'tag:yaml.org,2002:python/name:os.system'"),
    "unknown-key-of-a-step": (
        HEAD.replace("{start", "{steps: [{at: 2025-01-22T14:00:00-08:00, does: a}], start") + GROUPS,
        "small.gate.yaml:3",
        "unknown key 'does' (did you mean 'do'?)",
    ),
    "unknown-key-of-a-ratio": (HEAD + "groups: {A: [{id: a, ratio: {off: [B]}, expect: '> 3%'}]}\n", "small.gate.yaml:6", "'off' (did you mean 'of'?)"),
    "checkpoints-of-one-moment": (HEAD.replace("[2h]", "[2h, 120m]") + GROUPS, "small.gate.yaml:4", "'120m' is the same moment as '2h'"),
    "window-negative": (HEAD + GROUPS.replace("query", "window: -1h, query"), "small.gate.yaml:8", "must be positive, not '-1h'"),
    "window-of-a-checkpoint": (HEAD.replace("[2h]", "[{id: a, at: 2h, window: 0s}]") + GROUPS, "small.gate.yaml:4", "must be positive, not '0s'"),
    "baseline-after-the-start": (
        HEAD + GROUPS.replace("expect", "baseline: {at: 2025-01-22T22:00:01Z}, expect"),
        "small.gate.yaml:8",
        "baseline.at 2025-01-22T22:00:01Z is after rollout.start 2025-01-22T22:00:00Z",
    ),
    "baseline-after-the-data": (
        HEAD + "baseline: {at: 2035-01-01T00:00:00Z}\n" + GROUPS, "small.gate.yaml:9", "is after rollout.start"
    ),
    "baseline-of-itself": (
        HEAD + GROUPS.replace("expect", "baseline: {query: requests}, expect"), "small.gate.yaml:8", "the query itself"
    ),
    "baseline-of-the-same-moment": (HEAD + "baseline: {offset: 0s}\n" + GROUPS, "small.gate.yaml:6", "baseline.offset: must be positive, not '0s'"),
    "baseline-from-the-future": (HEAD + "baseline: {offset: -1h}\n" + GROUPS, "small.gate.yaml:6", "baseline.offset: must be positive, not '-1h'"),
    "baseline-query-in-another-unit": (
        HEAD + GROUPS.replace("expect", "unit: ms, baseline: {query: lag_seconds}, expect"), "small.gate.yaml:8", "contradicts the name of 'lag_seconds'"
    ),
    "coverage-of-more-than-all": (HEAD + GROUPS.replace("query", "coverage: 950%, query"), "small.gate.yaml:8", "coverage: must be at most 100%, not '950%'"),
    "floor-negative": (HEAD + GROUPS.replace("expect", "tolerance: 5%, baseline: 0, floor: -1, expect"), "small.gate.yaml:8", "not negative"),
    "floor-of-no-tolerance": (HEAD + GROUPS.replace("expect", "floor: 1, expect"), "small.gate.yaml:8", "replaces the tolerance"),
    "criterion-never-judged": (HEAD + GROUPS.replace("expect", "checkpoints: [], expect"), "small.gate.yaml:8", "checkpoints: must not be empty"),
    "range-falls-in-one-unit": (
        HEAD + GROUPS.replace("'> 90'", "'60 s .. 90 ms', unit: ms"), "small.gate.yaml:8", "from the larger to the smaller number"
    ),
    "forecast-in-another-unit": (HEAD + TREND.format("at: 9h, expect: '< 5 ms'"), "small.gate.yaml:9", "'< 5 ms' is no limit on a variance"),
    "forecast-into-the-past": (HEAD + TREND.format("at: 1h, expect: '< 5%'"), "small.gate.yaml:9", "1h is not after the checkpoint"),
    "nested-too-deeply": (HEAD + "title: " + "[" * 500 + "]" * 500 + "\n", "small.gate.yaml:6", "nested too deeply"),
    "nested-far-too-deeply": (HEAD + "title: " + "[" * 100_000 + "\n", "small.gate.yaml", ""),
}  # fmt: skip


@pytest.fixture(scope="module")
def refusals(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Return the lines of one session over all suites, each in a folder of its own."""
    project = Files(tmp_path_factory.mktemp("bad"))
    project.file("pytest.ini", "[pytest]\n")
    project.file("telemetry.yaml", CONFIG)
    project.recording()
    contents = {
        project.path / case / "small.gate.yaml": content if isinstance(content, bytes) else content.encode()
        for case, (content, *_) in SUITES.items()
    }
    for path, content in contents.items():
        path.parent.mkdir()
        path.write_bytes(content)
    done = run_pytest(project.path)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert "INTERNALERROR" not in done.stdout + done.stderr
    assert f"{len(SUITES)} errors in" in done.stdout
    assert {path: path.read_bytes() for path in contents} == contents
    return [" ".join(line.split()) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("case", SUITES)
def test_a_suite_that_cannot_be_used_is_a_collection_error(refusals, case):
    _, *words = SUITES[case]
    assert f"ERROR {case}/small.gate.yaml" in refusals
    lines = [line for line in refusals if line.startswith(f"{case}/small.gate.yaml")]
    assert any(all(word in line for word in words) for line in lines), lines


def test_a_session_with_one_such_suite_ends_with_exit_code_2(project):
    content, *words = SUITES["unknown-key"]
    project.file("small.gate.yaml", content)
    assert_refused(project.run(), 2, *words)
