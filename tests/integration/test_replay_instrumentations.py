"""Services that instrumentations of the SDKs of Python and JavaScript instrument: driven, captured, held against the conventions."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import servers
from children import run_pytest, until
from semantic_conventions import recent_conventions

pytestmark = [pytest.mark.integration, pytest.mark.slow, recent_conventions]

PROGRAMS = Path(__file__).parent / "instrumented"
ENVIRONMENTS = 'default: live\nenvironments: {live: {source: prometheus, url: "http://127.0.0.1:9"}}\n'
NEEDED = (
    "flask",
    "opentelemetry.distro",
    *(f"opentelemetry.instrumentation.{name}" for name in ("flask", "requests", "sqlite3", "logging")),
)
# Exported soon; with the names that conventions have now, where instrumentations would still use older ones.
SETTINGS = {
    "OTEL_SERVICE_NAME": "shop",
    "OTEL_BSP_SCHEDULE_DELAY": "100",
    "OTEL_BLRP_SCHEDULE_DELAY": "100",
    "OTEL_METRIC_EXPORT_INTERVAL": "300",
    "OTEL_TRACES_EXPORTER": "otlp",
    "OTEL_LOGS_EXPORTER": "otlp",
    "OTEL_METRICS_EXPORTER": "otlp",
    "OTEL_PYTHON_LOGGING_AUTO_INSTRUMENTATION_ENABLED": "true",
    "OTEL_SEMCONV_STABILITY_OPT_IN": "http,database",
}


@contextlib.contextmanager
def serving(argv: list[str], folder: Path, port: int, environ: Mapping[str, str]) -> Iterator[None]:
    """Run a service until the context ends; it is asked nothing before, so that it has nothing to export."""
    with (folder / "service.log").open("wb") as log:
        process = subprocess.Popen(argv, cwd=folder, env=environ, stdout=log, stderr=log)
    try:
        until(lambda: process.poll() is not None or listens(port))
        assert process.poll() is None, (folder / "service.log").read_text()
        yield
    finally:
        process.terminate()
        process.wait()


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def replayed(
    folder: Path, suite: str, argv: list[str], environ: Mapping[str, str], *, grpc: bool = False
) -> list[str]:
    """Drive a suite against a service; return the verdict of its case and the lines that say why."""
    port, http_port, grpc_port = (servers.free_port() for _ in range(3))
    text = (PROGRAMS / suite).read_text(encoding="utf-8")
    (folder / suite).write_text(
        text.replace("HTTP_PORT", str(http_port)).replace("GRPC_PORT", str(grpc_port))
    )
    (folder / "telemetry.yaml").write_text(ENVIRONMENTS)
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "PYTEST_"))}
    endpoint = f"http://127.0.0.1:{grpc_port if grpc else http_port}"
    service = {**clean, **SETTINGS, "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, **environ}
    with serving([*argv, str(port)], folder, port, service):
        gate = {**clean, "SHOP_URL": f"http://127.0.0.1:{port}"}
        done = run_pytest(folder, suite, "--junitxml=junit.xml", environ=gate)
    cases = ET.parse(folder / "junit.xml").getroot().iter("testcase")
    case = next(case for case in cases if case.get("name") == "order[24h]")
    said = {one.get("name"): one.get("value") for one in case.iter("property")}
    lines = "\n".join(one.text or "" for one in (*case.iter("failure"), *case.iter("error"))).splitlines()
    found = [line.strip().removeprefix("x ") for line in lines if line.strip().startswith("x ")]
    assert done.returncode in {0, 1}, done.stdout + done.stderr
    return [str(said.get("telemetry.verdict")), *found]


@pytest.fixture
def python_shop(tmp_path: Path) -> list[str]:
    for name in NEEDED:
        if not available(name):
            pytest.skip(f"{name} is not installed: pip install --group test")
    shutil.copy(PROGRAMS / "shop.py", tmp_path)
    launcher = "from opentelemetry.instrumentation.auto_instrumentation import run; run()"
    return [sys.executable, "-c", launcher, sys.executable, "shop.py"]


def available(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def test_flask_requests_sqlite3_and_logging_keep_to_the_conventions(
    tmp_path: Path, python_shop: list[str]
) -> None:
    environ = {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
    assert replayed(tmp_path, "python.replay.yaml", python_shop, environ, grpc=True) == ["pass"]


def test_names_of_older_conventions_are_told_with_what_replaced_them(
    tmp_path: Path, python_shop: list[str]
) -> None:
    environ = {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf", "OTEL_SEMCONV_STABILITY_OPT_IN": ""}
    verdict, *lines = replayed(tmp_path, "python.replay.yaml", python_shop, environ)
    assert verdict == "fail"
    order = "span GET /order/<int:number>"
    assert f"{order}: attribute http.method: deprecated: Replaced by `http.request.method`" in lines
    assert (
        f"{order}: attribute http.status_code: deprecated: Replaced by `http.response.status_code`" in lines
    )
    assert "span SELECT: attribute db.system: deprecated: Replaced by `db.system.name`" in lines
    assert not [line for line in lines if "telemetry.auto.version" in line]
    # What the contracts ask for by its newer name is missing, and nothing else is wrong.
    others = [line.partition(": ")[0] for line in lines if ": deprecated: " not in line]
    assert others == ["span GET /order/<int:number>", "span SELECT", "span SELECT", "contract served"]


def test_express_keeps_to_the_conventions(tmp_path: Path) -> None:
    try:
        for program in ("node", "npm"):
            servers.binary(program)
    except servers.MissingServerError as missing:
        pytest.skip(str(missing))
    for name in ("package.json", "shop.js", "instrument.js"):
        shutil.copy(PROGRAMS / name, tmp_path)
    install = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts"]
    done = subprocess.run(install, cwd=tmp_path, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"npm has not what express is instrumented with: {done.stderr.strip().splitlines()[-1]}")
    node = ["node", "--require", "./instrument.js", "shop.js"]
    assert replayed(tmp_path, "javascript.replay.yaml", node, {}) == ["pass"]
