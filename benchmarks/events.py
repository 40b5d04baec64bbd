"""``python -m benchmarks events``: 100,000 events into episodes, from changes of states and from a file of JSON Lines.

Processor time of this process, the least of a few rounds. Beside reading a file stands what parsing its JSON alone takes.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from pytest_telemetry_gate.gate.builtin import EVENT_SOURCES
from pytest_telemetry_gate.model.environment import Origin, RegionSettings
from pytest_telemetry_gate.sources.episodes import Change, join_changes, unite_episodes

ROUNDS = 5
EVENTS = 100_000
START = 1_737_583_200
END = START + 2 * EVENTS
LABELS = {"team": "telemetry", "severity": "page"}


def seconds(work: Callable[[], object]) -> float:
    """Return the least processor time that some work took."""
    times = []
    for _ in range(ROUNDS):
        begin = time.process_time()
        work()
        times.append(time.process_time() - begin)
    return min(times)


def changes() -> list[Change]:
    """Return two changes for each event: of 1,000 instances, one after the other."""
    return [
        Change(number % 1000, START + number + after, after == 0, "HighLag", LABELS)
        for number in range(EVENTS)
        for after in (0, 500)
    ]


def write(path: Path) -> None:
    """Write the events as lines."""
    with path.open("w", encoding="utf-8") as file:
        file.write(json.dumps({"complete": {"from": START, "to": END}}) + "\n")
        for number in range(EVENTS):
            begin = START + number
            event = {"name": "HighLag", "start": begin, "end": begin + 30, "labels": LABELS, "id": number}
            file.write(json.dumps(event) + "\n")


def main() -> None:
    """Print a row for each way."""
    told = changes()

    def join() -> None:
        episodes = unite_episodes(enumerate(join_changes("alert", told)), START, END)
        assert len(episodes) == EVENTS

    print(f"{2 * EVENTS:,} changes into {EVENTS:,} episodes: {seconds(join):.2f} s (wanted: under 1 s)")
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "events.jsonl"
        write(path)
        settings = RegionSettings("", "jsonl", {"path": path.name}, {}, Origin("telemetry.yaml"), Path(name))
        source = EVENT_SOURCES["jsonl"](settings, None)  # type: ignore[arg-type] # which it does not look at

        def read() -> None:
            events = source.events("alerts", START, END)
            assert events.complete
            assert len(events.episodes) == EVENTS

        def parse() -> None:
            with path.open("rb") as file:
                for line in file:
                    json.loads(line)

        took, alone = seconds(read), seconds(parse)
        figure = f"{took:.2f} s; its JSON alone: {alone:.2f} s, ratio {took / alone:.1f}"
        print(f"a file of {EVENTS:,} events into episodes: {figure} (wanted: under 1 s, at most 3)")


if __name__ == "__main__":
    main()
