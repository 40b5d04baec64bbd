"""The servers of recordings that tests ask for: each is started once in a process, and ends with the session."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from pytest_telemetry_gate.recording import Recording
from pytest_telemetry_gate.serving.serve import ServedRecording, serve

__all__ = ["RecordingServers"]

_SERVERS: pytest.StashKey[RecordingServers] = pytest.StashKey()


class RecordingServers:
    """Serves recordings until pytest ends."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._served: dict[tuple[Path, str, str | None], ServedRecording] = {}

    @classmethod
    def of(cls, config: pytest.Config) -> RecordingServers:
        """Return those of a session."""
        if _SERVERS not in config.stash:
            config.stash[_SERVERS] = servers = cls()
            config.add_cleanup(servers._stack.close)
        return config.stash[_SERVERS]

    def __call__(self, recording: Path | str, region: str = "", *, by: str | None = None) -> ServedRecording:
        """Return the server of one region of a recording, started where it does not run yet.

        ``by`` is ``prometheus`` or ``engine``; if not said, a Prometheus where one is installed whose PromQL is that of the
        recording. Raises RecordingError, ConfigError or SourceError, with one line.
        """
        path = Path(recording).absolute()
        key = (path, region, by)
        if key not in self._served:
            opened = Recording.open(path)
            self._stack.callback(opened.close)
            opened.storage(region)  # raises for a region that it does not have
            self._served[key] = self._stack.enter_context(serve(opened, region, by=by))
        return self._served[key]
