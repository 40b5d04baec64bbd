"""What a verdict that was signed and the one that its evidence gives now say otherwise, in words for people."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pytest_telemetry_gate.model.dossier import Dossier
from pytest_telemetry_gate.model.gate_outcome import GateOutcome
from pytest_telemetry_gate.model.report import CaseReport, SuiteReport
from pytest_telemetry_gate.model.suite import Suite
from pytest_telemetry_gate.model.verdict import Outcome
from pytest_telemetry_gate.reports.document.build import RunFacts, SuiteFacts, build_report, key_of
from pytest_telemetry_gate.reports.document.stored import settle
from pytest_telemetry_gate.support.numbers import format_distinct, is_same
from pytest_telemetry_gate.support.secrets import MASK
from pytest_telemetry_gate.support.text import clip, one_line, visible

__all__ = ["Place", "compare_all", "compare_cases", "compare_suites"]

_LONGEST = 160  # characters of a query or reason in a line
# What a report says of a suite besides its verdicts
_OF_SUITE = {
    "title": "the title",
    "timezone": "the zone of the rollout",
    "rollout": "the rollout, its start, end or steps,",
    "checkpoints": "one of the checkpoints",
    "levels": "one of the levels",
    "roles": "who must sign",
    "waivers": "one of the waivers",
    "rollback": "what triggers the rollback plan, or whether it is triggered,",
    "told": "what people say",
}
Key = tuple[str, str, str]
"""Criterion, region and checkpoint."""


@dataclass(frozen=True, slots=True)
class Place:
    """What a difference is about: a criterion in a region at a checkpoint, each empty where it is about all of them."""

    criterion: str
    region: str = ""
    checkpoint: str = ""

    def __str__(self) -> str:
        inside = "-".join(part for part in (self.region, self.checkpoint) if part)
        return f"{self.criterion}[{inside}]" if inside else self.criterion


def compare_all(signed: Sequence[Dossier], again: Sequence[Dossier]) -> list[str]:
    """Return the differences between the dossiers of one suite that were signed and those judged again.

    A term of a criterion is said once, what its data say once in each region, with how many more checkpoints differ.
    """
    now = {_key(dossier): dossier for dossier in again}
    lines: dict[str, None] = {}
    by_region: dict[tuple[str, str], list[tuple[str, Sequence[str]]]] = {}
    for before in signed:
        criterion, region, checkpoint = _key(before)
        after = now.get(_key(before))
        if after is None:
            lines[f"{Place(criterion, region, checkpoint)}: was signed, but the suite has no such check"] = (
                None
            )
            continue
        lines.update(dict.fromkeys(f"{criterion}: {text}" for text in _terms(before, after)))
        found = list(_readings(before, after))
        if found:
            by_region.setdefault((criterion, region), []).append((checkpoint, found))
    for (criterion, region), checkpoints in by_region.items():
        # The most telling one: where the outcome is another, else where the value is.
        at, said = max(checkpoints, key=lambda one: len(one[1]))
        more = f" (and at {len(checkpoints) - 1} more checkpoints)" if len(checkpoints) > 1 else ""
        lines[f"{Place(criterion, region, at)}: {'; '.join(said)}{more}"] = None
    return list(lines)


def compare_cases(signed: Sequence[CaseReport], again: Sequence[Dossier]) -> list[str]:
    """Return the differences between the cases of a replay suite that were signed and those judged again."""
    now = {_key(dossier): dossier.verdict for dossier in again}
    lines = []
    for case in signed:
        place = Place(case.case, case.region, case.checkpoint)
        verdict = now.get((case.case, case.region, case.checkpoint))
        if verdict is None:
            lines.append(f"{place}: was signed, but the replay suite has no such case")
        elif verdict.outcome is not case.outcome:
            lines.append(
                f"{place}: {case.outcome} was signed, it is {verdict.outcome}: {_short(verdict.reason)}"
            )
        elif not _alike(case.captured_at, verdict.time):
            lines.append(f"{place}: another capture was signed, made at another time")
        elif _as_written(verdict.reason) != case.reason and MASK not in case.reason:
            lines.append(f"{place}: {_short(case.reason)} was signed, it is {_short(verdict.reason)}")
    return lines


def compare_suites(signed: SuiteReport, suite: Suite, again: Sequence[Dossier]) -> list[str]:
    """Return what a report says of a suite itself otherwise than the suite and its dossiers do."""
    if not again:
        return []
    facts = RunFacts(suites={key_of(again[0]): SuiteFacts(suite)})
    made = build_report(again, GateOutcome(Outcome.PASS, opens=True, reason=""), facts)
    (now,) = settle(made, visible).content.suites
    return [
        f"{signed.id}: {what} is not what was signed"
        for name, what in _OF_SUITE.items()
        if getattr(signed, name) != getattr(now, name) and MASK not in repr(getattr(signed, name))
    ]


def _key(dossier: Dossier) -> Key:
    verdict = dossier.verdict
    return verdict.criterion, verdict.region, verdict.checkpoint


def _terms(before: Dossier, after: Dossier) -> Iterator[str]:
    """Yield what is demanded otherwise."""
    was, now = before.verdict, after.verdict
    if was.limit != _as_written(now.limit):
        yield f"limit {was.limit or 'none'} was signed, the suite says {now.limit or 'none'}"
    wanted, asked = before.requirement, after.requirement
    for name, old, new in (
        ("levels", _levels(wanted.levels), _levels(asked.levels)),
        ("floor", _plain(wanted.floor), _plain(asked.floor)),
        ("coverage", _plain(wanted.coverage), _plain(asked.coverage)),
        ("window", _plain(wanted.window), _plain(asked.window)),
        ("reduce", wanted.reduce, asked.reduce),
        ("combine", wanted.combine, asked.combine),
        ("better", wanted.better, asked.better),
        ("unit", was.unit, now.unit),
        ("severity", was.severity or "", now.severity or ""),
        ("informational", str(was.informational).lower(), str(now.informational).lower()),
    ):
        if old != _as_written(new):
            yield f"{name} {old or 'none'} was signed, the suite says {new or 'none'}"
    if was.query and now.query and MASK not in was.query and was.query != _as_written(now.query):
        yield f"query {_short(was.query)} was signed, the suite asks {_short(now.query)}"


def _readings(before: Dossier, after: Dossier) -> Iterator[str]:
    """Yield what is read or decided otherwise."""
    was, now = before.verdict, after.verdict
    if now.outcome.undecided and not was.outcome.undecided:
        yield f"{was.outcome} was signed, it is {now.outcome}: {_short(now.reason)}"
        return
    if not _alike(was.value, now.value):
        yield f"value {_figures(was.value, now.value, was.unit)} was signed, {_figures(now.value, was.value, now.unit)} is what the evidence gives"
    if not _alike(was.baseline, now.baseline):
        yield f"baseline {_figures(was.baseline, now.baseline, was.unit)} was signed, {_figures(now.baseline, was.baseline, now.unit)} is what the evidence gives"
    elif not _alike(was.variance, now.variance):
        yield f"variance {_figures(was.variance, now.variance, was.variance_unit)} was signed, {_figures(now.variance, was.variance, now.variance_unit)} is what the evidence gives"
    if not _alike(was.coverage, now.coverage):
        yield f"coverage {_share(was.coverage)} was signed, {_share(now.coverage)} is what the evidence gives"
    if was.outcome is not now.outcome:
        yield f"{was.outcome} was signed, it is {now.outcome}: {_short(now.reason)}"
    elif _alike(was.value, now.value) and was.source == now.source:
        # Answers of a live source have digests of their own, as numbers come from it with other last digits.
        if was.digest != now.digest:
            yield "it is read from other samples or events than those that were signed"
        elif was.baseline_digest != now.baseline_digest:
            yield "its baseline is read from others than that which was signed"


def _as_written(text: str) -> str:
    """Return a text as a report has it."""
    return visible(text)


def _alike(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    return is_same(one, other) or (math.isnan(one) and math.isnan(other))


def _figures(value: float | None, other: float | None, unit: str) -> str:
    if value is None:
        return "none"
    return format_distinct(value, value if other is None else other, unit)


def _share(value: float | None) -> str:
    return "none" if value is None else f"{value:.4%}"


def _plain(value: float | None) -> str:
    return "" if value is None else f"{value:g}"


def _levels(levels: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {size:g}" for name, size in sorted(levels.items()))


def _short(text: str) -> str:
    return clip(one_line(text), _LONGEST)
