"""What replays captured, in a recording: one JSON member for each case, listed in the index by suite and checkpoint.

A capture cannot be made again later, so storing one replaces only the same case at the same checkpoint and leaves
every other member of the file as it is, byte for byte.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pytest_telemetry_gate.errors import RecordingError
from pytest_telemetry_gate.recording.reader import Recording
from pytest_telemetry_gate.recording.writer import RecordingWriter

__all__ = ["Captures", "store_captures"]

_KEY = "replay"
_MAX_MEMBER = 512 * 2**20
_EPOCH = (1980, 1, 1, 0, 0, 0)
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
        self.path = path
        Recording.open(path)  # says what is wrong with the file as a whole
        try:
            with zipfile.ZipFile(path) as archive:
                self._index: dict[str, Any] = json.loads(archive.read("index.json"))
            self._listed: dict[str, dict[str, dict[str, str]]] = dict(self._index.get(_KEY, {}))
        except _DAMAGE as error:
            message = f"{path}: index.json is damaged: {error}"
            raise RecordingError(message) from None

    def checkpoints(self, suite: str) -> tuple[str, ...]:
        """Return the checkpoints at which cases of a suite were captured."""
        return tuple(self._listed.get(suite, {}))

    def get(self, suite: str, checkpoint: str, case: str) -> dict[str, Any] | None:
        """Return a capture as it was stored, or None where there is none."""
        name = self._listed.get(suite, {}).get(checkpoint, {}).get(case)
        if name is None:
            return None
        try:
            with zipfile.ZipFile(self.path) as archive:
                if archive.getinfo(name).file_size > _MAX_MEMBER:
                    message = "it is too large"
                    raise ValueError(message)
                content = archive.read(name)
            if hashlib.sha256(content).hexdigest() != self._index["members"][name]["sha256"]:
                message = "its content does not match its digest"
                raise ValueError(message)
            return dict(json.loads(content))
        except _DAMAGE as error:
            message = f"{self.path}: member {name} is damaged: {error}"
            raise RecordingError(message) from None


def store_captures(path: Path, captures: Iterable[Mapping[str, Any]], *, recorded_at: float) -> int:
    """Add captures (``suite``, ``checkpoint``, ``case`` and whatever else) to a recording, new or existing.

    The file is replaced as a whole or not at all; returns how many were stored. Raises RecordingError.
    """
    new = list(captures)
    if not path.exists():
        RecordingWriter(recorded_at=recorded_at, source="replay").write(path)
    index = json.loads(json.dumps(Captures(path)._index))  # noqa: SLF001 - the same module
    listed = index.setdefault(_KEY, {})
    contents: dict[str, bytes] = {}
    for capture in new:
        suite, checkpoint, case = (str(capture[key]) for key in ("suite", "checkpoint", "case"))
        name = f"replay/{suite}/{checkpoint}/{case}.json"
        contents[name] = json.dumps(capture, sort_keys=True, ensure_ascii=False).encode()
        index["members"][name] = {"sha256": hashlib.sha256(contents[name]).hexdigest(), "shape": []}
        listed.setdefault(suite, {}).setdefault(checkpoint, {})[case] = name
    index["recorded_at"] = max(float(index["recorded_at"]), recorded_at)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with unfinished.open("xb") as file:
            with zipfile.ZipFile(path) as old, zipfile.ZipFile(file, "w") as archive:
                for info in old.infolist():
                    if info.filename != "index.json" and info.filename not in contents:
                        _put(archive, info.filename, old.read(info))
                for name, content in contents.items():
                    _put(archive, name, content)
                text = json.dumps(index, indent=1, sort_keys=True, ensure_ascii=False)
                _put(archive, "index.json", text.encode())
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except _DAMAGE as error:
        message = f"{path}: captures cannot be written: {getattr(error, 'strerror', None) or error}"
        raise RecordingError(message) from None
    finally:
        with contextlib.suppress(OSError):
            unfinished.unlink()
    return len(new)


def _put(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    info = zipfile.ZipInfo(name, _EPOCH)
    info.compress_type = zipfile.ZIP_DEFLATED
    info.external_attr = 0o644 << 16
    archive.writestr(info, content)
