"""When the samples of a selector arrived, target by target: what coverage, freshness and absence are told from.

A target is what Prometheus scrapes: the series with one ``job`` and one ``instance``. Series without these labels, such
as those of recording rules, are one target without a name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "NO_TIMES",
    "REACH",
    "Arrivals",
    "Known",
    "Target",
    "Track",
    "join_tracks",
    "name_target",
    "target_of",
]

REACH = 900.0
"""How long before a window samples are looked at (seconds), for the interval that was in force at its start.

Four samples of the slowest series that an instant selector sees lie in it and in the five minutes of its lookback.
"""
_ENDINGS = frozenset({"bucket", "count", "sum"})
_SEVERAL = frozenset({"histogram", "summary", "gaugehistogram"})  # types of families with several metrics
Track: TypeAlias = tuple[NDArray[np.int64], int]
"""When a series had numbers, int64[n] in ms and rising, and how many samples it has, NaN included."""
NO_TIMES: NDArray[np.int64] = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """The samples that one target gave to a selector, NaN left out.

    A target whose series come at times of their own, such as the containers behind one cAdvisor, is here once for each.

    ``samples`` is how many there are, NaN included, and ``times`` when the numbers among them were, int64[n] in ms and rising;
    both from ``REACH`` before the window on. ``complete`` says that the times were looked at; of other targets ``first`` and
    ``last`` (ms) are about when the first and the last sample was. Of the scrapes in the
    window, by the target's ``up``, ``scrapes`` is the number, and ``successes`` how many gave samples; None where no
    ``up`` tells.
    """

    labels: Mapping[str, str]
    samples: int
    times: NDArray[np.int64] = field(default_factory=lambda: NO_TIMES)
    complete: bool = True
    first: int | None = None
    last: int | None = None
    scrapes: int | None = None
    successes: int | None = None

    @property
    def job(self) -> str:
        """The job, or an empty text."""
        return self.labels.get("job", "")

    def shown(self) -> str:
        """Return the target for people: its instance, else its job."""
        return self.labels.get("instance") or self.job


@dataclass(frozen=True, slots=True, eq=False)
class Arrivals:
    """What arrived from each target of a selector, also from those that were scraped and gave none of its series.

    ``doubt`` is one line why the samples cannot be believed, or nothing; ``reads`` are the other selectors that were
    read, so that a recording can hold their samples too.
    """

    targets: tuple[Target, ...] = ()
    doubt: str = ""
    reads: tuple[str, ...] = ()

    def to_wire(self) -> dict[str, Any]:
        """Return builtins for other processes."""
        return {
            "targets": [
                {
                    "labels": dict(target.labels),
                    "samples": target.samples,
                    "times": target.times.tolist(),
                    "complete": target.complete,
                    "first": target.first,
                    "last": target.last,
                    "scrapes": target.scrapes,
                    "successes": target.successes,
                }
                for target in self.targets
            ],
            "doubt": self.doubt,
            "reads": list(self.reads),
        }

    @classmethod
    def from_wire(cls, wire: Mapping[str, Any]) -> Arrivals:
        """Rebuild arrivals from ``to_wire()``; raises KeyError, TypeError or ValueError for anything else."""
        return cls(tuple(_targets(wire["targets"])), str(wire["doubt"]), tuple(map(str, wire["reads"])))


@dataclass(frozen=True, slots=True)
class Known:
    """What a source knows by name: the metrics that have samples, and the types of the families in its metadata."""

    names: tuple[str, ...] = ()
    types: Mapping[str, str] = field(default_factory=dict)

    def has_family(self, metric: str) -> bool:
        """Tell whether the metadata know a metric, under its own name or that of its family.

        OpenMetrics leaves ``_total`` out of a counter's family; the series of histograms and summaries have endings too.
        """
        if metric in self.types or metric.removesuffix("_total") in self.types:
            return True
        family, _, ending = metric.rpartition("_")
        return ending in _ENDINGS and self.types.get(family) in _SEVERAL

    def to_wire(self) -> dict[str, Any]:
        """Return builtins for other processes."""
        return {"names": list(self.names), "types": dict(self.types)}

    @classmethod
    def from_wire(cls, wire: Mapping[str, Any]) -> Known:
        """Rebuild from ``to_wire()``; raises KeyError or TypeError for anything else."""
        return cls(tuple(wire["names"]), dict(wire["types"]))


def target_of(labels: Mapping[str, str]) -> tuple[str, str]:
    """Return the job and the instance of a series; texts are empty where it has none."""
    return labels.get("job", ""), labels.get("instance", "")


def name_target(key: tuple[str, str]) -> dict[str, str]:
    """Return the labels of a target."""
    return {name: text for name, text in zip(("job", "instance"), key, strict=True) if text}


def join_tracks(series: Iterable[Track], *, keep_ended: bool = False) -> list[Track]:
    """Return as few tracks as possible for the series of one target.

    Series that come together are one: what was scraped when another one was adds nothing. Series that follow one another
    are one too, as after a label has changed. Series that overlap at times of their own are told apart. With
    ``keep_ended`` one that ended before the others is kept, since nothing says that its target is the same.
    """
    tracks: list[Track] = []
    for times, samples in sorted(series, key=lambda track: (-len(track[0]), track[0][:1].tolist())):
        if not len(times) or any(_is_covered(times, track, keep_ended) for track, _ in tracks):
            continue
        for number, (track, others) in enumerate(tracks):
            if times[0] > track[-1] or times[-1] < track[0]:
                parts = (track, times) if times[0] > track[-1] else (times, track)
                tracks[number] = np.concatenate(parts), others + samples
                break
        else:
            tracks.append((times, samples))
    return tracks


def _is_covered(times: NDArray[np.int64], track: NDArray[np.int64], keep_ended: bool) -> bool:
    if keep_ended and times[-1] < track[-1]:
        return False
    places = np.minimum(track.searchsorted(times), len(track) - 1)
    return bool((track[places] == times).all())


def _targets(wire: Iterable[Mapping[str, Any]]) -> Iterable[Target]:
    for target in wire:
        yield Target(
            labels=dict(target["labels"]),
            samples=int(target["samples"]),
            times=np.array(target["times"], dtype=np.int64),
            complete=target["complete"] is True,
            first=target.get("first"),
            last=target.get("last"),
            scrapes=target["scrapes"],
            successes=target["successes"],
        )
