"""Real servers for the tests: Debian's binaries on free loopback ports, in their own directories.

System services that a package may have started are neither used nor touched. Every server runs in a process
group of its own, which is killed when its context ends, whatever happened before.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import threading
import time
import urllib.parse
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

PACKAGES = {
    "prometheus": "prometheus",
    "promtool": "prometheus",
    "prometheus-alertmanager": "prometheus-alertmanager",
    "prometheus-node-exporter": "prometheus-node-exporter",
    "victoria-metrics": "victoria-metrics",
    "influxd": "influxdb",
    "graphite-manage": "graphite-web",
    "whisper-create": "python3-whisper",
    "whisper-update": "python3-whisper",
    "node": "nodejs",
    "npm": "npm",
    "chromium": "chromium",
}
NOBODY = "http://127.0.0.1:1"  # refuses connections: a privileged port, which is given to nobody by chance
START_TIMEOUT = 60.0
STOP_TIMEOUT = 10.0
ADDRESS_IN_USE = re.compile(r"address already in use|cannot assign requested address|bind: ", re.IGNORECASE)


class MissingServerError(Exception):
    """The server's binary is not installed; the message says what to install."""


class ServerError(Exception):
    """A server did not start or refused data; the message ends with the tail of its log."""


def binary(name: str) -> str:
    """Return the path of an installed server or tool, or raise MissingServerError with the apt-get command."""
    found = shutil.which(name) or shutil.which(name, path="/usr/bin:/usr/local/bin:/usr/sbin")
    if found is None:
        raise MissingServerError(f"missing server: {name} (apt-get install {PACKAGES[name]})")
    return found


class Connections:
    """Idle connections to one address, which are used again: thousands of questions need no thousands of handshakes.

    Any proxy is passed by.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._idle: list[http.client.HTTPConnection] = []
        self._lock = threading.Lock()

    def request(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str], *, timeout: float
    ) -> tuple[int, bytes]:
        """Return status and body; an idle connection that the server has closed meanwhile is replaced once."""
        request = (method, path, body, dict(headers))
        with self._lock:
            idle = self._idle.pop() if self._idle else None
        if idle is not None:
            with contextlib.suppress(ConnectionError):
                return self._exchange(idle, timeout, *request)
        return self._exchange(http.client.HTTPConnection(self._address), timeout, *request)

    def close(self) -> None:
        """Close what is idle."""
        with self._lock:
            while self._idle:
                self._idle.pop().close()

    def _exchange(
        self, connection: http.client.HTTPConnection, timeout: float, *request: Any
    ) -> tuple[int, bytes]:
        try:
            connection.timeout = timeout
            if connection.sock is not None:
                connection.sock.settimeout(timeout)
            connection.request(*request)
            response = connection.getresponse()
            content = response.read()
        except BaseException:
            connection.close()
            raise
        if connection.sock is not None:
            with self._lock:
                self._idle.append(connection)
        return response.status, content


@dataclass(frozen=True)
class Server:
    """A running server: its base URL, its directory and its log."""

    name: str
    url: str
    directory: Path
    log: Path
    process: subprocess.Popen[bytes]
    connections: Connections = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "connections", Connections(self.address))

    @property
    def address(self) -> str:
        """Host and port, as scrape configurations and Alertmanager targets want it."""
        return urllib.parse.urlsplit(self.url).netloc

    def get(
        self, path: str, parameters: Mapping[str, str] | None = None, *, timeout: float = 60
    ) -> tuple[int, bytes]:
        """Return status and body of a GET; an HTTP error status is an answer, not an exception."""
        query = f"?{urllib.parse.urlencode(parameters)}" if parameters else ""
        return self.connections.request("GET", f"{path}{query}", None, {}, timeout=timeout)

    def post(
        self,
        path: str,
        body: bytes | Mapping[str, str],
        *,
        content_type: str = "application/x-www-form-urlencoded",
        timeout: float = 60,
    ) -> tuple[int, bytes]:
        """Return status and body of a POST of raw bytes or of form fields."""
        data = body if isinstance(body, bytes) else urllib.parse.urlencode(body).encode()
        return self.connections.request("POST", path, data, {"Content-Type": content_type}, timeout=timeout)

    def query(self, promql: str, time: float) -> dict[str, Any]:
        """Return the decoded answer of an instant query, `status` included (an error is an answer too)."""
        return self._decode(self.get("/api/v1/query", {"query": promql, "time": repr(time)}))

    def query_range(self, promql: str, start: float, end: float, step: float) -> dict[str, Any]:
        """Return the decoded answer of a range query, `status` included."""
        fields = {"query": promql, "start": repr(start), "end": repr(end), "step": repr(step)}
        return self._decode(self.get("/api/v1/query_range", fields))

    def log_tail(self, lines: int = 30) -> str:
        """Return the last lines of the log, for a failure's message."""
        text = self.log.read_text("utf-8", "replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])

    def _decode(self, answer: tuple[int, bytes]) -> dict[str, Any]:
        status, body = answer
        try:
            decoded = json.loads(body)
        except ValueError:
            raise ServerError(f"{self.name}: HTTP {status}: {body[:300]!r}\n{self.log_tail()}") from None
        if not isinstance(decoded, dict):
            raise ServerError(f"{self.name}: HTTP {status}: not an object: {body[:300]!r}")
        return decoded


def free_port() -> int:
    """Return a loopback port that nothing listens on now, and that the system gives to nobody who asks for any port."""
    while True:
        # Not of the module `random`, whose numbers are the same in processes that are forked off.
        port = 20_000 + secrets.randbelow(12_000)
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a server's whole process group: politely first, then not."""
    for number, patience in ((signal.SIGTERM, STOP_TIMEOUT), (signal.SIGKILL, STOP_TIMEOUT)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience)
            return


@contextlib.contextmanager
def running(
    name: str,
    arguments: Sequence[str],
    directory: Path,
    ready: str,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Server]:
    """Run a server until the context ends; `{address}` in an argument or variable becomes its host and port."""
    program = binary(name)
    directory.mkdir(parents=True, exist_ok=True)
    for attempt in range(5):
        address = f"127.0.0.1:{free_port()}"
        log = directory / f"{name}.{attempt}.log"
        argv = [program, *(argument.replace("{address}", address) for argument in arguments)]
        further = {key: value.replace("{address}", address) for key, value in (environment or {}).items()}
        with log.open("wb") as output:
            process = subprocess.Popen(
                argv,
                cwd=directory,
                env={**os.environ, **further},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        server = Server(name, f"http://{address}", directory, log, process)
        try:
            if not _ready(server, ready):
                continue
            yield server
            return
        finally:
            server.connections.close()
            stop(process)
    raise ServerError(f"{name}: no free port in five attempts\n{server.log_tail()}")


def _ready(server: Server, path: str) -> bool:
    """Wait until the server answers; False says that its port was taken by somebody else meanwhile."""
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        code = server.process.poll()
        if code is not None:
            if ADDRESS_IN_USE.search(server.log_tail()):
                return False
            raise ServerError(f"{server.name}: ended with {code} before it was ready\n{server.log_tail()}")
        with contextlib.suppress(OSError, http.client.HTTPException):
            if server.get(path, timeout=5)[0] == 200 and server.process.poll() is None:
                return True
        time.sleep(0.05)
    raise ServerError(f"{server.name}: not ready after {START_TIMEOUT:.0f} s\n{server.log_tail()}")


def backfill(openmetrics: Path, tsdb: Path) -> None:
    """Build TSDB blocks from OpenMetrics text with promtool, as few blocks as it can make."""
    argv = [binary("promtool"), "tsdb", "create-blocks-from", "--max-block-duration=8760h", "--quiet"]
    done = subprocess.run(
        [*argv, "openmetrics", str(openmetrics), str(tsdb)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ServerError(f"promtool refused {openmetrics.name}: {done.stdout}{done.stderr}")


@contextlib.contextmanager
def prometheus(
    directory: Path,
    *,
    openmetrics: Path | None = None,
    scrape: Sequence[Mapping[str, Any]] = (),
    rules: Mapping[str, Any] | None = None,
    alertmanagers: Sequence[str] = (),
    interval: str = "1s",
    arguments: Sequence[str] = (),
) -> Iterator[Server]:
    """Run a Prometheus over a backfilled TSDB, a list of scrape configurations, or both.

    `rules` is the content of a rule file, `alertmanagers` a list of addresses.
    """
    directory.mkdir(parents=True, exist_ok=True)
    binary("prometheus")
    if openmetrics is not None:
        backfill(openmetrics, directory / "tsdb")
    config: dict[str, Any] = {
        "global": {"scrape_interval": interval, "scrape_timeout": interval, "evaluation_interval": interval},
        "scrape_configs": [dict(job) for job in scrape],
    }
    if rules is not None:
        (directory / "rules.yml").write_text(yaml.safe_dump(dict(rules)), "utf-8")
        config["rule_files"] = ["rules.yml"]
    if alertmanagers:
        config["alerting"] = {"alertmanagers": [{"static_configs": [{"targets": list(alertmanagers)}]}]}
    (directory / "prometheus.yml").write_text(yaml.safe_dump(config), "utf-8")
    defaults = [
        "--config.file=prometheus.yml",
        "--storage.tsdb.path=tsdb",
        "--storage.tsdb.retention.time=100y",
        "--web.listen-address={address}",
        "--web.enable-lifecycle",
        "--log.level=warn",
    ]
    with running("prometheus", [*defaults, *arguments], directory, "/-/ready") as server:
        yield server


@contextlib.contextmanager
def alertmanager(directory: Path, *, config: Mapping[str, Any] | None = None) -> Iterator[Server]:
    """Run an Alertmanager without a cluster; Debian's build does not embed the default templates."""
    directory.mkdir(parents=True, exist_ok=True)
    settings: dict[str, Any] = {
        "route": {"receiver": "none"},
        "receivers": [{"name": "none"}],
        **(config or {}),
    }
    templates = Path("/usr/share/prometheus/alertmanager")
    if templates.is_dir():
        settings.setdefault("templates", [str(templates / "*.tmpl")])
    (directory / "alertmanager.yml").write_text(yaml.safe_dump(settings), "utf-8")
    arguments = [
        "--config.file=alertmanager.yml",
        "--storage.path=data",
        "--web.listen-address={address}",
        "--cluster.listen-address=",
    ]
    with running("prometheus-alertmanager", arguments, directory, "/-/ready") as server:
        yield server


@contextlib.contextmanager
def node_exporter(directory: Path) -> Iterator[Server]:
    """Run a node exporter with the collectors that need no privileges."""
    arguments = ["--web.listen-address={address}", "--collector.disable-defaults"]
    arguments += [
        f"--collector.{name}" for name in ("cpu", "loadavg", "meminfo", "netdev", "diskstats", "time")
    ]
    with running("prometheus-node-exporter", arguments, directory, "/metrics") as server:
        yield server


@contextlib.contextmanager
def victoria_metrics(directory: Path, *, as_installed: bool = False) -> Iterator[Server]:
    """Run a single-node VictoriaMetrics that keeps old samples and answers without its usual delay.

    ``as_installed`` it has its delay, and a cache for which it moves the times that it is asked for.
    """
    arguments = [
        "-httpListenAddr={address}",
        "-storageDataPath=data",
        "-retentionPeriod=100y",
        "-memory.allowedBytes=256MB",
    ]
    if not as_installed:
        arguments += ["-search.latencyOffset=0s", "-search.disableCache"]
    with running("victoria-metrics", arguments, directory, "/health") as server:
        yield server


def victoria_import(server: Server, lines: Sequence[str]) -> None:
    """Load lines of `name{labels} value milliseconds` and make them visible to queries."""
    status, body = server.post(
        "/api/v1/import/prometheus", "\n".join(lines).encode(), content_type="text/plain"
    )
    if status not in {200, 204}:
        raise ServerError(f"victoria-metrics: import: HTTP {status}: {body[:300]!r}\n{server.log_tail()}")
    server.get("/internal/force_flush")


@contextlib.contextmanager
def influxdb(directory: Path, database: str, lines: Sequence[str]) -> Iterator[Server]:
    """Run an InfluxDB 1 with a database of points in its line protocol, their times in seconds."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "influxdb.conf").write_text("", "utf-8")
    environment = {
        "INFLUXDB_META_DIR": str(directory / "meta"),
        "INFLUXDB_DATA_DIR": str(directory / "data"),
        "INFLUXDB_DATA_WAL_DIR": str(directory / "wal"),
        "INFLUXDB_HTTP_BIND_ADDRESS": "{address}",
        "INFLUXDB_BIND_ADDRESS": "127.0.0.1:0",
        "INFLUXDB_REPORTING_DISABLED": "true",
        "INFLUXDB_MONITOR_STORE_ENABLED": "false",
    }
    with running(
        "influxd", ["run", "-config", "influxdb.conf"], directory, "/query?q=SHOW+DATABASES", environment
    ) as server:
        for path, body in (
            ("/query", {"q": f"CREATE DATABASE {database}"}),
            (f"/write?db={database}&precision=s", "\n".join(lines).encode()),
        ):
            status, answer = server.post(path, body)
            if status not in {200, 204}:
                raise ServerError(f"influxd: {path}: HTTP {status}: {answer[:300]!r}\n{server.log_tail()}")
        yield server


_GRAPHITE = """\
from pathlib import Path
GRAPHITE_ROOT, CONF_DIR = "/usr/share/graphite-web", "/etc/graphite"
STORAGE_DIR = LOG_DIR = str(Path(__file__).parent)
WHISPER_DIR, INDEX_FILE = STORAGE_DIR + "/whisper", STORAGE_DIR + "/index"
SECRET_KEY = "known to everybody who reads this test"
CARBONLINK_HOSTS, DEFAULT_CACHE_DURATION, TIME_ZONE = [], 0, "UTC"
"""


@contextlib.contextmanager
def graphite(directory: Path, series: Mapping[str, Mapping[int, float]]) -> Iterator[Server]:
    """Run a Graphite over series with a point a minute, by their dotted names; it forgets what is older than a day."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "graphite_of_tests.py").write_text(_GRAPHITE, "utf-8")
    for name, points in series.items():
        file = directory.joinpath("whisper", *name.split(".")).with_suffix(".wsp")
        file.parent.mkdir(parents=True, exist_ok=True)
        told = [f"{time}:{value}" for time, value in points.items()]
        for argv in (["whisper-create", str(file), "60s:1d"], ["whisper-update", str(file), *told]):
            subprocess.run([binary(argv[0]), *argv[1:]], check=True, capture_output=True)
    environment = {
        "GRAPHITE_SETTINGS_MODULE": "graphite_of_tests",
        "PYTHONPATH": str(directory),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    arguments = ["runserver", "--noreload", "{address}"]
    with running("graphite-manage", arguments, directory, "/version/", environment) as server:
        yield server
