"""The moments that a suite judges, from the entries that name them or count them off."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_telemetry_gate.model.suite import Checkpoint
from pytest_telemetry_gate.support.durations import format_duration, parse_duration, parse_time

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.suite import CheckpointEntry, Rollout, Suite

__all__ = ["CheckpointError", "list_checkpoints", "name_moment"]

_MAX_POINTS = 10_000  # in one series; a typing error in `every` must not fill the memory


class CheckpointError(ValueError):
    """An entry of ``checkpoints`` cannot be used; ``index`` says which."""

    def __init__(self, index: int, message: str) -> None:
        super().__init__(message)
        self.index = index


def list_checkpoints(suite: Suite) -> tuple[Checkpoint, ...]:
    """Return the checkpoints in the order of time; raises CheckpointError."""
    named: dict[str, Checkpoint] = {}
    moments: dict[float, str] = {}
    for index, entry in enumerate(suite.checkpoints):
        if entry.every is None:
            point = _single(index, entry, suite.rollout)
            if point.id in named:
                raise CheckpointError(index, f"duplicate checkpoint {point.id!r}")
            if point.at in moments:
                raise CheckpointError(
                    index, f"checkpoint {point.id!r} is the same moment as {moments[point.at]!r}"
                )
            named[point.id] = point
            moments[point.at] = point.id
    points = dict(named)
    for index, entry in enumerate(suite.checkpoints):
        if entry.every is not None:
            series = _series(index, entry, suite.rollout)
            points.update(
                {point.id: point for point in series if point.id not in named and point.at not in moments}
            )
    return tuple(sorted(points.values(), key=lambda point: point.at))


def _single(index: int, entry: CheckpointEntry, rollout: Rollout) -> Checkpoint:
    if entry.until is not None:
        raise CheckpointError(index, "`until` needs `every`")
    text = entry.at if entry.at is not None else entry.id
    if text is None:
        raise CheckpointError(index, "a checkpoint needs `id` and `at`, or `every` and `until`")
    try:
        at = rollout.start + parse_duration(text)
    except ValueError:
        try:
            at = parse_time(text)
        except ValueError as error:
            message = f"{text!r} is neither a duration after rollout.start (12h, +15m) nor a time ({error})"
            raise CheckpointError(index, message) from None
    if at <= rollout.start:
        raise CheckpointError(index, f"checkpoint {text!r} is not after rollout.start")
    return Checkpoint(entry.id or text.lstrip("+"), at, entry.window)


def _series(index: int, entry: CheckpointEntry, rollout: Rollout) -> list[Checkpoint]:
    if entry.until is None or entry.id is not None or entry.at is not None:
        raise CheckpointError(index, "a series of checkpoints has `every` and `until`, and no `id` or `at`")
    every, until = entry.every or 0.0, entry.until
    if every <= 0 or until < every:
        raise CheckpointError(index, "`every` must be positive and `until` no shorter")
    count = int(until / every + 1e-9)
    if count > _MAX_POINTS:
        raise CheckpointError(index, f"{count:,} checkpoints, more than {_MAX_POINTS:,}")
    return [
        Checkpoint(name_moment(number * every), rollout.start + number * every, entry.window, named=False)
        for number in range(1, count + 1)
    ]


def name_moment(seconds: float) -> str:
    """Name a moment by the seconds since the start of a rollout, the way people do: 36h, not 1d12h."""
    hours, rest = divmod(round(seconds), 3600)
    if hours and rest < 3600:
        return f"{hours}h{format_duration(rest) if rest else ''}"
    return format_duration(seconds)
