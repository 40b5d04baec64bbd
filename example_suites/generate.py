"""Write the recordings of the two example suites: raw samples of every 15 s over 49 hours, and their events.

``python example_suites/generate.py`` rewrites both files. The seed is fixed: the same samples every time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray
from synthetic import (
    AGE,
    BEGIN,
    HOUR,
    INTERVAL,
    SLOTS,
    START,
    Floats,
    Ints,
    Part,
    Series,
    apportion,
    counter,
    draws,
    gauge,
    groups,
    normal,
    parts,
    settle,
    slot,
    target,
)

from pytest_telemetry_gate.promql import SeriesGroup
from pytest_telemetry_gate.recording import RecordingWriter
from pytest_telemetry_gate.recording.captures import Captures, store_captures

HERE = Path(__file__).parent
REPLAYS = HERE / "qa_replay/recordings/qa.telemetry.zip"

# Sprint 1, then 0.25, 12, 24, 36 and 48 hours after the start of the rollout; hours between are interpolated.
HOURS = (0.25, 12.0, 24.0, 36.0, 48.0)
FIGURES = {
    "parse_duration_p50": (58.1, 58.9, 58.8, 58.7, 58.6, 58.4),
    "parse_duration_p95": (83.5, 84.7, 84.6, 84.5, 84.3, 84.2),
    "parse_batch_size": (121.4, 123.1, 122.9, 122.8, 122.5, 122.3),
    "cli_latency_p95_ms": (47.1, 48.3, 48.2, 48.1, 47.9, 47.8),
    "cicd_success_ratio": (0.976, 0.978, 0.979, 0.981, 0.982, 0.983),
    "resource_utilization_cpu_percent": (64.0, 64.2, 64.4, 64.3, 64.2, 64.1),
    "telemetry_stream_lag_ms": (195, 218, 215, 212, 208, 205),
    "telemetry_queue_length": (40, 41, 41, 41, 41, 41),
    "telemetry_events_per_second": (1250, 1278.75, 1277.5, 1276.25, 1275, 1273.75),
}
MOMENTS = ("at", "baseline_at", "seen_at")  # times in captures, in seconds
FILES_PER_SLOT = 100_000 / HOUR
BATCH_SPREAD = 25.0
DURATION_LE = np.array([10, 25, 40, 50, 60, 70, 80, 90, 100, 125, 150, 250, 500, 1000, math.inf])
SIZE_LE = np.array([25, 50, 75, 100, 125, 150, 175, 200, 300, math.inf])
LANGUAGES = {"python": 0.5, "go": 0.3, "javascript": 0.2}
EVENT_SOURCES = {"parser": 0.55, "cli": 0.2, "cicd": 0.05, "node": 0.2}
RULE_GROUP = "/etc/prometheus/telemetry.rules.yml;telemetry"
EVALUATED = 11.4  # seconds into each slot
PENDING = 4  # evaluations of an alert with `for: 1m` before it fires

# The four faults of the regressed rollout, in seconds after its start.
SLOW_FROM = 22 * 3600.0
SLOW_P95 = 93.0
BACKLOG_AT = 20.1 * 3600
NO_LAG = (17.2 * 3600, 19.2 * 3600)
CRASH = 31 * 3600 + 252.0


def figure(name: str, hour: float | None, wobble: float = 0.0) -> float:
    """Return a figure at an hour; hours that are not in the table are up to ``wobble`` off the straight line."""
    sprint1, *values = FIGURES[name]
    if hour is None:
        return sprint1
    value = float(np.interp(hour, HOURS, values))
    if hour not in HOURS:
        value += wobble * float(draws(f"{name} wobble", round(hour * 100)).random() * 2 - 1)
    return value


def level(name: str, wobble: float) -> Callable[[float | None], float]:
    """Return a figure as a function of the hour."""
    return lambda hour: figure(name, hour, wobble)


def cumulated_normal(scores: Floats) -> Floats:
    """Return the normal distribution's share below each score."""
    return np.array([math.erf(score / math.sqrt(2)) / 2 + 0.5 for score in scores.tolist()])


def durations(p50: float, p95: float) -> Floats:
    """Return the share of each bucket of a log-normal distribution, bent until `histogram_quantile` gives both."""
    mean, sigma = math.log(p50), math.log(p95 / p50) / 1.645
    for _ in range(30):
        reached = cumulated_normal((np.log(DURATION_LE[:-1]) - mean) / sigma)
        low, high = np.interp([0.5, 0.95], reached, DURATION_LE[:-1])
        mean += math.log(p50 / low)
        sigma *= math.log(p95 / p50) / math.log(high / low)
    return np.diff([0.0, *reached, 1.0])


class Parser:
    """What two parsers did in each slot: batches of files of one language, each file parsed in so many ms."""

    def __init__(self, restarts: Sequence[Sequence[float]], slow_from: float) -> None:
        self.lost = [[slot(time) for time in times] for times in restarts]
        self.sizes = np.zeros((SLOTS, 2, len(SIZE_LE)))
        self.languages = np.zeros((SLOTS, 2, len(LANGUAGES)))
        self.durations = np.zeros((SLOTS, 2, len(DURATION_LE)))
        self.milliseconds = np.zeros((SLOTS, 2))
        self.up = np.ones((SLOTS, 2), dtype=bool)
        for instance, lost in enumerate(self.lost):
            self.up[lost, instance] = False
        for part in parts(differences=True):
            slow = part.hour is not None and part.hour * 3600 > slow_from
            p95 = SLOW_P95 if slow else figure("parse_duration_p95", part.hour, 0.15)
            self._fill(part, durations(figure("parse_duration_p50", part.hour, 0.08), p95))

    def _fill(self, part: Part, shares: Floats) -> None:
        window, free, hour = part
        random = draws("parser", int(window[0]))
        mean = figure("parse_batch_size", hour, 0.15)
        expected = FILES_PER_SLOT * len(window) * (1 + 0.04 * (random.random() - 0.5))
        all_batches = round(expected / mean)
        all_files = round(all_batches * mean)
        batches = all_batches - round(self.sizes[window].sum())
        files = all_files - round(self.languages[window].sum())

        size = settle(mean + BATCH_SPREAD * normal(random, batches), files, random)
        cells = np.argwhere(self.up[free])
        chosen = cells[(random.random(batches) * len(cells)).astype(int)]
        where, instance = free[chosen[:, 0]], chosen[:, 1]
        language = np.searchsorted(
            np.cumsum(list(LANGUAGES.values()))[:-1], random.random(batches), side="right"
        )
        np.add.at(self.sizes, (where, instance, np.searchsorted(SIZE_LE, size)), 1)
        np.add.at(self.languages, (where, instance, language), size)

        left = apportion(all_files, shares) - self.durations[window].sum(axis=(0, 1)).astype(int)
        bucket = np.repeat(np.arange(len(DURATION_LE)), left)[np.argsort(random.random(files))]
        lower, upper = np.array([0.0, *DURATION_LE[:-1]])[bucket], DURATION_LE[bucket]
        took = np.rint(4 * (lower + (upper - lower) * random.random(files))) / 4
        where, instance = np.repeat(where, size), np.repeat(instance, size)
        np.add.at(self.durations, (where, instance, bucket), 1)
        np.add.at(self.milliseconds, (where, instance), took)

    def series(self, instance: int) -> list[Series]:
        """Return the counters and histograms that one parser exposes."""
        lost = self.lost[instance]
        sprint1 = {name: FIGURES[name][0] for name in FIGURES}
        files = round(AGE / INTERVAL * FILES_PER_SLOT / 2)
        took = apportion(files, durations(sprint1["parse_duration_p50"], sprint1["parse_duration_p95"]))
        scores = (SIZE_LE - sprint1["parse_batch_size"]) / BATCH_SPREAD
        batches = apportion(
            round(files / sprint1["parse_batch_size"]), np.diff(cumulated_normal(scores), prepend=0)
        )
        languages = self.languages[:, instance]
        total = counter(languages, apportion(files, np.array(list(LANGUAGES.values()))), lost)
        return [
            *_histogram("parse_duration_ms", DURATION_LE, self.durations[:, instance], took, lost),
            ("parse_duration_ms_sum", {}, counter(self.milliseconds[:, instance], files * 60.0, lost)),
            *_histogram("parse_batch_size", SIZE_LE, self.sizes[:, instance], batches, lost),
            ("parse_batch_size_sum", {}, counter(languages.sum(axis=1), float(files), lost)),
            *(("parse_total", {"language": name}, total[:, i]) for i, name in enumerate(LANGUAGES)),
            ("parser_failure_total", {}, counter(np.zeros(SLOTS), 0.0, lost)),
        ]


def _histogram(
    name: str, bounds: Floats, increments: Floats, before: Ints, lost: Sequence[int]
) -> list[Series]:
    buckets = counter(np.cumsum(increments, axis=1), np.cumsum(before), lost)
    labels = ["+Inf" if math.isinf(bound) else f"{bound:g}" for bound in bounds]
    named: list[Series] = [(f"{name}_bucket", {"le": le}, buckets[:, i]) for i, le in enumerate(labels)]
    return [*named, (f"{name}_count", {}, buckets[:, -1])]


def command_line(restart: float) -> list[Series]:
    """Return what the command line's exporter shows."""
    lost = [slot(restart)]
    runs = np.floor(3 + np.abs(normal(draws("cli_runs"), SLOTS)))
    runs[lost] = 0
    latency = gauge("cli latency", level("cli_latency_p95_ms", 0.08), 0.1, 0.6, lost=lost)
    return [("cli_latency_p95_ms", {}, latency), ("cli_runs_total", {}, counter(runs, 91_000.0, lost))]


def telemetry_events() -> list[Series]:
    """Return the events that the telemetry pipeline accepted: what the variance is measured on."""
    name = "telemetry_events_per_second"
    events = np.zeros((SLOTS, len(EVENT_SOURCES)))
    shares = np.array(list(EVENT_SOURCES.values()))
    for window, free, hour in parts(differences=True):
        random = draws(name, int(window[0]))
        total = round(figure(name, hour, 0.4) * INTERVAL * len(window)) - events[window].sum()
        even = np.outer(np.full(len(free), total / len(free)), shares).ravel()
        events[free] = settle(even * (1 + 0.02 * normal(random, even.size)), total, random).reshape(
            -1, len(shares)
        )
    values = counter(events, apportion(round(AGE * FIGURES[name][0]), shares))
    return [
        ("telemetry_events_total", {"source": source}, values[:, i]) for i, source in enumerate(EVENT_SOURCES)
    ]


def rules() -> list[dict[str, Any]]:
    """Return the alerting rules as a recording holds them."""
    text = (HERE / "telemetry_step2/rules/telemetry.rules.yml").read_text(encoding="utf-8")
    (group,) = yaml.safe_load(text)["groups"]
    file, name = RULE_GROUP.split(";")
    return [
        {
            "alert": rule["alert"],
            "expr": rule["expr"],
            "group": name,
            "file": file,
            "interval": INTERVAL,
            "for": 60 * int(rule.get("for", "0m").removesuffix("m")),
            "labels": rule["labels"],
        }
        for rule in group["rules"]
    ]


def prometheus(backlog: NDArray[np.bool_]) -> list[SeriesGroup]:
    """Return what Prometheus says of its rules, and the alert that it derives from the backlog of the queue."""
    count = len(rules())
    evaluated = np.round(BEGIN + INTERVAL * np.arange(SLOTS) + EVALUATED, 3)
    group = {"rule_group": RULE_GROUP}
    series: list[Series] = [
        # The newest evaluation at the time of the scrape is that of the slot before.
        ("prometheus_rule_group_last_evaluation_timestamp_seconds", group, evaluated - INTERVAL),
        ("prometheus_rule_group_interval_seconds", group, np.full(SLOTS, INTERVAL)),
        ("prometheus_rule_group_iterations_missed_total", group, np.zeros(SLOTS)),
        ("prometheus_rule_group_rules", group, np.full(SLOTS, float(count))),
        ("prometheus_rule_evaluations_total", group, counter(np.full(SLOTS, count), AGE / INTERVAL * count)),
        ("prometheus_rule_evaluation_failures_total", group, np.zeros(SLOTS)),
    ]
    found = target("prometheus", "prometheus:9090", 4.1, series)
    if not backlog.any():
        return found
    since = int(np.argmax(backlog))
    pending = backlog & (np.arange(SLOTS) < since + PENDING)
    alert = {"alertname": "TelemetryQueueBacklog", "team": "telemetry", "severity": "warn"}
    alert |= {"job": "telemetry", "instance": "telemetry:9464"}
    alerts: list[Series] = [
        ("ALERTS", {**alert, "alertstate": "pending"}, np.where(pending, 1.0, math.nan)),
        ("ALERTS", {**alert, "alertstate": "firing"}, np.where(backlog & ~pending, 1.0, math.nan)),
        ("ALERTS_FOR_STATE", alert, np.where(backlog, evaluated[since], math.nan)),
    ]
    return found + groups(alerts, EVALUATED)


def rollout(*, regressed: bool) -> list[SeriesGroup]:
    """Return every sample of the rollout, with or without the four faults."""
    restarts = [[249.0], [282.0, CRASH] if regressed else [282.0]]
    parser = Parser(restarts, SLOW_FROM if regressed else math.inf)
    lag = gauge("stream lag", level("telemetry_stream_lag_ms", 1), 1, 14)
    queue = gauge("queue", level("telemetry_queue_length", 2), 1, 8)
    backlog = np.zeros(SLOTS, dtype=bool)
    if regressed:
        lag[slot(NO_LAG[0]) + 1 : slot(NO_LAG[1]) + 1] = math.nan
        backlog[slot(BACKLOG_AT) : slot(BACKLOG_AT) + PENDING + 12] = True
        queue[backlog] = 1400 + np.rint(200 * np.sin(np.arange(PENDING + 12) / 5))
    pipeline: list[Series] = [("telemetry_stream_lag_ms", {}, lag), ("telemetry_queue_length", {}, queue)]
    success = gauge("ci", level("cicd_success_ratio", 0.0005), 0.0001, 0.0012, hold=20)
    cpu_percent = level("resource_utilization_cpu_percent", 0.15)
    nodes = [gauge(f"cpu {node}", cpu_percent, 0.1, 1.8) for node in range(2)]
    return [
        *target("parser", "parser-0:9102", 2.3, parser.series(0), restarts[0]),
        *target("parser", "parser-1:9102", 9.7, parser.series(1), restarts[1]),
        *target("cli", "cli:9103", 7.2, command_line(371.0), [371.0]),
        *target("cicd", "cicd:9104", 12.8, [("cicd_success_ratio", {}, success)]),
        *target("node", "node-0:9100", 1.1, [("resource_utilization_cpu_percent", {}, nodes[0])]),
        *target("node", "node-1:9100", 13.6, [("resource_utilization_cpu_percent", {}, nodes[1])]),
        *target("telemetry", "telemetry:9464", 5.9, [*telemetry_events(), *pipeline]),
        *prometheus(backlog),
    ]


def captures(path: Path = REPLAYS) -> Iterator[dict[str, Any]]:
    """Yield what replays of ``qa_replay`` captured, at the hours of this rollout."""
    for capture in Captures(path).all():
        hour = int(capture["checkpoint"].removesuffix("h"))
        yield moved(capture, round(START + hour * 3600 - capture["at"]) if "at" in capture else 0)


def place_replays() -> None:
    """Move what replays captured to the hours of this rollout, where it was recorded anew at another time."""
    for path in sorted(REPLAYS.parent.glob("*.telemetry.zip")):
        found = list(captures(path))
        if found != list(Captures(path).all()):
            path.unlink()
            latest = max(capture["at"] for capture in found)
            store_captures(path, found, recorded_at=latest, environment=found[0]["environment"])


def moved(part: Any, seconds: int) -> Any:
    """Return a part of a capture with all its times so many seconds later."""
    if isinstance(part, list):
        return [moved(one, seconds) for one in part]
    if not isinstance(part, dict):
        return part
    found = {}
    for key, value in part.items():
        if key.endswith("UnixNano"):
            found[key] = str(int(value) + seconds * 10**9)
        else:
            found[key] = value + seconds if key in MOMENTS and value else moved(value, seconds)
    return found


def write(path: Path, *, regressed: bool) -> None:
    """Write one recording, over the one that is there."""
    end = BEGIN + INTERVAL * SLOTS
    found = rollout(regressed=regressed)
    suite = "telemetry-step2-regressed" if regressed else "telemetry-step2"
    writer = RecordingWriter(recorded_at=end, source="example_suites/generate.py", suites=[suite])
    for group in found:
        writer.add(group)
    for job in sorted({labels["job"] for group in found for labels in group.labels}):
        writer.interval(job, INTERVAL)
    history = {"from": BEGIN, "to": end, "complete": True, "episodes": []}
    writer.events("alerts", {**history, "rules": rules()})
    writer.events("incidents", {**history, "rules": []})
    for capture in captures():
        writer.capture(capture)
    writer.write(path, overwrite=True)


def main() -> None:
    """Write both recordings, with what the replays captured."""
    place_replays()
    write(HERE / "telemetry_step2/recordings/step2-48h.telemetry.zip", regressed=False)
    write(HERE / "telemetry_step2_regressed/recordings/step2-48h-regressed.telemetry.zip", regressed=True)


if __name__ == "__main__":
    main()
