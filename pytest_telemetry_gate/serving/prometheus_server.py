"""A throw-away Prometheus of its own, filled with the samples of a recording."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

from pytest_telemetry_gate.errors import SourceError
from pytest_telemetry_gate.recording import Recording
from pytest_telemetry_gate.replay.drive.guard import MARK
from pytest_telemetry_gate.replay.drive.guarded import guarding
from pytest_telemetry_gate.serving.remote_write import make_requests

__all__ = ["find_prometheus", "serve_by_prometheus"]

_HOST = "127.0.0.1"
_ATTEMPTS = 5  # to find a port that nobody takes meanwhile
_START = 60.0  # seconds until it is ready
_STOP = 10.0  # seconds until it has ended
_POLL = 0.05
_ANSWER = 60.0  # seconds for one request
_VERSION = re.compile(rb"version (\d+)\.")
_TAIL = 3  # lines of its log in a message
_HEADERS = {
    "Content-Type": "application/x-protobuf",
    "Content-Encoding": "snappy",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
}


def find_prometheus(semantics: str) -> str | None:
    """Return the path of an installed Prometheus of a major version, whose PromQL a recording follows; None without one."""
    program = shutil.which("prometheus")
    if program is None:
        return None
    try:
        told = subprocess.run([program, "--version"], capture_output=True, timeout=_ANSWER, check=False)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return None
    version = _VERSION.search(told.stdout + told.stderr)
    return program if version is not None and version[1].decode() == semantics else None


@contextlib.contextmanager
def serve_by_prometheus(program: str, recording: Recording, region: str, folder: Path) -> Iterator[str]:
    """Run ``program`` in an empty folder until the context ends, and yield its URL; raises SourceError where it cannot.

    It scrapes nothing and reads no other configuration. However this process ends, it ends as well.
    """
    (folder / "prometheus.yml").write_text("{}\n", encoding="utf-8")
    for _ in range(_ATTEMPTS):
        port, mark = _free_port(), uuid.uuid4().hex
        with guarding(mark) as name_leader, (folder / "log").open("wb") as log:
            process = subprocess.Popen(  # noqa: S603 - what the user has installed
                [
                    program,
                    "--config.file=prometheus.yml",
                    "--storage.tsdb.path=tsdb",
                    "--storage.tsdb.retention.time=100y",
                    f"--web.listen-address={_HOST}:{port}",
                    "--web.enable-remote-write-receiver",
                    "--log.level=warn",
                ],
                cwd=folder,
                env={**os.environ, MARK: mark},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
            name_leader(process.pid)
            try:
                if not _is_ready(process, port, folder):
                    continue  # its port was taken
                _fill(recording, region, port, folder)
                yield f"http://{_HOST}:{port}"
            finally:
                _stop(process)
            return
    message = f"prometheus: no free port in {_ATTEMPTS} attempts{_log_tail(folder)}"
    raise SourceError(message)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        return int(probe.getsockname()[1])


def _is_ready(process: subprocess.Popen[bytes], port: int, folder: Path) -> bool:
    """Wait until it answers; False says that somebody else listens where it should."""
    deadline = time.monotonic() + _START
    while time.monotonic() < deadline:
        code = process.poll()
        if code is not None:
            tail = _log_tail(folder)
            if "address already in use" in tail:
                return False
            message = f"prometheus ended with {code} before it was ready{tail}"
            raise SourceError(message)
        with (
            contextlib.suppress(OSError, http.client.HTTPException),
            contextlib.closing(_connect(port)) as asked,
        ):
            asked.request("GET", "/-/ready")
            if asked.getresponse().status == http.HTTPStatus.OK and process.poll() is None:
                return True
        time.sleep(_POLL)
    message = f"prometheus was not ready after {_START:.0f} s{_log_tail(folder)}"
    raise SourceError(message)


def _fill(recording: Recording, region: str, port: int, folder: Path) -> None:
    with contextlib.closing(_connect(port)) as connection:
        for body in make_requests(recording, region):
            try:
                connection.request("POST", "/api/v1/write", body, _HEADERS)
                reply = connection.getresponse()
                told = reply.read()
            except (OSError, http.client.HTTPException) as error:
                message = f"prometheus took no samples: {error}{_log_tail(folder)}"
                raise SourceError(message) from None
            if reply.status >= http.HTTPStatus.MULTIPLE_CHOICES:
                text = " ".join(told.decode("utf-8", "replace").split())[:300]
                message = f"prometheus took no samples: HTTP {reply.status}: {text}"
                raise SourceError(message)


def _connect(port: int) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(_HOST, port, timeout=_ANSWER)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End it with whatever it has started: politely first, then not."""
    for number in (signal.SIGTERM, signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_STOP)
            return


def _log_tail(folder: Path) -> str:
    lines = (folder / "log").read_text("utf-8", "replace").splitlines()
    return f": {' / '.join(lines[-_TAIL:])}" if lines else ""
