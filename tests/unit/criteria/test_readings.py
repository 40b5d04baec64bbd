"""What is decided of a value that is known in part, and what its bucket says, by hand-made readings."""

from __future__ import annotations

import math

import pytest
from gates import MemoryGate

from pytest_telemetry_gate.criteria.reading import Reading, tell_bucket, weigh_open
from pytest_telemetry_gate.criteria.weigh import Reference
from pytest_telemetry_gate.model.verdict import Outcome

ANYWHERE = Reading(-math.inf, math.inf)
AT_100 = Reference("before", 100.0)


@pytest.fixture
def check_of(tmp_path):
    """Return the check of a criterion with some keys."""
    return lambda keys: MemoryGate(tmp_path).checks(f"- {{id: x, query: cpu, {keys}}}")[0]


@pytest.mark.parametrize(
    ("keys", "reading", "outcome"),
    [
        # Inside all along, outside all along, or neither
        ("expect: '<= 5'", Reading(1, 5), Outcome.PASS),
        ("expect: '< 5'", Reading(1, 5), Outcome.INCONCLUSIVE),
        ("expect: '<= 5'", Reading(5, 6), Outcome.INCONCLUSIVE),
        ("expect: '< 5'", Reading(5, 6), Outcome.FAIL),
        ("expect: '> 5'", Reading(5, 6), Outcome.INCONCLUSIVE),
        ("expect: '>= 5'", Reading(5, 6), Outcome.PASS),
        ("expect: '!= 5'", Reading(4, 6), Outcome.INCONCLUSIVE),
        ("expect: '!= 5'", Reading(5, 6), Outcome.INCONCLUSIVE),
        ("expect: '== 5'", Reading(4, 6), Outcome.INCONCLUSIVE),
        ("expect: '5 .. 6'", Reading(4, 7), Outcome.INCONCLUSIVE),
        ("expect: '5 .. 6'", Reading(6, 7), Outcome.INCONCLUSIVE),
        ("expect: '5 .. 6'", Reading(7, 8), Outcome.FAIL),
        ("expect: '!= 0'", ANYWHERE, Outcome.INCONCLUSIVE),
        # The change from the baseline
        ("tolerance: 5%", Reading(95, 105), Outcome.WARN),
        ("tolerance: 5%", Reading(97, 103), Outcome.PASS),
        ("tolerance: 5%", Reading(94, 106), Outcome.INCONCLUSIVE),
        ("tolerance: 5%", Reading(105, 106), Outcome.INCONCLUSIVE),
        ("tolerance: 5%", Reading(106, 107), Outcome.FAIL),
        ("tolerance: 5%", Reading(90, 94), Outcome.FAIL),
        ("tolerance: 5%, better: lower", Reading(-math.inf, 102), Outcome.PASS),
        ("tolerance: 5%, better: higher", Reading(-math.inf, 102), Outcome.INCONCLUSIVE),
        # Each end of what is allowed may be the only value inside.
        ("tolerance: 5%", ANYWHERE, Outcome.INCONCLUSIVE),
        ("tolerance: 5%, expect: '< 98'", ANYWHERE, Outcome.INCONCLUSIVE),
        ("tolerance: 5%, expect: '> 102'", ANYWHERE, Outcome.INCONCLUSIVE),
        ("tolerance: 5%, expect: '> 105'", ANYWHERE, Outcome.FAIL),
        # In percentage points
        ("unit: '%', tolerance: 5%", Reading(96, 104), Outcome.WARN),
        ("unit: '%', tolerance: 5%, expect: '> 104'", ANYWHERE, Outcome.INCONCLUSIVE),
    ],
)
def test_only_what_holds_for_all_that_may_be_true_is_decided(check_of, keys, reading, outcome):
    if "tolerance" in keys:
        keys += ", baseline: 100"
    value = next(end for end in (reading.least, reading.most, 100.0) if math.isfinite(end))
    assert weigh_open(check_of(keys), value, reading, AT_100).outcome is outcome


def test_without_a_usable_baseline_nothing_is_decided_whatever_else_holds(check_of):
    check = check_of("tolerance: 5%, baseline: 100, expect: '<= 5'")
    for reference, outcome in (
        (Reference("before", problem="gone"), Outcome.INCONCLUSIVE),
        (Reference("before", problem="broken", error=True), Outcome.ERROR),
        (Reference("before", 0.0), Outcome.INCONCLUSIVE),
        (None, Outcome.INCONCLUSIVE),
    ):
        assert weigh_open(check, 1.0, Reading(1, 4), reference).outcome is outcome
    for reading, outcome in ((Reading(1, 6), Outcome.INCONCLUSIVE), (Reading(6, 7), Outcome.FAIL)):
        assert weigh_open(check, 6.0, reading, Reference("before", problem="gone")).outcome is outcome


@pytest.mark.parametrize(
    ("keys", "baseline", "bucket", "outcome"),
    [
        ("tolerance: 5%, baseline: 1", 100.0, (99, 104), Outcome.PASS),
        ("tolerance: 5%, baseline: 1", 100.0, (99, 104.001), Outcome.WARN),
        ("tolerance: 5%, baseline: 1", -100.0, (99, 104), Outcome.PASS),
        ("tolerance: 5%, baseline: 1, unit: ratio", 0.5, (0.46, 0.51), Outcome.PASS),
        ("tolerance: 5%, baseline: 1, unit: ratio", 2.0, (1.94, 2.02), Outcome.WARN),
        ("tolerance: 20%, baseline: 1, unit: ratio", 0.8, (0.7, 0.9), Outcome.PASS),
        ("tolerance: 5%, baseline: 1, unit: '%'", 80.0, (78, 83), Outcome.PASS),
        ("tolerance: 5%, baseline: 1, unit: '%'", 80.0, (78, 83.1), Outcome.WARN),
        ("tolerance: 5%, baseline: 0, floor: 3", 0.0, (0, 3), Outcome.PASS),
        ("tolerance: 5%, baseline: 0, floor: 3", 0.0, (0, 4), Outcome.WARN),
        ("tolerance: 5%, baseline: 0", 0.0, (0, 4), Outcome.PASS),
        ("tolerance: 5%, baseline: 1", None, (0, 4), Outcome.PASS),
        ("baseline: 1, expect: '< 9'", 100.0, (0, 99), Outcome.PASS),
    ],
)
def test_a_bucket_that_is_wider_than_the_allowed_change_warns(check_of, keys, baseline, bucket, outcome):
    check = check_of(keys)
    reference = Reference("before", baseline)
    for told in (Outcome.PASS, Outcome.FAIL):
        dossier = check.dossier(told, "as told", value=sum(bucket) / 2)
        dossier = tell_bucket(check, dossier, Reading(bucket=bucket), reference)
        assert dossier.outcome is max(told, outcome, key=lambda one: one.rank)
        assert dossier.findings[0].level is outcome
