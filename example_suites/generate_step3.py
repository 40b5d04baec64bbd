"""Write the recording of ``telemetry_step3``: three regions, 11 days before their rollout and 48 hours after it.

``python example_suites/generate_step3.py`` rewrites the file. The seed is fixed: the same samples every time.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
from synthetic import Floats, Series, counter, draws, groups, normal

from pytest_telemetry_gate.promql import SeriesGroup
from pytest_telemetry_gate.recording import RecordingWriter

RECORDING = Path(__file__).parent / "telemetry_step3/recordings/step3-48h.telemetry.zip"

INTERVAL = 60.0
START = datetime.fromisoformat("2025-02-12T14:00:00-08:00").timestamp()
BEGIN = START - 11 * 86400 - 600
SLOTS = round((START + 48 * 3600 + 600 - BEGIN) / INTERVAL)
HOURS = (BEGIN + INTERVAL * np.arange(SLOTS) - START) / 3600  # since the start of the rollout, of each scrape

SEASON = 0.25  # by how much the busiest hour is above the mean of a day
MEMORY = 1.5  # hours in which noise forgets two thirds of what it was

RETRIED, FAILED, TIMED_OUT = 0.075, 0.008, 0.003  # of the tasks
DEEPER = 0.52  # the share of delegations that delegate again
DEPTH_LE = (1, 2, 4, 6, math.inf)
DEPTHS = 24

# The one fault: in this region retries become more, a little every hour.
DRIFTING = "eu-central-1"
DRIFT_FROM = 20.0
DRIFT = 0.0017  # an hour


class Region(NamedTuple):
    """How busy a region is, and when its breakers opened, in hours since the start of the rollout."""

    tasks: float  # a second
    delegations: float  # a second
    busiest: float  # hour of the day, UTC
    opened: Mapping[str, Sequence[float]]


REGIONS = {
    "us-west-2": Region(140, 2.4, 21, {"model": (-250.2, -201.5, -77.3), "tools": (-140.6,)}),
    "eu-central-1": Region(120, 2, 13, {"model": (-235.1, -98.8, 30.4), "tools": (-61.9,)}),
    "ap-southeast-1": Region(110, 1.8, 6, {"model": (-251.7, -160.2), "tools": (-222.2, 17.7)}),
}
OPEN, HALF_OPEN = 4, 2  # scrapes


def wander(key: str, spread: float) -> Floats:
    """Return noise with a memory, of this standard deviation: AR(1) from scrape to scrape."""
    kept = math.exp(-INTERVAL / 3600 / MEMORY)
    steps = normal(draws("step 3", key), SLOTS) * math.sqrt(1 - kept * kept) * spread
    found = np.empty(SLOTS)
    value = 0.0
    for place, step in enumerate(steps.tolist()):
        value = kept * value + step
        found[place] = value
    return found


def events(key: str, expected: Floats) -> Floats:
    """Return how many events there were in each slot where so many were expected."""
    noise = normal(draws("step 3", key, "events"), expected.size).reshape(expected.shape)
    found: Floats = np.maximum(0, np.rint(expected + np.sqrt(expected) * noise))
    return found


def drift(region: str) -> Floats:
    """Return by what the retries of a region are multiplied."""
    late = np.maximum(0, HOURS - DRIFT_FROM) if region == DRIFTING else np.zeros(SLOTS)
    return 1 + DRIFT * late


def depths(region: str, delegations: float) -> list[Series]:
    """Return the histogram of how deep agents delegate: each delegates again with the same probability."""
    deeper = (DEEPER * (1 + wander(f"{region} depth", 0.012)))[:, np.newaxis]
    shares = (1 - deeper) * deeper ** np.arange(DEPTHS)
    found = events(f"{region} depth", delegations * INTERVAL * shares)
    before = np.rint(np.mean(found, axis=0) * 10_000)
    reached = counter(found, before)
    buckets: list[Series] = [
        (
            "agent_delegation_depth_bucket",
            {"le": "+Inf" if math.isinf(le) else f"{le}"},
            reached[:, : min(DEPTHS, le) if math.isfinite(le) else DEPTHS].sum(axis=1),
        )
        for le in DEPTH_LE
    ]
    total = (reached * np.arange(1, DEPTHS + 1)).sum(axis=1)
    return [
        *buckets,
        ("agent_delegation_depth_sum", {}, total),
        ("agent_delegation_depth_count", {}, reached.sum(axis=1)),
    ]


def breakers(region: str) -> list[Series]:
    """Return the states of the circuit breakers: 0 closed, 1 half open, 2 open."""
    found: list[Series] = []
    for breaker, hours in REGIONS[region].opened.items():
        state = np.zeros(SLOTS)
        for hour in hours:
            first = int(np.searchsorted(HOURS, hour))
            state[first : first + OPEN] = 2
            state[first + OPEN : first + OPEN + HALF_OPEN] = 1
        found.append(("circuit_breaker_state", {"breaker": breaker}, state))
    return found


def tasks(region: str) -> list[Series]:
    """Return the counters of tasks, and how many wait."""
    settings = REGIONS[region]
    day = (HOURS + 22 - settings.busiest) * 2 * math.pi / 24  # the rollout starts at 22:00 UTC
    all_tasks = (
        settings.tasks * INTERVAL * (1 + SEASON * np.cos(day)) * (1 + wander(f"{region} tasks", 0.003))
    )
    rates = {
        "succeeded": np.full(SLOTS, 1 - FAILED - TIMED_OUT),
        "failed": FAILED * (1 + wander(f"{region} failed", 0.03)),
        "timed_out": TIMED_OUT * (1 + wander(f"{region} timed out", 0.03)),
    }
    finished: list[Series] = []
    for outcome, rate in rates.items():
        counted = events(f"{region} {outcome}", all_tasks * rate)
        finished.append(("tasks_total", {"outcome": outcome}, counter(counted, counted.mean() * 10_000 // 1)))
    again = RETRIED * (1 + wander(f"{region} tried again", 0.004)) * drift(region)
    retries = events(f"{region} tried again", all_tasks * again)
    waiting = events(f"{region} queue", all_tasks / 240 * (1 + wander(f"{region} queue", 0.1)))
    return [
        *finished,
        ("task_retries_total", {}, counter(retries, retries.mean() * 10_000 // 1)),
        ("task_queue_depth", {}, waiting),
    ]


def rollout(region: str) -> list[SeriesGroup]:
    """Return every sample of a region."""
    series: list[Series] = [
        ("up", {}, np.ones(SLOTS)),
        *tasks(region),
        *depths(region, REGIONS[region].delegations),
        *breakers(region),
    ]
    labelled = [
        (name, {**labels, "job": "agents", "instance": "agents:9464"}, values)
        for name, labels, values in series
    ]
    return groups(labelled, 7.4, begin=BEGIN, interval=INTERVAL)


def main() -> None:
    """Write the recording, over the one that is there."""
    writer = RecordingWriter(
        recorded_at=BEGIN + INTERVAL * SLOTS,
        source="example_suites/generate_step3.py",
        suites=["telemetry-step3"],
    )
    for region in REGIONS:
        for group in rollout(region):
            writer.add(group, region=region)
        writer.interval("agents", INTERVAL, region=region)
    writer.write(RECORDING, overwrite=True)


if __name__ == "__main__":
    main()
