"""Read a recording: the index first, and of the samples only what a query touches."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from pytest_telemetry_gate.errors import RecordingError
from pytest_telemetry_gate.promql import SeriesGroup
from pytest_telemetry_gate.recording.index import read_index
from pytest_telemetry_gate.recording.members import Members
from pytest_telemetry_gate.recording.region_storage import RegionStorage, labels_of

__all__ = ["Recording"]


class Recording:
    """A recording whose index has been read and checked; samples are read, and their digests checked, on demand.

    Every method raises RecordingError, one line that names the file and the damaged member.
    """

    def __init__(self, members: Members, index: Mapping[str, Any]) -> None:
        self.path = members.path
        self._members = members
        self._index = index
        self._storages: dict[str, RegionStorage] = {}
        self.recorded_at = float(index["recorded_at"])
        self.semantics = str(index["semantics"])
        self.source = str(index.get("source", ""))
        self.environment = str(index.get("environment", ""))  # empty where nobody said it
        self.captures_of = str(index.get("replay_environment", "")) or self.environment
        self.suites: tuple[str, ...] = tuple(index.get("suites", ()))
        self.places: tuple[str, ...] = tuple(index["regions"])
        self.regions: tuple[str, ...] = tuple(name for name in self.places if "/" not in name)

    @classmethod
    def open(cls, path: Path) -> Recording:
        """Open a file and check its index."""
        members = Members(path)
        try:
            index = read_index(members)
        except RecordingError:
            members.close()
            raise
        members.listed = index["members"]
        return cls(members, index)

    def close(self) -> None:
        """Close the file."""
        self._members.close()

    def check_environment(self, name: str, *, samples: bool = True) -> None:
        """Raise RecordingError where what an environment measured may not be added, since that of another is or may be here.

        ``name`` is empty where nobody says which environment it is; without ``samples`` captures alone are to be added,
        which cannot fill a hole between samples.
        """
        message = ""
        if self.environment and name != self.environment:
            other = f"not of {name!r}" if name else "and what is to be added names none"
            message = f"it is of environment {self.environment!r}, {other}: record into another file"
        elif name and not self.environment and samples and self.holds_samples:
            message = (
                f"it holds samples and does not say that they are of environment {name!r}: record into another file, "
                f"or import them with --environment={name}"
            )
        elif not samples and self.captures_of not in {"", name}:
            other = f"not of {name!r}" if name else "and those to be added name none"
            message = (
                f"its captures are of environment {self.captures_of!r}, {other}: record into another file"
            )
        if message:
            raise RecordingError(f"{self.path}: {message}")

    def storage(self, region: str = "") -> RegionStorage:
        """Return a region's samples for the engine."""
        if region not in self._storages:
            self._storages[region] = RegionStorage(self._members, self._region(region)["groups"])
        return self._storages[region]

    def origins(self, region: str = "") -> tuple[str, ...]:
        """Return where the samples or answers of a place came from, as sources describe themselves for people; none without."""
        if region not in self.places:
            return ()
        known = tuple(self._region(region).get("origins", ()))
        if self._region(region)["time_range"]:
            return known or tuple(self.source.split("; "))
        return known if self.dialect(region) is not None else ()

    def scrape_intervals(self, region: str = "") -> Mapping[str, float]:
        """Return seconds by job."""
        return {job: float(seconds) for job, seconds in self._region(region)["scrape_intervals"].items()}

    def time_range(self, region: str = "") -> tuple[float, float]:
        """Return the times of the first and last sample in seconds; NaN where there is none."""
        bounds = self._region(region)["time_range"]
        return (float(bounds[0]), float(bounds[1])) if bounds else (math.nan, math.nan)

    @property
    def holds_samples(self) -> bool:
        """Whether there is any sample, so that the profile of PromQL means something."""
        return any(region["time_range"] for region in self._index["regions"].values())

    def holds_captures_alone(self, region: str) -> bool:
        """Tell whether replays captured something in a region, and nothing else was recorded of any."""
        captured = self._index.get("replay", {}).values()
        found = any(region in regions for points in captured for regions in points.values())
        return found and not self.holds_samples and not any(map(self.kinds, self.places))

    def sources_of(self, region: str) -> Sequence[str]:
        """Return the names of the further sources of a region of which something was recorded."""
        return [name.partition("/")[2] for name in self.places if name.startswith(f"{region}/")]

    def dialect(self, place: str) -> Mapping[str, Any] | None:
        """Return how the language of a place's queries is described, None where they are PromQL."""
        answers = self._region(place).get("answers")
        return None if answers is None else cast("Mapping[str, Any]", answers["dialect"])

    def answers(self, place: str) -> Sequence[Mapping[str, Any]]:
        """Return the answers to queries of another language than PromQL: ``query``, ``start``, ``end``, ``variables``, ``readings``."""
        return cast("Sequence[Mapping[str, Any]]", self._region(place).get("answers", {}).get("given", ()))

    def events(self, region: str, kind: str) -> Mapping[str, Any] | None:
        """Return the recorded events of a kind as the index holds them, or None where none were recorded."""
        events = self._region(region)["events"].get(kind)
        return None if events is None else cast("Mapping[str, Any]", events)

    def kinds(self, region: str) -> Sequence[str]:
        """Return the kinds of events that were recorded."""
        return tuple(self._region(region)["events"])

    def checkpoints(self, region: str = "") -> Mapping[str, Mapping[str, float]]:
        """Return when the data for a suite was recorded: seconds since the epoch, by suite and checkpoint.

        A recording that was imported has none.
        """
        return cast("Mapping[str, Mapping[str, float]]", self._region(region).get("checkpoints", {}))

    def metadata(self, region: str = "") -> Mapping[str, str]:
        """Return the types of the families of metrics that are known, with samples or without, by the family's name.

        Empty where none were recorded; what is no text was written by a later version, and is left out.
        """
        types = self._region(region).get("metadata", {})
        return {family: known for family, known in types.items() if isinstance(known, str)}

    def pieces(self, region: str = "") -> Iterator[SeriesGroup]:
        """Yield a region's samples in pieces of a few MiB, the samples of each series in the order of time."""
        for group in self._region(region)["groups"]:
            times = self._members.array(group["times"], np.int64, 1)
            for metric in group["metrics"]:
                labels = labels_of(metric)
                first = 0
                for values in self._members.rows(metric["member"], (len(times), len(labels))):
                    yield SeriesGroup(labels, times[first : first + len(values)], values)
                    first += len(values)

    def _region(self, name: str) -> Mapping[str, Any]:
        region = self._index["regions"].get(name)
        if region is None:
            known = ", ".join(repr(recorded) for recorded in self.regions) or "none"
            message = f"{self.path}: no region {name!r}; recorded regions: {known}"
            raise RecordingError(message)
        return cast("Mapping[str, Any]", region)

    @property
    def index(self) -> Mapping[str, Any]:
        """What ``index.json`` says, as it was read."""
        return self._index

    def content(self, member: str, limit: int) -> bytes:
        """Return a member that is no array, of at most so many bytes, its digest checked."""
        return self._members.content(member, limit)
