"""Read a recording: the index first, and of the samples only what a query touches."""

from __future__ import annotations

import hashlib
import io
import json
import math
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from pytest_telemetry_gate.errors import RecordingError
from pytest_telemetry_gate.promql import Group, Matcher
from pytest_telemetry_gate.promql.storage import some_columns
from pytest_telemetry_gate.recording.cache import ArrayCache
from pytest_telemetry_gate.recording.writer import FORMAT

__all__ = ["Recording"]

_MAX_INDEX = 256 * 2**20  # bytes: a million series with their labels
_MAX_MEMBER = 2**30  # bytes, decompressed
_PIECE = 2**16  # bytes unpacked at a time
_ROWS = 4 * 2**20  # bytes of samples that are in memory while a recording is read in pieces
_SEMANTICS = ("2", "3")
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    KeyError,
    ValueError,
    OSError,
    NotImplementedError,
    RuntimeError,
)


class Recording:
    """A recording whose index has been read and checked; samples are read, and their digests checked, on demand.

    Every method raises RecordingError, one line that names the file and the damaged member.
    """

    def __init__(self, path: Path, archive: zipfile.ZipFile, index: Mapping[str, Any]) -> None:
        self.path = path
        self._archive = archive
        self._index = index
        self._storages: dict[str, _RegionStorage] = {}
        self._arrays = ArrayCache()
        self.recorded_at = float(index["recorded_at"])
        self.semantics = str(index["semantics"])
        self.source = str(index.get("source", ""))
        self.suites: tuple[str, ...] = tuple(index.get("suites", ()))
        self.regions: tuple[str, ...] = tuple(index["regions"])

    @classmethod
    def open(cls, path: Path) -> Recording:
        """Open a file and check its index."""
        if not path.is_file():
            message = f"{path}: there is no such recording"
            raise RecordingError(message)
        try:
            # The archive stays open as long as the recording, since members are read on demand.
            archive = zipfile.ZipFile(path)
        except _DAMAGE:
            message = f"{path}: not a recording, or truncated: no readable zip directory"
            raise RecordingError(message) from None
        content = _member(path, archive, "index.json", _MAX_INDEX)
        try:
            index = json.loads(content)
            _check_index(index)
        except _BadIndexError as error:
            message = f"{path}: index.json: {error}"
            raise RecordingError(message) from None
        except (ValueError, RecursionError) as error:
            message = f"{path}: index.json is damaged: {error}"
            raise RecordingError(message) from None
        return cls(path, archive, index)

    def close(self) -> None:
        """Close the file, for who does not read on."""
        self._archive.close()

    def storage(self, region: str = "") -> _RegionStorage:
        """Return a region's samples for the engine."""
        if region not in self._storages:
            self._storages[region] = _RegionStorage(self, self._region(region)["groups"])
        return self._storages[region]

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

    def events(self, region: str, kind: str) -> Mapping[str, Any] | None:
        """Return the recorded events of a kind as the index holds them, or None where none were recorded."""
        found = self._region(region)["events"].get(kind)
        return None if found is None else cast("Mapping[str, Any]", found)

    def kinds(self, region: str) -> Sequence[str]:
        """Return the kinds of events that were recorded."""
        return tuple(self._region(region)["events"])

    def checkpoints(self, region: str = "") -> Mapping[str, Mapping[str, float]]:
        """Return when what a suite needs was recorded, in seconds since the epoch by suite and checkpoint.

        A recording that was imported has none.
        """
        return cast("Mapping[str, Mapping[str, float]]", self._region(region).get("checkpoints", {}))

    def pieces(self, region: str = "") -> Iterator[Group]:
        """Yield a region's samples in pieces of a few MiB, each series' own in the order of time."""
        for group in self._region(region)["groups"]:
            times = self.array(group["times"], np.int64, 1)
            for metric in group["metrics"]:
                labels = _labels(metric)
                first = 0
                for values in self._rows(metric["member"], (len(times), len(labels))):
                    yield Group(labels, times[first : first + len(values)], values)
                    first += len(values)

    def _rows(self, member: str, shape: tuple[int, int]) -> Iterator[NDArray[np.float64]]:
        """Yield a member's rows a few at a time; its digest can be checked only after the last."""
        stated = self._index["members"].get(member, {}).get("sha256")
        most = max(1, _ROWS // max(1, shape[1] * 8))
        try:
            with self._archive.open(member) as opened:
                stream = _Digested(opened)
                version = np.lib.format.read_magic(stream)
                if version != (1, 0):
                    raise self._error(member, f"version {version} of the format")
                found = np.lib.format.read_array_header_1_0(stream)
                if found != (shape, False, np.dtype(np.float64)):
                    raise self._error(member, f"{found[2]} of the shape {found[0]} instead of {shape}")
                for first in range(0, shape[0], most):
                    rows = min(most, shape[0] - first)
                    content = stream.read(rows * shape[1] * 8)
                    yield np.frombuffer(content, dtype=np.float64).reshape(rows, shape[1])
                if stream.read(1) or stream.digest.hexdigest() != stated:
                    raise self._error(member, "its content does not match its digest")
        except _DAMAGE as error:
            raise self._error(member, str(error)) from None

    def array(self, member: str, dtype: type[np.generic], dimensions: int) -> NDArray[Any]:
        """Return a member as an array of the type and number of dimensions that the format gives it; not to be written.

        Decoded arrays are kept while there is room, the least recently used being forgotten first.
        """
        known = self._arrays.get(member)
        if known is None:
            size = _info(self.path, self._archive, member, _MAX_MEMBER).file_size
            self._arrays.make_room(size)
            known = self._decoded(member)
            self._arrays.put(member, known)
        if known.dtype != dtype or known.ndim != dimensions:
            what = (
                f"{known.dtype} with {known.ndim} dimensions instead of {np.dtype(dtype)} with {dimensions}"
            )
            raise self._error(member, what)
        return known

    def _decoded(self, member: str) -> NDArray[Any]:
        """Unpack an ``.npy`` member into its array piece by piece, so that it is never there twice."""
        info = _info(self.path, self._archive, member, _MAX_MEMBER)
        digest = hashlib.sha256()
        try:
            with self._archive.open(info) as stream:
                array, head = _allocated(stream, info.file_size)
                digest.update(head)
                room, filled = array.reshape(-1).view(np.uint8), 0
                while piece := stream.read(_PIECE):
                    digest.update(piece)
                    room[filled : filled + len(piece)] = np.frombuffer(piece, np.uint8)
                    filled += len(piece)
        except (*_DAMAGE, SyntaxError) as error:
            raise self._error(member, str(error)) from None
        stated = self._index["members"].get(member)
        if stated is None or digest.hexdigest() != stated["sha256"]:
            raise self._error(member, "its content does not match its digest")
        array.flags.writeable = False
        return array

    def _region(self, name: str) -> Mapping[str, Any]:
        region = self._index["regions"].get(name)
        if region is None:
            known = ", ".join(repr(one) for one in self.regions) or "none"
            message = f"{self.path}: no region {name!r}; recorded regions: {known}"
            raise RecordingError(message)
        return cast("Mapping[str, Any]", region)

    @property
    def index(self) -> Mapping[str, Any]:
        """What ``index.json`` says, as it was read."""
        return self._index

    def content(self, member: str, limit: int) -> bytes:
        """Return a member that is no array, of at most so many bytes, its digest checked."""
        found = _member(self.path, self._archive, member, limit)
        stated = self._index["members"].get(member)
        if stated is None or hashlib.sha256(found).hexdigest() != stated["sha256"]:
            raise self._error(member, "its content does not match its digest")
        return found

    def _error(self, member: str, what: str) -> RecordingError:
        return RecordingError(f"{self.path}: member {member} is damaged: {what}")


class _Place(NamedTuple):
    """One metric of a scrape group: its members, its series, and which of them are meant."""

    times: str
    member: str
    labels: tuple[dict[str, str], ...]
    columns: list[int]


class _RegionStorage:
    """The storage that the engine asks for series; reads one metric of one group at a time."""

    def __init__(self, recording: Recording, groups: Sequence[Mapping[str, Any]]) -> None:
        self._recording = recording
        self._places: dict[str, list[_Place]] = {}
        self._selections: dict[tuple[Matcher, ...], list[_Place]] = {}
        self._risen: set[str] = set()  # members whose timestamps have been seen to rise
        seen: set[frozenset[tuple[str, str]]] = set()
        for group in groups:
            for metric in group["metrics"]:
                name = metric["name"]
                labels = _labels(metric)
                place = _Place(group["times"], metric["member"], labels, list(range(len(labels))))
                self._places.setdefault(name, []).append(place)
                for own in labels:
                    series = frozenset(own.items())
                    if series in seen:
                        message = f"{recording.path}: index.json: the series {own} stands in it twice"
                        raise RecordingError(message)
                    seen.add(series)

    def select(self, matchers: Sequence[Matcher], start: int, end: int) -> Iterator[Group]:
        """Yield the series that every matcher matches, reading their members one after another."""
        key = tuple(matchers)
        if key not in self._selections:
            self._selections[key] = self._selected(key)
        for times_member, member, labels, columns in self._selections[key]:
            times = self._times(times_member)
            values = self._recording.array(member, np.float64, 2)
            if values.shape != (len(times), len(labels)):
                message = f"{self._recording.path}: member {member} has the shape {values.shape}, not {(len(times), len(labels))}"
                raise RecordingError(message)
            yield some_columns(Group(labels, times, values), columns, start, end)

    def _selected(self, matchers: tuple[Matcher, ...]) -> list[_Place]:
        exact = [matcher.value for matcher in matchers if matcher.name == "__name__" and matcher.op == "="]
        names = [name for name in ([exact[0]] if exact else sorted(self._places)) if name in self._places]
        found = []
        for name in names:
            for place in self._places[name]:
                columns = [
                    column
                    for column, one in enumerate(place.labels)
                    if all(matcher.matches(one.get(matcher.name, "")) for matcher in matchers)
                ]
                if columns:
                    found.append(place._replace(columns=columns))
        return found

    def _times(self, member: str) -> NDArray[np.int64]:
        times = self._recording.array(member, np.int64, 1)
        if member not in self._risen:
            if (np.diff(times) <= 0).any():
                message = f"{self._recording.path}: member {member} is damaged: its timestamps do not rise"
                raise RecordingError(message)
            self._risen.add(member)
        return times


class _Digested:
    """A stream that is hashed as it is read."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.digest = hashlib.sha256()

    def read(self, size: int = -1, /) -> bytes:
        """Return as many bytes, all where none is said."""
        content = self._stream.read(size)
        self.digest.update(content)
        return content


def _labels(metric: Mapping[str, Any]) -> tuple[dict[str, str], ...]:
    name = {"__name__": metric["name"]} if metric["name"] else {}
    return tuple({**name, **labels} for labels in metric["labels"])


class _BadIndexError(Exception):
    """Something in the index is not what the format says."""


def _check_index(index: Any) -> None:
    if not isinstance(index, dict) or "format" not in index:
        raise _BadIndexError("not the index of a recording")
    if index["format"] != FORMAT:
        raise _BadIndexError(
            f"format {index['format']!r} is not {FORMAT}: written by a newer version ({index.get('tool', '?')})?"
        )
    for key, kind in (
        ("recorded_at", (int, float)),
        ("regions", dict),
        ("members", dict),
        ("semantics", str),
    ):
        if not isinstance(index.get(key), kind) or isinstance(index.get(key), bool):
            raise _BadIndexError(f"{key!r} is missing or not of its kind")
    if index["semantics"] not in _SEMANTICS:
        raise _BadIndexError(f"unknown semantics {index['semantics']!r}")
    if not math.isfinite(index["recorded_at"]):
        raise _BadIndexError("'recorded_at' is not finite")
    if not all(isinstance(stated, dict) and "sha256" in stated for stated in index["members"].values()):
        raise _BadIndexError("a member in 'members' has no digest")
    for name, region in index["regions"].items():
        try:
            _check_region(region)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise _BadIndexError(f"region {name!r} is damaged: {error!r}") from None


def _check_region(region: Mapping[str, Any]) -> None:
    for group in region["groups"]:
        str(group["times"])
        for metric in group["metrics"]:
            for labels in metric["labels"]:
                if not all(isinstance(text, str) for pair in labels.items() for text in pair):
                    raise ValueError(metric["name"])
            str(metric["member"])
    for seconds in region["scrape_intervals"].values():
        if not 0 < float(seconds) < math.inf:
            raise ValueError(seconds)
    if len(region["time_range"]) not in {0, 2} or not all(map(math.isfinite, region["time_range"])):
        raise ValueError(region["time_range"])
    region["events"].items()
    for moments in region.get("checkpoints", {}).values():
        for moment in moments.values():
            float(moment)


def _member(path: Path, archive: zipfile.ZipFile, name: str, limit: int) -> bytes:
    info = _info(path, archive, name, limit)
    try:
        return archive.read(info)
    except _DAMAGE as error:
        message = f"{path}: member {name} is damaged: {error}"
        raise RecordingError(message) from None


def _info(path: Path, archive: zipfile.ZipFile, name: str, limit: int) -> zipfile.ZipInfo:
    """Find a member, refusing one that unpacks to more than the limit before unpacking it."""
    try:
        info = archive.getinfo(name)
    except KeyError:
        message = f"{path}: not a recording, or damaged: member {name} is missing"
        raise RecordingError(message) from None
    if info.file_size > limit:
        message = f"{path}: member {name} unpacks to {info.file_size:,} bytes, more than {limit:,}"
        raise RecordingError(message)
    return info


def _allocated(stream: IO[bytes], size: int) -> tuple[NDArray[Any], bytes]:
    """Read the head of an ``.npy`` file of a size and make room for what it announces; returns the head's bytes too."""
    start = stream.read(10)
    if np.lib.format.read_magic(io.BytesIO(start)) != (1, 0):
        message = "not version 1.0 of the format"
        raise ValueError(message)
    head = start + stream.read(int.from_bytes(start[8:], "little"))
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(io.BytesIO(head[8:]))
    if dtype.hasobject or fortran or len(head) + math.prod(shape) * dtype.itemsize != size:
        message = f"{size:,} bytes cannot hold {dtype} of shape {shape} row by row"
        raise ValueError(message)
    return np.empty(shape, dtype), head
