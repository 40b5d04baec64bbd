"""A recording behind a real Prometheus and behind the engine: the same answers to the same requests."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import servers
from children import PATIENCE, until
from hypothesis import HealthCheck, Phase, given, seed, settings
from promql.differential import Differential
from promql.questions import Question, questions
from promql.server_engine import ServerEngine
from promql.worlds import Sample, worlds

from pytest_telemetry_gate.promql import MemoryStorage
from pytest_telemetry_gate.recording import Recording, RecordingWriter
from pytest_telemetry_gate.serving.serve import ENGINE, PROMETHEUS, ServedRecording, serve

pytestmark = pytest.mark.integration

WORLDS = 4
QUESTIONS = 400
FEW = settings(
    max_examples=4, database=None, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
)  # fmt: skip


def _draw(number: int) -> list[Sample]:
    drawn: list[list[Sample]] = []

    @seed(number)
    @FEW
    @given(worlds(number))
    def draw(world: list[Sample]) -> None:
        drawn.append(world)

    draw()
    return max(drawn, key=lambda world: sum(len(times) for _, times, _ in world))


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """A recording with resets, stale markers, NaN, infinities and samples at odd milliseconds."""
    rows = [
        (labels, np.array(times, np.int64) + 7 * (number % 5), np.array(values, float))
        for number in range(WORLDS)
        for labels, times, values in _draw(number)
    ]
    writer = RecordingWriter(recorded_at=1_700_003_000.0, source="a test", semantics="2")
    for group in MemoryStorage(rows).select([], 0, 2**62):
        writer.add(group, region="")
    writer.metadata("requests_total", "counter")
    path = tmp_path_factory.mktemp("served") / "worlds.telemetry.zip"
    writer.write(path)
    return Recording.open(path)


@dataclass
class Asked:
    """One of the two servers, and what its API answers."""

    served: ServedRecording

    def query(self, promql: str, time: float) -> dict[str, Any]:
        return self.get("query", query=promql, time=repr(time))[1]

    def query_range(self, promql: str, start: float, end: float, step: float) -> dict[str, Any]:
        return self.get("query_range", query=promql, start=repr(start), end=repr(end), step=repr(step))[1]

    def get(self, path: str, *pairs: tuple[str, str], form: bool = False, **fields: str) -> tuple[int, Any]:
        told = urllib.parse.urlencode([*pairs, *fields.items()])
        address = f"{self.served.url}/api/v1/{path}"
        request = urllib.request.Request(address, told.encode()) if form else f"{address}?{told}"
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=PATIENCE) as reply:
                return reply.status, json.loads(reply.read())
        except urllib.error.HTTPError as error:
            with error:
                body = error.read()
                return error.code, json.loads(body) if body.startswith(b"{") else body


@pytest.fixture(scope="module")
def engine(recording: Recording) -> Iterator[Asked]:
    with serve(recording, by=ENGINE) as served:
        yield Asked(served)


@pytest.fixture(scope="module")
def real(recording: Recording) -> Iterator[Asked]:
    servers.binary("prometheus")
    with serve(recording, by=PROMETHEUS) as served:
        yield Asked(served)


def test_a_real_prometheus_is_taken_where_its_promql_is_that_of_the_recording(recording):
    with serve(recording) as served:
        assert served.by == PROMETHEUS
    recording_of_three = Recording.open(recording.path)
    recording_of_three.semantics = "3"
    with serve(recording_of_three) as served:
        assert served.by == ENGINE


def test_questions_have_the_same_answers(engine, real):
    drawn: list[Question] = []

    @seed(1)
    @settings(FEW, max_examples=QUESTIONS)
    @given(questions(WORLDS))
    def draw(question: Question) -> None:
        drawn.append(question)

    draw()
    both = Differential(ServerEngine(engine), ServerEngine(real))  # type: ignore[arg-type]
    for question, wrong in both.disagreements(drawn):
        assert not wrong, f"{question}\n{wrong}"
    assert both.counts["answered"] > QUESTIONS / 2
    assert both.counts["empty"] < QUESTIONS / 2


START, END = "1700000100", "1700002500"
REQUESTS: list[tuple[str, list[tuple[str, str]]]] = [
    ("query", [("query", "1e21"), ("time", START)]),
    ("query", [("query", "-1 / 3e9"), ("time", "2023-11-14T22:15:00.5Z")]),
    ("query", [("query", "vector(0) / 0"), ("time", START)]),
    ("query", [("query", "-vector(1) / 0"), ("time", START)]),
    ("query", [("query", "'text'"), ("time", START)]),
    ("query_range", [("query", "vector(1)"), ("start", START), ("end", END), ("step", "10m")]),
    ("query_range", [("query", "time()"), ("start", START), ("end", END), ("step", "400.5")]),
    ("series", [("match[]", '{__name__=~".+"}')]),
    ("series", [("match[]", "up"), ("match[]", '{job="a"}')]),
    ("series", [("match[]", '{job="nobody"}')]),
    ("series", [("match[]", '{__name__=~".+"}'), ("start", "1500000000"), ("end", "1500000100")]),
    ("labels", []),
    ("labels", [("match[]", '{zone="y"}')]),
    ("labels", [("start", "1500000000"), ("end", "1500000100")]),
    ("label/job/values", []),
    ("label/__name__/values", []),
    ("label/job/values", [("match[]", '{zone="y"}')]),
    ("label/nothing/values", []),
    ("rules", []),
    ("alerts", []),
]
REFUSED: list[tuple[str, list[tuple[str, str]]]] = [
    ("query", []),
    ("query", [("query", "rate("), ("time", START)]),
    ("query", [("query", "up"), ("time", "yesterday")]),
    ("query", [("query", "sum(1)"), ("time", START)]),
    ("query", [("query", "no_such_function(up)"), ("time", START)]),
    ("query_range", [("query", "up"), ("start", END), ("end", START), ("step", "60")]),
    ("query_range", [("query", "up"), ("start", START), ("end", END), ("step", "0")]),
    ("query_range", [("query", "up"), ("start", START), ("end", END), ("step", "-1m")]),
    ("query_range", [("query", "up"), ("start", START), ("end", END), ("step", "often")]),
    ("query_range", [("query", "up"), ("start", "0"), ("end", END), ("step", "1")]),
    ("query_range", [("query", "up[5m]"), ("start", START), ("end", END), ("step", "60")]),
    ("series", []),
    ("series", [("match[]", "rate(")]),
    ("series", [("match[]", "{}")]),
    ("label/a-b/values", []),
    ("nothing", []),
    ("query", [("query", 'count_values("", vector(1)) + on (a) group_left vector(1)'), ("time", START)]),
]  # fmt: skip


@pytest.mark.parametrize("form", [False, True], ids=["GET", "POST"])
@pytest.mark.parametrize(("path", "pairs"), REQUESTS)
def test_requests_have_the_same_replies(engine, real, path, pairs, form):
    if form and (path.startswith("label/") or path in {"rules", "alerts"}):
        pytest.skip("Prometheus takes no POST here")
    ours, theirs = engine.get(path, *pairs, form=form), real.get(path, *pairs, form=form)
    if path == "series":
        for _, content in (ours, theirs):
            content["data"].sort(key=lambda labels: sorted(labels.items()))
    assert ours == theirs


@pytest.mark.parametrize(("path", "pairs"), REFUSED)
def test_what_is_refused_is_refused_alike(engine, real, path, pairs):
    (status, ours), (code, theirs) = engine.get(path, *pairs), real.get(path, *pairs)
    assert status == code >= 400
    if isinstance(theirs, dict):
        assert (ours["status"], ours["errorType"]) == (theirs["status"], theirs["errorType"])
        # Where in the text a parser found it, and in which words, is each parser's own.
        assert ours["error"] == theirs["error"] or "parse error" in ours["error"]


def test_a_real_server_ends_with_the_process_that_started_it(recording, tmp_path):
    servers.binary("prometheus")
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom pytest_telemetry_gate.recording import Recording\n"
        "from pytest_telemetry_gate.serving.serve import serve\n"
        "with serve(Recording.open(Path(sys.argv[1])), by='prometheus') as served:\n"
        "    print(served.url, flush=True)\n    time.sleep(600)\n"
    )
    script = tmp_path / "script.py"
    script.write_text(code)
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    process = subprocess.Popen(
        [sys.executable, str(script), str(recording.path)], stdout=subprocess.PIPE, text=True, env=environment
    )
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        (left,) = tmp_path.glob("telemetry-gate-*")
        process.send_signal(signal.SIGKILL)
        process.wait()
    finally:
        process.kill()
        process.communicate()
    until(lambda: not _answers(url))
    assert Path(left, "log").exists()


def _answers(url: str) -> bool:
    try:
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(f"{url}/-/ready", timeout=5).close()
    except OSError:
        return False
    return True
