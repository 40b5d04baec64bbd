"""The outcome of the whole gate: one decision from all verdicts, over a denominator that selection cannot shrink.

Standard library only, like the verdicts it is made from.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from pytest_telemetry_gate.model.verdict import Outcome, Verdict, worst_outcome

__all__ = ["GateOutcome", "decide_gate"]

_NONE: Mapping[str, Outcome] = MappingProxyType({})
_NAMED = 3  # tests or criteria that are named in one line


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
    unheard: int = 0,
    failed: Mapping[str, Outcome] = _NONE,
    problems: Sequence[str] = (),
    strict: bool = False,
    partial: bool = False,
    left_out: Sequence[str] = (),
    asked: Collection[str] = (),
) -> GateOutcome:
    """Decide for the gate: it opens if something was judged, nothing was left out, and every verdict lets it through.

    ``selected`` of the ``collected`` telemetry tests were to run; fewer make the outcome inconclusive unless
    ``partial`` says that it is meant. Of ``unheard`` selected ones no verdict came; ``failed`` names the tests
    that failed although their verdicts let them through, each with what that means for the gate. Each of ``problems`` says what else closes the gate. A run that judged nothing is inconclusive, and so is one where a checkpoint that was ``asked`` for by name
    is pending. ``left_out`` are the criteria over all regions that the choice of regions left out, which is said.
    Informational verdicts are counted and decide nothing. Where nothing but waivers lets it through, the
    outcome is ``waived``.
    """
    told = Counter(verdict.outcome for verdict in verdicts if verdict.informational)
    decisive = [verdict for verdict in verdicts if not verdict.informational]
    counts = Counter(verdict.outcome for verdict in decisive)
    tally = ", ".join(filter(None, (_count(counts), f"informational: {_count(told)}" if told else "")))
    missing = f"no verdict came from {unheard} of {selected} selected" if unheard else ""
    worst = worst_outcome(decisive) or Outcome.INCONCLUSIVE
    if failed:
        worst = max(worst if decisive else Outcome.PASS, *failed.values(), key=lambda outcome: outcome.rank)
        tally = ", ".join(filter(None, (f"failed: {_name([*failed], 'tests')}", tally)))
    undecided = max(worst, Outcome.INCONCLUSIVE, key=lambda outcome: outcome.rank)

    def stay_closed(outcome: Outcome, *reasons: str) -> GateOutcome:
        said = "; ".join(reasons)
        return GateOutcome(outcome, opens=False, strict=strict, reason=f"{said} ({tally})" if tally else said)

    if failed or any(not outcome.keeps_gate_open(strict=strict) for outcome in counts):
        return GateOutcome(
            worst, opens=False, strict=strict, reason="; ".join(filter(None, (tally, *problems, missing)))
        )
    if problems:
        return stay_closed(undecided, *filter(None, (*problems, missing)))
    if not any(verdict.outcome.judged for verdict in decisive):
        left = f"0 of {collected} selected" if collected and not selected else missing
        return stay_closed(undecided, ": ".join(filter(None, ("nothing was judged", left))))
    if unheard:
        return stay_closed(undecided, missing)
    early = {verdict.checkpoint for verdict in decisive if verdict.outcome is Outcome.PENDING}.intersection(
        asked
    )
    if early:
        return stay_closed(Outcome.INCONCLUSIVE, f"pending though asked for: {', '.join(sorted(early))}")
    if selected < collected and not partial:
        return stay_closed(
            Outcome.INCONCLUSIVE,
            f"{selected} of {collected} selected; --telemetry-partial says that is meant",
        )
    part = f", {selected} of {collected} selected" if selected < collected else ""
    if left_out:
        part += f"; left out by --telemetry-region: {_name(left_out, 'criteria')}"
    if counts[Outcome.PASS] or counts[Outcome.WARN]:
        best = Outcome.WARN if counts[Outcome.WARN] else Outcome.PASS
        return GateOutcome(best, opens=True, strict=strict, reason=f"{tally}{part}")
    return GateOutcome(
        Outcome.WAIVED,
        opens=True,
        strict=strict,
        reason=f"nothing passed, waivers let it through: {tally}{part}",
    )


def _count(counts: Counter[Outcome]) -> str:
    return ", ".join(f"{counts[outcome]} {outcome}" for outcome in reversed(Outcome) if counts[outcome])


def _name(things: Sequence[str], noun: str) -> str:
    more = f" and {len(things) - _NAMED} more {noun}" if len(things) > _NAMED else ""
    return ", ".join(things[:_NAMED]) + more
