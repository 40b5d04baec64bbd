"""Regions that nothing tells apart: the same server would be judged twice, and another one never.

Looks at settings and at the questions of checks only, so that it can be told when files are collected.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_telemetry_gate.criteria.derived import DerivedCriterion
from pytest_telemetry_gate.errors import ConfigError, TelemetryGateError
from pytest_telemetry_gate.model.environment import name_place
from pytest_telemetry_gate.model.questions import EventsQuestion, MetricQuestion, SourceQuestion
from pytest_telemetry_gate.promql import ast
from pytest_telemetry_gate.support.places import walk

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.check import Check, Criterion
    from pytest_telemetry_gate.model.environment import Environment, RegionSettings

__all__ = ["require_told_apart"]

_MAX_NAMED = 4  # regions
_ALONE: Hashable = object()


def require_told_apart(checks: Sequence[Check], environment: Environment) -> None:
    """Raise ConfigError at the first criterion that would ask the same data the same for two regions.

    A criterion about alerts or incidents counts what happened anywhere, so that it may be the same for regions whose
    metrics are told apart by ``$region``. Sources of plugins may go by the name of a region, so they are not looked at.
    """
    sources = {check.criterion.source for check in checks}
    alike = {source: _alike(_settings_of(environment, source)) for source in sources}
    if not any(alike.values()):
        return
    first: dict[tuple[str, str], Check] = {}
    for check in checks:
        first.setdefault((check.criterion.id, check.region), check)
    by_criterion: dict[str, list[Check]] = defaultdict(list)
    for check in first.values():
        if not isinstance(check.criterion, DerivedCriterion):  # their members are looked at themselves
            by_criterion[check.criterion.id] += [check.within(region) for region in check.regions]
    about_events: list[tuple[Check, Sequence[str]]] = []
    is_told_apart = False
    for of_regions in by_criterion.values():
        for names in alike[of_regions[0].criterion.source]:
            of_names = [check for check in of_regions if check.region in names]
            same = _first_alike(of_names)
            if same and _is_about_events(same[0]):
                about_events.append((same[0], [check.region for check in same]))
            elif same:
                raise _refusal(same[0], [check.region for check in same], environment)
            elif len(of_names) > 1:
                is_told_apart = True
    if about_events and not is_told_apart:
        raise _refusal(*about_events[0], environment)


def _settings_of(environment: Environment, source: str | None) -> Mapping[str, RegionSettings]:
    """Return the settings of a source in each region that has it."""
    places = ((region, environment.place(name_place(region, source))) for region in environment.regions)
    return {region: settings for region, settings in places if settings is not None}


def _alike(regions: Mapping[str, RegionSettings]) -> list[frozenset[str]]:
    """Return the groups of regions that get their data from the same place."""
    groups: dict[Hashable, list[str]] = defaultdict(list)
    for name, settings in regions.items():
        place = _place(settings)
        if place is not _ALONE:
            events = tuple((kind, _events_place(own)) for kind, own in sorted(settings.events.items()))
            groups[place, events].append(name)
    return [
        frozenset(names)
        for names in groups.values()
        if len(names) > 1 and (regions[names[0]].source != "recording" or _has_no_regions(regions[names[0]]))
    ]


def _place(settings: RegionSettings) -> Hashable:
    """Return what two settings have in common that lead to the same data, or what nothing else is equal to."""
    with suppress(TelemetryGateError):  # settings that cannot be used are the region's failure
        if settings.source in {"prometheus", "alertmanager"}:
            from pytest_telemetry_gate.sources.http.settings import HTTP_KEYS, HttpSettings

            options = {key: value for key, value in settings.options.items() if key in HTTP_KEYS}
            if "url" in options:
                return settings.source, HttpSettings.from_settings(replace(settings, options=options)).place
            return settings.source  # the region's own server
        path = settings.options.get("path")
        # A path that regions share is refused by the source itself where the recording does not have them.
        if settings.source == "recording" and "path" in settings.own and isinstance(path, str):
            return settings.source, str(settings.resolve(path).resolve())
        if "/" in settings.name and settings.source != "recording":
            return settings.source, repr(sorted(settings.options.items()))
    return _ALONE


def _events_place(settings: RegionSettings) -> Hashable:
    """Return what two event sources have in common that tell the same; of those nothing is known of, all that is written."""
    place = _place(settings)
    written = json.dumps(settings.options, sort_keys=True, default=str)
    return place if place is not _ALONE else (settings.source, written)


def _has_no_regions(settings: RegionSettings) -> bool:
    """Tell whether a recording has no regions, so that every name of one leads to the same samples."""
    from pytest_telemetry_gate.recording import Recording

    with suppress(TelemetryGateError):
        recording = Recording.open(settings.resolve(settings.options["path"]))
        try:
            return recording.regions == ("",)
        finally:
            recording.close()
    return False


def _first_alike(checks: Sequence[Check]) -> list[Check]:
    """Return the first checks that ask the same, at least two, or nothing."""
    groups: dict[Hashable, list[Check]] = defaultdict(list)
    for check in checks:
        asked = _asked(check)
        if asked:
            groups[asked].append(check)
    return next((group for group in groups.values() if len(group) > 1), [])


def _asked(check: Check) -> Hashable:
    """Return what a check asks whatever its region is called: what its expressions read, else its questions.

    What an expression makes of the samples, such as a label with the region's name, does not choose them. Nothing is
    returned for a check that asks nothing.
    """
    expressions = {} if check.criterion.source else check.criterion.expressions()
    questions = _questions(check)
    if any(isinstance(question, EventsQuestion) for question in questions):
        # The questions name no labels: those that are meant are chosen from the answers.
        return check.region if _names_region(check.criterion) else "events"
    if expressions:
        parts = (part for key in expressions for part in ast.walk(check.query(key).expr))
        return frozenset(part.selector for part in parts if isinstance(part, ast.VectorSelector))
    return frozenset(
        replace(question, region=name_place("", check.criterion.source)) for question in questions
    )


def _questions(check: Check) -> list[MetricQuestion | EventsQuestion | SourceQuestion]:
    with suppress(
        Exception
    ):  # criteria of third parties may raise anything, and will do so where they are judged
        return [
            question
            for question in check.questions()
            if isinstance(question, MetricQuestion | EventsQuestion | SourceQuestion)
        ]
    return []


def _is_about_events(check: Check) -> bool:
    return any(isinstance(question, EventsQuestion) for question in _questions(check))


def _names_region(criterion: Criterion) -> bool:
    """Tell whether a criterion refers to ``$region`` anywhere."""
    parts = (part for _, part in walk(criterion.model_dump()))
    return any("$region" in part or "${region}" in part for part in parts if isinstance(part, str))


def _refusal(check: Check, names: Iterable[str], environment: Environment) -> ConfigError:
    regions = [name for name in environment.regions if name in set(names)]
    shown = [repr(name) for name in regions[:_MAX_NAMED]]
    more = len(regions) - len(shown)
    listed = f"{', '.join(shown)} and {more} more" if more else f"{', '.join(shown[:-1])} and {shown[-1]}"
    settings = environment.regions[regions[-1]]
    if settings.source == "recording":
        remedy = "a recording of its own"
        place = "recording"
    else:
        remedy = "a url, headers, params or credentials of its own"
        place = "server"
    error = check.error(
        f"regions {listed} ask the same {place} the same question ({settings.where}), so one would be judged for all: "
        f"give each {remedy}, or use $region"
    )
    return ConfigError(str(error))
