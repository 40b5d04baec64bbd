"""What of a suite nobody judged, as far as its report can tell: a report of a part must not look like one of the whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pytest_telemetry_gate.model.report import SuiteReport

__all__ = ["find_holes", "find_unjudged", "judged_until"]

_NAMED = 3  # places of one suite that are named in one line


def judged_until(suite: SuiteReport) -> float | None:
    """Return the moment of the last judged check (seconds since the epoch), None where none was judged."""
    judged = (check.at for _, _, check in suite.checks() if check.outcome.judged and check.at is not None)
    return max(judged, default=None)


def find_unjudged(suites: Iterable[SuiteReport]) -> list[str]:
    """Return where nothing was judged although the suite has checks there: ``at 24h``, ``in us``, ``at 24h in us``.

    These are the named checkpoints before the last judged one, which pipelines leave out on purpose, and what
    ``find_holes`` finds.
    """
    suites = list(suites)
    return [*dict.fromkeys(place for suite in suites for place in _passed_over(suite)), *find_holes(suites)]


def find_holes(suites: Iterable[SuiteReport]) -> list[str]:
    """Return the regions in which a criterion lacks checks that it has elsewhere: ``in us``, ``at 24h in us``.

    Each criterion of a suite is judged at the same checkpoints in every region.
    """
    return list(dict.fromkeys(place for suite in suites for place in _places(suite)))


def _passed_over(suite: SuiteReport) -> Iterator[str]:
    until = judged_until(suite)
    judged = {check.checkpoint for _, _, check in suite.checks() if check.outcome.judged}
    for point in suite.checkpoints:
        if point.named and until is not None and point.at < until and point.id not in judged:
            yield f"at {point.id}"


def _places(suite: SuiteReport) -> Iterator[str]:
    holes = _holes(suite)
    seen = {region for criterion in suite.criteria for region in criterion.regions}
    for region in dict.fromkeys(region for region, _ in holes):
        if region not in seen:
            yield f"in {region}"
            continue
        missing = [checkpoint for other, checkpoint in holes if other == region]
        more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
        yield f"at {', '.join(missing[:_NAMED])}{more} in {region}"


def _holes(suite: SuiteReport) -> list[tuple[str, str]]:
    """Return the pairs of region and checkpoint at which a criterion lacks a check, in the order of the suite."""
    holes: dict[tuple[str, str], None] = {}
    if suite.rollout is None:
        return []  # hand-written tests choose their regions
    for criterion in suite.criteria:
        if not criterion.regions.keys() <= set(suite.regions):
            continue  # judged over all regions at once
        had = {name: {check.checkpoint for check in one.checks} for name, one in criterion.regions.items()}
        everywhere = set().union(*had.values())
        for region in suite.regions:
            holes.update(dict.fromkeys((region, one) for one in everywhere - had.get(region, set())))
    order = {point.id: place for place, point in enumerate(suite.checkpoints)}
    return sorted(holes, key=lambda hole: (suite.regions.index(hole[0]), order.get(hole[1], 0), hole[1]))
