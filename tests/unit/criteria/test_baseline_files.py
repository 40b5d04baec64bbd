"""What a written baseline is good for: its own query, unit, region, environment and time, and nothing else."""

from __future__ import annotations

import pytest
from gates import HEAD, START, MemoryGate, grid, series

from pytest_telemetry_gate.criteria.baseline import baseline_moments, find_reference, is_of_all_regions
from pytest_telemetry_gate.criteria.baseline_file import digest_query
from pytest_telemetry_gate.errors import SuiteError
from pytest_telemetry_gate.gate.named_files import list_named_files
from pytest_telemetry_gate.model.baseline import reference_offsets
from pytest_telemetry_gate.model.verdict import Outcome

DAY = 86400
CPU = "- {id: cpu, query: 'avg_over_time(cpu[$__window])', window: 10m, tolerance: 5%, baseline: {file: base.yaml}}"
FILE = """\
version: 1
name: Sprint 1
environment: memory
measured: 2025-01-22T22:00:00Z
values:
  cpu: {value: 50, query: "QUERY", change: percent, placebos: [0.5, -0.25]}
"""


@pytest.fixture
def gate(tmp_path):
    times = grid(START - 9 * DAY, START + 3 * 3600, 60.0)
    data = [
        series("up", 1, times),
        series("cpu", lambda at: 50.0 + (at < START - 6 * DAY), times),
        series("cpu", 40.0, times, release="stable", instance="b:1"),
    ]
    gate = MemoryGate(tmp_path, data=data[:2], intervals={"parser": 60.0})
    gate.canary = data
    write(gate, FILE)
    (check,) = gate.checks(CPU)
    write(gate, FILE.replace("QUERY", digest_query(check)))
    return gate


def write(gate, text):
    (gate.folder / "base.yaml").write_text(text, encoding="utf-8")


def change(gate, old, new):
    path = gate.folder / "base.yaml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_a_written_baseline_has_its_placebos(gate):
    (check,) = gate.checks(CPU)
    reference = find_reference(check, check.criterion.query, gate.answers(check))
    assert (reference.value, reference.placebos) == (50.0, (0.5, -0.25))
    assert gate.verdict(CPU).outcome is Outcome.PASS


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("version: 1", "version: 1\nexpires: 2025-01-22", "baseline 'Sprint 1' expired 2025-01-23T00:00:00Z"),
        ("environment: memory", "environment: prod", "is of environment 'prod', and this is 'memory'"),
        ("T22:00:00Z", "T22:30:00Z", "30m after rollout.start 2025-01-22T22:00:00Z, says 'Sprint 1'"),
        ("2025-01-22T", "2035-01-22T", "the baseline is of 2035-01-22T22:00:00Z"),
        ("sha256:", "sha256:0", "is of another query (sha256:0"),
        ("change: percent", "change: points", "was measured with change: points, and this is percent"),
        ("  cpu: ", "  ram: ", "has no value for 'cpu'"),
        ("{value: 50,", "{regions: {eu: {value: 50}},", "has no value for 'cpu' in region ''"),
        ("change:", "reference: 7d, change:", ""),
        ("change:", "reference: 1w, change:", ""),
    ],
)  # fmt: skip
def test_what_the_file_is_not_about_is_inconclusive(gate, old, new, says):
    change(gate, old, new)
    verdict = gate.verdict(CPU)
    if says:
        assert (verdict.outcome, verdict.variance) == (Outcome.INCONCLUSIVE, None)
        assert says in verdict.reason
        assert "\n" not in verdict.reason
    else:
        assert verdict.baseline == 51.0
        assert verdict.baseline_name.startswith("Sprint 1, ")


def test_a_file_may_be_for_several_environments(gate):
    change(gate, "environment: memory", "environment: [prod, memory]")
    assert gate.verdict(CPU).outcome is Outcome.PASS
    change(gate, "environment: [prod, memory]", "environment: [prod, test]")
    assert "is of environment 'prod' and 'test', and this is 'memory'" in gate.verdict(CPU).reason


def test_a_suite_names_the_file_of_its_original_too(gate):
    baseline = "{offset: 3d, original: base.yaml}"
    (check,) = gate.checks(CPU.replace("{file: base.yaml}", baseline))
    assert list(list_named_files(check.suite)) == [("baseline", "base.yaml")]


def test_a_reference_that_would_look_at_the_rollout_is_none(gate):
    change(gate, "change:", "reference: 1d, change:")
    gate.now += 2 * DAY
    times = grid(START - 9 * DAY, START + 27 * 3600, 60.0)
    gate.data = [series("up", 1, times), series("cpu", 50.0, times)]
    late = gate.verdict(CPU, HEAD.replace("[2h]", "[26h]"))
    assert (
        "2h after rollout.start 2025-01-22T22:00:00Z: what is judged would be compared with itself"
        in late.reason
    )


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("avg_over_time(cpu[$__window])", True),
        ("avg_over_time( cpu[$__window])", False),
        ("  avg_over_time(cpu[$__window])\\n", True),
        ("# busy\\navg_over_time(cpu[$__window]) # why", True),
        ("avg_over_time(cpu[10m])", False),
        ('avg_over_time(cpu{a=\\"x  y\\"}[$__window])', False),
    ],
)  # fmt: skip
def test_the_digest_is_that_of_the_expression_as_it_is_written(gate, text, same):
    digests = []
    for query in ("avg_over_time(cpu[$__window])", text):
        (check,) = gate.checks(f'- {{id: cpu, query: "{query}", window: 10m, expect: "< 75"}}')
        digests.append(digest_query(check))
    assert (digests[0] == digests[1]) is same


def test_the_suites_variables_count_with_their_values(gate):
    def digest(job):
        (check,) = gate.checks(
            "- {id: cpu, query: 'rate(cpu{job=\"$job\"}[$__window])', window: 10m, expect: '< 75'}",
            HEAD + f"variables: {{job: {job}}}\n",
        )
        return digest_query(check)

    assert digest("parser") != digest("cli")


def test_several_weeks_are_averaged(gate):
    times = grid(START - 15 * DAY, START + 3 * 3600, 60.0)
    gate.data = [series("up", 1, times), series("cpu", lambda at: 50.0 - 10 * (at < START - 10 * DAY), times)]
    criterion = CPU.replace("{file: base.yaml}", "{weeks: 2}")
    verdict = gate.verdict(criterion)
    assert (verdict.baseline, verdict.baseline_name) == (45.0, "2 weeks")
    (check,) = gate.checks(criterion)
    assert [one.time - check.time for one in baseline_moments(check, check.criterion.query)] == [
        -7 * DAY,
        -14 * DAY,
    ]
    too_far = gate.verdict(criterion.replace("2", "3"))
    assert too_far.outcome is Outcome.INCONCLUSIVE


def test_a_control_group_is_asked_in_the_same_window(gate):
    gate.data = [gate.canary[0], series("cpu", 50.0, gate.canary[0][1], release="canary"), gate.canary[2]]
    criterion = CPU.replace("cpu[", 'cpu{release="canary"}[').replace(
        "{file: base.yaml}", "{control: {release: stable}}"
    )
    verdict = gate.verdict(criterion)
    assert (verdict.baseline, verdict.variance) == (40.0, 25.0)
    for control, says in (
        ("{release: canary}", "its variance would always be 0"),
        ("{'a-b': x}", "no name of a label"),
    ):
        with pytest.raises(SuiteError, match=says):
            gate.checks(criterion.replace("{release: stable}", control))


@pytest.mark.parametrize(
    ("original", "outcome"), [("50", "pass"), ("30", "fail"), ("base.yaml", "inconclusive")]
)
def test_a_slow_decay_shows_against_the_original(gate, original, outcome):
    if outcome == "inconclusive":
        change(gate, "memory", "prod")
    baseline = f"{{at: 2025-01-22T00:00:00Z, original: {original}}}"
    dossier = gate.dossier(CPU.replace("{file: base.yaml}", baseline))
    assert dossier.outcome == outcome
    if outcome == "fail":
        assert dossier.verdict.baseline_name == "original"
        assert dossier.verdict.variance_basis == "sampling error only"
        assert any("+0.0 % against the other baseline" in step.message for step in dossier.steps)


@pytest.mark.parametrize("reference", ["0d", "7", "13w", "100d", "last"])
def test_a_reference_is_days_or_weeks(gate, reference):
    with pytest.raises(ValueError, match="is not number, a number of days"):
        reference_offsets(reference)
    change(gate, "change:", f"reference: {reference}, change:")
    with pytest.raises(SuiteError, match=r"base\.yaml:6: values\.cpu\.reference: "):
        gate.checks(CPU)


def test_an_entry_has_a_value_or_regions(gate):
    change(gate, "value: 50", "unit: ''")
    with pytest.raises(SuiteError, match=r"base\.yaml:6: values\.cpu: needs either a value or regions"):
        gate.checks(CPU)


def test_an_original_of_another_unit_is_refused_as_a_baseline_is(gate):
    change(gate, "value: 50", "value: 50, unit: ms")
    for baseline in ("{file: base.yaml}", "{offset: 3d, original: base.yaml}"):
        with pytest.raises(
            SuiteError, match="the baseline's unit 'ms' and the query's, no unit, do not measure"
        ):
            gate.checks(CPU.replace("{file: base.yaml}", baseline))


def test_a_sum_over_regions_has_one_baseline(gate):
    criterion = CPU.replace("{file: base.yaml}", "{offset: 3d, original: 50}")
    with pytest.raises(SuiteError, match="a sum is held against one baseline"):
        gate.checks(criterion.replace("tolerance", "combine: sum, tolerance"))


def test_of_a_file_that_has_all_regions_the_sum_of_theirs_counts(gate):
    for text, whole in (
        ("value: 50", True),
        ("regions: {eu: {value: 50}}", False),
        ("value: 50, reference: 7d", False),
    ):
        write(gate, FILE.replace("value: 50", text).replace(' query: "QUERY",', ""))
        (check,) = gate.checks(CPU)
        assert is_of_all_regions(check) is whole
    (check,) = gate.checks(CPU.replace("{file: base.yaml}", "{offset: 3d}"))
    assert not is_of_all_regions(check)
    (check,) = gate.checks(CPU.replace("{file: base.yaml}", "50"))
    assert is_of_all_regions(check)


def test_weeks_are_few_and_at_least_one(gate):
    for weeks, says in (("13", "weeks: at most 12, not 13"), ("0", "must be a positive integer")):
        with pytest.raises(SuiteError, match=says):
            gate.checks(CPU.replace("{file: base.yaml}", f"{{weeks: {weeks}}}"))
