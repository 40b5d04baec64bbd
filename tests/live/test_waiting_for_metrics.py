"""``telemetry.wait_until`` against a real Prometheus: a target that comes up while a test waits, and servers that are ill."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Callable, Iterator

import faults
import pytest
import servers
from projects import said
from regions import LiveProject


@pytest.fixture
def exporter() -> Iterator[str]:
    """An exporter that has nothing to say in its first scrapes."""
    scrapes = []

    class Exporter(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            scrapes.append(self.path)
            body = b"app_ready 1\napp_jobs_total 3\n" if len(scrapes) > 3 else b"app_starting 1\n"
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Exporter) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.mark.integration
def test_a_target_that_comes_up_is_waited_for(
    project: LiveProject, prometheus_server: Callable[..., servers.Server], exporter: str
):
    job = {"job_name": "app", "static_configs": [{"targets": [exporter]}]}
    server = prometheus_server(interval="1s", scrape=[job])
    project.regions({"eu": server.url})
    project.file(
        "test_it.py",
        """\
        def test_it(telemetry):
            verdict = telemetry.wait_until("app_ready", "== 1", timeout="2m", every=0.2)
            assert verdict.value == 1
            assert telemetry.wait_until(lambda: telemetry.value("app_jobs_total"), timeout="2m", every=0.2) == 3
            assert telemetry.wait_until('sum(up{job="app"})', "== 1", timeout="2m", every=0.2).value == 1
            telemetry.check(measured=1, expect="== 1")
        """,
    )
    result = project.run()
    assert result.ret == 0, said(result)


@pytest.mark.parametrize("kind", ["refused", "status 500", "status 403", "hang"])
def test_a_server_that_is_ill_is_waited_for_in_vain(
    project: LiveProject, faulty: faults.FaultServer, kind: str
):
    """It was well when the session began; what it says in the end is told, and no wait is longer than it may be."""
    asked = []

    def falls_ill(exchange: faults.Exchange) -> None:
        if "cpu" not in exchange.asked.query:
            faults.fine(exchange)
            return
        asked.append(exchange.asked.query)
        if kind == "refused":
            exchange.raw(b"")
        elif kind == "hang":
            exchange.pause(faults.LONGEST)
        else:
            exchange.answer(int(kind.split()[1]), b"no")

    faulty.faults["ill"] = falls_ill
    project.regions({"eu": faulty.url(f"{faults.LATE}ill")}, timeout="60s")
    project.file(
        "test_it.py",
        """\
        def test_it(telemetry):
            telemetry.wait_until("cpu", "< 75", timeout=0.3, every=0.1)
        """,
    )
    result = project.run()
    result.assert_outcomes(failed=1)
    assert asked
    assert "cpu < 75 did not hold within 0.3s" in said(result).replace("\n", "")
    assert "ERROR: " in said(result)
