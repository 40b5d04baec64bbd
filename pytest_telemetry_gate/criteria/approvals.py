"""``approvals:`` - whether everybody who must has signed one and the same report since the checkpoint.

That it is the report of this very run is told by whoever has made that report: the facts keep the digest that was signed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from pytest_telemetry_gate.criteria.evidence import Provenance
from pytest_telemetry_gate.model.check import Criterion
from pytest_telemetry_gate.model.dossier import APPROVALS, Dossier, Finding
from pytest_telemetry_gate.model.facts import OtherFacts
from pytest_telemetry_gate.model.verdict import Outcome
from pytest_telemetry_gate.support.durations import format_time
from pytest_telemetry_gate.support.suggestions import suggest
from pytest_telemetry_gate.support.units import Limit

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.answers import Answers
    from pytest_telemetry_gate.model.check import Check
    from pytest_telemetry_gate.model.questions import Question
    from pytest_telemetry_gate.model.report import Approval
    from pytest_telemetry_gate.model.suite import Suite

__all__ = ["Approvals"]

_NO_MEANING = ("expect", "tolerance", "combine")
_SHOWN = len("sha256:") + 8  # characters of a digest that tell it from others


class Approvals(Criterion):
    """The number of roles that have signed the report that was signed last."""

    key: ClassVar[str] = APPROVALS
    last_checkpoint_only: ClassVar[bool] = True
    always_over_regions: ClassVar[bool] = True

    approvals: tuple[str, ...] = Field(min_length=1, description="the roles that must have signed")

    @property
    def limit(self) -> Limit:
        """The number of roles: each of them must have signed."""
        return Limit("==", float(len(set(self.approvals))))

    def problems(self, suite: Suite) -> Iterable[tuple[str, str]]:
        """Yield a problem for a role that the suite does not have, and for limits, since all roles must have signed."""
        for key in _NO_MEANING:
            if getattr(self, key) is not None:
                yield key, f"approvals have no `{key}`: each of the roles must have signed"
        for role in self.approvals:
            if suite.approvals and role not in suite.approvals:
                yield self.key, f"unknown role {role!r}{suggest(role, suite.approvals)}"

    def questions(self, check: Check) -> Iterable[Question]:
        """Yield nothing: the check itself has the approvals."""
        return ()

    def judge(self, check: Check, answers: Answers) -> Dossier:
        """Pass where the latest entry of every role is from the checkpoint or later, and all have one digest."""
        if check.approvals is None:
            reason = "there is no approvals file: --telemetry-approvals=FILE names it"
            finding = Finding("approvals.no_file", Outcome.INCONCLUSIVE, self.id, reason)
            return check.dossier(Outcome.INCONCLUSIVE, reason, findings=[finding])
        latest = _latest(check.approvals)
        asked = [(role, latest.get(role)) for role in dict.fromkeys(self.approvals)]
        given = [approval for _, approval in asked if approval is not None and approval.at >= check.time]
        digest = max(given, key=lambda approval: approval.at).digest if given else ""
        findings = [
            Finding(f"approvals.{name}", Outcome.FAIL, self.id, message)
            for name, message in _find_missing(asked, check.time, digest)
        ]
        signed = [approval for approval in given if approval.digest == digest]
        names = ", ".join(f"{approval.role} ({approval.name})" for approval in signed)
        reason = "; ".join(finding.message for finding in findings)
        return check.dossier(
            Outcome.FAIL if findings else Outcome.PASS,
            reason or f"signed {_short(digest)}: {names}",
            value=float(len(signed)),
            findings=findings,
            facts=[OtherFacts(self.key, {"digest": digest, "roles": dict(map(_as_fact, signed))})],
            **Provenance(source="approvals file").fields(),
        )


def _latest(approvals: Iterable[Approval]) -> Mapping[str, Approval]:
    """Return the latest approval of each role; of two at one moment the one that was written last."""
    latest: dict[str, Approval] = {}
    for approval in approvals:
        if approval.role not in latest or approval.at >= latest[approval.role].at:
            latest[approval.role] = approval
    return latest


def _find_missing(
    asked: Iterable[tuple[str, Approval | None]], since: float, digest: str
) -> Iterable[tuple[str, str]]:
    """Yield what is wrong with the roles that must have signed, as names of findings and messages."""
    known = list(asked)
    missing = [role for role, approval in known if approval is None]
    if missing:
        yield "missing", f"not signed: {', '.join(missing)}"
    early = [approval for _, approval in known if approval is not None and approval.at < since]
    if early:
        named = ", ".join(f"{approval.role} at {format_time(approval.at)}" for approval in early)
        yield "early", f"signed before the checkpoint: {named}"
    others = [
        approval
        for _, approval in known
        if approval is not None and approval.at >= since and approval.digest != digest
    ]
    if others:
        named = ", ".join(f"{approval.role} {_short(approval.digest)}" for approval in others)
        yield "another_report", f"signed another report than {_short(digest)}: {named}"


def _short(digest: str) -> str:
    return digest[:_SHOWN]


def _as_fact(approval: Approval) -> tuple[str, dict[str, Any]]:
    note = {"note": approval.note} if approval.note else {}
    return approval.role, {"name": approval.name, "at": approval.at, "digest": approval.digest, **note}
