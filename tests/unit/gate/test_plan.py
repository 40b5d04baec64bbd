"""Which checks a suite has, and which of them were asked for."""

from __future__ import annotations

import pytest
from gates import HEAD, MemoryGate

from pytest_telemetry_gate.errors import ConfigError, SuiteError
from pytest_telemetry_gate.gate.plan import choose_checks

CPU = "- {id: cpu, query: cpu, expect: '< 75', since: SINCE}"


@pytest.mark.parametrize(
    ("since", "at", "refused"),
    [
        ("rollout_start", "+1s", False),
        ("rollout_start", "2025-01-22T14:00:00-08:00", True),
        ("rollout_start", "2025-01-22T13:59:59-08:00", True),
        ("rollout_end", "2025-01-22T15:30:01-08:00", False),
        ("rollout_end", "2025-01-22T15:30:00-08:00", True),
        ("rollout_end", "2025-01-22T15:29:59-08:00", True),
    ],
)
def test_a_checkpoint_is_after_the_moment_that_is_counted_from(tmp_path, since, at, refused):
    head = HEAD.replace("[2h]", f"[{{id: early, at: '{at}'}}, 4h]")
    gate, criteria = MemoryGate(tmp_path), CPU.replace("SINCE", since)
    if refused:
        with pytest.raises(SuiteError, match=f"is not after {since.replace('_', '.')}"):
            gate.checks(criteria, head)
    else:
        assert len(gate.checks(criteria, head)) == 2


def test_checks_are_chosen_by_what_is_named(tmp_path):
    planned = MemoryGate(tmp_path).checks(
        CPU.replace("SINCE", "rollout_start"), HEAD.replace("[2h]", "[1h, 2h]")
    )
    planned = [check.within(region) for check in planned for region in ("eu", "us")]

    def chosen(checkpoints=(), regions=()):
        checks = choose_checks(planned, checkpoints=checkpoints, regions=regions)
        return [(check.checkpoint.id, check.region) for check in checks]

    assert len(chosen()) == 4
    assert chosen(["1h"]) == [("1h", "eu"), ("1h", "us")]
    assert chosen([], ["us"]) == [("1h", "us"), ("2h", "us")]
    assert chosen(["2h"], ["eu"]) == [("2h", "eu")]
    for names in (["3h"], []), (["1h", "3h"], []), ([], ["ap"]):
        with pytest.raises(ConfigError, match="unknown name"):
            chosen(*names)
