"""What a baseline file says of a check: the value, or the one line why it cannot be used for this check any more."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from pytest_telemetry_gate.criteria.moments import say_late
from pytest_telemetry_gate.criteria.weigh import Reference
from pytest_telemetry_gate.support.durations import format_time
from pytest_telemetry_gate.support.units import convert, dimension
from pytest_telemetry_gate.support.variables import expand

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_telemetry_gate.model.baseline import BaselineEntry, BaselineFile, Measurement
    from pytest_telemetry_gate.model.check import Check

__all__ = ["digest_query", "find_measurement", "read_stated", "said_change"]

_DIGITS = 16  # of the digest: a change is found by them, and a line of a review is short
_BUILTIN = ("region", "__interval", "__rate_interval", "__range", "__window")
_BLANK = re.compile(r'("(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'|`[^`]*`)|(?:\s|#[^\n]*)+')
_VALUED = ("query", "count")


def digest_query(check: Check) -> str:
    """Return the digest of the expression whose value a check judges, empty for kinds without one.

    The suite's variables count with their values. ``$__window``, ``$region`` and what else differs between checks counts as
    it is written, and so do blanks as one; comments do not.
    """
    expressions: Mapping[str, tuple[str, object]] = check.criterion.expressions()
    text = next((expressions[key][0] for key in _VALUED if key in expressions), "")
    if not text:
        return ""
    kept = {name: f"${name}" for name in _BUILTIN}
    expanded = _BLANK.sub(lambda match: match[1] or " ", expand(text, {**kept, **_plain(check)})).strip()
    return f"sha256:{hashlib.sha256(expanded.encode()).hexdigest()[:_DIGITS]}"


def _plain(check: Check) -> dict[str, str]:
    return {name: str(value) for name, value in check.suite.variables.items()}


def said_change(check: Check) -> str:
    """Return how the variance of a check is told, as ``change`` says it: ``percent`` or ``points``."""
    return "points" if check.criterion.variance_unit == "pp" else "percent"


def find_measurement(check: Check, content: BaselineFile | None) -> Measurement | None:
    """Return what a file has for the criterion and the region of a check, None where that is nothing."""
    entry = None if content is None else content.values.get(check.criterion.id)
    if entry is None:
        return None
    return entry.regions.get(check.region) if entry.regions else entry


def read_stated(check: Check, name: str, content: BaselineFile | None, now: float) -> Reference:
    """Return the value of a file with its placebos, in the criterion's unit, or why it is none for this check.

    ``name`` is what the suite calls the baseline, if anything; ``now`` is the clock in seconds since the epoch.
    """
    if content is None:
        return Reference(name or "baseline", problem="baseline: the file was not loaded")
    name = name or content.name
    subject = f"baseline {name!r}"
    entry, measurement = content.values.get(check.criterion.id), find_measurement(check, content)
    if entry is None or measurement is None or measurement.value is None:
        region = f" in region {check.region!r}" if entry is not None else ""
        return Reference(name, problem=f"{subject} has no value for {check.criterion.id!r}{region}")
    problem = _find_problem(check, content, entry, now)
    if problem:
        return Reference(name, problem=f"{subject}{problem}")
    late = _find_late(check, content, entry)
    if late:
        return Reference(name, problem=f"{late}, says {name!r}")
    unit = check.criterion.yielded_unit
    value = convert(measurement.value, entry.unit, unit) if entry.unit else measurement.value
    return Reference(name, value, placebos=measurement.placebos)


def _find_problem(check: Check, content: BaselineFile, entry: BaselineEntry, now: float) -> str:
    """Return why a file cannot be used for a check, as the rest of a sentence; empty where it can."""
    if content.expires is not None and content.expires <= now:
        return f" expired {format_time(content.expires)}"
    if content.environment and check.environment not in ("", *content.environment):
        known = " and ".join(map(repr, content.environment))
        return f" is of environment {known}, and this is {check.environment!r}"
    query = digest_query(check)
    if entry.query and entry.query != query:
        return f" is of another query ({entry.query}, now {query}): measure it anew"
    unit = check.criterion.yielded_unit
    if entry.unit and dimension(entry.unit) != dimension(unit):
        return f": the units {entry.unit!r} and {unit!r} of the query do not measure the same"
    if entry.placebos_are_told and entry.change not in (None, said_change(check)):
        return f" was measured with change: {entry.change}, and this is {said_change(check)}: measure it anew"
    return ""


def _find_late(check: Check, content: BaselineFile, entry: BaselineEntry) -> str:
    """Return that the window of a file reaches into the rollout, empty where it does not."""
    measured, start = entry.measured or content.measured, check.suite.rollout.start
    return say_late(measured, start) if measured is not None and measured > start else ""
