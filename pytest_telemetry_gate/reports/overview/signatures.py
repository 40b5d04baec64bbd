"""Who has signed the report: an approval holds for one digest, so one changed sample, limit or word makes it void."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from pytest_telemetry_gate.model.report import Approval, Report, SuiteReport

__all__ = ["Signature", "SignatureState", "list_signatures", "say_signed"]


class SignatureState(StrEnum):
    """Whether somebody has signed for a role."""

    APPROVED = "approved"
    ANOTHER = "another report"
    MISSING = "not signed"


@dataclass(frozen=True, slots=True)
class Signature:
    """The state of one role: its latest approval, and what is to be said against it."""

    role: str
    state: SignatureState
    approval: Approval | None = None
    warning: str = ""


def list_signatures(report: Report) -> list[Signature]:
    """Return the state of every role that the suites name, in their order, then of roles that nobody asked for.

    Of several approvals of a role one of this very report counts first, then the latest.
    """
    roles = dict.fromkeys(role for suite in report.content.suites for role in suite.roles)
    others = dict.fromkeys(approval.role for approval in report.approvals if approval.role not in roles)
    return [_signature(role, report) for role in (*roles, *others)]


def _signature(role: str, report: Report) -> Signature:
    entries = [approval for approval in report.approvals if approval.role == role]
    if not entries:
        return Signature(role, SignatureState.MISSING)
    approval = max(entries, key=lambda one: (one.digest == report.digest, one.at))
    if approval.digest != report.digest:
        return Signature(role, SignatureState.ANOTHER, approval)
    return Signature(role, SignatureState.APPROVED, approval, _find_early(approval, report.content.suites))


def _find_early(approval: Approval, suites: Sequence[SuiteReport]) -> str:
    last = max((point.at for suite in suites for point in suite.checkpoints), default=None)
    return "" if last is None or approval.at >= last else "signed before the last checkpoint"


def say_signed(signatures: Sequence[Signature]) -> str:
    """Return how many have signed, ``1 of 3 signed, 1 for another report``; empty where nobody has to."""
    if not signatures:
        return ""
    approved = sum(one.state is SignatureState.APPROVED for one in signatures)
    others = sum(one.state is SignatureState.ANOTHER for one in signatures)
    more = f", {others} for another report" if others else ""
    return f"{approved} of {len(signatures)} signed{more}"
