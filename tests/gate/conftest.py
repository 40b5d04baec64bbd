"""A small project in a folder of its own: a recording, telemetry.yaml and suites, judged by a pytest inside."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from gates import HEAD, START, UP, Series, series

from pytest_telemetry_gate.promql import Group
from pytest_telemetry_gate.recording import RecordingWriter

ENVIRONMENT = """\
default: recorded
environments:
  recorded: {source: recording, path: small.telemetry.zip}
  other: {source: recording, path: other.telemetry.zip}
"""
CPU = "- {id: cpu, query: cpu, expect: '< 75', unit: '%'}"


class Project:
    """Writes the files of a project and runs pytest in it."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.pytester = pytester
        self.path = pytester.path
        self.file("tox.ini", "[pytest]\n")
        self.file("telemetry.yaml", ENVIRONMENT)
        self.record([UP, series("cpu", 70.0)])

    def file(self, name: str, text: str) -> Path:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def suite(self, criteria: str = CPU, head: str = HEAD, name: str = "small.gate.yaml") -> Path:
        body = (
            criteria
            if "groups:" in criteria
            else "groups:\n  Parser:\n    " + criteria.replace("\n", "\n    ")
        )
        return self.file(name, f"{head}{body}\n")

    def record(
        self,
        data: Sequence[Series],
        name: str = "small.telemetry.zip",
        *,
        region: str = "",
        recorded_at: float = START + 4 * 3600,
        events: dict[str, dict[str, object]] | None = None,
    ) -> Path:
        writer = RecordingWriter(recorded_at=recorded_at)
        for labels, times, values in data:
            stamps = np.round(times * 1000).astype(np.int64)
            writer.add(Group((dict(labels),), stamps, values[:, None]), region=region)
        for job in {labels["job"] for labels, _, _ in data}:
            writer.interval(job, 15.0, region=region)
        for kind, found in (events or {}).items():
            writer.events(kind, found, region=region)
        writer.write(self.path / name, overwrite=True)
        return self.path / name

    def run(self, *arguments: str) -> pytest.RunResult:
        return self.pytester.runpytest("-p", "no:cacheprovider", *arguments)


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.delenv("TELEMETRY_ENV", raising=False)
    monkeypatch.setenv("COLUMNS", "120")
    return Project(pytester)
