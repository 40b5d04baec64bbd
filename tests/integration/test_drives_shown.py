"""What the how-to pages show of Kafka and of Playwright does what they say, with librdkafka's own broker for tests and a real browser."""

from __future__ import annotations

import contextlib
import json
import re
import secrets
import socket
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import imported_once  # noqa: F401
import pytest
import servers
from children import LIGHT
from websites import Asked, serving

pytestmark = pytest.mark.integration

PAGES = Path(__file__).parents[2] / "docs" / "how-to"
ENVIRONMENT = (
    'default: live\nenvironments: {live: {source: prometheus, url: "http://127.0.0.1:9", replay: {capture: '
    '{otlp: {http: "127.0.0.1:%s"}, from: shared, complete: {timeout: 20s, quiet: 200ms}}}}}\n'
)


def block(page: str, language: str) -> str:
    (found,) = re.findall(
        rf"^```{language}\n(.*?)^```", (PAGES / page).read_text("utf-8"), re.DOTALL | re.MULTILINE
    )
    return str(found)


@pytest.fixture
def listen() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def export(listen: int, name: str, kind: int, trace_id: str, **more: Any) -> None:
    """Export one span, as the SDK of a service would."""
    now = time.time_ns()
    span = {"traceId": trace_id, "spanId": secrets.token_hex(8), "name": name, "kind": kind, **more}
    span |= {"startTimeUnixNano": str(now - 1000), "endTimeUnixNano": str(now)}
    body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}).encode()
    request = urllib.request.Request(
        f"http://127.0.0.1:{listen}/v1/traces", body, {"Content-Type": "application/json"}
    )
    urllib.request.urlopen(request, timeout=10).read()


def run(pytester: pytest.Pytester, listen: int, page: str, code: str, suite: str) -> pytest.RunResult:
    (pytester.path / code).write_text(block(page, "python"), encoding="utf-8")
    (pytester.path / suite).write_text(block(page, "yaml"), encoding="utf-8")
    (pytester.path / "telemetry.yaml").write_text(ENVIRONMENT % listen, encoding="utf-8")
    pytester.syspathinsert()
    return pytester.runpytest(*LIGHT, "--telemetry-explain")


@contextlib.contextmanager
def consuming(broker: str, listen: int, seen: list[dict[str, Any]]) -> Iterator[None]:
    """Work off orders as a service does: a trace of its own for each, with a link to that of the message."""
    from confluent_kafka import Consumer

    ended = threading.Event()

    def consume() -> None:
        settings = {"bootstrap.servers": broker, "group.id": "shop", "auto.offset.reset": "earliest"}
        consumer = Consumer({**settings, "allow.auto.create.topics": True})
        consumer.subscribe(["orders"])
        while not ended.is_set():
            message = consumer.poll(0.1)
            if message is None or message.error():
                continue
            seen.append(json.loads(message.value()))
            _, trace_id, span_id, _ = dict(message.headers())["traceparent"].decode().split("-")
            words = {"messaging.system": "kafka", "messaging.destination.name": "orders"}
            attributes = [{"key": key, "value": {"stringValue": word}} for key, word in words.items()]
            links = [{"traceId": trace_id, "spanId": span_id}]
            export(listen, "process orders", 5, secrets.token_hex(16), attributes=attributes, links=links)
        consumer.close()

    service = threading.Thread(target=consume, daemon=True)
    service.start()
    try:
        yield
    finally:
        ended.set()
        service.join(10)


def test_a_message_of_kafka_drives_a_consumer(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, listen: int
) -> None:
    kafka = pytest.importorskip("confluent_kafka")
    cluster = kafka.Producer({"bootstrap.servers": "unused:1", "test.mock.num.brokers": 1, "log_level": 0})
    (broker,) = cluster.list_topics(timeout=20).brokers.values()
    address, seen = f"{broker.host}:{broker.port}", list[dict[str, Any]]()
    monkeypatch.setenv("KAFKA_BROKER", address)
    with consuming(address, listen, seen):
        result = run(pytester, listen, "replay-kafka.md", "kafka_drive.py", "orders.replay.yaml")
    result.assert_outcomes(passed=1)
    (value,) = seen
    assert re.fullmatch(r"QA, [0-9a-f]{32}", value["note"])


SHOP = b"""<!doctype html><title>Shop</title>
<button onclick="fetch('/buy', {method: 'POST'}).then(() => document.body.append('Thank you'))">Buy</button>"""


def test_a_page_is_clicked_through(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, listen: int
) -> None:
    pytest.importorskip("playwright")
    try:
        monkeypatch.setenv("CHROMIUM", servers.binary("chromium"))
    except servers.MissingServerError as missing:
        pytest.skip(str(missing))
    monkeypatch.setenv("PYTHON", sys.executable)

    def answer(asked: Asked) -> tuple[int, dict[str, str], bytes]:
        if asked.path not in {"/", "/buy"}:
            return 404, {}, b""
        _, trace_id, span_id, _ = asked.headers["traceparent"].split("-")
        export(listen, f"{asked.method} {asked.path}", 2, trace_id, parentSpanId=span_id)
        return 200, {"Content-Type": "text/html"}, SHOP if asked.path == "/" else b""

    with serving(answer) as shop:
        monkeypatch.setenv("SHOP_URL", shop.url)
        result = run(pytester, listen, "replay-browser.md", "checkout.py", "checkout.replay.yaml")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*tree GET /; POST /buy*"])
