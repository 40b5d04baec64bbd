"""The example of sources of one's own, against a real Graphite and a real InfluxDB: live, recorded, and where they cannot be believed."""

from __future__ import annotations

import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import forks
import pytest
import servers

from pytest_telemetry_gate import SourceError, SourceQuery, UnreachableError
from pytest_telemetry_gate.support.durations import format_time

pytestmark = pytest.mark.integration
EXAMPLE = Path(__file__).parents[2] / "example_suites" / "example_sources"
PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "other-metrics.md"
RECORD = "--telemetry-record=web.telemetry.zip"
MINUTE = 60
# On a minute that is over: Graphite keeps a day, and whatever is asked about lies in the hour before.
END = (int(time.time()) // MINUTE - 10) * MINUTE
HOUR = range(END - 60 * MINUTE, END, MINUTE)


@pytest.fixture(scope="module")
def graphite_url(graphite: Callable[..., servers.Server]) -> str:
    whole = {at: 70.0 + number % 10 for number, at in enumerate(HOUR)}
    return graphite(
        {
            "web.one.latency": whole,
            "web.two.latency": dict.fromkeys(HOUR, 90.0),
            "half.latency": dict.fromkeys(HOUR[::2], 1.0),
        }
    ).url


@pytest.fixture(scope="module")
def influxdb_url(influxdb: Callable[..., servers.Server]) -> str:
    lines = [
        f"workers,host=web-{host} busy={host + number % 5} {at}"
        for host in (1, 2)
        for number, at in enumerate(HOUR)
    ]
    lines += [f"seldom,host=web-1 busy=1 {at}" for at in HOUR[::2]]
    return influxdb("web", lines).url


@pytest.fixture
def source(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """Make a source of the example by the name of its class."""
    monkeypatch.syspath_prepend(EXAMPLE)
    import graphite_source
    import influxdb_source

    classes = {"Graphite": graphite_source.Graphite, "InfluxDB": influxdb_source.InfluxDB}

    class Settings:
        def __init__(self, options: Mapping[str, Any]) -> None:
            self.options = options

        def error(self, keys: tuple[str, ...], message: str) -> SourceError:
            return SourceError(message)

    yield lambda name, **options: classes[name](Settings(options))
    for module in ("graphite_source", "influxdb_source"):
        sys.modules.pop(module)


def asked(text: str, **variables: str) -> SourceQuery:
    return SourceQuery(text, END - 3600, END, variables)


SELECT = "SELECT mean(busy) FROM workers WHERE $timeFilter GROUP BY time(1m), host"
QUOTED = "AND host = '$host' GROUP"


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("avg(last_1h):averageSeries(web.*.latency)", [82.25]),
        ("max(last_10m):web.one.latency", [79.0]),
        ("last(last_1h):web.*.latency", [79.0, 90.0]),
        ("sum(last_30m):web.two.latency", [2700.0]),
    ],
)
def test_graphite_is_read(source, graphite_url, text, values):
    readings = source("Graphite", url=graphite_url).read(asked(text))
    assert sorted(readings.values) == values
    assert (readings.coverage, readings.doubt) == (1.0, "")


@pytest.mark.parametrize(
    ("text", "values"),
    [
        (f"avg(last_1h):{SELECT}", {"web-1": 3.0, "web-2": 4.0}),
        (f"max(last_10m):{SELECT}", {"web-1": 5.0, "web-2": 6.0}),
        (f"min(last_1h):{SELECT.replace('GROUP', QUOTED)}", {"web-2": 2.0}),
    ],
)
def test_influxdb_is_read(source, influxdb_url, text, values):
    made = source("InfluxDB", url=influxdb_url, database="web")
    readings = made.read(asked(text, host="web-2"))
    assert {
        labels["host"]: value for labels, value in zip(readings.labels, readings.values, strict=True)
    } == values
    assert (readings.coverage, readings.doubt) == (1.0, "")


def test_what_is_half_there_is_half_covered(source, graphite_url, influxdb_url):
    half = source("Graphite", url=graphite_url).read(asked("avg(last_1h):half.latency"))
    seldom = source("InfluxDB", url=influxdb_url, database="web").read(
        asked(f"avg(last_1h):{SELECT.replace('workers', 'seldom')}")
    )
    assert (half.coverage, seldom.coverage) == (0.5, 0.5)


def test_what_is_not_there_is_no_value(source, graphite_url, influxdb_url):
    made = source("InfluxDB", url=influxdb_url, database="web")
    assert source("Graphite", url=graphite_url).read(asked("avg(last_1h):web.*.latancy")).values == ()
    assert made.read(asked(f"avg(last_1h):{SELECT.replace('workers', 'wokers')}")).values == ()


def test_what_the_servers_refuse_is_told(source, graphite_url, influxdb_url):
    with pytest.raises(SourceError, match=r"HTTP 400: .*unknown function: nope"):
        source("Graphite", url=graphite_url).read(asked("avg(last_1h):nope(web.*.latency)"))
    with pytest.raises(SourceError, match="database not found: other"):
        source("InfluxDB", url=influxdb_url, database="other").read(asked(f"avg(last_1h):{SELECT}"))
    for made in (
        source("Graphite", url=servers.NOBODY),
        source("InfluxDB", url=servers.NOBODY, database="web"),
    ):
        with pytest.raises(UnreachableError, match="no answer: ConnectionError"):
            made.read(asked(f"avg(last_1h):{SELECT}"))


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("Graphite", "web.one.latency", "needs a time aggregator and a window, such as `avg(last_1h):averageSeries(web.*.latency)`"),
        ("Graphite", "avg(last_2h):web.one.latency", "last_2h is more than the 1h that are judged"),
        ("Graphite", "avg(last_1h):keepLastValue(web.one.latency)", "keepLastValue() puts points where there are no data: leave it out"),
        ("Graphite", "avg(last_1h):web.one.latency", ""),
        ("InfluxDB", "avg(last_1h):DROP DATABASE web", "needs one SELECT"),
        ("InfluxDB", f"avg(last_1h):{SELECT}; DROP DATABASE web", "needs one SELECT that only reads"),
        ("InfluxDB", f"avg(last_1h):{SELECT.replace('FROM', 'INTO copy FROM')}", "needs one SELECT that only reads"),
        ("InfluxDB", f"avg(last_1h):{SELECT.replace('GROUP', QUOTED)}", "needs one SELECT that only reads"),
        ("InfluxDB", "avg(last_1h):SELECT mean(busy) FROM workers WHERE $timeFilter", "needs $timeFilter and GROUP BY time(INTERVAL)"),
        ("InfluxDB", f"avg(last_1h):{SELECT} fill(0)", "fill(0) puts points where there are no data: leave it out"),
        ("InfluxDB", f"avg(last_1h):{SELECT} fill(none)", ""),
        ("InfluxDB", f"avg(last_1h):{SELECT.replace('GROUP', 'AND $cluster GROUP')}", "unknown variable $cluster"),
    ],
)  # fmt: skip
def test_what_cannot_work_is_told_when_files_are_collected(source, name, text, line):
    made = source(name, url="http://x", database="web")
    query = asked(text, host="web'; DROP DATABASE web; --")
    assert made.dialect.check(query).startswith(line)
    assert bool(made.dialect.check(query)) == bool(line)


def test_the_page_shows_what_the_example_has():
    page = PAGE.read_text("utf-8").partition("\n## Graphite")[2].partition("\n## ")[0]
    files = "\n".join(path.read_text("utf-8") for path in sorted(EXAMPLE.glob("*.py")))
    shown = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert len(shown) == 3
    assert [part for part in shown if part.strip() not in files] == []
    assert re.findall(r"^\$ pytest (.*)$", page, re.MULTILINE) == [RECORD, "--telemetry-env=recorded"]


def test_the_suite_passes_live_and_recorded(tmp_path, graphite_url, influxdb_url, monkeypatch):
    folder = shutil.copytree(EXAMPLE, tmp_path / "example", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setenv("ROLLOUT_START", format_time(END - 3600))
    monkeypatch.setenv("GRAPHITE_URL", graphite_url)
    monkeypatch.setenv("INFLUXDB_URL", influxdb_url)
    command = ["-m", "pytest", "-p", "no:cacheprovider", "-p", "no:hypothesispytest"]
    live = forks.run([*command, RECORD], cwd=folder)
    assert live.returncode == 0, live.stdout
    assert "telemetry gate: PASS  3 checks: 3 pass" in live.stdout
    monkeypatch.setenv("GRAPHITE_URL", servers.NOBODY)
    monkeypatch.setenv("INFLUXDB_URL", servers.NOBODY)
    recorded = forks.run([*command, "--telemetry-env=recorded"], cwd=folder)
    assert recorded.returncode == 0, recorded.stdout
    assert "telemetry gate: PASS  3 checks: 3 pass" in recorded.stdout
    dead = forks.run(command, cwd=folder)
    assert dead.returncode == 1, dead.stdout
    assert "telemetry gate: ERROR  3 checks: 3 error" in dead.stdout
