"""What stands behind the verdicts on a criterion: what was asked whom, digests of the answers, reasons, where it is written."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pytest_telemetry_gate.model.verdict import Outcome, Verdict, worst_verdict
from pytest_telemetry_gate.reports.overview.tables import Entry
from pytest_telemetry_gate.reports.rows import format_ranges
from pytest_telemetry_gate.support.numbers import format_percent
from pytest_telemetry_gate.support.text import clip, strip_passwords

__all__ = ["Proof", "list_proof"]

_REASON = 2000  # characters
_FIGURES = re.compile(r"[-+\d.,]+")
_REASONS = 5  # of one criterion in one region


@dataclass(frozen=True, slots=True)
class Proof:
    """One thing that is known, about ``regions`` where it is not about all of them; ``link`` is an address on the web."""

    term: str
    text: str
    regions: str = ""
    code: bool = False
    link: str = ""


def list_proof(entries: Sequence[Entry]) -> list[Proof]:
    """Return what stands behind a criterion, things that hold for several regions once."""
    found: dict[Proof, list[str]] = {}
    for entry in entries:
        for proof in _prove(entry):
            found.setdefault(proof, []).append(entry.region)
    criterion = entries[0].criterion
    listed = []
    for proof, regions in found.items():
        several = len(entries) > 1 and len(regions) < len(entries)
        listed.append(
            Proof(proof.term, proof.text, ", ".join(regions) if several else "", proof.code, proof.link)
        )
    listed.sort(key=lambda proof: _ORDER.index(proof.term))
    if criterion.path:
        listed.append(Proof("written", f"{criterion.path}:{criterion.line}", code=True))
    return listed


_ORDER = ("asked", "source", "graph", "answer", "baseline", "coverage", "not passed", "warning")


def _prove(entry: Entry) -> Iterator[Proof]:
    last = entry.row.last
    if last.query:
        yield Proof("asked", _cut(last.query), code=True)
    if last.source:
        yield Proof("source", _cut(strip_passwords(last.source)))
    if last.link.startswith(("http://", "https://")):
        link = strip_passwords(last.link)
        yield Proof("graph", clip(link, 80, "…"), link=link)
    if last.digest:
        yield Proof("answer", f"SHA-256 {_digits(last.digest)}… at {last.checkpoint}")
    if last.baseline is not None and last.baseline_digest:
        yield Proof("baseline", f"{last.baseline_name}, SHA-256 {_digits(last.baseline_digest)}…")
    yield from _prove_coverage(entry)
    yield from _reasons(entry)
    for warning in dict.fromkeys(warning for verdict in entry.row.verdicts for warning in verdict.warnings):
        yield Proof("warning", _cut(strip_passwords(warning)))


def _cut(text: str) -> str:
    return text if len(text) <= _REASON else f"{text[: _REASON - 1]}…"


def _digits(digest: str) -> str:
    return digest.removeprefix("sha256:")[:16]


def _prove_coverage(entry: Entry) -> Iterator[Proof]:
    covered = [verdict for verdict in entry.row.verdicts if verdict.coverage is not None]
    if covered:
        lowest = min(covered, key=lambda verdict: verdict.coverage or 0.0)
        wanted = entry.criterion.coverage
        more = "" if wanted is None else f", {format_percent(wanted)} wanted"
        told = f"{format_percent(lowest.coverage or 0.0)} at the lowest, at {lowest.checkpoint}{more}"
        yield Proof("coverage", told)


def _reasons(entry: Entry) -> Iterator[Proof]:
    """Yield why checks did not pass, with the checkpoints that it holds for; of reasons with other figures the worst."""
    lots: dict[tuple[Outcome, str], list[Verdict]] = {}
    for verdict in entry.row.judged:
        if verdict.outcome is not Outcome.PASS:
            lots.setdefault((verdict.outcome, _FIGURES.sub("", verdict.reason)), []).append(verdict)
    among = [verdict.checkpoint for verdict in entry.row.verdicts]
    worst = sorted(lots.items(), key=lambda lot: -lot[0][0].rank)
    for (outcome, _), lot in worst[:_REASONS]:
        where = format_ranges([verdict.checkpoint for verdict in lot], among)
        reason = worst_verdict(lot).reason
        yield Proof("not passed", _cut(f"{outcome} at {where}: {strip_passwords(reason)}"))
    if len(worst) > _REASONS:
        yield Proof("not passed", f"and {len(worst) - _REASONS} more reasons")
