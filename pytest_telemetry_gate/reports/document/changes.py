"""What changed since an earlier report: what was made easier first, since nothing else would show it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from pytest_telemetry_gate.model.dossier import Dossier
from pytest_telemetry_gate.model.report import Change, Changes, CriterionReport, Report, SuiteReport
from pytest_telemetry_gate.model.verdict import Level, Verdict, worst_verdict
from pytest_telemetry_gate.reports.document.dossiers import expand
from pytest_telemetry_gate.support.durations import format_short_duration
from pytest_telemetry_gate.support.numbers import format_percent, format_value, is_same
from pytest_telemetry_gate.support.units import Limit, convert, dimension

__all__ = ["KINDS", "compare_reports"]

KINDS = ("loosened", "changed", "regressed", "fixed", "new", "gone", "moved")
"""The kinds of changes in the order in which they are told."""
_MOVED = 0.1  # of the room to its limit that a value may move without a word


def compare_reports(report: Report, earlier: Report) -> Changes:
    """Return what changed from one report to another; suites and criteria are matched by their ids.

    ``loosened`` is a limit, tolerance, coverage or waiver that lets more through; ``changed`` another query, baseline,
    window or tightened limit; ``regressed`` and ``fixed`` are outcomes; ``moved`` is a value by more than a tenth of its room.
    """
    found = [change for change in _changes(report, earlier) if change.message]
    return Changes(
        since=earlier.digest,
        at=earlier.clock,
        outcome=earlier.content.gate.outcome,
        changes=tuple(sorted(found, key=_place)),
    )


def _place(change: Change) -> tuple[int, bool]:
    """Return where a change stands: what is judged otherwise comes before what is judged no more."""
    return KINDS.index(change.kind), change.message.endswith(" gone")


def _changes(report: Report, earlier: Report) -> Iterator[Change]:
    before = {(suite.id, suite.environment): suite for suite in earlier.content.suites}
    now = {(suite.id, suite.environment): suite for suite in report.content.suites}
    if report.content.gate.strict != earlier.content.gate.strict:
        kind = "loosened" if earlier.content.gate.strict else "changed"
        yield Change(kind, "gate", f"warnings {'let it open' if kind == 'loosened' else 'close it'} now")
    for key, suite in now.items():
        if key in before:
            yield from _suite_changes(suite, before[key])
        else:
            yield Change("new", suite.id, "the suite is new", suite=suite.id)
    for key, suite in before.items():
        if key not in now:
            yield Change("gone", suite.id, "the suite is gone", suite=suite.id)


def _suite_changes(suite: SuiteReport, earlier: SuiteReport) -> Iterator[Change]:
    before = {criterion.id: criterion for criterion in earlier.criteria}
    now = {criterion.id: criterion for criterion in suite.criteria}
    for name, size in earlier.levels.items():
        current = suite.levels.get(name)
        if current is None or current > size:
            after = "none" if current is None else f"{current:g} %"
            yield Change("loosened", f"level {name}", f"{size:g} % → {after}", suite=suite.id)
    known = {(one.criterion, one.region, one.checkpoint): one for one in earlier.waivers}
    for waiver in suite.waivers:
        old = known.get((waiver.criterion, waiver.region, waiver.checkpoint))
        if old is None:
            message = f"waived by {waiver.owner}: {waiver.reason}"
            yield Change("loosened", waiver.criterion, message, suite=suite.id, criterion=waiver.criterion)
        elif waiver.until > old.until:
            message = f"waived for {format_short_duration(waiver.until - old.until)} longer"
            yield Change("loosened", waiver.criterion, message, suite=suite.id, criterion=waiver.criterion)
    if suite.sha256 != earlier.sha256:
        yield from _taken_away(suite, earlier)
    if suite.baseline != earlier.baseline and suite.baseline is not None and earlier.baseline is not None:
        names = f"{earlier.baseline.name or 'baseline'} → {suite.baseline.name or 'baseline'}"
        same = suite.baseline.name == earlier.baseline.name
        yield Change("changed", "baseline", "its content changed" if same else names, suite=suite.id)
    for key, criterion in now.items():
        if key not in before:
            yield Change("new", key, "the criterion is new", suite=suite.id, criterion=key)
            continue
        for kind, message in _term_changes(criterion, before[key]):
            yield Change(kind, key, message, suite=suite.id, criterion=key)
        yield from _verdict_changes(suite, criterion, earlier, before[key])
    for key in before:
        if key not in now:
            yield Change(_gone(suite, earlier), key, "the criterion is gone", suite=suite.id, criterion=key)


def _gone(suite: SuiteReport, earlier: SuiteReport) -> str:
    """Return what it is that something is judged no more: of a suite that is the same only less of it was selected."""
    return "gone" if suite.sha256 == earlier.sha256 else "loosened"


def _taken_away(suite: SuiteReport, earlier: SuiteReport) -> Iterator[Change]:
    """Yield what the suite itself demands no more: signatures, checkpoints, triggers of the rollback plan."""
    for role in earlier.roles:
        if role not in suite.roles:
            yield Change("loosened", "approvals", f"nobody has to sign as {role} any more", suite=suite.id)
    points = {point.id for point in suite.checkpoints}
    for point in earlier.checkpoints:
        if point.named and point.id not in points:
            yield Change("loosened", f"checkpoint {point.id}", "it is judged no more", suite=suite.id)
    triggers = () if suite.rollback is None else suite.rollback.when
    for trigger in () if earlier.rollback is None else earlier.rollback.when:
        if trigger not in triggers:
            yield Change("loosened", "rollback", f"{trigger} triggers it no more", suite=suite.id)


def _term_changes(now: CriterionReport, before: CriterionReport) -> Iterator[tuple[str, str]]:
    if now.limit_text != before.limit_text or now.limit != before.limit:
        kind = "loosened" if _is_looser(now, before) else "changed"
        yield kind, f"limit {before.limit_text or 'none'} → {now.limit_text or 'none'}"
    elif now.better != before.better:
        kind = "loosened" if now.better and not before.better else "changed"
        yield kind, f"better: {before.better or 'none'} → {now.better or 'none'}"
    if now.coverage != before.coverage and now.coverage is not None and before.coverage is not None:
        kind = "loosened" if now.coverage < before.coverage else "changed"
        yield kind, f"coverage {format_percent(before.coverage)} → {format_percent(now.coverage)}"
    if now.floor != before.floor:
        looser = now.floor is not None and (before.floor is None or now.floor > before.floor)
        yield (
            "loosened" if looser else "changed",
            f"floor {format_value(before.floor)} → {format_value(now.floor)}",
        )
    if now.informational != before.informational:
        kind = "loosened" if now.informational else "changed"
        yield (
            kind,
            "informational now: it closes the gate no more" if now.informational else "it closes the gate",
        )
    for name in ("reduce", "combine", "kind"):
        old, new = getattr(before, name), getattr(now, name)
        if old != new:
            kind = "loosened" if (old, new) in {("all", "any"), ("max", "min"), ("max", "avg")} else "changed"
            yield kind, f"{name} {old or 'none'} → {new or 'none'}"
    if now.severity != before.severity:
        rank = {level: place for place, level in enumerate(Level)}
        looser = before.severity is not None and (
            now.severity is None or rank[now.severity] < rank[before.severity]
        )
        yield (
            "loosened" if looser else "changed",
            f"level {before.severity or 'none'} → {now.severity or 'none'}",
        )
    if now.group != before.group:
        yield "changed", f"moved from {before.group} to {now.group}, of which ratios count the criteria"
    old_query, new_query = _first_query(before), _first_query(now)
    if old_query != new_query:
        yield "changed", "its query changed"
    windows, was = _by_checkpoint(now, "window"), _by_checkpoint(before, "window")
    for place in windows:
        if place in was and windows[place] != was[place]:
            yield "changed", f"window {_duration(was[place])} → {_duration(windows[place])}"
            break


def _by_checkpoint(criterion: CriterionReport, name: str) -> dict[tuple[str, str], float | None]:
    return {
        (region, check.checkpoint): getattr(check, name)
        for region, of_region in criterion.regions.items()
        for check in of_region.checks
    }


def _duration(seconds: float | None) -> str:
    return "none" if seconds is None else format_short_duration(seconds)


def _first_query(criterion: CriterionReport) -> str:
    """Return the query of the last check, whose ``$__range`` would tell one checkpoint from another, without times."""
    queries = (
        check.query
        for region in criterion.regions.values()
        for check in region.checks[:1]
        if check.query is not None
    )
    return next(queries, "")


def _is_looser(now: CriterionReport, before: CriterionReport) -> bool:
    """Tell whether a limit or a tolerance lets something through that it did not let through before."""
    if before.tolerance is not None and (now.tolerance is None or now.tolerance > before.tolerance):
        return True
    if before.tolerance is not None and now.better and now.better != before.better:
        return True  # a change for the better is held against it no more
    if before.limit is None or before.limit == now.limit:
        return False
    return now.limit is None or _lets_more_through(now.limit, before.limit)


def _lets_more_through(now: Limit, before: Limit) -> bool:
    if dimension(now.unit) != dimension(before.unit):
        return True  # nobody can tell, which is as good as loosened
    ends = [before.value] if before.upper is None else [before.value, before.upper]
    ends += [
        convert(end, now.unit, before.unit) if now.unit != before.unit else end
        for end in ([now.value] if now.upper is None else [now.value, now.upper])
    ]
    own = now.converted(before.unit) if now.unit != before.unit else now
    edges = sorted(set(ends))
    # Between two neighbouring ends nothing changes, so one number of each stretch tells.
    probes = [
        edges[0] - 1,
        *edges,
        *((a + b) / 2 for a, b in pairwise(edges)),
        edges[-1] + 1,
    ]
    return any(own.holds(probe) and not before.holds(probe) for probe in probes)


def _verdict_changes(
    suite: SuiteReport, criterion: CriterionReport, earlier: SuiteReport, before: CriterionReport
) -> Iterator[Change]:
    for region in suite.regions_of(criterion):
        if region not in before.regions:
            yield Change("new", criterion.id, f"region {region} is new", suite.id, criterion.id, region)
            continue
        now = _judged(expand(suite, criterion, region))
        old = _judged(expand(earlier, before, region))
        if now and old:
            kind, message = _compare(now, old)
            if kind == "gone":
                kind = _gone(suite, earlier)
            yield Change(kind, criterion.id, message, suite.id, criterion.id, region)
            moved = _say_moved_baseline(now, old)
            yield Change("changed", criterion.id, moved, suite.id, criterion.id, region)
    for region in before.regions.keys() - criterion.regions.keys():
        yield Change("gone", criterion.id, f"region {region} is gone", suite.id, criterion.id, region)


def _judged(dossiers: Sequence[Dossier]) -> list[Verdict]:
    return [dossier.verdict for dossier in dossiers if dossier.outcome.judged]


def _say_moved_baseline(now: Sequence[Verdict], old: Sequence[Verdict]) -> str:
    """Return that a check of both reports is held against another baseline, empty where none is."""
    before = {verdict.checkpoint: verdict for verdict in old}
    for verdict in reversed(now):
        was = before.get(verdict.checkpoint)
        if was is None or was.baseline is None or verdict.baseline is None or was.unit != verdict.unit:
            continue
        if not is_same(was.baseline, verdict.baseline):
            values = (
                f"{format_value(was.baseline, was.unit)} → {format_value(verdict.baseline, verdict.unit)}"
            )
            return f"baseline {values} at {verdict.checkpoint}"
    return ""


def _compare(now: Sequence[Verdict], old: Sequence[Verdict]) -> tuple[str, str]:
    """Return how the checks that both reports have differ; new checkpoints are what one waits for."""
    common = {verdict.checkpoint for verdict in now} & {verdict.checkpoint for verdict in old}
    worse = worst_verdict(now)
    before = worst_verdict(old)
    if worse.outcome.rank > before.outcome.rank and not worse.keeps_gate_open():
        return "regressed", f"{before.outcome} → {worse.outcome} at {worse.checkpoint}"
    if worse.outcome.rank < before.outcome.rank and not before.keeps_gate_open():
        return "fixed", f"{before.outcome} → {worse.outcome}"
    lost = len({verdict.checkpoint for verdict in old}) - len(common)
    if lost:
        return "gone", f"{lost} of its checks {'is' if lost == 1 else 'are'} gone"
    last, was = now[-1], old[-1]
    if last.value is None or was.value is None or last.unit != was.unit:
        return "moved", ""
    room = max(abs(was.margin or 0.0), abs(last.margin or 0.0))
    if room and abs(last.value - was.value) > _MOVED * room:
        at = "" if last.checkpoint == was.checkpoint else f" ({was.checkpoint} → {last.checkpoint})"
        return "moved", f"{format_value(was.value, was.unit)} → {format_value(last.value, last.unit)}{at}"
    return "moved", ""
