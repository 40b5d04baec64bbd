"""What could be changed of a comparison that is off too far: its window, its baseline, the change that it allows.

Nothing is proposed that was not worked out from data: of each kind the least change that suffices.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_telemetry_gate.gate.past.errors import (
    KnownError,
    PastErrors,
    reads_window,
    with_baseline,
)
from pytest_telemetry_gate.model.baseline import Baseline, BaselineFile
from pytest_telemetry_gate.support.durations import format_short_duration

if TYPE_CHECKING:
    from pytest_telemetry_gate.gate.past.ruler import Ruler
    from pytest_telemetry_gate.model.check import Check

__all__ = ["Alternative", "Look", "find_alternatives"]

_DAY = 86400.0
_OFFSETS = {"1d": _DAY, "7d": 7 * _DAY}


@dataclass(frozen=True, slots=True)
class Alternative:
    """One change that brings a clean pass to 95 % or more: which ``key`` becomes what, and the chance that it then has."""

    key: str
    becomes: str
    clean: float
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Look:
    """A check of the rollout, the check that its error was measured of, and what is known of that."""

    check: Check
    like: Check
    known: KnownError


def find_alternatives(
    past: PastErrors, looks: Sequence[Look], ruler: Ruler, *, is_limit: bool
) -> Iterator[Alternative]:
    """Yield the least change of each kind that suffices; ``looks`` are all of a comparison, in the order of time."""
    yield from _fewer_looks(looks, ruler)
    yield from _windows(past, looks, ruler)
    if not is_limit:
        yield from _baselines(past, looks, ruler)
    known = [look.known for look in looks]
    least = ruler.least_allowed(known)
    unchanged = None if least is None else dataclasses.replace(ruler, allowed=least).judge(known)
    if least is not None and unchanged is not None:
        unit = looks[-1].check.criterion.variance_unit
        becomes = f"{least:g} {unit}" if is_limit else f"{least:g}%"
        yield Alternative("room" if is_limit else "tolerance", becomes, unchanged.clean)


def _fewer_looks(looks: Sequence[Look], ruler: Ruler) -> Iterator[Alternative]:
    """Yield the checkpoints with shorter windows of their own, where all would be well without them."""
    own = looks[-1].check.window
    short = [
        look
        for look in looks
        if look.check.window is not None and own is not None and look.check.window < own
    ]
    unchanged = ruler.judge([look.known for look in looks if look not in short])
    if short and unchanged is not None and unchanged.suffices:
        names = ", ".join(look.check.checkpoint.id for look in short)
        yield Alternative("checkpoints", names, unchanged.clean)


def _windows(past: PastErrors, looks: Sequence[Look], ruler: Ruler) -> Iterator[Alternative]:
    """Yield the shortest window that suffices, of twice, four times ... the criterion's, up to a day and the rollout's length."""
    last = looks[-1].check
    own = last.criterion.window
    if own is None or last.checkpoint.window is not None or not reads_window(last):
        return
    window = own
    while window < (longer := min(2 * window, _DAY)) <= last.range:
        window = longer
        errors = [
            _lengthen(past, look.like, look.known, window)
            if look.check.checkpoint.window is None
            else look.known
            for look in looks
        ]
        known = [error for error in errors if error is not None]
        unchanged = ruler.judge(known) if len(known) == len(errors) else None
        if unchanged is not None and unchanged.suffices:
            checks = [look.check for look in looks if look.check.checkpoint.window is None]
            long = [check.checkpoint.id for check in checks if check.range >= window]
            remark = f"at checkpoints from {long[0]} on" if len(long) < len(checks) else ""
            yield Alternative("window", format_short_duration(window), unchanged.clean, remark)
            return


def _lengthen(past: PastErrors, check: Check, known: KnownError, window: float) -> KnownError | None:
    """Return the error over a longer window: as measured, else scaled; None where the past is too short to know."""
    criterion = check.criterion.model_copy(update={"window": window})
    error = past.find(dataclasses.replace(check, criterion=criterion))
    if known.stored is not None or known.history is not None:
        if error.history is None:
            return None
        # A baseline file would be written anew, with the placebos of the longer window.
        stored = error.history if known.stored is not None else None
        return dataclasses.replace(error, stored=stored)
    if error.interval is None and known.samplings and check.window:
        return known.lengthened(window / check.window)
    return error if error.interval is not None else None


def _baselines(past: PastErrors, looks: Sequence[Look], ruler: Ruler) -> Iterator[Alternative]:
    """Yield the first baseline that suffices, of those whose history is known and which do not look at the rollout."""
    last = looks[-1].check
    own = last.suite.baseline_of(last.criterion)
    if all(look.known.history is None for look in looks):
        return
    candidates: dict[str, Baseline] = {
        f"{{offset: {name}}}": Baseline(offset=offset)
        for name, offset in _OFFSETS.items()
        if offset >= last.time - last.suite.rollout.start and getattr(own, "offset", None) != offset
    }
    value = past.value(last)
    if value is not None and isinstance(own, Baseline) and own.file is None:
        candidates["a baseline file"] = _written(last, value / last.criterion.shown(1.0), past.end)
    for name, baseline in candidates.items():
        errors = [past.find(with_baseline(look.like, baseline)) for look in looks]
        if any(error.history is None for error in errors):
            continue
        errors = [
            dataclasses.replace(error, stored=error.history if baseline.file else None) for error in errors
        ]
        unchanged = ruler.judge(errors)
        if unchanged is not None and unchanged.suffices:
            yield Alternative("baseline", name, unchanged.clean)
            return


def _written(check: Check, value: float, measured: float) -> Baseline:
    """Return a baseline file as it could be written at the end of the past, over the window of the check."""
    content = BaselineFile.model_validate(
        {"version": 1, "name": "written", "measured": measured, "values": {check.criterion.id: value}}
    )
    return Baseline(file="written", content=content)
