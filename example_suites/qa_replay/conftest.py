"""Starts the parser service and a Prometheus that scrapes it every second, where the environment is `live`."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
NEEDS = {
    "opentelemetry.sdk": "opentelemetry-sdk",
    "opentelemetry.exporter.otlp.proto.http": "opentelemetry-exporter-otlp-proto-http",
    "prometheus_client": "prometheus-client",
}
PROMETHEUS = """\
global: {scrape_interval: 1s, scrape_timeout: 1s}
scrape_configs: [{job_name: parser, static_configs: [{targets: ["%s"]}]}]
"""
PATIENCE = 60.0  # seconds for a server to be ready
SAMPLES = 2  # scrapes before anything is driven, so that every counter has a baseline
EXPORT_DELAY = "200"  # milliseconds that spans of the service wait for each other


def pytest_configure(config: pytest.Config) -> None:
    """Choose ports before telemetry.yaml is read; every worker of pytest-xdist has servers of its own."""
    ports = [free_port() for _ in range(3)]
    os.environ["QA_TARGET"] = f"http://127.0.0.1:{ports[0]}"
    os.environ["QA_PROMETHEUS_URL"] = f"http://127.0.0.1:{ports[1]}"
    os.environ["QA_OTLP"] = f"127.0.0.1:{ports[2]}"
    # Cases say `python3` and mean this one, so that captures hold no path of this machine.
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    os.environ["PYTHONPATH"] = f"{HERE}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"


def free_port() -> int:
    """Return a loopback port that nothing listens on now, and that the system gives to nobody who asks for any port."""
    while True:
        port = 20_000 + secrets.randbelow(12_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Say in one line what is missing, before anything is judged; a worker says it when it starts the servers."""
    problem = missing() if live(items) and not config.getoption("--collect-only") else ""
    if problem and not hasattr(config, "workerinput"):
        raise pytest.UsageError(problem)


def live(items: list[pytest.Item]) -> bool:
    """Tell whether any case of this folder is to be driven."""
    own = [item.get_closest_marker("telemetry") for item in items if HERE in item.path.parents]
    return any(marker is not None and marker.kwargs.get("env") == "live" for marker in own)


def missing() -> str:
    """Return what has to be installed before the system can run, or nothing."""
    packages = [name for module, name in NEEDS.items() if not there(module)]
    if packages:
        return f"qa_replay needs {', '.join(packages)}: pip install -r {HERE / 'requirements.txt'}"
    if shutil.which("prometheus") is None:
        return "qa_replay needs the server prometheus: apt-get install prometheus"
    return ""


@pytest.fixture(scope="session", autouse=True)
def system(request: pytest.FixtureRequest) -> Iterator[None]:
    """Run the service and Prometheus until the last case is over, where cases are driven at all."""
    if not live(request.session.items):
        yield
        return
    if problem := missing():
        pytest.fail(problem, pytrace=False)
    target, server = os.environ["QA_TARGET"], os.environ["QA_PROMETHEUS_URL"]
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        work = Path(folder)
        address = urllib.parse.urlsplit(target)
        environ = {
            **os.environ,
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{os.environ['QA_OTLP']}",
            "OTEL_BSP_SCHEDULE_DELAY": EXPORT_DELAY,
        }
        service = [sys.executable, "-m", "demo_parser.service", str(address.port)]
        stack.enter_context(running(service, work / "service.log", environ))
        wait_for("the service", lambda: get(f"{target}/metrics"), work / "service.log")
        # Before the first scrape, which therefore sees no counter move.
        warm_up(target)
        (work / "prometheus.yml").write_text(PROMETHEUS % address.netloc, encoding="utf-8")
        prometheus = [
            "prometheus",
            f"--config.file={work}/prometheus.yml",
            f"--storage.tsdb.path={work}/tsdb",
            f"--web.listen-address={urllib.parse.urlsplit(server).netloc}",
        ]
        stack.enter_context(running(prometheus, work / "prometheus.log", dict(os.environ)))
        query = urllib.parse.urlencode({"query": 'min(count_over_time(parse_total{job="parser"}[1m]))'})
        scraped = f"{server}/api/v1/query?{query}"
        wait_for("Prometheus", lambda: samples(get(scraped)) >= SAMPLES, work / "prometheus.log")
        yield


def there(module: str) -> bool:
    """Tell whether a module is installed."""
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def warm_up(target: str) -> None:
    """Have every counter above zero, as in a service that has been at work; none of these traces is sampled."""
    headers = {"traceparent": f"00-{'1' * 32}-{'1' * 16}-00"}
    for language, ending in (("python", "py"), ("go", "go"), ("javascript", "js")):
        body = (HERE / f"samples/{language}-1.{ending}").read_bytes()
        for _ in range(5):
            post(f"{target}/parse/{language}", body, headers)
    for _ in range(5):
        post(f"{target}/parse/python", (HERE / "samples/broken.txt").read_bytes(), headers)


def post(url: str, body: bytes, headers: dict[str, str]) -> None:
    """Send a source, which may be one that is refused."""
    with contextlib.suppress(urllib.error.HTTPError):
        urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=10)


@contextlib.contextmanager
def running(argv: list[str], log: Path, environ: dict[str, str]) -> Iterator[None]:
    """Run a program until the context ends, or this process does, even by being killed."""
    guarded = [sys.executable, str(HERE / "guard.py"), *argv]
    with log.open("wb") as output:
        # In a session of its own, so that an interrupt from the terminal reaches pytest alone, which ends them in order.
        process = subprocess.Popen(
            guarded, stdout=output, stderr=output, stdin=subprocess.PIPE, env=environ, start_new_session=True
        )
    try:
        yield
    finally:
        process.communicate()


def wait_for(what: str, ready: Callable[[], object], log: Path) -> None:
    """Wait until something is ready, or fail with the end of its log."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, ValueError):
            if ready():
                return
        time.sleep(0.1)
    tail = log.read_text("utf-8", "replace").splitlines()[-5:]
    pytest.fail(f"{what} is not ready after {PATIENCE:g} s: {' | '.join(tail)}", pytrace=False)


def get(url: str) -> bytes:
    """Return what an address answers, past any proxy."""
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=5) as response:
        return bytes(response.read())


def samples(answer: bytes) -> float:
    """Return the number that an instant query yields, 0 where there is none yet."""
    result = json.loads(answer)["data"]["result"]
    return float(result[0]["value"][1]) if result else 0.0
