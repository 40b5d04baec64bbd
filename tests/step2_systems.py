"""The systems that watched Telemetry Step 2, filled with what the team saw: a real Prometheus, and servers on loopback."""

from __future__ import annotations

import contextlib
import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import bigquery_server
import datadog_server
import grafana_server
import numpy as np
import pagerduty_server
import servers
import slack_server
import websites
from bigquery_server import BigQuery
from datadog_server import Datadog, Metric
from grafana_server import Grafana, Rule
from numpy.typing import NDArray
from pagerduty_server import PagerDuty
from slack_server import Slack

from pytest_telemetry_gate.promql import Matcher, MemoryStorage
from pytest_telemetry_gate.recording import Recording, RecordingWriter
from pytest_telemetry_gate.serving.prometheus_server import serve_by_prometheus

__all__ = ["EXAMPLE", "START", "Systems", "export_dashboard", "prometheus_of_step2"]

EXAMPLE = Path(__file__).parents[1] / "example_suites" / "telemetry_step2_sources"
STEP2 = EXAMPLE.parent / "telemetry_step2/recordings/step2-48h.telemetry.zip"
START = datetime.fromisoformat("2025-01-22T14:00:00-08:00").timestamp()
BIGQUERY_TOKEN = "kanari-bigquery-token"
HOUR, MINUTE = 3600, 60
CHECKPOINTS = (12 * HOUR, 24 * HOUR, 48 * HOUR)
PACIFIC = timezone(timedelta(hours=-8))
SCRAPED = ("parse_duration_ms_bucket", "parser_failure_total", "telemetry_events_total", "up")
EXPORTED = ("cli_latency_p95_ms", "telemetry_stream_lag_ms")
Samples = tuple[NDArray[np.int64], NDArray[np.float64]]


def samples_of(recording: Recording, name: str, every: int = 1) -> list[tuple[dict[str, str], Samples]]:
    """Return every sample of a metric's series, or every so-and-so-many-th: labels, times in ms, values."""
    return [
        (dict(labels), (group.times[::every], group.values[::every, column]))
        for group in recording.storage("").select([Matcher("__name__", "=", name)], 0, 2**52)
        for column, labels in enumerate(group.labels)
    ]


@contextlib.contextmanager
def prometheus_of_step2(folder: Path) -> Iterator[str]:
    """Run a real Prometheus that has scraped the parser, the telemetry and Grafana itself; yields its address."""
    recording = Recording.open(STEP2)
    series = [
        one
        for name in SCRAPED
        for one in samples_of(recording, name, every=4)
        if one[0]["instance"] in {"parser-0:9102", "telemetry:9464"}
    ]
    times = series[-1][1][0]
    target = {"job": "grafana", "instance": "grafana:3000"}
    # Six rules that are evaluated each minute: one evaluation in ten seconds.
    evaluations = np.floor((times - times[0]) / 10_000)
    series += [
        ({"__name__": "up", **target}, (times, np.ones(len(times)))),
        ({"__name__": "grafana_alerting_rule_evaluations_total", **target}, (times, evaluations)),
        (
            {"__name__": "grafana_alerting_state_history_transitions_failed_total", **target},
            (times, np.zeros(len(times))),
        ),
    ]
    writer = RecordingWriter(recorded_at=START + 49 * HOUR, source="Step 2")
    for group in MemoryStorage([(labels, *told) for labels, told in series]).select([], 0, 2**62):
        writer.add(group)
    writer.write(folder / "scraped.telemetry.zip", overwrite=True)
    program = servers.binary("prometheus")
    with (
        contextlib.closing(Recording.open(folder / "scraped.telemetry.zip")) as scraped,
        serve_by_prometheus(program, scraped, "", folder) as url,
    ):
        yield url


def export_dashboard() -> str:
    """Return what the dashboard exported: the mean of every five minutes, times as the browser showed them."""
    recording = Recording.open(STEP2)
    columns = [samples_of(recording, name)[0][1] for name in EXPORTED]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["Time", *EXPORTED])
    for at in range(round(START), round(START) + 48 * HOUR, 5 * MINUTE):
        means = []
        for times, values in columns:
            first, last = np.searchsorted(times, [at * 1000, (at + 5 * MINUTE) * 1000])
            present = values[first:last][~np.isnan(values[first:last])]
            means.append(f"{present.mean():.2f}" if len(present) else "")
        writer.writerow([datetime.fromtimestamp(at, PACIFIC).strftime("%Y-%m-%d %H:%M:%S"), *means])
    return text.getvalue()


def datadog_of_step2() -> Datadog:
    """Return a Datadog that has the CPU of both hosts in the hours that are judged."""
    metrics = []
    for labels, (times, values) in samples_of(Recording.open(STEP2), "resource_utilization_cpu_percent"):
        judged = np.zeros(len(times), dtype=bool)
        for checkpoint in CHECKPOINTS:
            end = (START + checkpoint) * 1000
            judged |= (times >= end - HOUR * 1000) & (times < end)
        points = dict(zip((times[judged] // 1000).tolist(), values[judged].tolist(), strict=True))
        tags = {"team": "telemetry", "host": labels["instance"].partition(":")[0]}
        metrics.append(Metric("resource_utilization.cpu", tags, points, datadog_server.PERCENT))
    return Datadog(metrics)


def bigquery_of_step2() -> BigQuery:
    """Return a BigQuery with the rollup: a row for each hour, of the counters' growth and the mean of the CI's ratio."""
    recording = Recording.open(STEP2)
    names = ("parse_batch_size_sum", "parse_batch_size_count", "cicd_success_ratio")
    files, batches, ratio = (
        [samples for labels, samples in samples_of(recording, name) if "parser-1" not in labels["instance"]]
        for name in names
    )
    rows = []
    for number in range(1, 49):
        end = START + number * HOUR
        values = [_of_the_hour(*samples, end) for samples in (files[0], batches[0], ratio[0])]
        growth = [float(np.maximum(np.diff(hour), 0).sum()) for hour in values[:2]]
        rows.append((datetime.fromtimestamp(end, UTC), *growth, float(values[2].mean())))
    bigquery = BigQuery(token=BIGQUERY_TOKEN)
    columns = "hour_end TIMESTAMPTZ, files DOUBLE, batches DOUBLE, cicd_success_ratio DOUBLE"
    bigquery.fill("day5_48hour_snapshot", columns, rows)
    return bigquery


def _of_the_hour(times: NDArray[np.int64], values: NDArray[np.float64], end: float) -> NDArray[np.float64]:
    """Return the values of the hour up to a moment, without stale markers."""
    first, last = np.searchsorted(times, [(end - HOUR) * 1000, end * 1000])
    hour = values[first:last]
    return hour[~np.isnan(hour)]


def grafana_of_step2() -> Grafana:
    """Return a Grafana whose rules did not fire; one was pending for a while, and one of another team fired."""
    lag, variance = Rule("HighStreamLag", "lag"), Rule("TelemetryVariance", "variance")
    other = Rule("QueueFull", "queue", labels={"team": "billing"})
    grafana = Grafana([lag, variance, other])
    grafana.change(START + 6 * HOUR, "Normal", "Pending", lag)
    grafana.change(START + 6 * HOUR + 2 * MINUTE, "Pending", "Normal", lag)
    grafana.change(START + 20 * HOUR, "Normal", "Alerting", other)
    grafana.change(START + 21 * HOUR, "Alerting", "Normal", other)
    return grafana


def pagerduty_of_step2() -> PagerDuty:
    """Return an account in which the services of the rollout were quiet: what happened was before, or elsewhere."""
    account = PagerDuty()
    account.incident(START - 30 * HOUR, START - 29 * HOUR, service="PARSER1")
    elsewhere = account.incident(START + 9 * HOUR, START + 10 * HOUR, service="BILLING")
    account.entry(START + 9 * HOUR + 10 * MINUTE, elsewhere)
    return account


def slack_of_step2() -> Slack:
    """Return a workspace in whose channel people talked about the rollout, and no alert was posted since it began."""
    channel = Slack()
    channel.post(START - 40 * HOUR, "[FIRING:1] HighStreamLag")
    channel.post(START - 39 * HOUR, "[RESOLVED] HighStreamLag")
    person = {"bot_id": None, "bot_profile": None, "user": "U012AB3CDE"}
    channel.post(START, "the deployment begins", **person)
    channel.post(START + 12 * HOUR + 900, "12 hours: all is quiet", **person)
    channel.post(START + 24 * HOUR + 1800, "the 24-hour validation holds", **person)
    return channel


@dataclass
class Systems:
    """All of them at once. ``addresses`` are what telemetry.yaml reads of the environment; PagerDuty's authority is in ``folder``."""

    folder: Path
    prometheus: str
    grafana: Grafana = field(default_factory=grafana_of_step2)
    pagerduty: PagerDuty = field(default_factory=pagerduty_of_step2)
    slack: Slack = field(default_factory=slack_of_step2)
    datadog: Datadog = field(default_factory=datadog_of_step2)
    bigquery: BigQuery = field(default_factory=bigquery_of_step2)

    @contextlib.contextmanager
    def serving(self) -> Iterator[dict[str, str]]:
        """Serve all of them; yields the variables that the example's ``live`` needs."""
        with contextlib.ExitStack() as stack:
            pages = stack.enter_context(pagerduty_server.serving(self.pagerduty, self.folder))
            messages = stack.enter_context(slack_server.serving(self.slack))
            alerts = stack.enter_context(websites.serving(self.grafana.answer))
            metrics = stack.enter_context(datadog_server.running(self.datadog))
            rollups = stack.enter_context(bigquery_server.running(self.bigquery))
            yield {
                "BQ_URL": rollups.url,
                "BQ_TOKEN": BIGQUERY_TOKEN,
                "PROM_URL": self.prometheus,
                "GRAFANA_URL": alerts.url,
                "GRAFANA_TOKEN": grafana_server.TOKEN,
                "PD_URL": pages,
                "PD_TOKEN": pagerduty_server.TOKEN,
                "SLACK_URL": messages,
                "SLACK_TOKEN": slack_server.TOKEN,
                "DD_URL": metrics.url,
                "DD_API_KEY": datadog_server.API_KEY,
                "DD_APP_KEY": datadog_server.APP_KEY,
            }
