"""The plan: criteria x regions x checkpoints as checks, each with its queries expanded and parsed.

Pure: files only, no network and no clock, so that every process of a run plans the same.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence
from typing import TYPE_CHECKING

from pytest_telemetry_gate.criteria.queries import check_queries
from pytest_telemetry_gate.errors import ConfigError, RecordingError, SourceError, SuiteError
from pytest_telemetry_gate.gate.named_files import list_baselines
from pytest_telemetry_gate.model.check import ALL_REGIONS, Check
from pytest_telemetry_gate.model.environment import name_place
from pytest_telemetry_gate.model.terms import REDUCERS
from pytest_telemetry_gate.support.suggestions import list_names, suggest_nearest

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.environment import Environment
    from pytest_telemetry_gate.model.past_runs import PastRun
    from pytest_telemetry_gate.model.report import Approval
    from pytest_telemetry_gate.model.suite import Suite

__all__ = ["choose_checks", "plan_checks", "require_known", "require_source"]

_MAX_CHECKS = 100_000  # each is a test of pytest's: a typing error must not keep it busy for hours


def plan_checks(
    suite: Suite,
    environment: Environment,
    approvals: Sequence[Approval] | None = None,
    past: Callable[[], Sequence[PastRun] | None] = lambda: None,
) -> list[Check]:
    """Return every check of a suite in the order of the file, then of regions and checkpoints.

    ``approvals`` are the entries of the approvals file, None where there is none. ``past`` gives the earlier runs of the
    history, None without one; it is called where a baseline is one of them.
    Raises SuiteError at the criterion for an unknown variable, a query that Prometheus would refuse, or a
    checkpoint that lies before the time it counts from.
    """
    planned: list[Check] = []
    everywhere = tuple(environment.regions)
    replays = {name: settings.replay for name, settings in environment.regions.items()}
    signed = None if approvals is None else tuple(approvals)
    earlier = past() if any(baseline.last for baseline in list_baselines(suite)) else None
    runs = None if earlier is None else tuple(earlier)
    for group, criteria in suite.groups.items():
        for criterion in criteria:
            checks = [
                Check(
                    suite=suite,
                    group=group,
                    criterion=criterion,
                    checkpoint=checkpoint,
                    region=region,
                    everywhere=everywhere,
                    environment=environment.name,
                    scrape_interval=environment.scrape_interval,
                    path=suite.path,
                    sequence=sequence,
                    replays=replays,
                    approvals=signed,
                    past=runs,
                    find_dialect=environment.find_dialect,
                    find_reducers=environment.find_reducers,
                )
                for region in (
                    [ALL_REGIONS] if criterion.over_regions and len(everywhere) > 1 else everywhere
                )
                for sequence, checkpoint in enumerate(suite.points)
                if suite.applies(criterion, checkpoint)
            ]
            if len(planned) + len(checks) > _MAX_CHECKS:
                message = f"the suite has more than {_MAX_CHECKS:,} checks (criteria x regions x checkpoints): split it"
                raise SuiteError(suite.path, criterion.line, message)
            if criterion.over_regions and ALL_REGIONS in everywhere and checks:
                raise checks[0].error(
                    f"a region is called {ALL_REGIONS!r}, as is what is judged over all regions"
                )
            for check in checks:
                if check.range <= 0:
                    start = "rollout.end" if criterion.since == "rollout_end" else "rollout.start"
                    raise check.error(f"checkpoint {check.checkpoint.id!r} is not after {start}")
            for check in checks[:1]:
                require_source(check, environment, check.criterion.source)
                _require_reducer(check)
            # One with a window and one without: a query may need what only some checkpoints have.
            for check in {check.window is None: check for check in checks}.values():
                check_queries(check)
            for check in checks:
                criterion.verify(check)
            planned.extend(checks)
    return planned


def _require_reducer(check: Check) -> None:
    """Raise SuiteError where nobody has registered the reducer that a criterion names."""
    name = check.criterion.reduce
    if name is None or name in REDUCERS:
        return
    known = (*REDUCERS, *check.find_reducers())
    if name not in known:
        hint = suggest_nearest(name, known)
        raise check.error(f"reduce: {name!r} is none{hint}; known: {', '.join(known)}")


def require_source(check: Check, environment: Environment, name: str | None) -> None:
    """Raise SuiteError where a region of a check has no source of this name; None is the region's own."""
    if name is None:
        return
    for region in check.everywhere:
        if environment.place(name_place(region, name)) is None:
            known = environment.regions[region].sources
            where = f"region {region!r}" if region else f"environment {environment.name!r}"
            message = f"{where} has no source {name!r}{suggest_nearest(name, known)}; known: {', '.join(known) or 'none'}"
            raise check.error(f"source: {message}")
    try:
        check.dialect  # noqa: B018 - found now, so that it is told where the source is named
    except (ConfigError, RecordingError, SourceError) as error:
        raise check.error(f"source: {error}") from None


def choose_checks(
    planned: Sequence[Check], *, checkpoints: Iterable[str], regions: Iterable[str]
) -> list[Check]:
    """Return the checks at the named checkpoints and regions, all of them where none is named.

    What is judged over all regions is chosen by its own name, ``all``, or by those of all regions. Raises ConfigError with the known names for a name that the suite and environment do not have.
    """
    chosen_checkpoints, chosen_regions = set(checkpoints), set(regions)
    suites = {id(check.suite): check.suite for check in planned}.values()
    known_checkpoints = dict.fromkeys(point.id for suite in suites for point in suite.points)
    require_known("--telemetry-checkpoint", chosen_checkpoints, known_checkpoints)
    require_known("--telemetry-region", chosen_regions, dict.fromkeys(check.region for check in planned))
    return [
        check
        for check in planned
        if (not chosen_checkpoints or check.checkpoint.id in chosen_checkpoints)
        and (not chosen_regions or check.region in chosen_regions or _names_all(check, chosen_regions))
    ]


def _names_all(check: Check, regions: Container[str]) -> bool:
    return check.region == ALL_REGIONS and all(region in regions for region in check.everywhere)


def require_known(option: str, chosen: Iterable[str], known: Iterable[str]) -> None:
    """Raise ConfigError, with the known names, for a name of an option that is not among them."""
    names = [name for name in known if name]
    for name in sorted(set(chosen) - set(names)):
        hint = suggest_nearest(name, names)
        message = f"{option}: unknown name {name!r}{hint}; known: {list_names(names) or 'none'}"
        raise ConfigError(message)
