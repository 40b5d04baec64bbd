"""A real Prometheus behind what stands before servers in real life: a read-only proxy, and tenants at one address."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import servers
from proxies import PLACE, read_only, tenants
from regions import LiveProject

pytestmark = pytest.mark.integration

MOMENT = 1741083000  # the checkpoint
HEAD = "version: 1\nsuite: s\nrollout: {start: 2025-03-04T10:00:00Z, end: 2025-03-04T10:00:00Z}\ncheckpoints: [10m]\n"
CRITERIA = """\
- {id: rate, query: 'sum(rate(hits_total{job="edge"}[5m]))', expect: '>= 0.9'}
- {id: failed, count: 'failed_total{job="edge"}', expect: '== 0'}
"""


def text(rate: float) -> str:
    """Return an hour of a job whose hits rise by so many a second."""
    moments = range(MOMENT - 3600, MOMENT + 60, 15)
    series = {
        "up": lambda number: 1,
        "hits_total": lambda number: number * 15 * rate,
        "failed_total": lambda number: 0,
    }
    lines = [
        f'{name}{{job="edge",instance="e:80"}} {value(number)} {moment}'
        for name, value in series.items()
        for number, moment in enumerate(moments)
    ]
    return "\n".join([*lines, "# EOF", ""])


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> LiveProject:
    monkeypatch.setenv("COLUMNS", "200")
    return LiveProject(pytester)


@pytest.mark.parametrize("status", [403, 405, 501])
def test_a_read_only_proxy_is_asked_by_get(
    project: LiveProject, prometheus_server: Callable[..., servers.Server], status: int
):
    server = prometheus_server(openmetrics=text(1.0))
    project.suite(CRITERIA, HEAD)
    with read_only(server.url, status=status) as proxy:
        project.regions({"eu": proxy.url(PLACE)}, scrape_interval="15s")
        found = project.verdicts()
        assert {outcome for outcome, _ in found.values()} == {"pass"}, found
        assert [asked.method for asked in proxy.asked_at(PLACE)].count("POST") == 1


def test_tenants_at_one_address_are_regions_of_their_own(
    project: LiveProject, prometheus_server: Callable[..., servers.Server]
):
    well, ill = (prometheus_server(openmetrics=text(rate)).url for rate in (1.0, 0.5))
    project.suite(CRITERIA, HEAD)
    with tenants({"well": well, "ill": ill}) as proxy:
        regions = {
            name: {"url": proxy.url(PLACE), "headers": {"X-Scope-OrgID": name}} for name in ("well", "ill")
        }
        project.regions({**regions, "none": proxy.url(PLACE)}, scrape_interval="15s")
        found = {name: outcome for name, (outcome, _) in project.verdicts().items()}
        assert found == {
            "well-rate": "pass", "well-failed": "pass", "ill-rate": "fail", "ill-failed": "pass",
            "none-rate": "error", "none-failed": "error",
        }  # fmt: skip
        project.regions(
            {**regions, "ill": {**regions["ill"], "headers": {"x-scope-orgid": "well"}}},
            scrape_interval="15s",
        )
        assert project.run().ret == 4
