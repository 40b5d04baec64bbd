"""What ``telemetry-gate baseline write`` prints: what was measured, what was left out, what differs from the file that is there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from pytest_telemetry_gate.gate.past.tables import align
from pytest_telemetry_gate.support.durations import format_short_duration, format_time
from pytest_telemetry_gate.support.numbers import format_change, format_number, format_percent, format_value
from pytest_telemetry_gate.support.text import say_region
from pytest_telemetry_gate.support.units import convert, dimension

if TYPE_CHECKING:
    from pytest_telemetry_gate.gate.measured_baseline import MeasuredBaseline
    from pytest_telemetry_gate.model.baseline import BaselineEntry, BaselineFile

__all__ = ["difference_lines", "measured_lines", "missing_lines", "remark_lines"]

_NONE = "-"


def measured_lines(content: BaselineFile, measured: Sequence[MeasuredBaseline]) -> Iterator[str]:
    """Yield the table of what was measured, with the smallest change that a check will see."""
    window = "" if content.window is None else f"{format_short_duration(content.window)} "
    until = "" if content.measured is None else f"up to {format_time(content.measured)}"
    yield f"baseline {content.name!r} in environment {', '.join(content.environment)}: {window}{until}"
    yield ""
    head = [
        "criterion",
        "region",
        "value",
        "spread",
        "samples",
        "coverage",
        "reference",
        "smallest change",
        "told from",
    ]
    rows = [head, *(_row(one) for one in measured if one.measurement is not None)]
    yield from align(_without_empty(rows), right=_right(rows))


def _row(measured: MeasuredBaseline) -> list[str]:
    check, found = measured.check, measured.measurement
    if found is None:
        raise TypeError(measured)
    unit = check.criterion.yielded_unit
    smallest = measured.smallest
    return [
        check.criterion.id,
        check.region,
        format_value(found.value, unit),
        _NONE if found.spread is None else format_number(found.spread),
        _NONE if found.samples is None else f"{found.samples:,}",
        _NONE if found.coverage is None else format_percent(found.coverage),
        found.reference,
        _NONE if smallest is None else f"{format_number(smallest)} {check.criterion.variance_unit}",
        measured.basis,
    ]


def _without_empty(rows: Sequence[Sequence[str]]) -> list[list[str]]:
    """Return a table without the column of regions where there are none."""
    if any(row[1] for row in rows[1:]):
        return [list(row) for row in rows]
    return [[row[0], *row[2:]] for row in rows]


def _right(rows: Sequence[Sequence[str]]) -> set[int]:
    first = 2 if any(row[1] for row in rows[1:]) else 1
    return {*range(first, first + 4), first + 5}


def remark_lines(measured: Iterable[MeasuredBaseline]) -> Iterator[str]:
    """Yield what is to be known of values, each remark once with the criteria that it is about."""
    about: dict[str, list[str]] = {}
    for one in measured:
        for remark in one.remarks:
            about.setdefault(remark, []).append(_name(one))
    for remark, names in about.items():
        shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        yield f"{shown}: {remark}"


def missing_lines(measured: Iterable[MeasuredBaseline]) -> Iterator[str]:
    """Yield a line for each criterion and region that has no value."""
    for one in measured:
        if one.measurement is None:
            yield f"ERROR: {one.check.criterion.id}: not written: {say_region(one.check.region, one.problem)}"


def _name(measured: MeasuredBaseline) -> str:
    check = measured.check
    return f"{check.criterion.id} in {check.region}" if check.region else check.criterion.id


def difference_lines(shown: str, before: BaselineFile, after: BaselineFile) -> Iterator[str]:
    """Yield what is different in a baseline from the file that is there, which is called ``shown``."""
    told = [f"{shown} has {before.name!r}"]
    if before.measured is not None:
        told.append(f"measured {format_time(before.measured)}")
    told += [f"by {before.author}"] if before.author else []
    reason = f": {before.reason}" if before.reason else ""
    yield f"{', '.join(told)}{reason}"
    old, new = dict(_values(before)), dict(_values(after))
    rows = [["criterion", "region", "before", "after", "change"]]
    for key in sorted({**old, **new}):
        was, now = old.get(key), new.get(key)
        rows.append(
            [
                *key,
                _NONE if was is None else _say(was),
                _NONE if now is None else _say(now),
                _change(was, now),
            ]
        )
    has_regions = any(row[1] for row in rows[1:])
    cut = [row if has_regions else [row[0], *row[2:]] for row in rows]
    yield from align(cut, right={len(cut[0]) - 1, len(cut[0]) - 2, len(cut[0]) - 3})


_Value = tuple[float, str]


def _values(content: BaselineFile) -> Iterator[tuple[tuple[str, str], _Value]]:
    for name, entry in content.values.items():
        yield from _entry_values(name, entry)


def _entry_values(name: str, entry: BaselineEntry) -> Iterator[tuple[tuple[str, str], _Value]]:
    for region, measured in entry.measurements():
        if measured.value is not None:
            yield (name, region), (measured.value, entry.unit)


def _say(value: _Value) -> str:
    return format_value(*value)


def _change(was: _Value | None, now: _Value | None) -> str:
    """Return by how much a value changed, in % of what it was."""
    if was is None or now is None:
        return "new" if was is None else "gone"
    (before, unit), (after, other) = was, now
    if unit and other and unit != other:
        if dimension(unit) != dimension(other):
            return "another unit"
        before = convert(before, unit, other)
    if before == after:
        return "0 %"
    return _NONE if before == 0 else format_change((after - before) / abs(before) * 100, "%")
