"""Criteria of kind `approvals`: who must have signed, since when, and that it was one report."""

from __future__ import annotations

import pytest
from gates import HEAD, START, MemoryGate

from pytest_telemetry_gate.errors import SuiteError
from pytest_telemetry_gate.model.facts import OtherFacts
from pytest_telemetry_gate.model.report import Approval
from pytest_telemetry_gate.model.verdict import Outcome

DUE = START + 7200
ONE, TWO = f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"
SIGNED = "- {id: signed, approvals: [QA lead, DevOps lead]}"
ROLES = HEAD + "approvals: [QA lead, DevOps lead, Manager]\n"


def qa(after=60.0, digest=ONE, name="Ann", note=""):
    return Approval("QA lead", name, DUE + after, digest, note)


def ops(after=120.0, digest=ONE):
    return Approval("DevOps lead", "Bo", DUE + after, digest)


def judged(folder, *approvals, criterion=SIGNED, head=ROLES):
    return MemoryGate(folder, approvals=approvals).dossier(criterion, head)


@pytest.mark.parametrize(
    ("approvals", "value", "reason"),
    [
        ([], 0, "not signed: QA lead, DevOps lead"),
        ([qa()], 1, "not signed: DevOps lead"),
        ([qa(), Approval("Manager", "Cy", DUE + 60, ONE)], 1, "not signed: DevOps lead"),
        ([qa(-1), ops()], 1, "signed before the checkpoint: QA lead at 2025-01-22T23:59:59Z"),
        ([qa(digest=TWO), ops()], 1, "signed another report than sha256:11111111: QA lead sha256:22222222"),
        ([qa(), qa(90, TWO), ops()], 1, "signed another report than sha256:11111111: QA lead sha256:22222222"),
        ([qa(60, TWO), qa(60), ops(-5)], 1, "signed before the checkpoint: DevOps lead at 2025-01-22T23:59:55Z"),
        ([qa(-5, TWO)], 0, "not signed: DevOps lead; signed before the checkpoint: QA lead at 2025-01-22T23:59:55Z"),
    ],
)  # fmt: skip
def test_it_fails_unless_everybody_signed_one_report_since_the_checkpoint(tmp_path, approvals, value, reason):
    dossier = judged(tmp_path, *approvals)
    assert (dossier.outcome, dossier.verdict.reason) == (Outcome.FAIL, reason)
    assert dossier.verdict.value == value
    assert {finding.level for finding in dossier.findings} == {Outcome.FAIL}


@pytest.mark.parametrize("earlier", [[], [qa(-60, TWO)], [qa(30, TWO, name="Cy")]])
def test_the_latest_signature_of_each_role_counts(tmp_path, earlier):
    """Exactly at the checkpoint is not before it."""
    dossier = judged(tmp_path, *earlier, ops(0), qa(note="all checked"))
    verdict = dossier.verdict
    assert (dossier.outcome, verdict.value, verdict.limit) == (Outcome.PASS, 2, "== 2")
    assert verdict.reason == "signed sha256:11111111: QA lead (Ann), DevOps lead (Bo)"
    assert dossier.facts["approvals"] == OtherFacts(
        "approvals",
        {
            "digest": ONE,
            "roles": {
                "QA lead": {"name": "Ann", "at": DUE + 60, "digest": ONE, "note": "all checked"},
                "DevOps lead": {"name": "Bo", "at": DUE, "digest": ONE},
            },
        },
    )


def test_without_a_file_nobody_can_tell(tmp_path):
    dossier = MemoryGate(tmp_path).dossier(SIGNED, ROLES)
    assert dossier.outcome is Outcome.INCONCLUSIVE
    assert dossier.verdict.reason == "there is no approvals file: --telemetry-approvals=FILE names it"


def test_it_is_judged_at_the_last_checkpoint_unless_told(tmp_path):
    gate, head = MemoryGate(tmp_path), ROLES.replace("[2h]", "[1h, 2h]")
    assert [check.checkpoint.id for check in gate.checks(SIGNED, head)] == ["2h"]
    told = SIGNED.replace("]}", "], checkpoints: [1h]}")
    assert [check.checkpoint.id for check in gate.checks(told, head)] == ["1h"]


@pytest.mark.parametrize(
    ("criterion", "message"),
    [
        ("approvals: [QA leed]", "unknown role 'QA leed' \\(did you mean 'QA lead'\\?\\)"),
        ("approvals: []", "approvals: must not be empty"),
        ("approvals: QA lead", "approvals: must be a list"),
        ("approvals: [QA lead], expect: '== 1'", "approvals have no `expect`: each of the roles must have signed"),
        ("approvals: [QA lead], tolerance: 5%", "approvals have no `tolerance`"),
        ("approvals: [QA lead], combine: any", "approvals have no `combine`"),
    ],
)  # fmt: skip
def test_what_means_nothing_is_refused(tmp_path, criterion, message):
    with pytest.raises(SuiteError, match=message):
        MemoryGate(tmp_path).checks(f"- {{id: signed, {criterion}}}", ROLES)


def test_a_suite_without_roles_lets_the_criterion_name_them(tmp_path):
    criterion = "- {id: signed, approvals: [Auditor]}"
    assert judged(tmp_path, criterion=criterion, head=HEAD).verdict.reason == "not signed: Auditor"
