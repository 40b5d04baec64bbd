"""Write a recording: a zip of ``.npy`` members and an index, whole or not at all."""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pytest_telemetry_gate.errors import RecordingError
from pytest_telemetry_gate.promql import SeriesGroup
from pytest_telemetry_gate.recording.merge import merge_events
from pytest_telemetry_gate.recording.spill import SpilledGroup
from pytest_telemetry_gate.support.whole_files import hold_lock, replace_file

__all__ = ["FORMAT", "Archive", "CaptureNames", "RecordingWriter", "write_captures"]

FORMAT = 1
_MEMBER = 256 * 2**20  # bytes that a member of samples unpacks to, about: a reader holds one at a time
_PIECE = 4 * 2**20  # bytes of samples that are in memory while they are written
CaptureNames: TypeAlias = dict[
    str, dict[str, dict[str, dict[str, str]]]
]  # members of captures by suite, checkpoint, region, case
_EPOCH = (1980, 1, 1, 0, 0, 0)  # of every member, so that equal content gives equal files


class RecordingWriter:
    """Collects the series and events of a recording, then writes them to a file in one step.

    ``recorded_at`` is the recording's clock in seconds since the epoch; ``source`` says for people where the samples
    came from and must hold no secret; ``semantics`` is the profile of PromQL that the source had (``"2"``, ``"3"``);
    ``environment`` is the name of the environment whose samples these are, where it is known; ``captures_of`` that of the
    captures, if it is not the same.
    """

    def __init__(
        self,
        *,
        recorded_at: float,
        source: str = "",
        semantics: str = "3",
        suites: Sequence[str] = (),
        environment: str = "",
        captures_of: str = "",
    ) -> None:
        self._head = {
            **({"environment": environment} if environment else {}),
            **({"replay_environment": captures_of} if captures_of else {}),
            "recorded_at": recorded_at,
            "source": source,
            "semantics": semantics,
            "suites": list(suites),
        }
        self._groups: dict[str, list[SeriesGroup | SpilledGroup]] = defaultdict(list)
        self._intervals: dict[str, dict[str, float]] = defaultdict(dict)
        self._events: dict[str, dict[str, Any]] = defaultdict(dict)
        self._checkpoints: dict[str, dict[str, dict[str, float]]] = defaultdict(dict)
        self._metadata: dict[str, dict[str, str]] = defaultdict(dict)
        self._origins: dict[str, dict[str, None]] = defaultdict(dict)
        self._captures: list[Mapping[str, Any]] = []
        self._answers: dict[str, dict[str, Any]] = {}

    def add(self, group: SeriesGroup | SpilledGroup, *, region: str = "") -> None:
        """Add series that share one vector of timestamps (ms, rising)."""
        if isinstance(group, SeriesGroup) and (
            len(group.times) != len(group.values) or (np.diff(group.times) <= 0).any()
        ):
            message = "a group's timestamps must rise and have one row of values each"
            raise RecordingError(message)
        self._groups[region].append(group)

    def interval(self, job: str, seconds: float, *, region: str = "") -> None:
        """State the scrape interval of a job in seconds."""
        self._intervals[region][job] = seconds

    def events(self, kind: str, events: Mapping[str, Any], *, region: str = "") -> None:
        """Add what happened: ``{from, to, complete, rules, episodes}`` of one kind (alerts, incidents).

        Events of the same kind that were added before stay.
        """
        old = self._events[region].get(kind)
        self._events[region][kind] = dict(events) if old is None else merge_events(old, events)

    def checkpoint(self, suite: str, checkpoint: str, at: float, *, region: str = "") -> None:
        """State that the data for a suite at a checkpoint was recorded, and when (seconds since the epoch)."""
        self._checkpoints[region].setdefault(suite, {})[checkpoint] = at

    def origin(self, description: str, *, region: str = "") -> None:
        """State where samples of a region came from, for people and without secrets."""
        self._origins[region][description] = None

    def origins(self, region: str = "") -> tuple[str, ...]:
        """Return where the samples of a region came from."""
        return tuple(sorted(self._origins.get(region, ())))

    def metadata(self, family: str, kind: str, *, region: str = "") -> None:
        """State that a family of metrics is known, with samples or without, and its type (``counter``, ``gauge``, ...)."""
        self._metadata[region][family] = kind

    def answers(
        self, dialect: Mapping[str, Any], given: Iterable[Mapping[str, Any]], *, region: str = ""
    ) -> None:
        """Add answers to queries of a language that ``dialect`` describes; those to the same queries that were added before go."""
        held = self._answers.setdefault(region, {"dialect": {}, "given": {}})
        held["dialect"] = dict(dialect)
        for answer in given:
            asked = {name: answer[name] for name in ("query", "start", "end", "variables")}
            held["given"][json.dumps(asked, sort_keys=True)] = dict(answer)

    def capture(self, capture: Mapping[str, Any]) -> None:
        """Add what a case of a replay captured: ``suite``, ``checkpoint``, ``region``, ``case`` and the rest, as builtins."""
        self._captures.append(capture)

    def write(self, path: Path, *, overwrite: bool = False) -> None:
        """Write the file under another name, force it to disk and rename it, so that it is whole or not there.

        Raises RecordingError where the file exists and ``overwrite`` was not said, and where it cannot be written;
        an earlier file stays as it was.
        """
        try:
            if path.exists() and not overwrite:
                message = f"{path}: the recording exists already"
                raise RecordingError(message)
            with hold_lock(path):
                self.replace(path)
        except OSError as error:
            message = f"{path}: cannot be written: {error.strerror or error}"
            raise RecordingError(message) from None

    def replace(self, path: Path) -> None:
        """Write the file, replacing an existing one; to be called under ``hold_lock``, raises OSError."""
        with replace_file(path) as file:
            self._write(file)

    def _write(self, file: IO[bytes]) -> None:
        with zipfile.ZipFile(file, "w") as opened:
            archive = Archive(opened)
            regions = {name: self._region(archive, name, number) for number, name in enumerate(self._names())}
            capture_names = write_captures(archive, self._captures, {})
            index = {
                "format": FORMAT,
                "tool": f"pytest-telemetry-gate {version('pytest-telemetry-gate')}",
                **self._head,
                "regions": regions,
                "members": archive.members,
                **({"replay": capture_names} if capture_names else {}),
            }
            archive.put(
                "index.json", json.dumps(index, indent=1, sort_keys=True, ensure_ascii=False).encode()
            )

    def _names(self) -> list[str]:
        held = {
            *self._groups,
            *self._intervals,
            *self._events,
            *self._checkpoints,
            *self._metadata,
            *self._answers,
        }
        return sorted(held | {name.partition("/")[0] for name in held}) or [""]

    def _region(self, archive: Archive, name: str, number: int) -> dict[str, Any]:
        groups = []
        for order, group in enumerate(sorted(self._groups[name], key=_order)):
            stem = f"{number}/{order:05}"
            times = group.times.astype(np.int64)
            times_member = archive.array(f"{stem}/times.npy", times.dtype, times.shape, [times])
            by_metric: dict[str, list[int]] = defaultdict(list)
            for column, labels in enumerate(group.labels):
                by_metric[labels.get("__name__", "")].append(column)
            metrics: list[dict[str, Any]] = []
            for metric, metric_columns in sorted(by_metric.items()):
                metric_columns.sort(key=lambda column: sorted(group.labels[column].items()))
                for columns in _portions(metric_columns, len(times)):
                    member = f"{stem}/{len(metrics):05}.npy"
                    shape, pieces = (len(times), len(columns)), _pieces(group, columns, len(times))
                    archive.array(member, np.dtype(np.float64), shape, pieces)
                    rest = [_rest(group.labels[column]) for column in columns]
                    metrics.append({"name": metric, "member": member, "labels": rest})
            groups.append({"times": times_member, "metrics": metrics})
        checkpoints, types = self._checkpoints.get(name), self._metadata.get(name)
        origins, answers = list(self.origins(name)), self._answers.get(name)
        return {
            "groups": groups,
            "scrape_intervals": self._intervals[name],
            "events": self._events[name],
            "time_range": self._time_range(name),
            **({"checkpoints": checkpoints} if checkpoints else {}),
            **({"metadata": types} if types else {}),
            **({"origins": origins} if origins else {}),
            **({"answers": {**answers, "given": _sorted_values(answers["given"])}} if answers else {}),
        }

    def _time_range(self, region: str) -> list[float]:
        vectors = (group.times for group in self._groups[region])
        ends = [(int(times[0]), int(times[-1])) for times in vectors if len(times)]
        return [min(first for first, _ in ends) / 1000, max(last for _, last in ends) / 1000] if ends else []


def _sorted_values(by_key: Mapping[str, Any]) -> list[Any]:
    return [by_key[key] for key in sorted(by_key)]


def write_captures(
    archive: Archive, captures: Iterable[Mapping[str, Any]], listed: CaptureNames
) -> CaptureNames:
    """Write captures as members, and return their names among those ``listed``."""
    for capture in captures:
        suite, checkpoint, region, case = (
            str(capture[key]) for key in ("suite", "checkpoint", "region", "case")
        )
        name = "/".join(("replay", suite, checkpoint, *filter(None, [region]), f"{case}.json"))
        content = json.dumps(capture, sort_keys=True, ensure_ascii=False).encode()
        archive.members[name] = {"sha256": hashlib.sha256(content).hexdigest(), "shape": []}
        archive.put(name, content)
        listed.setdefault(suite, {}).setdefault(checkpoint, {}).setdefault(region, {})[case] = name
    return listed


def _order(group: SeriesGroup | SpilledGroup) -> tuple[int, list[list[tuple[str, str]]]]:
    times = group.times
    return int(times[0]) if len(times) else 0, sorted(sorted(labels.items()) for labels in group.labels)


def _portions(columns: Sequence[int], rows: int) -> Iterator[Sequence[int]]:
    """Yield the series of one metric, as many at a time as a member may hold."""
    most = max(1, _MEMBER // max(1, rows * 8))
    for first in range(0, len(columns), most):
        yield columns[first : first + most]


def _pieces(
    group: SeriesGroup | SpilledGroup, columns: Sequence[int], rows: int
) -> Iterator[NDArray[np.float64]]:
    most = max(1, _PIECE // (len(columns) * 8))
    for first in range(0, rows, most):
        last = min(rows, first + most)
        if isinstance(group, SeriesGroup):
            yield np.asarray(group.values[first:last, columns], dtype=np.float64)
        else:
            yield group.rows(columns, first, last)


def _rest(labels: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in labels.items() if name != "__name__"}


class Archive:
    """The zip that is being written, and what the index says about its members."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self.members: dict[str, dict[str, Any]] = {}

    def array(
        self, name: str, dtype: np.dtype[Any], shape: tuple[int, ...], pieces: Iterable[NDArray[Any]]
    ) -> str:
        """Write an array that comes in pieces, one after another along its first dimension."""
        header = io.BytesIO()
        description = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(header, description)
        digest = hashlib.sha256()
        contents = (np.ascontiguousarray(piece).tobytes() for piece in pieces)
        with self._archive.open(_info(name), "w") as member:
            for content in itertools.chain([header.getvalue()], contents):
                digest.update(content)
                member.write(content)
        self.members[name] = {"sha256": digest.hexdigest(), "shape": list(shape)}
        return name

    def put(self, name: str, content: bytes) -> None:
        """Write a member that the index does not name."""
        self._archive.writestr(_info(name), content)


def _info(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, _EPOCH)
    info.compress_type = zipfile.ZIP_DEFLATED
    info.external_attr = 0o644 << 16
    return info
