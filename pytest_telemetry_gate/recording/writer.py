"""Write a recording: a zip of ``.npy`` members and an index, whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import zipfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_telemetry_gate.errors import RecordingError
from pytest_telemetry_gate.promql import Group

__all__ = ["FORMAT", "RecordingWriter"]

FORMAT = 1
_EPOCH = (1980, 1, 1, 0, 0, 0)  # of every member, so that equal content gives equal files


class RecordingWriter:
    """Collects the series and events of a recording, then writes them to a file in one step.

    ``recorded_at`` is the recording's clock in seconds since the epoch; ``source`` says for people where the samples
    came from and must hold no secret; ``semantics`` is the profile of PromQL that the source had (``"2"``, ``"3"``).
    """

    def __init__(
        self, *, recorded_at: float, source: str = "", semantics: str = "3", suites: Sequence[str] = ()
    ) -> None:
        self._head = {
            "recorded_at": recorded_at,
            "source": source,
            "semantics": semantics,
            "suites": list(suites),
        }
        self._groups: dict[str, list[Group]] = defaultdict(list)
        self._intervals: dict[str, dict[str, float]] = defaultdict(dict)
        self._events: dict[str, dict[str, Any]] = defaultdict(dict)

    def add(self, group: Group, *, region: str = "") -> None:
        """Add series that share one vector of timestamps (ms, rising)."""
        if len(group.times) != len(group.values) or (np.diff(group.times) <= 0).any():
            message = "a group's timestamps must rise and have one row of values each"
            raise RecordingError(message)
        self._groups[region].append(group)

    def interval(self, job: str, seconds: float, *, region: str = "") -> None:
        """State the scrape interval of a job in seconds."""
        self._intervals[region][job] = seconds

    def events(self, kind: str, events: Mapping[str, Any], *, region: str = "") -> None:
        """Add what happened: ``{from, to, complete, rules, episodes}`` of one kind (alerts, incidents)."""
        self._events[region][kind] = dict(events)

    def write(self, path: Path, *, overwrite: bool = False) -> None:
        """Write the file under another name, force it to disk and rename it, so that it is whole or not there.

        Raises RecordingError where the file exists and ``overwrite`` was not said, and where it cannot be written;
        an earlier file stays as it was.
        """
        unfinished = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            if path.exists() and not overwrite:
                message = f"{path}: there is a recording already"
                raise RecordingError(message)
            path.parent.mkdir(parents=True, exist_ok=True)
            with unfinished.open("xb") as file:
                self._write(file)
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(path)
            _sync_folder(path.parent)
        except OSError as error:
            message = f"{path}: cannot be written: {error.strerror or error}"
            raise RecordingError(message) from None
        finally:
            with contextlib.suppress(OSError):
                unfinished.unlink()

    def _write(self, file: io.BufferedIOBase | Any) -> None:
        members: dict[str, dict[str, Any]] = {}
        with zipfile.ZipFile(file, "w") as archive:
            regions = {
                name: self._region(archive, members, name, number)
                for number, name in enumerate(self._names())
            }
            index = {
                "format": FORMAT,
                "tool": f"pytest-telemetry-gate {metadata.version('pytest-telemetry-gate')}",
                **self._head,
                "regions": regions,
                "members": members,
            }
            _put(
                archive,
                "index.json",
                json.dumps(index, indent=1, sort_keys=True, ensure_ascii=False).encode(),
            )

    def _names(self) -> list[str]:
        return sorted({*self._groups, *self._intervals, *self._events}) or [""]

    def _region(
        self, archive: zipfile.ZipFile, members: dict[str, dict[str, Any]], name: str, number: int
    ) -> dict[str, Any]:
        groups = []
        for order, group in enumerate(sorted(self._groups[name], key=_order)):
            stem = f"{number}/{order:05}"
            times = _array(archive, members, f"{stem}/times.npy", group.times.astype(np.int64))
            by_metric: dict[str, list[int]] = defaultdict(list)
            for column, labels in enumerate(group.labels):
                by_metric[labels.get("__name__", "")].append(column)
            metrics = []
            for place, (metric, columns) in enumerate(sorted(by_metric.items())):
                columns.sort(key=lambda column: sorted(group.labels[column].items()))
                values = np.ascontiguousarray(group.values[:, columns], dtype=np.float64)
                member = _array(archive, members, f"{stem}/{place:05}.npy", values)
                metrics.append(
                    {"name": metric, "member": member, "labels": [_rest(group.labels[c]) for c in columns]}
                )
            groups.append({"times": times, "metrics": metrics})
        return {
            "groups": groups,
            "scrape_intervals": self._intervals[name],
            "events": self._events[name],
            "time_range": self._time_range(name),
        }

    def _time_range(self, region: str) -> list[float]:
        filled = [group.times for group in self._groups[region] if len(group.times)]
        if not filled:
            return []
        return [min(int(times[0]) for times in filled) / 1000, max(int(times[-1]) for times in filled) / 1000]


def _order(group: Group) -> tuple[int, list[list[tuple[str, str]]]]:
    return int(group.times[0]) if len(group.times) else 0, sorted(
        sorted(labels.items()) for labels in group.labels
    )


def _rest(labels: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in labels.items() if name != "__name__"}


def _array(
    archive: zipfile.ZipFile,
    members: dict[str, dict[str, Any]],
    name: str,
    array: NDArray[np.int64] | NDArray[np.float64],
) -> str:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, version=(1, 0), allow_pickle=False)
    content = buffer.getvalue()
    members[name] = {"sha256": hashlib.sha256(content).hexdigest(), "shape": list(array.shape)}
    _put(archive, name, content)
    return name


def _put(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    info = zipfile.ZipInfo(name, _EPOCH)
    info.compress_type = zipfile.ZIP_DEFLATED
    info.external_attr = 0o644 << 16
    archive.writestr(info, content)


def _sync_folder(folder: Path) -> None:
    """Force the rename itself to disk, where the system can open a folder for that (Windows cannot)."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
