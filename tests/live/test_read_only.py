"""Proxies that only let people read: questions go by GET, are remembered to, and fit into an address."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import faults
import pytest
import servers
from proxies import PLACE, read_only
from regions import LiveProject

MANY = 60


def methods(server: faults.FaultServer, place: str) -> Counter[str]:
    return Counter(asked.method for asked in server.asked_at(place) if asked.query)


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_a_refused_post_is_tried_once_in_a_run(
    project: LiveProject, faulty: faults.FaultServer, workers: str
):
    project.suite(
        "".join(f"- {{id: c{number}, query: cpu + {number}, expect: '> 0'}}\n" for number in range(MANY))
    )
    project.regions({"eu": faulty.url("only-get-405")})
    assert {outcome for outcome, _ in project.verdicts(workers).values()} == {"pass"}
    assert methods(faulty, "only-get-405")["POST"] == 1


@pytest.mark.integration
def test_long_queries_of_a_real_server_are_asked_in_parts(
    project: LiveProject, prometheus_server: Callable[..., servers.Server]
):
    """Each of 40 queries fits into an address; joined they would not, in one request or in two."""
    moment = 1737590400
    lines = [f'cpu{{job="parser"}} 70 {moment - 3600 + 15 * number}' for number in range(300)]
    lines += [f'up{{job="parser"}} 1 {moment - 3600 + 15 * number}' for number in range(300)]
    server = prometheus_server(openmetrics="\n".join([*lines, "# EOF", ""]))
    padding = "|".join(f"zone{number}" for number in range(60))
    project.suite(
        "".join(
            f"- {{id: c{number}, query: 'cpu{{zone!~\"{padding}\"}} + {number}', expect: '> 0'}}\n"
            for number in range(40)
        ),
        "version: 1\nsuite: s\nrollout: {start: 2025-01-23T00:00:00Z, end: 2025-01-23T00:00:00Z}\ncheckpoints: [10m]\n",
    )
    with read_only(server.url, longest=3000) as proxy:
        project.regions({"eu": proxy.url(PLACE)}, scrape_interval="15s")
        found = project.verdicts()
        assert {outcome for outcome, _ in found.values()} == {"pass"}, found
        assert methods(proxy, PLACE)["POST"] == 1


def test_a_query_too_long_for_an_address_is_one_line(project: LiveProject, faulty: faults.FaultServer):
    def short(exchange: faults.Exchange) -> None:
        if exchange.asked.method != "GET":
            exchange.answer(405)
        elif len(exchange.asked.query) > 8000:
            exchange.answer(414, "<html>Request-URI Too Large</html>", "text/html")
        else:
            faults.fine(exchange)

    faulty.faults["short"] = short
    padding = "|".join(f"zone{number}" for number in range(1500))
    project.suite(
        f"- {{id: long, query: 'cpu{{zone!~\"{padding}\"}}', expect: '> 0'}}\n- {{id: cpu, query: cpu, expect: '> 0'}}\n"
    )
    project.regions({"eu": faulty.url("short")})
    found = project.verdicts()
    assert found["eu-cpu"][0] == "pass"
    outcome, reason = found["eu-long"]
    assert outcome == "error"
    assert reason.startswith(
        f"region eu: {faulty.url('short')}/api/v1/query: HTTP 414: the query is too long, as its address has"
    )
