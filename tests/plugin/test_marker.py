"""The marker `telemetry`: over regions and checkpoints, and what is wrong with it."""

from __future__ import annotations

import pytest
from gates import START
from projects import PASSING, TWO, two_regions, write_test


def test_the_marker_runs_a_test_over_regions_and_checkpoints(bare):
    project = two_regions(bare)
    project.suite("- {id: cpu, query: cpu, expect: '< 90'}", TWO)
    write_test(
        project,
        "telemetry.check('cpu', '< 75')",
        marker="@pytest.mark.telemetry(checkpoint=['1h', '2h'], level='crit')",
    )
    result = project.run("-v", "test_it.py")
    result.assert_outcomes(passed=2, failed=2)
    for name in ("eu-1h", "eu-2h", "us-1h", "us-2h"):
        assert f"test_it[{name}]" in result.stdout.str()
    assert project.run("test_it.py", "--telemetry-region=eu").ret == 0
    project.run("test_it.py", "--telemetry-checkpoint=2h").assert_outcomes(passed=1, failed=1)


@pytest.mark.parametrize(
    ("marker", "count"),
    [("region='eu'", 1), ("region=['eu', 'us']", 2), ("region='us', checkpoint=['1h', '2h']", 2), ("", 2)],
)
def test_the_marker_narrows(bare, marker, count):
    project = two_regions(bare)
    project.suite(PASSING, TWO)
    write_test(project, "telemetry.check('cpu', '< 90')", marker=f"@pytest.mark.telemetry({marker})")
    project.run("test_it.py", f"--telemetry-now={START + 8000}").assert_outcomes(passed=count)


@pytest.mark.parametrize("workers", [(), ("-n1",)])
@pytest.mark.parametrize("option", ["--telemetry-checkpoint=1h", "--telemetry-region=eu"])
def test_a_test_of_another_checkpoint_or_region_is_not_missed(bare, option, workers):
    project = two_regions(bare)
    project.suite("- {id: cpu, query: cpu, expect: '< 90'}\n", TWO)
    write_test(
        project,
        "telemetry.check('cpu', '< 90')",
        marker="@pytest.mark.telemetry(checkpoint='2h', region='us')",
    )
    result = project.run(option, *workers)
    assert result.ret == 0, result.stdout.str()
    assert "2 checks: 2 pass" in result.stdout.str()
    assert project.run("test_it.py", option, *workers).ret != 0


@pytest.mark.parametrize(
    ("marker", "words"),
    [
        ("chekpoint='2h'", "unknown key 'chekpoint'"),
        ("'2h'", "keywords only"),
        ("checkpoint='9h'", "unknown checkpoint '9h'; known: 2h"),
        ("region='mars'", "unknown region 'mars'"),
        ("env='nowhere'", "unknown environment 'nowhere'"),
        ("level='huge', checkpoint='2h'", "huge"),
        ("suite='none.gate.yaml'", "none.gate.yaml"),
        ("checkpoint=3", "checkpoint"),
    ],
)
def test_a_marker_that_is_wrong_is_told(project, marker, words):
    project.suite(PASSING)
    write_test(project, "telemetry.check('cpu', '< 90')", marker=f"@pytest.mark.telemetry({marker})")
    result = project.run()
    text = result.stdout.str() + result.stderr.str()
    assert result.ret in {1, 2, 4}, text
    assert words in text
    assert "INTERNALERROR" not in text
    assert "Traceback" not in text
