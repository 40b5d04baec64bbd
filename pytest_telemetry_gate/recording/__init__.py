"""Recordings: raw samples and events in one file that numpy alone can open."""

from pytest_telemetry_gate.recording.openmetrics import ImportSummary, import_openmetrics
from pytest_telemetry_gate.recording.reader import Recording
from pytest_telemetry_gate.recording.writer import RecordingWriter

__all__ = ["ImportSummary", "Recording", "RecordingWriter", "import_openmetrics"]
