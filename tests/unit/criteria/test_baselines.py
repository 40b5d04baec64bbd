"""Which baselines are none: of several series, without a number, too old, or not there."""

from __future__ import annotations

import datetime as dt

import pytest
from gates import HEAD, UP, MemoryGate, series

from pytest_telemetry_gate.criteria.baseline import find_reference
from pytest_telemetry_gate.criteria.decide import decide
from pytest_telemetry_gate.criteria.evidence import Evidence
from pytest_telemetry_gate.errors import SuiteError
from pytest_telemetry_gate.model.answers import Answers
from pytest_telemetry_gate.model.baseline import Baseline, BaselineFile
from pytest_telemetry_gate.model.verdict import Outcome

CPU = "- {id: cpu, query: cpu, tolerance: 5%, baseline: {query: BASELINE}}"


@pytest.fixture
def gate(tmp_path):
    return MemoryGate(tmp_path, data=[UP, series("cpu", 50.0), series("failed_total", lambda at: at - at[0])])


@pytest.mark.parametrize(
    ("data", "query", "outcome", "says"),
    [
        ([series("old", 50.0)], "old", Outcome.PASS, "against 50"),
        ([series("old", 50.0, pod=pod) for pod in "ab"], "old", Outcome.INCONCLUSIVE, "old gave 2 series, not one"),
        ([series("old", float("inf"))], "old", Outcome.INCONCLUSIVE, "old is +Inf"),
        ([series("old", 0.0)], "old / old", Outcome.INCONCLUSIVE, "old / old is NaN"),
    ],
)  # fmt: skip
def test_a_baseline_is_one_number(gate, data, query, outcome, says):
    gate.data = [*gate.data, *data]
    verdict = gate.verdict(CPU.replace("BASELINE", f"'{query}'"))
    assert verdict.outcome is outcome
    assert says in verdict.reason
    assert verdict.baseline_name == ("at 2025-01-23T00:00:00Z" if outcome is Outcome.PASS else "")


def test_a_baseline_file_expires_at_its_time(gate):
    for expires, outcome in ((gate.now + 1, Outcome.PASS), (gate.now, Outcome.INCONCLUSIVE)):
        written = dt.datetime.fromtimestamp(expires, dt.UTC).isoformat()
        (gate.folder / "base.yaml").write_text(
            f"version: 1\nname: old\nexpires: {written}\nvalues: {{cpu: 50}}\n", encoding="utf-8"
        )
        criterion = "- {id: cpu, query: cpu, tolerance: 5%, baseline: {file: base.yaml}}"
        assert gate.verdict(criterion).outcome is outcome


def test_a_baseline_file_that_nobody_read_is_none(gate):
    (check,) = gate.checks("- {id: cpu, query: cpu, tolerance: 5%, baseline: 50}")
    unread = check.criterion.model_copy(update={"baseline": Baseline(file="base.yaml")})
    other = check.sibling("Parser", unread, check.checkpoint)
    assert (
        find_reference(other, "cpu", Answers(gate.now, {}, {})).problem == "baseline: the file was not loaded"
    )


def test_a_written_baseline_of_another_kind_of_unit_is_none(gate):
    """A suite with such a file is refused, so this one is made by hand."""
    (check,) = gate.checks("- {id: cpu, query: cpu, unit: ms, tolerance: 5%, baseline: 50}")
    for unit, problem in (("KB", "do not measure the same"), ("s", "")):
        content = BaselineFile(version=1, name="old", values={"cpu": {"value": 1, "unit": unit}})
        written = Baseline(file="base.yaml").model_copy(update={"content": content})
        other = check.criterion.model_copy(update={"baseline": written})
        reference = find_reference(
            check.sibling("Parser", other, check.checkpoint), "cpu", Answers(gate.now, {}, {})
        )
        assert problem in reference.problem
        assert reference.value == (None if problem else 1000.0)


@pytest.mark.parametrize(
    ("baseline", "outcome"),
    [("7200", Outcome.PASS), ("6000", Outcome.FAIL), ("{file: base.yaml}", Outcome.PASS)],
)
def test_growth_is_held_against_what_is_written(gate, baseline, outcome):
    (gate.folder / "base.yaml").write_text(
        "version: 1\nname: old\nvalues: {failures: 7200}\n", encoding="utf-8"
    )
    criterion = f"- {{id: failures, count: failed_total, tolerance: 5%, baseline: {baseline}}}"
    assert gate.verdict(criterion).outcome is outcome


def test_growth_has_no_baseline_at_another_time(gate):
    verdict = gate.verdict("- {id: failures, count: failed_total, tolerance: 5%, baseline: {offset: 1d}}")
    assert (verdict.outcome, verdict.reason) == (Outcome.INCONCLUSIVE, "a tolerance without a baseline")


def test_no_value_at_all_is_no_data(gate):
    (check,) = gate.checks("- {id: cpu, query: cpu, expect: '< 75'}")
    dossier = decide(check, (), Evidence())
    assert (dossier.outcome, dossier.verdict.reason) == (Outcome.INCONCLUSIVE, "no data")


@pytest.mark.parametrize(
    "selector", ["failed_total offset 1h", "failed_total @ 0", "rate(failed_total[5m])", "failed_total + cpu"]
)
def test_what_is_counted_and_up_are_plain_selectors(gate, selector):
    for keys in (f"count: '{selector}'", f"query: cpu, up: '{selector}'"):
        with pytest.raises(SuiteError, match="is not a plain selector"):
            gate.checks(f"- {{id: x, {keys}, expect: '< 1'}}", HEAD)
