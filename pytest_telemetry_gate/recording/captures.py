"""What replays captured, in a recording: one JSON member for each case at each checkpoint in each region.

A capture cannot be made again later. Storing one therefore replaces only the same case at the same checkpoint in the
same region, and leaves every other member of the file as it is, byte for byte.
"""

from __future__ import annotations

import contextlib
import json
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pytest_telemetry_gate.errors import RecordingError
from pytest_telemetry_gate.recording.reader import Recording
from pytest_telemetry_gate.recording.writer import Archive, CaptureNames, RecordingWriter, write_captures
from pytest_telemetry_gate.support.whole_files import hold_lock, replace_file

__all__ = ["Captures", "check_captures", "store_captures"]

_KEY = "replay"
_MAX_MEMBER = 512 * 2**20
_DAMAGE = (
    zipfile.BadZipFile,
    EOFError,
    KeyError,
    ValueError,
    OSError,
    TypeError,
    AttributeError,
    RuntimeError,
)


class Captures:
    """The captures of a recording, read one at a time; raises RecordingError for a damaged file or member."""

    def __init__(self, path: Path) -> None:
        self.recording = Recording.open(path)
        self.index = self.recording.index
        try:
            self.listed: CaptureNames = {
                suite: {
                    point: {region: dict(cases) for region, cases in regions.items()}
                    for point, regions in points.items()
                }
                for suite, points in self.index.get(_KEY, {}).items()
            }
        except _DAMAGE as error:
            message = f"{path}: index.json is damaged: {error}"
            raise RecordingError(message) from None

    def close(self) -> None:
        """Close the file."""
        self.recording.close()

    def checkpoints(self, suite: str) -> tuple[str, ...]:
        """Return the checkpoints at which cases of a suite were captured."""
        return tuple(self.listed.get(suite, {}))

    def regions(self, suite: str) -> tuple[str, ...]:
        """Return the regions in which cases of a suite were captured."""
        return tuple(
            dict.fromkeys(region for regions in self.listed.get(suite, {}).values() for region in regions)
        )

    def all(self) -> Iterator[dict[str, Any]]:
        """Yield every capture."""
        for checkpoints in self.listed.values():
            for regions in checkpoints.values():
                for cases in regions.values():
                    yield from map(self._read, cases.values())

    def get(self, suite: str, checkpoint: str, case: str, region: str = "") -> dict[str, Any] | None:
        """Return a capture as it was stored, or None where there is none."""
        name = self.listed.get(suite, {}).get(checkpoint, {}).get(region, {}).get(case)
        return None if name is None else self._read(name)

    def _read(self, name: str) -> dict[str, Any]:
        content = self.recording.content(name, _MAX_MEMBER)
        try:
            return dict(json.loads(content))
        except (ValueError, TypeError, RecursionError) as error:
            message = f"{self.recording.path}: member {name} is damaged: {error}"
            raise RecordingError(message) from None


def store_captures(
    path: Path, captures: Iterable[Mapping[str, Any]], *, recorded_at: float, environment: str = ""
) -> int:
    """Add captures to a recording, new or existing, in the place of the same cases at the same points.

    The file is replaced as a whole or not at all; returns how many were stored. Raises RecordingError, also where the
    file or a capture is of another environment.
    """
    point = ("suite", "checkpoint", "region", "case")
    new = {tuple(str(capture[key]) for key in point): capture for capture in captures}
    check_captures(path, new.values(), environment)
    try:
        with hold_lock(path):
            if not path.exists():
                RecordingWriter(recorded_at=recorded_at, source="replay").replace(path)
            _add(path, list(new.values()), recorded_at, environment)
    except _DAMAGE as error:
        message = f"{path}: captures cannot be written: {getattr(error, 'strerror', None) or error}"
        raise RecordingError(message) from None
    return len(new)


def check_captures(path: Path, captures: Iterable[Mapping[str, Any]], environment: str) -> None:
    """Raise RecordingError where a capture says that it is of another environment than the one they are stored for."""
    for capture in captures:
        named = capture.get("environment", environment)
        if named != environment:
            message = (
                f"a capture of case {capture['case']} is of environment {named!r}, not of {environment!r}"
            )
            raise RecordingError(f"{path}: {message}")


def _add(path: Path, captures: Sequence[Mapping[str, Any]], recorded_at: float, environment: str) -> None:
    with contextlib.closing(Captures(path)) as stored:
        stored.recording.check_environment(environment, samples=False)
        labelled = (
            environment if not stored.recording.holds_samples else ""
        )  # samples of no known environment stay so
        index = dict(stored.index)
        listed = stored.listed
    with replace_file(path) as file, zipfile.ZipFile(path) as old, zipfile.ZipFile(file, "w") as opened:
        archive = Archive(opened)
        archive.members = dict(index["members"])
        index["members"] = archive.members
        index[_KEY] = write_captures(archive, captures, listed)
        written = {*opened.namelist(), "index.json"}
        for info in old.infolist():
            if info.filename not in written:
                archive.put(info.filename, old.read(info))
        if environment:
            index["replay_environment"] = environment
        if labelled:
            index["environment"] = labelled
        index["recorded_at"] = max(float(index["recorded_at"]), recorded_at)
        archive.put("index.json", json.dumps(index, indent=1, sort_keys=True, ensure_ascii=False).encode())
