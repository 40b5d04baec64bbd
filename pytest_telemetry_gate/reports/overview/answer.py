"""The answer: may we proceed? In a few words and one sentence, the same in every output."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from pytest_telemetry_gate.model.report import GateReport, Report, SuiteReport
from pytest_telemetry_gate.model.verdict import Outcome
from pytest_telemetry_gate.reports.document.unjudged import find_holes, find_unjudged
from pytest_telemetry_gate.reports.overview.faults import Faults
from pytest_telemetry_gate.reports.overview.progress import list_coming
from pytest_telemetry_gate.reports.overview.signatures import SignatureState, list_signatures, say_signed

__all__ = ["Answer", "Word", "find_answer"]


_NAMED = 5  # criteria that are named as left out


class Word(StrEnum):
    """What the answer can be."""

    CLOSED = "Do not proceed"
    UNPROVEN = "Not proven: do not proceed"
    RUNNING = "On track, not finished"
    UNSIGNED = "May proceed once signed"
    OPEN = "May proceed"


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer with what stands behind it: ``outcome`` says how it looks, ``signed`` who has signed."""

    word: Word
    outcome: Outcome
    sentence: str
    signed: str


def find_answer(report: Report, faults: Faults) -> Answer:
    """Return the answer of a report."""
    signatures = list_signatures(report)
    word = _word(report)
    if word is Word.OPEN and any(one.state is not SignatureState.APPROVED for one in signatures):
        word = Word.UNSIGNED
    outcome = Outcome.PASS if word in {Word.OPEN, Word.UNSIGNED} else report.content.gate.outcome
    if word is Word.RUNNING:
        outcome = Outcome.PENDING
    return Answer(word, outcome, " ".join(_sentences(report, faults)), say_signed(signatures))


def _word(report: Report) -> Word:
    gate = report.content.gate
    if not gate.opens:
        only_unproven = gate.outcome in {Outcome.INCONCLUSIVE, Outcome.PENDING}
        return Word.UNPROVEN if only_unproven else Word.CLOSED
    suites = report.content.suites
    # A gate that was told to judge a part opens for that part; nobody may proceed on a part of the proof.
    unfinished = (
        gate.counts.get(Outcome.PENDING)
        or gate.selected < gate.collected
        or list_coming(suites)
        or find_holes(suites)
        or any(suite.left_out for suite in suites)
    )
    return Word.RUNNING if unfinished else Word.OPEN


def _sentences(report: Report, faults: Faults) -> Iterator[str]:
    gate = report.content.gate
    steps = [suite.told.next_step for suite in report.content.suites if suite.told and suite.told.next_step]
    goal = f" of {steps[0].name}" if steps else ""
    yield f"{_say_faults(faults, gate)} in the way{goal}."
    yield _say_judged(gate)
    unjudged = find_unjudged(report.content.suites)
    if unjudged:
        yield f"Nothing was judged {', '.join(unjudged)}."
    left_out = [name for suite in report.content.suites for name in suite.left_out]
    if left_out:
        yield f"Left out: {', '.join(left_out[:_NAMED])}{', ...' if len(left_out) > _NAMED else ''}."
    coming = list_coming(report.content.suites)
    if coming:
        yield f"To come: {', '.join(coming)}."
    if not gate.opens and not faults.faults:
        yield f"{_begin_sentence(gate.reason)}."
    for suite in report.content.suites:
        yield from _say_rollback(suite)


def _begin_sentence(reason: str) -> str:
    """Return a reason with a capital letter, unless it begins with a name, such as that of a file, which has none."""
    is_word = reason.partition(" ")[0].isalpha()
    return reason[:1].upper() + reason[1:] if is_word else reason


def _say_faults(faults: Faults, gate: GateReport) -> str:
    undecided = sum(fault.outcome is Outcome.INCONCLUSIVE for fault in faults.faults)
    found = len(faults.faults) - undecided
    parts = [
        f"{found} {'fault' if found == 1 else 'faults'}" if found else "",
        f"{undecided} inconclusive {'criterion' if undecided == 1 else 'criteria'}" if undecided else "",
    ]
    if not any(parts):
        return "Nothing stands" if gate.opens else "The gate itself stands"
    verb = "stands" if found + undecided == 1 else "stand"
    return f"{' and '.join(filter(None, parts))} {verb}"


def _say_judged(gate: GateReport) -> str:
    total = sum(gate.counts.values())
    pending, waived = gate.counts.get(Outcome.PENDING, 0), gate.counts.get(Outcome.WAIVED, 0)
    if not total:
        return "No check was judged."
    every = max(total, gate.collected)
    judged = total - pending
    if every == 1:
        checks = "The only check was" if judged else "The only check was not"
    else:
        checks = f"All {total:,} checks were" if judged == every else f"{judged:,} of {every:,} checks were"
    waivers = f"{waived} waived" if waived else "none waived"
    later = f", {pending} not due yet" if pending else ""
    return f"{checks} judged, {waivers}{later}."


def _say_rollback(suite: SuiteReport) -> Iterator[str]:
    rollback = suite.rollback
    if rollback is None or not rollback.when:
        return
    plan = f"Rollback plan ({' or '.join(rollback.when)})"
    if rollback.triggered:
        yield f"{plan}: triggered by {'; '.join(f'{what}: {why}' for what, why in rollback.triggered.items())}."
    elif rollback.unknown:
        yield f"{plan}: nobody can tell, {'; '.join(f'{what}: {why}' for what, why in rollback.unknown.items())}."
    else:
        yield f"{plan}: not triggered."
