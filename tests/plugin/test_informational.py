"""Informational criteria are judged and shown, and never close the gate; alone they open none either."""

from __future__ import annotations

import pytest
from projects import CPU, PASSING, Project, said

SUITE = """
groups:
  Parser:
    - {id: requests, query: 'requests{job="parser"}', expect: '> 90'}
    - {id: slow, query: cpu, unit: '%', expect: '< 60', informational: true}
    - {id: lost, query: nothing, expect: '< 60', informational: true}
    - {id: warned, query: requests, baseline: 96, tolerance: 5%, informational: true}
    - {id: fine, query: cpu, unit: '%', expect: '< 75', informational: true}
  Derived:
    - {id: share, ratio: {of: [Parser]}, expect: '== 100%'}
"""


def properties(case):
    return {one.get("name"): one.get("value") for one in case.iter("property")}


@pytest.mark.parametrize("arguments", [(), ("-n2",), ("--telemetry-strict",)])
def test_what_an_informational_criterion_found_is_shown_and_the_gate_opens(project: Project, arguments):
    project.suite(SUITE)
    result = project.run("--junitxml=junit.xml", *arguments)
    output = " ".join(said(result).split())
    assert result.ret == 0, output
    assert "fail (informational) slow[2h] 70 % is outside the limit < 60 %" in output
    assert "inconclusive (informational) lost[2h] no data: nothing has no value" in output
    assert (
        "2 pass, informational: 1 inconclusive, 1 fail, 1 warn, 1 pass" in output
        or "informational: " in output
    )
    assert "3 informed" in output


def test_junit_has_the_verdict_and_no_failure(project: Project):
    project.suite(SUITE)
    cases = {case.get("name"): case for case in project.junit()}
    assert not any(case.findall("failure") or case.findall("skipped") for case in cases.values())
    told = {name: properties(case) for name, case in cases.items()}
    assert told["slow[2h]"]["telemetry.verdict"] == "fail"
    assert told["lost[2h]"]["telemetry.verdict"] == "inconclusive"
    assert {name for name, each in told.items() if each.get("telemetry.informational") == "true"} == {
        "slow[2h]", "lost[2h]", "warned[2h]", "fine[2h]",
    }  # fmt: skip
    # A share over a group leaves them out.
    assert told["share[2h]"]["telemetry.verdict"] == "pass"
    assert "1 of 1 checks" in told["share[2h]"]["telemetry.reason"]


def test_each_test_says_its_verdict(project: Project):
    project.suite(SUITE)
    output = said(project.run("-v"))
    assert "FAIL (informational) 70 % (< 60 %)" in output
    assert "PASS (informational) 70 % (< 75 %)" in output


@pytest.mark.parametrize("expect", ["< 60", "< 75"])
def test_a_run_of_informational_criteria_alone_has_judged_nothing(project: Project, expect):
    project.suite(f"- {{id: cpu, query: cpu, unit: '%', expect: '{expect}', informational: true}}\n")
    result = project.run()
    assert result.ret == 1
    assert "nothing was judged (informational: 1 " in said(result)


def test_a_criterion_that_is_not_informational_closes_the_gate_as_ever(project: Project):
    project.suite(
        PASSING + CPU.replace("< 75", "< 60") + CPU.replace("id: cpu", "id: hot, informational: true")
    )
    result = project.run()
    assert result.ret == 1
    assert "FAIL  cpu[2h]" in said(result)
    project.suite(PASSING + CPU.replace("'}", "', informational: false}").replace("< 75", "< 60"))
    assert project.run().ret == 1


def test_a_share_of_informational_criteria_alone_is_inconclusive(project: Project):
    project.suite("""
groups:
  Parser:
    - {id: cpu, query: cpu, unit: '%', expect: '< 75', informational: true}
  Derived:
    - {id: share, ratio: {of: [Parser]}, expect: '>= 0%'}
""")
    assert project.judged()["share[2h]"][0] == "inconclusive"


def test_a_waiver_of_an_informational_criterion_hides_nothing(project: Project):
    project.suite(
        "waivers: [{criterion: hot, owner: me, reason: known, until: 2099-01-01}]\ngroups:\n  Parser:\n    "
        + PASSING
        + "    - {id: hot, query: cpu, unit: '%', expect: '< 60', informational: true}\n"
    )
    assert project.judged()["hot[2h]"][0] == "fail"


def test_a_hand_written_test_goes_by_what_is_not_informational(project: Project):
    project.suite(PASSING)
    project.file(
        "test_hand.py",
        """
        import pytest

        @pytest.mark.telemetry(suite="small.gate.yaml", checkpoint="2h")
        def test_both(telemetry):
            telemetry.check(id="hot", query="cpu", unit="%", expect="< 60", informational=True)
            telemetry.check(id="requests", query="requests", expect="> 90")

        @pytest.mark.telemetry(suite="small.gate.yaml", checkpoint="2h")
        def test_one(telemetry):
            telemetry.check(id="hot", query="cpu", unit="%", expect="< 75", informational=True)
            telemetry.check(id="requests", query="requests", expect="> 900")
        """,
    )
    cases = {case.get("name"): case for case in project.junit("-p", "no:randomly")}
    assert properties(cases["test_both[2h]"])["telemetry.verdict"] == "pass"
    assert not cases["test_both[2h]"].findall("failure")
    assert cases["test_one[2h]"].findall("failure")


def test_only_true_and_false_are_said(project: Project):
    project.suite(CPU.replace("'}", "', informational: maybe}"))
    result = project.run()
    assert result.ret == 2
    assert "small.gate.yaml:8" in said(result)
