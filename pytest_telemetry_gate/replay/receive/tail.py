"""What a collector's file exporter appends to a file, as if it had been exported to us."""

from __future__ import annotations

import json
from pathlib import Path

from pytest_telemetry_gate.errors import CorpusError, DriveError
from pytest_telemetry_gate.replay.captured import ExportRequest
from pytest_telemetry_gate.replay.otlp.telemetry import read_document
from pytest_telemetry_gate.replay.receive.mailbox import Mailbox

__all__ = ["Tail"]

_BLOCK = 1 << 20
_MAX_LINE = 64 * 2**20
_SIGNALS = {"resourceSpans": "traces", "resourceMetrics": "metrics", "resourceLogs": "logs"}


class Tail:
    """Reads whole lines that come after construction; a file that is rotated or cut is read from its start.

    ``poll()`` brings what is new to the mailbox; raises DriveError where the file cannot be read.
    """

    def __init__(self, path: Path, mailbox: Mailbox) -> None:
        self._path = path
        self._mailbox = mailbox
        self._rest = bytearray()  # which grows in place, where a line comes in many blocks
        stat = path.stat() if path.exists() else None
        self._inode, self._offset = (stat.st_ino, stat.st_size) if stat else (0, 0)

    def poll(self) -> None:
        """Read what is new."""
        try:
            if not self._path.exists():
                return
            with self._path.open("rb") as file:
                stat = self._path.stat()
                if stat.st_ino != self._inode or stat.st_size < self._offset:
                    self._inode, self._offset, self._rest = stat.st_ino, 0, bytearray()
                file.seek(self._offset)
                while block := file.read(_BLOCK):
                    self._offset += len(block)
                    head, newline, rest = block.rpartition(b"\n")
                    if newline:
                        for line in bytes(self._rest + head).split(b"\n"):
                            if line.strip():
                                self._mailbox.put(_request(line))
                        self._rest.clear()
                    self._rest += rest
                    if len(self._rest) > _MAX_LINE:
                        message = f"{self._path}: a line is longer than {_MAX_LINE // 2**20} MiB"
                        raise DriveError(message)
        except OSError as error:
            message = f"{self._path}: cannot be read: {error.strerror}"
            raise DriveError(message) from None


def _request(line: bytes) -> ExportRequest:
    try:
        document = json.loads(line)
        read_document(document)
    except (CorpusError, ValueError, RecursionError) as error:
        return ExportRequest("none", len(line), len(line), trouble=f"not OTLP JSON: {error}"[:200])
    signal = next((signal for key, signal in _SIGNALS.items() if key in document), "traces")
    return ExportRequest(signal, len(line), len(line), "json", document)
