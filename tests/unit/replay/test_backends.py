"""Cases whose trace is read back from a backend: what is judged, and what is waited for.

The backends are stand-ins: see ``trace_backends``.
"""

from __future__ import annotations

import re
import ssl
import sys
import time
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import trustme
from stored_cases import BACKENDS, BRIEF, EXPECT, SUITE, capture, judge, stored, suite_of, told
from trace_backends import TEMPO, FakeBackend, refusal, serving

from pytest_telemetry_gate.errors import SuiteError
from pytest_telemetry_gate.model.dossier import Dossier
from pytest_telemetry_gate.model.environment import ReplaySettings
from pytest_telemetry_gate.replay.captured import DriveResult
from pytest_telemetry_gate.replay.judge.cases import judge_case
from pytest_telemetry_gate.replay.receive.backends.clients import make_backend
from pytest_telemetry_gate.replay.receive.backends.place import BackendPlace
from pytest_telemetry_gate.replay.receive.capture_place import CaptureWait
from pytest_telemetry_gate.replay.suite.loader import load_replay


@pytest.mark.parametrize("kind", BACKENDS)
def test_a_trace_is_read_back_and_judged(tmp_path: Path, backend: FakeBackend, kind: str) -> None:
    backend.before = [
        refusal(503, "starting up"),
        refusal(404),
        refusal(429, "slow down", Retry_After="0.01"),
    ]
    dossier = judge(suite_of(tmp_path, backend.url, kind))
    assert dossier.outcome == "pass", told(dossier)
    assert "captured 3 spans in 1 answer" in told(dossier)
    assert f"at {backend.url}" in told(dossier)
    assert "refused 2 times (HTTP 429: slow down)" in told(dossier)
    headers = {name.lower(): value for name, value in backend.asked[0][1].items()}
    assert headers["accept"] == "application/json"
    assert headers.get("x-scope-orgid") == ("qa" if kind == "tempo v2" else None)


def test_a_trace_that_grows_is_waited_for(tmp_path: Path, backend: FakeBackend) -> None:
    backend.visible = lambda number: (number + 4) // 5  # another span with each fifth answer
    dossier = judge(suite_of(tmp_path, backend.url))
    assert dossier.outcome == "pass", told(dossier)
    assert backend.answered > 11
    # An answer after the quiet time has to say the same, however seldom the backend is asked.
    backend.answered, backend.visible = 0, lambda _: 9
    slow = suite_of(tmp_path, backend.url)
    slow.file.capture.backends["jaeger"].__dict__["poll"] = 10.0
    assert judge(slow).outcome == "pass"
    assert backend.answered == 2


def test_one_span_too_many_is_waited_for(tmp_path: Path, backend: FakeBackend) -> None:
    backend.visible = lambda number: 3 if number > 10 else 2  # the last child comes long after the quiet time
    dossier = judge(suite_of(tmp_path, backend.url, expect="{spans: [{contract: read, count: 1}]}"))
    assert dossier.outcome == "fail"
    assert "contract read" in dossier.verdict.reason
    assert "got 2" in dossier.verdict.reason


def test_a_trace_that_goes_on_growing_is_no_pass(tmp_path: Path, backend: FakeBackend) -> None:
    documents: list[dict[str, Any]] = []

    def growing() -> list[dict[str, Any]]:
        trace_id = backend.asked[-1][0].rpartition("/")[2].partition("?")[0]
        scope = (documents or documents.extend(stored(trace_id)) or documents)[0]["resourceSpans"][0]
        spans = scope["scopeSpans"][0]["spans"]
        spans.append({**spans[-1], "spanId": f"{len(spans) + 1:016x}"})
        return documents

    suite = suite_of(tmp_path, backend.url, patience=BRIEF)
    sys.modules["stored_driver"].export = lambda context: setattr(backend, "documents", growing)  # type: ignore[attr-defined]
    dossier = judge(suite)
    assert dossier.outcome == "inconclusive", told(dossier)
    growing_to_the_end = r"the trace was still growing: spans still came \d\.\d s before the end of the wait"
    assert re.search(growing_to_the_end, told(dossier)), told(dossier)


def test_a_case_that_is_asked_for_late_is_asked_for_twice(tmp_path: Path, backend: FakeBackend) -> None:
    """Of cases that are driven together, those before it may have taken all the time."""
    suite = suite_of(tmp_path, backend.url)
    backend.documents = lambda: stored("ab" * 16)
    now, driven = time.monotonic(), DriveResult("http", trace_ids=["ab" * 16])
    wait = CaptureWait(suite, suite.cases[0], driven, place="jaeger", ended=now - 99, give_up=now - 90)
    with BackendPlace(
        "jaeger", partial(make_backend, suite.file.capture.backends["jaeger"], tmp_path), 0.02
    ) as place:
        collected = place.collect(wait)
    assert collected.complete
    assert collected.read_back is not None
    assert collected.read_back.state == "found"
    assert backend.answered >= 2


def test_half_a_trace_fails_when_its_time_is_over(tmp_path: Path, backend: FakeBackend) -> None:
    backend.visible = lambda _: 2
    began = time.monotonic()
    dossier = judge(suite_of(tmp_path, backend.url, patience=BRIEF))
    assert dossier.outcome == "fail"
    assert "contract read" in told(dossier)
    assert 0.9 < time.monotonic() - began < 60


@pytest.mark.parametrize(
    ("kind", "changes", "message"),
    [
        (
            "jaeger v3",
            {"expect": "{spans: [{contract: parse}], logs: [{contract: line}]}"},
            "23: case 'one': log records cannot be read back from Jaeger: capture this case with `own` or `shared`",
        ),
        (
            "tempo v2",
            {"expect": "{metrics: [{contract: pushed}]}"},
            "23: case 'one': pushed metrics cannot be read back from Tempo",
        ),
        (
            "otlp_json",
            {"expect": "{spans: [{contract: parse}], payload: {total: < 1 MB}}"},
            "23: case 'one': the sizes of export requests cannot be read back from a trace backend",
        ),
        (
            "tempo v1",
            {"expect": "{spans: [{contract: parse}], lag: <= 5s}"},
            "23: case 'one': when export requests arrived cannot be read back from Tempo",
        ),
        (
            "jaeger v3",
            {"place": "tempo"},
            "22: case 'one': capture: tempo, but `capture:` of the suite has jaeger; replay.capture of",
        ),
        (
            "jaeger v3",
            {"place": "shared"},
            "22: case 'one': capture: shared needs `capture:` of the suite with",
        ),
        ("jaeger v3", {"place": "jeager"}, "22: case 'one': capture: 'jeager'"),
        ("jaeger v3", {"capture": "from: tempo"}, "4: capture: from: tempo needs `tempo:` beside it"),
        (
            "otlp_json",
            {"capture": "otlp_json: {url: 'http://x/traces'}"},
            "must have $trace_id where the id of",
        ),
    ],
)
def test_what_a_backend_cannot_know_is_refused_when_the_suite_is_read(
    tmp_path: Path, kind: str, changes: dict[str, str], message: str
) -> None:
    place, settings = BACKENDS[kind]
    values = {"capture": settings % "http://127.0.0.1:9", "place": place, "expect": EXPECT, **changes}
    path = tmp_path / "stored.replay.yaml"
    path.write_text(SUITE % values, encoding="utf-8")
    with pytest.raises(SuiteError) as raised:
        load_replay(path)
    assert message in str(raised.value)


def test_telemetry_yaml_says_where_an_environment_keeps_its_traces(
    tmp_path: Path, backend: FakeBackend
) -> None:
    """A suite that captures by receivers elsewhere is read back in one environment, but for what a case says itself."""
    path = tmp_path / "stored.replay.yaml"
    values = {"capture": "otlp: {http: '127.0.0.1:0'}", "place": "shared", "expect": EXPECT}
    path.write_text((SUITE % values).replace("    capture: shared\n", ""), encoding="utf-8")
    plain = load_replay(path)
    assert plain.file.capture.place_of(plain.cases[0]) == "own"  # a callable's usual place
    tempo = {"url": f"{backend.url}{TEMPO}", "poll": "20ms"}
    quick = {"timeout": "60s", "quiet": "60ms"}
    settings = ReplaySettings(capture={"tempo": tempo, "from": "tempo", "complete": quick})
    dossier = judge(load_replay(path, settings=settings))
    assert dossier.outcome == "pass", told(dossier)
    assert "read back from Tempo at" in told(dossier)
    path.write_text(SUITE % {**values, "place": "own"}, encoding="utf-8")
    said = load_replay(path, settings=settings)
    assert said.file.capture.place_of(said.cases[0]) == "own"
    # Where no receiver is shared, the only backend is the usual place of those that would share one.
    sent = values | {"capture": "tempo: {url: 'http://127.0.0.1:9'}"}
    text = (SUITE % sent).replace("    capture: shared\n", "")
    path.write_text(text.replace('{python: {call: "stored_driver:export"}}', "{http: {url: 'http://x'}}"))
    alone = load_replay(path)
    assert alone.file.capture.place_of(alone.cases[0]) == "tempo"


def test_certificates_are_verified_unless_somebody_says_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    authority = trustme.CA()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    with serving(tls=tls) as server:
        driver = ModuleType("stored_driver")
        driver.export = lambda context: setattr(server, "documents", lambda: stored(context.trace_id))  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "stored_driver", driver)

        def judged(more: str, patience: str = "60s") -> Dossier:
            more = f", tls_config: {{{more}}}" if more else ""
            return judge(suite_of(tmp_path, server.url, more=more, patience=patience))

        assert judged("ca_file: ca.pem").outcome == "pass"
        refused = judged("", BRIEF)
        assert refused.outcome == "error"
        assert "TLS:" in refused.verdict.reason
        warned = judged("insecure_skip_verify: true")
        assert warned.outcome == "warn"
        assert "the certificate of the server was not verified (insecure_skip_verify)" in told(warned)
        assert "nowhere.pem: cannot be read" in judged("ca_file: nowhere.pem").verdict.reason


def test_what_was_read_back_proves_nothing_of_requests(tmp_path: Path, backend: FakeBackend) -> None:
    """A recorded capture may be held against a suite that captures elsewhere by now."""
    captured = capture(suite_of(tmp_path, backend.url))
    for expect, unknown in (
        ("{spans: [{contract: read}], payload: {total: < 1 MB}}", "the sizes of export requests"),
        ("{spans: [{contract: read}], logs: [{contract: line, count: 0}]}", "log records"),
        ("{spans: [{contract: read}], lag: < 1h}", "when export requests arrived"),
    ):
        text = (SUITE % {"capture": "otlp: {http: x}", "place": "own", "expect": expect}).replace(
            "stored.replay", "own.replay"
        )
        path = tmp_path / "own.replay.yaml"
        path.write_text(text, encoding="utf-8")
        suite = load_replay(path)
        dossier = judge_case(suite, suite.cases[0], captured)
        assert dossier.outcome == "inconclusive"
        assert f"read back from Jaeger at {backend.url}, which does not know {unknown}" in told(dossier)
