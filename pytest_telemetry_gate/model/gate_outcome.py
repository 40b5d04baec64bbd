"""The outcome of the whole gate: one decision from all verdicts, over a denominator that selection cannot shrink.

Standard library only, like the verdicts it is made from.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from pytest_telemetry_gate.model.verdict import Outcome, Verdict, worst_outcome

__all__ = ["GateOutcome", "decide_gate"]


@dataclass(frozen=True, slots=True)
class GateOutcome:
    """The decision of the gate as a whole; the exit code follows ``opens``, ``strict`` says that warnings close it."""

    outcome: Outcome
    opens: bool
    reason: str
    strict: bool = False


def decide_gate(
    verdicts: Sequence[Verdict],
    *,
    selected: int,
    collected: int,
    strict: bool = False,
    partial: bool = False,
    asked: Collection[str] = (),
) -> GateOutcome:
    """Decide for the gate: it opens if something was judged, nothing was left out, and every verdict lets it through.

    ``selected`` of the ``collected`` telemetry tests were to run; fewer make the outcome inconclusive unless
    ``partial`` says that it is meant. A run that judged nothing is inconclusive, and so is one where a checkpoint
    that was ``asked`` for by name is pending. Informational verdicts are counted and decide nothing.
    """
    told = Counter(verdict.outcome for verdict in verdicts if verdict.informational)
    everything, verdicts = verdicts, [verdict for verdict in verdicts if not verdict.informational]
    worst = worst_outcome(verdicts) or Outcome.INCONCLUSIVE
    counts = Counter(verdict.outcome for verdict in verdicts)
    tally = ", ".join(filter(None, (_count(counts), f"informational: {_count(told)}" if told else "")))
    if not any(verdict.outcome.judged for verdict in verdicts):
        why = f"nothing was judged ({tally})" if everything else "nothing was judged"
        worst = max(worst, Outcome.INCONCLUSIVE, key=lambda outcome: outcome.rank)
        return GateOutcome(worst, opens=False, reason=why, strict=strict)
    closed = [outcome for outcome in counts if not outcome.keeps_gate_open(strict=strict)]
    if closed:
        return GateOutcome(worst, opens=False, reason=tally, strict=strict)
    early = {verdict.checkpoint for verdict in verdicts if verdict.outcome is Outcome.PENDING}.intersection(
        asked
    )
    if early:
        why = f"pending though asked for: {', '.join(sorted(early))} ({tally})"
        return GateOutcome(Outcome.INCONCLUSIVE, opens=False, reason=why, strict=strict)
    if selected < collected and not partial:
        why = f"{selected} of {collected} selected; --telemetry-partial says that is meant"
        return GateOutcome(Outcome.INCONCLUSIVE, opens=False, reason=f"{why} ({tally})", strict=strict)
    if worst is Outcome.PENDING or worst is Outcome.WAIVED:
        worst = Outcome.WARN if counts[Outcome.WARN] else Outcome.PASS
    part = f", {selected} of {collected} selected" if selected < collected else ""
    return GateOutcome(worst, opens=True, reason=f"{tally}{part}", strict=strict)


def _count(counts: Counter[Outcome]) -> str:
    return ", ".join(f"{counts[outcome]} {outcome}" for outcome in reversed(Outcome) if counts[outcome])
