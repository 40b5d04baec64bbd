"""An upload to Google Cloud Storage, through gcsfs, to an emulator of its interface."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import servers

from pytest_telemetry_gate.files.environments import load_environment
from pytest_telemetry_gate.model.report import Content, GateReport, Report, SuiteReport
from pytest_telemetry_gate.model.verdict import Outcome
from pytest_telemetry_gate.sinks.send import require_usable_sinks, send

pytestmark = [pytest.mark.integration]


@pytest.fixture
def storage(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """A file system with one bucket."""
    # Otherwise gcsfs asks by gRPC and TLS, which the emulator does not speak, of what kind a bucket is.
    monkeypatch.setenv("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")
    port = servers.free_port()
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{port}")
    from gcp_storage_emulator.server import create_server

    server = create_server("127.0.0.1", port, in_memory=True, default_bucket="reports")
    server.start()
    import gcsfs

    yield SimpleNamespace(system=gcsfs.GCSFileSystem(token="anon"), stop=server.stop)
    server.stop()


def test_files_are_uploaded_to_gcs(storage: SimpleNamespace, tmp_path: Path) -> None:
    assert "gcsfs" in sys.modules
    config = tmp_path / "telemetry.yaml"
    config.write_text(
        "default: a\nenvironments:\n  a:\n    source: recording\n    path: x.zip\n"
        '    reports: {upload: {to: "gs://reports/{suite}/{clock}/", options: {token: anon}, timeout: 60s}}\n'
    )
    environment = load_environment(config)
    require_usable_sinks(environment)
    page = tmp_path / "r.html"
    page.write_text("<p>" * 100_000)
    suite = SuiteReport(id="step2", environment="a", now=1_737_583_200.0)
    report = Report(Content(GateReport(Outcome.PASS, opens=True, reason="1 pass"), (suite,)), "sha256:0")
    for _ in range(2):  # the second time in the place of the first
        assert send(report, [page], environment) == []
    assert storage.system.ls("reports/step2/2025-01-22T22-00-00Z") == [
        "reports/step2/2025-01-22T22-00-00Z/r.html"
    ]
    assert storage.system.cat_file("reports/step2/2025-01-22T22-00-00Z/r.html") == page.read_bytes()
