"""Lags on a real Prometheus: cases that are driven together, each by an HTTP request, and one that is not counted."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from counting import ALL, SLOT, Service, counting, source_of, suite_of, wait_for_scrapes

from pytest_telemetry_gate.model.verdict import Verdict
from pytest_telemetry_gate.replay.capture import LiveReplay
from pytest_telemetry_gate.replay.judge.cases import judge_case
from pytest_telemetry_gate.replay.suite.loader import load_replay
from pytest_telemetry_gate.support.secrets import Secrets

pytestmark = pytest.mark.integration


INTERVAL = 0.2  # seconds between two scrapes
AT_REST = 8  # scrapes after which a counter is at rest, although some of them come soon after the one before


@pytest.fixture(scope="module")
def shared() -> Iterator[Service]:
    with counting() as started:
        yield started


@pytest.fixture(scope="module")
def scraped(shared: Service, prometheus_server: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    server = prometheus_server(scrape=shared.scrape, interval=f"{INTERVAL * 1000:g}ms")
    return source_of(server, tmp_path_factory.mktemp("source"))


def verdicts(
    folder: Path,
    service: Service,
    source: Any,
    *,
    numbers: range = range(15),
    counter: str = ALL,
    lag: str = "60s",
    isolation: str = "batch",
) -> tuple[list[Verdict], float]:
    suite = load_replay(suite_of(folder, service, numbers, counter=counter, lag=lag, isolation=isolation))
    live = LiveReplay(suite, lambda: source, 1, suite.cases, secrets=Secrets())
    started = time.monotonic()
    found = [judge_case(suite, case, live.capture(case)).verdict for case in suite.cases]
    return found, time.monotonic() - started


@pytest.fixture
def service(shared: Service) -> Service:
    """The service that all these tests share, with nothing lost and nobody else; each test has slots of its own."""
    shared.lost = shared.foreign = ""
    return shared


@pytest.fixture
def source(scraped: Any) -> Any:
    """The server's source when it has seen the counters at rest."""
    wait_for_scrapes(scraped, AT_REST)
    return scraped


def test_a_batch_counts_exactly(service: Service, source: Any, tmp_path: Path) -> None:
    found, seconds = verdicts(tmp_path, service, source)
    assert [str(one.outcome) for one in found] == ["pass"] * 15, found[0].reason
    assert seconds < 30, "nobody waits for the rest of a limit of a minute"
    service.lost = "/run/7"
    wait_for_scrapes(source, AT_REST)
    found, _ = verdicts(tmp_path, service, source, lag="5s")
    assert {str(one.outcome) for one in found} == {"fail"}
    assert "rose by 14, expected 15 (all cases driven together: +15) within 5 s" in found[0].reason
    found, _ = verdicts(tmp_path, service, source, lag="400ms")
    assert {str(one.outcome) for one in found} == {"error"}
    assert "cannot be proven" in found[0].reason


def test_with_labels_of_its_own_a_case_is_not_disturbed_by_others(
    service: Service, source: Any, tmp_path: Path
) -> None:
    service.foreign = "somebody"
    found, _ = verdicts(
        tmp_path, service, source, numbers=range(100, 103), counter=SLOT, lag="60s", isolation="label"
    )
    assert [str(one.outcome) for one in found] == ["pass"] * 3, found
    service.foreign = "101"
    found, _ = verdicts(
        tmp_path, service, source, numbers=range(100, 103), counter=SLOT, lag="60s", isolation="label"
    )
    assert [str(one.outcome) for one in found] == ["pass", "fail", "pass"], found
    # How much of the foreign traffic is scraped by then is a matter of time.
    assert re.search(
        r'slot="101"\}: rose by [2-9], expected exactly 1: counted twice, or foreign traffic', found[1].reason
    )
    service.foreign, service.lost = "somebody", "/run/102"
    found, _ = verdicts(
        tmp_path, service, source, numbers=range(100, 103), counter=SLOT, lag="5s", isolation="label"
    )
    assert [str(one.outcome) for one in found] == ["pass", "pass", "fail"], found


def test_serial_cases_count_one_after_the_other(service: Service, source: Any, tmp_path: Path) -> None:
    service.lost = "/run/201"
    found, _ = verdicts(tmp_path, service, source, numbers=range(200, 203), lag="5s", isolation="serial")
    assert [str(one.outcome) for one in found] == ["pass", "fail", "pass"], found
    assert "rose by 0, expected 1 within 5 s" in found[1].reason
