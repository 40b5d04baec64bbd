"""What clients send to the server of a recording: odd requests are answered, nothing hangs, nothing grows."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import gates
import numpy as np
import pytest

from pytest_telemetry_gate.errors import ConfigError
from pytest_telemetry_gate.promql import MemoryStorage
from pytest_telemetry_gate.recording import Recording, RecordingWriter
from pytest_telemetry_gate.serving import api
from pytest_telemetry_gate.serving.http_server import serve_by_engine
from pytest_telemetry_gate.serving.serve import serve

PATIENCE = 60.0


def record(path: Path) -> Recording:
    writer = RecordingWriter(recorded_at=gates.START + 7200, source="a test")
    rows = [
        (dict(labels), np.round(at * 1000).astype(np.int64), values)
        for labels, at, values in (gates.UP, gates.series("cpu", 70), gates.series("requests_total", 3))
    ]
    for group in MemoryStorage(rows).select([], 0, 2**62):
        writer.add(group, region="")
    writer.metadata("requests_total", "counter")
    writer.write(path)
    return Recording.open(path)


@pytest.fixture
def recording(tmp_path: Path) -> Recording:
    return record(tmp_path / "small.telemetry.zip")


@pytest.fixture
def address(recording: Recording) -> Iterator[str]:
    with serve_by_engine(recording, "") as url:
        yield urlsplit(url).netloc


def ask(address: str, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
    with contextlib.closing(http.client.HTTPConnection(address, timeout=PATIENCE)) as connection:
        connection.request(method, path, body, {name.replace("_", "-"): one for name, one in headers.items()})
        reply = connection.getresponse()
        return reply.status, reply.read()


def raw(address: str, request: bytes) -> bytes:
    host, port = address.split(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def test_a_dashboard_finds_what_it_looks_for(address):
    status, body = ask(address, "GET", f"/api/v1/query?query=cpu&time={gates.START}")
    assert (status, json.loads(body)["data"]["result"][0]["value"]) == (200, [gates.START, "70"])
    found = {path: json.loads(ask(address, "GET", f"/api/v1/{path}")[1]) for path in ("status/buildinfo", "metadata", "rules", "query_exemplars")}  # fmt: skip
    assert found["status/buildinfo"]["data"]["version"] == "3.0.0"
    assert found["metadata"]["data"] == {"requests_total": [{"type": "counter", "help": "", "unit": ""}]}
    assert (found["rules"]["data"], found["query_exemplars"]["data"]) == ({"groups": []}, [])
    for path in ("/", "/-/ready", "/-/healthy"):
        assert ask(address, "GET", path)[0] == 200


def test_annotations_stand_beside_the_data(address):
    _, body = ask(address, "GET", f"/api/v1/query?query=rate(cpu[5m])&time={gates.START}")
    content = json.loads(body)
    assert content["status"] == "success"
    assert content["infos"][0].startswith("PromQL info: metric might not be a counter")


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/api/v1/nothing", None, 404),
        ("GET", "/../../etc/passwd", None, 404),
        ("GET", "/api/v1/query?query=%ff%fe", None, 400),
        ("GET", "/api/v1/query?query=" + "(" * 5_000, None, 400),
        ("GET", f"/api/v1/query?query={'x' * 60_000}", None, 200),
        ("GET", "/api/v1/query?query=cpu&time=1e400", None, 400),
        ("GET", "/api/v1/query?query=cpu&time=1e300", None, 422),
        ("GET", "/api/v1/query?query=cpu&time=2025-01-22T14:00:00", None, 400),
        ("POST", "/api/v1/query", b"query=cpu&time=0", 200),
        ("POST", "/api/v1/query", b"\xff\x00", 400),
        ("POST", "/api/v1/query", b"x" * (2**20 + 1), 413),
        ("DELETE", "/api/v1/query", None, 501),
    ],
)  # fmt: skip
def test_odd_requests_are_answered(address, method, path, body, status):
    assert ask(address, method, path, body)[0] == status
    assert ask(address, "GET", "/-/ready")[0] == 200


@pytest.mark.parametrize(
    "request_",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\n",
        b"POST /api/v1/query HTTP/1.1\r\nContent-Length: 99\r\n\r\nquery=1",
        b"POST /api/v1/query HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
        b"POST /api/v1/query HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n",
    ],
    ids=["nonsense", "half", "short", "chunked", "negative", "long"],
)
def test_broken_requests_end(address, request_):
    raw(address, request_)
    assert ask(address, "GET", "/-/ready")[0] == 200


def test_many_ask_at_once(address):
    replies: list[tuple[int, bytes]] = []
    path = f"/api/v1/query_range?query=sum(cpu)&start={gates.START}&end={gates.START + 3600}&step=60"
    threads = [threading.Thread(target=lambda: replies.append(ask(address, "GET", path))) for _ in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert len(replies) == 24
    assert {status for status, _ in replies} == {200}
    assert len({body for _, body in replies}) == 1


def test_an_answer_that_would_be_too_long_is_refused(address, monkeypatch):
    monkeypatch.setattr(api, "_MOST_SAMPLES", 60)
    path = f"/api/v1/query_range?query=cpu&start={gates.START}&end={gates.START + 3600}&step=%d"
    assert ask(address, "GET", path % 120)[0] == 200
    status, body = ask(address, "GET", path % 15)
    assert (status, json.loads(body)["errorType"]) == (422, "execution")
    assert "more than 60 samples: ask for fewer series, or a longer step" in json.loads(body)["error"]
    assert ask(address, "GET", f"/api/v1/query?query=cpu[1h]&time={gates.START}")[0] == 422


def test_a_damaged_recording_is_an_error_of_its_questions(tmp_path):
    path = tmp_path / "small.telemetry.zip"
    record(path).close()
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        places = [one.header_offset for one in archive.infolist() if one.filename.endswith(".npy")]
    for place in places:
        content[place + 60 : place + 70] = bytes(10)
    path.write_bytes(content)
    with serve_by_engine(Recording.open(path), "") as url:
        status, body = ask(urlsplit(url).netloc, "GET", f"/api/v1/query?query=cpu&time={gates.START}")
    content = json.loads(body)
    assert (status, content["status"], content["errorType"]) == (500, "error", "internal")
    assert "small.telemetry.zip" in content["error"]


def test_an_address_that_is_taken_is_one_line(recording, address):
    host, port = address.split(":")
    with pytest.raises(ConfigError, match=f"cannot listen at {host}:{port}: "), serve_by_engine(recording, "", host, int(port)):  # fmt: skip
        pass


def test_after_its_end_nobody_listens(recording):
    with serve_by_engine(recording, "") as url:
        address = urlsplit(url).netloc
    with pytest.raises(OSError):
        ask(address, "GET", "/-/ready")


def test_who_answers_can_be_said(recording, monkeypatch):
    with pytest.raises(ConfigError, match=r"by='promtheus': a recording is served by .did you mean 'prometheus'"), serve(recording, by="promtheus"):  # fmt: skip
        pass
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ConfigError, match=r"there is no prometheus 3\.x to be found on PATH"), serve(recording, by="prometheus"):  # fmt: skip
        pass
    with serve(recording) as served:
        assert served.by == "engine"
