"""The example of alert rules as code: what pytest says of it, and what promtool says of its rule tests."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from children import run_pytest

EXAMPLE = Path(__file__).parents[2] / "example_suites" / "alert_rules"


def test_the_rollout_that_went_well_would_have_raised_nothing(tmp_path):
    result = run_pytest(EXAMPLE, "-q", "-p", "no:cacheprovider")
    assert result.returncode == 0, result.stdout
    assert "telemetry gate: PASS  8 checks: 8 pass" in result.stdout


def test_the_rollout_that_went_wrong_would_have_raised_the_backlog(tmp_path):
    result = run_pytest(EXAMPLE, "-q", "-p", "no:cacheprovider", "--telemetry-env=regressed")
    assert result.returncode == 1
    said = " ".join(result.stdout.split())
    assert "no_backlog[24h] 1 is outside the limit == 0; alert: TelemetryQueueBacklog" in said
    assert (
        "backlog_seen[48h] 1 is outside the limit == 0; 2025-01-23T18:08:00Z: TelemetryQueueBacklog; 2025-01-24T04:00:00Z: quiet"
        in said
    )


@pytest.mark.integration
def test_promtool_passes_the_rule_tests_too():
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("missing server: promtool")
    told = subprocess.run(
        [promtool, "test", "rules", "telemetry.rules_test.yaml"],
        cwd=EXAMPLE,
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stdout + told.stderr
