"""The lines before the tests: which environment is judged, how it was chosen, and who answers in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from pytest_telemetry_gate.model.environment import BY_DEFAULT, Environment, RegionSettings
from pytest_telemetry_gate.sources.http.addresses import shown_url

__all__ = ["heads_of", "sources_of"]

_MAX_SOURCES = 3


def heads_of(environments: Iterable[Environment], shown: Callable[[Path], str]) -> Iterator[str]:
    """Yield a line without secrets for each environment; ``shown`` makes of a path what people would write."""
    for environment in environments:
        file = shown(environment.path)
        how = f", the default of {file}"
        if environment.chosen_by != BY_DEFAULT:
            how = f" of {file}, named by {environment.chosen_by}"
        yield environment.scrub(
            f"telemetry: environment {environment.name!r}{how}: {sources_of(environment)}"
        )


def sources_of(environment: Environment) -> str:
    """Return who answers; regions with one and the same source are named after it."""
    regions: dict[str, list[str]] = {}
    for name, region in environment.regions.items():
        regions.setdefault(_source(region), []).append(name)
    parts = [
        f"{source} ({', '.join(names)})" if any(names) else source
        for source, names in list(regions.items())[:_MAX_SOURCES]
    ]
    more = len(regions) - _MAX_SOURCES
    return ", ".join(parts) + (f" and {more} more" if more > 0 else "")


def _source(region: RegionSettings) -> str:
    url, path = region.options.get("url"), region.options.get("path")
    place = shown_url(url) if isinstance(url, str) else path if isinstance(path, str) else ""
    return f"{region.source} {place}".rstrip()
