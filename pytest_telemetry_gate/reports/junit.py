"""The properties of a test in JUnit XML: strings that any XML 1.0 parser reads back, whatever labels contain."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType

from pytest_telemetry_gate.model.dossier import Dossier
from pytest_telemetry_gate.model.verdict import Outcome, Verdict, worst_verdict
from pytest_telemetry_gate.support import text
from pytest_telemetry_gate.support.durations import format_time
from pytest_telemetry_gate.support.numbers import format_value

__all__ = ["FORMAT_PROPERTY", "PREFIX", "Stated", "list_properties", "verdict_properties"]

PREFIX = "telemetry."
FORMAT_PROPERTY = (f"{PREFIX}format", "1")
"""The version of the properties' names and values; the testsuite states it once for all tests."""
_TEXTS = (
    "suite", "group", "criterion", "title", "region", "checkpoint", "environment", "reason", "unit", "limit",
    "baseline_name", "variance_unit", "variance_basis", "query", "source", "semantics", "link", "digest",
)  # fmt: skip
_NUMBERS = ("value", "margin", "baseline", "variance", "variance_half", "tolerance", "coverage")
_ORDER = (
    "verdict", "level", "severity", "value", "absent", "unit", "limit", "margin", "baseline", "baseline_name", "variance",
    "variance_half", "variance_unit", "variance_basis", "tolerance", "coverage", "suite", "group", "criterion", "title", "region", "checkpoint", "time",
    "environment", "query", "reason", "source", "semantics", "link", "digest", "warnings", "where", "informational",
)  # fmt: skip
_FULL_NAMES = {name: PREFIX + name for name in _ORDER}
_NOTHING: Mapping[str, str] = MappingProxyType({})
_SHARED = ("suite", "environment")  # every verdict has these, so that none inherits what it lacks
_DEFAULTS = {"variance_unit": "%"}


class Stated:
    """The properties that a test leaves out because the file has them elsewhere; most files shrink to a third.

    - Shared properties: the first verdict that has one sets it for the testsuite, through ``add``. A test with another
      content has the property itself.
    - The time of each checkpoint and the source of each region: the same, under names such as ``telemetry.time.24h``
      and ``telemetry.source.eu-central-1``.
    - Criterion and group: the test's name and class name already say them.
    - For a check that passed: its title and line, which serve to mend something, and a reason that only repeats value
      and limit.
    """

    def __init__(self, add: Callable[[str, str], None]) -> None:
        self._add = add
        self._shared: dict[str, str] = {}
        self._times: dict[str, str] = {}
        self._sources: dict[str, str] = {}

    def share(self, verdict: Verdict) -> None:
        """Have the testsuite state what no verdict before this one had."""
        for name in _SHARED:
            if name not in self._shared and (content := getattr(verdict, name)):
                self._shared[name] = _safe(content)
                self._add(_FULL_NAMES[name], self._shared[name])
        checkpoint, region = verdict.checkpoint, verdict.region
        if checkpoint and verdict.time is not None and checkpoint not in self._times:
            self._times[checkpoint] = _time(verdict.time)
            self._add(f"{PREFIX}time.{_safe(checkpoint)}", self._times[checkpoint])
        # A verdict that follows from others has no query, and its source is not that of the region.
        if region and verdict.query and verdict.source and region not in self._sources:
            self._sources[region] = _safe(verdict.source)
            self._add(f"{PREFIX}source.{_safe(region)}", self._sources[region])

    def for_all(self, verdict: Verdict) -> dict[str, str]:
        """Return what the testsuite states of all verdicts, of this one's checkpoint and of its region."""
        time, source = self._times.get(verdict.checkpoint, ""), self._sources.get(verdict.region, "")
        return {**_DEFAULTS, **self._shared, "time": time, "source": source}

    def of(self, verdict: Verdict, nodeid: str) -> Mapping[str, str]:
        """Return what the test with this node id, whose only verdict this is, leaves out."""
        stated = self.for_all(verdict)
        *_, group, name = ("", *nodeid.split("::"))
        if name.partition("[")[0] == verdict.criterion:
            stated["criterion"] = _safe(verdict.criterion)
            if group == verdict.group:
                stated["group"] = _safe(group)
        if verdict.outcome is Outcome.PASS:
            stated.update(title=_safe(verdict.title), where=_where(verdict))
            if verdict.reason_repeats_figures:
                stated["reason"] = _safe(verdict.reason)
        return stated


def verdict_properties(
    verdict: Verdict, prefix: str = PREFIX, stated: Mapping[str, str] = _NOTHING
) -> list[tuple[str, str]]:
    """Return names and values for ``user_properties`` of a report, in a fixed order.

    Empty properties are left out, and so are those ``stated`` elsewhere. Numbers are written with twelve significant
    digits in the verdict's unit, times in UTC.
    """
    names = _FULL_NAMES if prefix == PREFIX else {name: prefix + name for name in _ORDER}
    return [
        (names[name], content)
        for name, content in _contents(verdict).items()
        if content and content != stated.get(name)
    ]


def _contents(verdict: Verdict) -> dict[str, str]:
    """Return the contents of all properties by name, in their order; absent ones are empty."""
    contents = dict.fromkeys(_ORDER, "")
    contents.update({name: _safe(getattr(verdict, name)) for name in _TEXTS})
    contents.update(
        {name: _number(number) for name in _NUMBERS if (number := getattr(verdict, name)) is not None}
    )
    contents["verdict"] = str(verdict.outcome)
    contents["level"] = str(verdict.level or "")
    contents["severity"] = str(verdict.severity or "")
    contents["absent"] = "true" if verdict.absent else ""
    contents["time"] = "" if verdict.time is None else _time(verdict.time)
    contents["warnings"] = _safe("; ".join(verdict.warnings))
    contents["where"] = _where(verdict)
    contents["informational"] = "true" if verdict.informational else ""
    if verdict.variance is None and verdict.tolerance is None:
        contents["variance_unit"] = ""
    return contents


def _where(verdict: Verdict) -> str:
    return _safe(f"{verdict.path}:{verdict.line}") if verdict.path else ""


@lru_cache(maxsize=4096)
def _safe(content: str) -> str:
    """Return a text fit for XML and without passwords; cached, as checks of one criterion share most texts."""
    return text.harmless(text.strip_passwords(content))


@lru_cache(maxsize=1024)
def _time(moment: float) -> str:
    return format_time(moment)


def list_properties(
    dossiers: Sequence[Dossier], stated: Stated | None = None, nodeid: str = ""
) -> list[tuple[str, str]]:
    """Return the properties of a test, all of them where nothing is ``stated`` elsewhere.

    One verdict has the names ``telemetry.value`` and so on. Several have ``telemetry.1.value``,
    ``telemetry.2.value``, ... in the order of the checks, after ``telemetry.verdict``, the worst of them, and
    ``telemetry.checks``, their number.
    """
    verdicts = [dossier.verdict for dossier in dossiers]
    if stated is not None:
        for verdict in verdicts:
            stated.share(verdict)
    if len(verdicts) == 1:
        elsewhere = _NOTHING if stated is None else stated.of(verdicts[0], nodeid)
        return verdict_properties(verdicts[0], stated=elsewhere)
    if not verdicts:
        return []
    properties = [
        (f"{PREFIX}verdict", str(worst_verdict(verdicts).outcome)),
        (f"{PREFIX}checks", str(len(verdicts))),
    ]
    for number, verdict in enumerate(verdicts, 1):
        elsewhere = _NOTHING if stated is None else stated.for_all(verdict)
        properties.extend(verdict_properties(verdict, f"{PREFIX}{number}.", elsewhere))
    return properties


def _number(value: float) -> str:
    return f"{value:.12g}" if math.isfinite(value) else format_value(value)
