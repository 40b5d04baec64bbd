"""A real capture, imported into a recording, against a real Prometheus over the same samples."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
from promql.differential import Differential
from promql.questions import Question
from promql.server_engine import ServerEngine

from pytest_telemetry_gate.promql import Engine
from pytest_telemetry_gate.recording import Recording, import_openmetrics

if TYPE_CHECKING:
    from collections.abc import Callable

    import servers

pytestmark = [pytest.mark.integration, pytest.mark.slow]

CAPTURE = Path(__file__).parents[3] / "shared" / "data" / "host-prometheus-90min-5s.om.gz"
FIRST, LAST = 1795426865.0, 1795432659.0

QUERIES = [
    # CPU
    '100 * (1 - avg(rate(node_cpu_seconds_total{mode="idle"}[5m])))',
    "sum by (mode) (rate(node_cpu_seconds_total[1m]))",
    'sum without (cpu) (irate(node_cpu_seconds_total{mode!="idle"}[2m]))',
    'max by (cpu) (increase(node_cpu_seconds_total{mode=~"user|system"}[10m]))',
    'count by (instance) (node_cpu_seconds_total{mode="idle"})',
    'sum(rate(node_cpu_seconds_total{mode="user"}[5m])) / sum(rate(node_cpu_seconds_total[5m]))',
    "node_load1 > bool node_load5",
    'node_load1 / on (instance) count by (instance) (node_cpu_seconds_total{mode="idle"})',
    # Memory
    "100 * (1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes)",
    "min_over_time(node_memory_MemFree_bytes[15m])",
    "deriv(node_memory_MemAvailable_bytes[10m])",
    "predict_linear(node_memory_MemAvailable_bytes[20m], 3600)",
    "stddev_over_time(process_resident_memory_bytes[10m])",
    "topk(1, process_resident_memory_bytes)",
    "quantile_over_time(0.95, process_open_fds[30m])",
    # Disks and network
    "rate(node_disk_written_bytes_total[5m])",
    "rate(node_disk_io_time_seconds_total[2m30s]) * 100",
    'sum by (instance) (rate(node_network_receive_bytes_total{device!="lo"}[5m])) * 8',
    "changes(node_network_carrier_up_changes_total[1h])",
    "avg by (device) (node_network_mtu_bytes)",
    # Alerts
    "ALERTS",
    'ALERTS{alertstate="firing"}',
    "count by (alertname, alertstate) (ALERTS)",
    'max_over_time(ALERTS{alertstate="firing", severity="warn"}[10m])',
    'count_over_time(ALERTS{alertstate="firing"}[90m])',
    'absent(ALERTS{alertname="HighCPU", alertstate="firing"})',
    "ALERTS_FOR_STATE",
    'sum(ALERTS{alertstate="firing"}) or vector(0)',
    # Rates and ratios of requests
    "sum by (handler) (rate(prometheus_http_requests_total[5m]))",
    'sum(increase(prometheus_http_requests_total{code=~"2.."}[15m]))',
    "job:http_requests:rate1m",
    "avg_over_time(job:http_requests:rate1m[10m])",
    "node_cpu_seconds_total / ignoring (mode) group_left sum without (mode) (node_cpu_seconds_total)",
    "resets(process_cpu_seconds_total[1h]) + on (job, instance) changes(process_start_time_seconds[1h])",
    # Quantiles
    "histogram_quantile(0.95, sum by (le, handler) (rate(prometheus_http_request_duration_seconds_bucket[5m])))",
    "histogram_quantile(0.5, sum by (le) (rate(alertmanager_notification_latency_seconds_bucket[10m])))",
    "histogram_quantile(0.9, prometheus_http_response_size_bytes_bucket)",
    'prometheus_target_interval_length_seconds{quantile="0.99"}',
    "rate(prometheus_http_request_duration_seconds_sum[5m]) / rate(prometheus_http_request_duration_seconds_count[5m])",
    # Evaluation of rules, and the scrapes themselves
    "time() - prometheus_rule_group_last_evaluation_timestamp_seconds",
    "increase(prometheus_rule_evaluation_failures_total[30m])",
    "prometheus_rule_group_last_duration_seconds / prometheus_rule_group_interval_seconds",
    "rate(prometheus_rule_group_iterations_total[5m]) > 0.1",
    "avg_over_time(up[1h])",
    "count_over_time(up[1h]) * 5 / 3600",
    "min by (job) (up)",
    "max_over_time(rate(prometheus_http_requests_total[1m])[10m:30s])",
    "scrape_samples_scraped - scrape_samples_post_metric_relabeling",
    "scrape_duration_seconds offset 5m",
    "timestamp(up)",
]  # fmt: skip


class Both(NamedTuple):
    """The comparison, and the recording it reads."""

    differential: Differential
    recording: Recording


@pytest.fixture(scope="module")
def both(prometheus_server: Callable[..., servers.Server], tmp_path_factory: pytest.TempPathFactory) -> Both:
    if not CAPTURE.is_file():
        pytest.skip(f"the capture {CAPTURE.name} is not beside the checkout")
    folder = tmp_path_factory.mktemp("capture")
    text = folder / "capture.om"
    with gzip.open(CAPTURE) as source, text.open("wb") as target:
        shutil.copyfileobj(source, target)
    server = prometheus_server(openmetrics=text, interval="1m")
    path = folder / "capture.telemetry.zip"
    import_openmetrics(CAPTURE, path)
    recording = Recording.open(path)
    (region,) = recording.regions
    engine = Engine(recording.storage(region), semantics="2", lookback=300.0)
    return Both(Differential(engine, ServerEngine(server)), recording)


@pytest.mark.parametrize("promql", QUERIES)
def test_a_recording_of_real_metrics_answers_as_the_server_does(promql: str, both: Both) -> None:
    # Between scrapes, on them, in the middle of the alerts, and after the end.
    for time in (FIRST + 0.5, 1795426999.418, 1795427100.0, FIRST + 1800, LAST - 30, LAST + 240.125):
        assert both.differential.disagreement(Question(promql, time, time, 0.0)) == "", f"at {time}"
    for start, end, step in ((FIRST - 60, LAST + 600, 60.0), (1795426870.418, 1795427230.418, 5.0)):
        assert both.differential.disagreement(Question(promql, start, end, step)) == "", f"step {step}"


def test_the_questions_are_not_empty(both: Both) -> None:
    theirs = both.differential.theirs
    empty = [promql for promql in QUERIES if not theirs.range(promql, FIRST, LAST, 60.0).labels]
    assert empty == []


def test_the_recording_knows_its_scrape_intervals(both: Both) -> None:
    (region,) = both.recording.regions
    intervals = both.recording.scrape_intervals(region)
    assert {job: round(seconds) for job, seconds in intervals.items() if job} == {
        "alertmanager": 5, "node": 5, "prometheus": 5,
    }  # fmt: skip
