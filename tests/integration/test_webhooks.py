"""What a real Alertmanager sends to a webhook, kept on disk and read as alerts."""

from __future__ import annotations

import json
import time
from pathlib import Path

import servers
from children import until
from event_settings import event_source
from websites import Answer, Asked, serving

from pytest_telemetry_gate.support.durations import format_time


def test_alerts_that_fire_and_resolve_are_read_with_the_heartbeat_that_proves_the_rest(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()

    def keep(asked: Asked) -> Answer:
        line = json.dumps({"received": time.time(), "payload": json.loads(asked.body)})
        with (folder / "all.jsonl").open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")
        return 200, {}, b""

    start = time.time()
    text = "{source: webhooks, path: in, heartbeat: {alertname: Watchdog, every: 30s}}"
    source = event_source(text, tmp_path)
    with serving(keep) as site:
        route = {
            "receiver": "disk",
            "group_by": ["alertname"],
            "group_wait": "10ms",
            "group_interval": "100ms",
            "repeat_interval": "200ms",
        }
        config = {
            "route": route,
            "receivers": [{"name": "disk", "webhook_configs": [{"url": site.url, "send_resolved": True}]}],
        }
        with servers.alertmanager(tmp_path / "am", config=config) as server:

            def post(name: str, **more: str) -> None:
                alert = {"labels": {"alertname": name, "team": "a"}, "startsAt": format_time(start), **more}
                status, body = server.post(
                    "/api/v2/alerts", json.dumps([alert]).encode(), content_type="application/json"
                )
                assert status == 200, body

            post("Watchdog")
            post("Lag")
            until(lambda: (folder / "all.jsonl").exists() and '"Lag"' in (folder / "all.jsonl").read_text())
            firing = source.events("alerts", start - 1, time.time())
            assert [(one.name, one.end) for one in firing.episodes] == [("Lag", None)]
            post("Lag", endsAt=format_time(time.time() - 1 if time.time() - start > 2 else start + 1))
            until(lambda: '"resolved"' in (folder / "all.jsonl").read_text())
    over = source.events("alerts", start - 1, time.time())
    assert over.complete, over.reason
    assert [(one.name, one.labels) for one in over.episodes] == [("Lag", {"team": "a"})]
    assert over.episodes[0].end is not None
