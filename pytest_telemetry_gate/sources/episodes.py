"""What event sources have in common: changes of a state become episodes, and the same episode told twice is one."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from pytest_telemetry_gate.model.events import Episode

__all__ = ["Change", "join_changes", "unite_episodes"]


@dataclass(frozen=True, slots=True)
class Change:
    """A change of a state: from ``time`` (seconds since the epoch) on something is there (``begins``) or is over.

    ``key`` tells the states apart that begin and end for themselves; ``name`` and ``labels`` are those of the episode.
    """

    key: Hashable
    time: float
    begins: bool
    name: str
    labels: Mapping[str, str] = field(default_factory=dict)


def join_changes(kind: str, changes: Iterable[Change]) -> list[Episode]:
    """Return the episodes between changes, in any order; one that is never over has no end.

    A second beginning of what is there already, and a second end, change nothing. What ends without having begun began
    before everything that is known: at minus infinity.
    """
    open_changes: dict[Hashable, Change] = {}
    ended: set[Hashable] = set()
    episodes: list[Episode] = []
    for change in sorted(changes, key=lambda one: (one.time, one.begins)):
        if change.begins:
            open_changes.setdefault(change.key, change)
            continue
        began = open_changes.pop(change.key, None)
        if began is not None:
            episodes.append(Episode(kind, began.name, began.time, change.time, began.labels))
        elif change.key not in ended:
            episodes.append(Episode(kind, change.name, float("-inf"), change.time, change.labels))
        ended.add(change.key)
    episodes += [Episode(kind, one.name, one.time, None, one.labels) for one in open_changes.values()]
    return episodes


def unite_episodes(
    episodes: Iterable[tuple[Hashable, Episode]], start: float, end: float
) -> tuple[Episode, ...]:
    """Return the episodes that touch the time from ``start`` to ``end`` (seconds), each key once, in the order of time.

    Of one that was told several times, as over two pages, the earliest beginning and the latest end hold. One that began
    before ``start`` is there with its own beginning, or ``start`` where that is unknown: it was carried in. What ended after
    ``end`` has no end yet.
    """
    united: dict[Hashable, Episode] = {}
    for key, episode in episodes:
        known = united.get(key)
        united[key] = episode if known is None else _unite(known, episode)
    touching = [
        _clip(episode, start, end)
        for episode in united.values()
        if episode.start <= end and (episode.end is None or episode.end > start or episode.start >= start)
    ]
    return tuple(sorted(touching, key=lambda episode: (episode.start, episode.kind, episode.name)))


def _unite(one: Episode, other: Episode) -> Episode:
    ends = [episode.end for episode in (one, other) if episode.end is not None]
    return replace(one, start=min(one.start, other.start), end=max(ends, default=None))


def _clip(episode: Episode, start: float, end: float) -> Episode:
    if episode.end is not None and episode.end > end:
        episode = replace(episode, end=None)
    return replace(episode, start=start) if episode.start == float("-inf") else episode
