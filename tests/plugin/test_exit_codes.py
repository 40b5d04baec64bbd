"""The exit code follows the gate's outcome: nothing that was not judged lets it open."""

from __future__ import annotations

import pytest
from gates import START
from projects import FAILING, PASSING, TWO

EARLY = f"--telemetry-now={START + 3601}"  # the checkpoint at 1h is not due for another 29 s


def test_0_when_every_check_lets_it_through(project):
    project.suite(PASSING)
    result = project.run()
    assert result.ret == 0
    result.assert_outcomes(passed=1)


def test_1_when_one_check_fails(project):
    project.suite(PASSING + FAILING.replace("requests,", "more,"))
    result = project.run()
    assert result.ret == 1
    result.assert_outcomes(passed=1, failed=1)


@pytest.mark.parametrize("workers", [(), ("-n1",)])
def test_1_when_only_pending_checks_are_there(project, workers):
    project.suite(PASSING, TWO)
    result = project.run(EARLY, *workers)
    assert result.ret == 1
    result.assert_outcomes(skipped=2, failed=1)  # the gate's own outcome is a test case that fails
    assert "nothing was judged (2 pending)" in result.stdout.str()


def test_0_when_the_later_checkpoint_is_pending(project):
    project.suite(PASSING, TWO)
    result = project.run(f"--telemetry-now={START + 3700}")
    assert result.ret == 0
    result.assert_outcomes(passed=1, skipped=1)


def test_1_when_the_named_checkpoint_is_pending(project):
    project.suite(PASSING, TWO)
    assert project.run(f"--telemetry-now={START + 3700}", "--telemetry-checkpoint=2h").ret == 1


def test_1_when_one_of_two_named_checkpoints_is_pending(project):
    project.suite(PASSING, TWO)
    named = ("--telemetry-checkpoint=1h", "--telemetry-checkpoint=2h")
    assert project.run(*named).ret == 0
    result = project.run(f"--telemetry-now={START + 3700}", *named)
    result.assert_outcomes(passed=1, skipped=1, failed=1)
    assert result.ret == 1
    assert "INCONCLUSIVE  2 checks: pending though asked for: 2h" in result.stdout.str()


def test_1_when_the_files_that_passed_last_time_are_left_out(project):
    project.suite(FAILING)
    project.suite(PASSING + PASSING.replace("requests,", "more,"), name="other.gate.yaml")
    assert project.pytester.runpytest("-p", "no:hypothesispytest").ret == 1
    project.suite(PASSING)
    result = project.pytester.runpytest("-p", "no:hypothesispytest", "--lf")
    result.assert_outcomes(passed=1, failed=1)
    assert result.ret == 1
    assert "1 of 3 selected" in result.stdout.str()


@pytest.mark.parametrize("option", ["--lf", "--ff", "--sw"])
def test_what_failed_last_time_is_known(project, option):
    project.suite(PASSING + FAILING.replace("requests,", "more,"))
    for arguments in ((), (option, "-v", "--telemetry-partial")):
        result = project.pytester.runpytest("-p", "no:hypothesispytest", *arguments)
    assert "not in selected tests" not in result.stdout.str()
    assert result.parseoutcomes()["failed"] == 1
    first = next(line for line in result.outlines if "[2h] " in line)
    assert "more[2h]" in first or option == "--sw"


def test_a_renewed_waiver_waives(project):
    waiver = "  - {criterion: requests, reason: known, owner: me, until: %s}\n"
    project.suite(
        "groups:\n  Parser:\n    " + FAILING + "waivers:\n" + waiver % "2025-01-01" + waiver % "2030-01-01"
    )
    assert project.run().ret == 0


def test_0_when_what_fails_is_waived(project):
    project.suite(
        "groups:\n  Parser:\n    " + FAILING + "waivers:\n"
        "  - {criterion: requests, reason: known, owner: me, until: 2030-01-01}\n"
    )
    result = project.run()
    assert result.ret == 0
    result.assert_outcomes(skipped=1)


@pytest.mark.parametrize("workers", [(), ("-n1",)])
@pytest.mark.parametrize(("partial", "code"), [((), 1), (("--telemetry-partial",), 0)])
def test_selection_closes_the_gate_unless_it_is_meant(project, partial, code, workers):
    project.suite(PASSING + PASSING.replace("requests,", "more,"))
    result = project.run("-k", "more", *partial, *workers)
    assert result.ret == code
    assert "1 of 2 selected" in result.stdout.str()


def test_selection_by_node_id_counts_what_the_file_has(project):
    project.suite(PASSING + PASSING.replace("requests,", "more,"))
    assert project.run("small.gate.yaml::Parser::more[2h]").ret == 1
    assert project.run("small.gate.yaml::Parser::more[2h]", "--telemetry-partial").ret == 0


def test_5_or_1_but_never_0_when_everything_is_deselected(project):
    project.suite(PASSING)
    assert project.run("-k", "nothing_like_it").ret in {1, 5}
    assert project.run("-k", "nothing_like_it", "--telemetry-env=recorded").ret in {1, 5}


def test_not_0_when_a_named_environment_finds_no_checks(project):
    project.file("test_it.py", "def test_it(): pass\n")
    assert project.run("--telemetry-env=recorded").ret == 1


def test_2_for_a_collection_error(project):
    project.suite("- {id: requests, query: 'rate(', expect: '> 90'}")
    assert project.run().ret == 2


@pytest.mark.parametrize("workers", [(), ("-n1",)])
def test_4_for_an_environment_that_is_not_there(project, workers):
    project.suite(PASSING)
    assert project.run("--telemetry-env=nowhere", *workers).ret == 4


@pytest.mark.parametrize(("strict", "code"), [((), 0), (("--telemetry-strict",), 1)])
@pytest.mark.parametrize("workers", [(), ("-n1",)])
def test_a_warning_closes_the_gate_only_when_strict(project, strict, code, workers):
    project.suite("- {id: requests, query: requests, baseline: 96, tolerance: 5%}")
    result = project.run(*strict, *workers, "-v")
    assert result.ret == code
    assert ("1 warned" in result.stdout.str()) is (code == 0)
    assert ("1 failed" in result.stdout.str()) is (code == 1)


def test_a_failing_test_of_the_users_own_still_fails_the_session(project):
    project.suite(PASSING)
    project.file("test_it.py", "def test_it(): assert False\n")
    assert project.run().ret == 1


def test_maxfail_never_opens_a_gate(project):
    project.suite(FAILING + PASSING.replace("requests,", "more,"))
    assert project.run("-x").ret == 1


def test_a_file_named_twice_counts_once(project):
    project.suite(PASSING)
    assert project.run("small.gate.yaml", "small.gate.yaml").ret == 0
