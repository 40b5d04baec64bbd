"""Faults as lines of a terminal: the same faults as in the report, one block each, and what follows from them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pytest_telemetry_gate.model.dossier import Dossier
from pytest_telemetry_gate.model.report import RolloutReport, SuiteReport
from pytest_telemetry_gate.model.verdict import worst_verdict
from pytest_telemetry_gate.reports.failures import describe
from pytest_telemetry_gate.reports.overview.faults import Fault, Faults, collect_faults, sort_faults
from pytest_telemetry_gate.reports.overview.moments import Clock
from pytest_telemetry_gate.reports.rows import format_ranges, sort_dossiers
from pytest_telemetry_gate.support import text
from pytest_telemetry_gate.support.numbers import format_value

__all__ = ["list_faults"]

_NAMED = 5  # criteria that are named where one reason holds for many


def list_faults(
    dossiers: Sequence[Dossier],
    *,
    width: int,
    strict: bool = False,
    unicode: bool = True,
    explained: bool = False,
) -> Iterator[str]:
    """Yield lines about what closes the gate, the worst first, none wider than ``width`` columns.

    A fault is told by its first check. With ``explained`` the evidence of that follows.
    """
    ordered = sort_dossiers(dossiers)
    faults = _collect(ordered, strict=strict)
    checkpoints: dict[tuple[str, str], list[str]] = {}
    for dossier in ordered:
        verdict = dossier.verdict
        checkpoints.setdefault((verdict.criterion, verdict.region), []).append(verdict.checkpoint)
    words = [fault.outcome.upper() for fault in faults.faults] + ["FOLLOWS"] * bool(faults.followers)
    column = max(map(len, words), default=0) + 2

    def wrap(word: str, *parts: str) -> list[str]:
        said = "  ".join(text.plain(part, unicode=unicode) for part in parts if part)
        return text.wrap(f"{word:<{column}}{said}", width, indent=" " * min(column, width // 2))

    for fault in faults.faults:
        first = fault.checks[0]
        name = first.verdict.criterion if len(fault.criteria) > 1 else first.verdict.name
        location = f" ({fault.path}:{fault.line})" if fault.path else ""
        yield from wrap(fault.outcome.upper(), name, text.strip_passwords(first.verdict.reason) + location)
        if explained:
            for line in describe(first):
                # The address of a graph is one line however long, so that it can be followed.
                said = text.plain(line, unicode=unicode)
                is_link = line.startswith("link ")
                yield from [f"{'':<{column}}  {said}"] if is_link else wrap("", "", f"  {line}")
        extent = _say_extent(fault, checkpoints)
        if extent:
            yield from wrap("", extent)
    for follower in faults.followers:
        when = f" ({', '.join(follower.checkpoints)})" if any(follower.checkpoints) else ""
        place = f"[{follower.region}]" if follower.region else ""
        yield from wrap("FOLLOWS", f"{follower.criterion}{place}", f"{follower.found}{when}")


def _collect(dossiers: Sequence[Dossier], *, strict: bool) -> Faults:
    """Return the faults of a session, suite by suite: a suite is judged anew in every environment."""
    suites: dict[tuple[str, str, str], list[Dossier]] = {}
    for dossier in dossiers:
        verdict = dossier.verdict
        suites.setdefault((verdict.path, verdict.suite, verdict.environment), []).append(dossier)
    parts = [collect_faults(of_suite, _clock(of_suite), strict=strict) for of_suite in suites.values()]
    return Faults(
        sort_faults(fault for part in parts for fault in part.faults),
        tuple(follower for part in parts for follower in part.followers),
    )


def _clock(dossiers: Sequence[Dossier]) -> Clock:
    """Return a clock that counts from the start of a rollout, which every dossier of its suite knows that was kept whole."""
    timing = next((dossier.timing for dossier in dossiers if dossier.timing is not None), None)
    start = None if timing is None else timing.rollout_start
    return Clock(SuiteReport("", rollout=None if start is None else RolloutReport(start, start)))


def _say_extent(fault: Fault, checkpoints: Mapping[tuple[str, str], Sequence[str]]) -> str:
    """Return since when a fault is, and how many checks it broke; empty where it is one check that says it itself."""
    if len(fault.criteria) > 1:
        named = ", ".join(fault.criteria[:_NAMED]) + (", ..." if len(fault.criteria) > _NAMED else "")
        rest = fault.closing - 1
        return f"and {rest} more checks of {len(fault.criteria)} criteria, for the same reason: {named}"
    if fault.judged == 1 or not fault.first:
        return ""
    # Without the start of the rollout there is nothing to count from.
    since = fault.since if any(one.timing is not None for one in fault.checks) else ""
    parts = [
        since,
        fault.state,
        f"{fault.closing} of {fault.judged} checks{_ranges(fault, checkpoints)}",
    ]
    verdicts = [dossier.verdict for dossier in fault.checks]
    furthest = worst_verdict(verdicts)
    if furthest is not verdicts[0] and furthest.margin is not None and furthest.value is not None:
        parts.append(f"worst {format_value(furthest.value, furthest.unit)} at {furthest.checkpoint}")
    return "; ".join(filter(None, parts))


def _ranges(fault: Fault, checkpoints: Mapping[tuple[str, str], Sequence[str]]) -> str:
    """Return where a fault was seen: `` (23h..48h)``, region by region where there are several."""
    parts = []
    for region in fault.regions or ("",):
        own = [one.verdict.checkpoint for one in fault.checks if one.verdict.region == region]
        ranges = format_ranges(own, checkpoints[fault.criteria[0], region])
        parts.append(f"{region} {ranges}" if region else ranges)
    return f" ({'; '.join(parts)})" if any(parts) else ""
