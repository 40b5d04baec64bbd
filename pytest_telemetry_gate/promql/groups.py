"""Groups of series as range functions want them: without stale markers, or made of a subquery's steps."""

from __future__ import annotations

import numpy as np

from pytest_telemetry_gate.promql.frame import Frame, Ints
from pytest_telemetry_gate.promql.storage import Group, is_stale

__all__ = ["from_frame", "without_stale"]


def without_stale(group: Group) -> list[Group]:
    """Take stale markers out; series that had any become groups of their own, or none if nothing is left."""
    stale = is_stale(group.values)
    if not stale.any():
        return [group]
    touched = stale.any(axis=0)
    groups = []
    if not touched.all():
        kept = np.flatnonzero(~touched).tolist()
        groups.append(Group(tuple(group.labels[c] for c in kept), group.times, group.values[:, kept]))
    for column in np.flatnonzero(touched).tolist():
        rows = ~stale[:, column]
        if rows.any():
            values = group.values[rows, column : column + 1]
            groups.append(Group((group.labels[column],), group.times[rows], values))
    return groups


def from_frame(frame: Frame, grid: Ints) -> list[Group]:
    """Turn the steps of a subquery into samples."""
    if frame.present.all():
        return [Group(tuple(frame.labels), grid, frame.values)] if frame.labels else []
    whole = frame.present.all(axis=0)
    groups = []
    if whole.any():
        kept = np.flatnonzero(whole).tolist()
        groups.append(Group(tuple(frame.labels[c] for c in kept), grid, frame.values[:, kept]))
    for column in np.flatnonzero(~whole).tolist():
        rows = frame.present[:, column]
        if rows.any():
            groups.append(Group((frame.labels[column],), grid[rows], frame.values[rows, column : column + 1]))
    return groups
