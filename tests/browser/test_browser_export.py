"""A page of another origin exports to a receiver, as OpenTelemetry's exporter for browsers does."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from websites import serving

from pytest_telemetry_gate.replay.otlp.telemetry import read_document
from pytest_telemetry_gate.replay.receive.receiver import Receiver

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# With headers of its own it uses fetch, without them a beacon, which comes with credentials and whose answer nobody reads.
SCRIPT = """async ([address, spans]) => {
    const send = name => JSON.stringify(spans).replace("NAME", name);
    const headers = {"Content-Type": "application/json", "X-Tenant": "shop"};
    const answer = await fetch(address, {method: "POST", headers, body: send("fetched")});
    const queued = navigator.sendBeacon(address, new Blob([send("beacon")], {type: "application/json"}));
    return [answer.status, await answer.text(), queued];
}"""


def test_a_page_exports_by_fetch_and_by_beacon(chromium: Browser) -> None:
    span = {"traceId": "1" * 32, "spanId": "2" * 16, "name": "NAME"}
    spans = {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}
    page_of_shop = (200, {"Content-Type": "text/html"}, b"<!doctype html><title>shop</title>")
    with serving(lambda _: page_of_shop) as shop, Receiver() as receiver:
        context = chromium.new_context()
        try:
            page = context.new_page()
            page.goto(shop.url)
            answer = page.evaluate(SCRIPT, [f"{receiver.endpoint}/v1/traces", spans])
            give_up = time.monotonic() + 20
            while len(receiver.mailbox) < 2 and time.monotonic() < give_up:
                page.wait_for_timeout(50)
        finally:
            context.close()
        assert answer == [200, "{}", True]
        arrived = [arrival.request for arrival in receiver.mailbox.since(0)]
    assert [request.trouble for request in arrived] == ["", ""]
    assert [read_document(request.document).spans[0].name for request in arrived] == ["fetched", "beacon"]
    assert arrived[0].body == len(json.dumps(spans, separators=(",", ":")).replace("NAME", "fetched"))
