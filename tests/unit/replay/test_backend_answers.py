"""What a trace backend may answer instead of a trace: never a pass, and said in its own words.

The backends are stand-ins: see ``trace_backends``.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from stored_cases import BACKENDS, BRIEF, judge, stored, suite_of, told
from trace_backends import FakeBackend, refusal

from pytest_telemetry_gate.replay.receive.backends.clients import make_backend


@pytest.mark.parametrize(
    ("kind", "answer", "reason"),
    [
        ("jaeger v3", refusal(401, "no token"), "error: HTTP 401: no token (asked once"),
        (
            "jaeger v3",
            refusal(429, "slow down", Retry_After="900"),
            "error: HTTP 429: slow down (asked once",
        ),
        ("tempo v2", refusal(422, "trace exceeds max size"), "error: HTTP 422: trace exceeds max size"),
        (
            "jaeger v3",
            refusal(302, Location="/login"),
            "error: /login, a login page, which is not followed",
        ),
        ("jaeger v3", refusal(500, '{"error": {"message": "storage"}}'), "error: HTTP 500: storage (asked"),
        (
            "jaeger v3",
            refusal(200, "<html><title>Jaeger UI</title>", Content_Type="text/html; charset=utf-8"),
            "error: text/html: not JSON: the page 'Jaeger UI'; a Jaeger without API v3 needs `api: v1`",
        ),
        (
            "tempo v2",
            refusal(200, '{"trace": {"resourceSp'),
            "error: answers text/plain: not JSON: it ends in",
        ),
        ("otlp_json", refusal(200, "[1, 2]"), "error: an OTLP document must be a JSON object"),
        ("tempo v2", refusal(200, "[1, 2]"), "error: answers JSON that is no object but list"),
        ("otlp_json", refusal(200, "[]"), "fail: has no such trace: HTTP 200: an answer without spans; does"),
        ("otlp_json", refusal(200, '{"hits": []}'), "error: neither resourceSpans, resourceMetrics nor"),
        ("jaeger v1", refusal(200, '{"data": null, "errors": [{"msg": "no index"}]}'), "error: no index"),
        ("jaeger v3", refusal(200, '{"error": {"message": "torn"}}'), "error: answers an error: torn"),
        ("jaeger v3", refusal(404, '{"error": {"message": "No traces found"}}'), "fail: No traces found"),
        ("jaeger v1", refusal(404, '{"errors": [{"msg": "trace not found"}]}'), "fail: trace not found"),
        ("tempo v1", refusal(404), "fail: has no such trace: HTTP 404"),
        ("tempo v2", refusal(200, '{"trace": {}}'), "fail: has no such trace: HTTP 200: an answer without"),
        (
            "jaeger v3",
            refusal(200, json.dumps({"result": stored("ab" * 16)[0]})),
            "error: another trace: abab",
        ),
    ],
)
def test_what_is_no_answer_is_no_pass(
    tmp_path: Path,
    backend: FakeBackend,
    kind: str,
    answer: tuple[int, dict[str, str], bytes],
    reason: str,
) -> None:
    backend.answer = lambda _: answer  # type: ignore[method-assign]
    dossier = judge(suite_of(tmp_path, backend.url, kind, patience=BRIEF))
    outcome, _, words = reason.partition(": ")
    assert dossier.outcome == outcome, told(dossier)
    assert words in dossier.verdict.reason


def test_a_partial_trace_decides_nothing(tmp_path: Path, backend: FakeBackend) -> None:
    backend.partial = "Trace exceeds maximum size of 5000000 bytes"
    dossier = judge(suite_of(tmp_path, backend.url, "tempo v2", patience=BRIEF))
    assert dossier.outcome == "inconclusive"
    assert "has a part of the trace alone: Trace exceeds maximum size of 5000000 bytes" in told(dossier)


def test_a_trace_that_goes_away_is_an_error(tmp_path: Path, backend: FakeBackend) -> None:
    backend.visible = lambda number: 2 if number < 4 else 0
    dossier = judge(suite_of(tmp_path, backend.url, patience=BRIEF))
    assert dossier.outcome == "error"
    assert "has the trace no more: HTTP 404: No traces found" in told(dossier)


def test_a_backend_that_never_ends_its_answer_is_given_up(tmp_path: Path, backend: FakeBackend) -> None:
    def drip(_: str) -> tuple[int, dict[str, str], bytes]:
        time.sleep(0.3)
        return 200, {}, b"{}"

    backend.answer = drip  # type: ignore[method-assign]
    dossier = judge(suite_of(tmp_path, backend.url, more=", timeout: 50ms", patience=BRIEF))
    assert dossier.outcome == "error"
    assert "no answer within" in dossier.verdict.reason


def test_nobody_there_is_an_error(tmp_path: Path, backend: FakeBackend) -> None:
    dossier = judge(suite_of(tmp_path, "http://127.0.0.1:9", patience=BRIEF))
    assert dossier.outcome == "error"
    assert "capture Jaeger at http://127.0.0.1:9 connection refused" in dossier.verdict.reason


_ODD: tuple[Any, ...] = (None, -5, "ff" * 16, [], [None], [{}], {"a": 1}, float("inf"))


def places_in(part: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield all places in a JSON value but those of its second and further items."""
    yield place
    inner = part.items() if isinstance(part, dict) else enumerate(part[:1]) if isinstance(part, list) else ()
    for key, content in inner:
        yield from places_in(content, (*place, key))


def changed(part: Any, place: tuple[Any, ...], content: Any) -> Any:
    """Return a copy of a JSON value with something else at a place."""
    if not place:
        return content
    copied = dict(part) if isinstance(part, dict) else list(part)
    below = copied.get(place[0]) if isinstance(copied, dict) else copied[place[0]]
    copied[place[0]] = changed(below, place[1:], content)
    return copied


@pytest.mark.parametrize("kind", BACKENDS)
def test_an_answer_of_any_shape_is_read_or_refused_in_one_line(
    tmp_path: Path, backend: FakeBackend, kind: str
) -> None:
    suite, trace_id = suite_of(tmp_path, backend.url, kind), "ab" * 16
    backend.documents = lambda: stored(trace_id)
    client = make_backend(suite.file.capture.backends[BACKENDS[kind][0]], tmp_path)
    assert client.ask(trace_id, 60).state == "found"
    path = backend.asked[0][0].partition("?")[0]
    whole = json.loads(backend.answer(path)[2])
    envelope = [
        (key,) for key in ("error", "errors", "status", "message", "trace", "result", "data", "batches")
    ]
    for status, places in ((200, [*places_in(whole), *envelope]), (500, envelope)):
        for body in (changed(whole, place, odd) for place in places for odd in _ODD):
            backend.before = [refusal(status, json.dumps(body))]
            answer = client.ask(trace_id, 60)
            assert status == 200 or answer.state == "refused"
            assert answer.documents or answer.words
            assert answer.words.isprintable()
    client.close()
