"""``python -m benchmarks sources``: a gate over five sources of one kind, each of which takes 200 ms for an answer.

Answers come from servers of its own on loopback. *Asking* is the time from the first request to the last answer, as the servers
see it; beside it stands what one source alone takes, since it is asked whether it takes the keys before it is asked for values.
"""

from __future__ import annotations

import contextlib
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import datadog_server
import websites

ROUNDS = 3
DELAY = 0.2  # seconds for each answer
MOST_SECONDS = 1.0
START = 1_737_583_200
HEAD = """\
version: 1
suite: mixed
rollout: {start: 2025-01-22T14:00:00-08:00, end: 2025-01-22T15:30:00-08:00}
checkpoints: [12h]
groups:
  Mixed:
"""


@dataclass
class Timed(datadog_server.Datadog):
    """Answers after the delay, and notes when it was asked and had answered."""

    times: list[float] = field(default_factory=list)

    def answer(self, asked: websites.Asked) -> websites.Answer:
        """Return what the server of the tests answers."""
        self.times.append(time.monotonic())
        time.sleep(DELAY)
        answered = super().answer(asked)
        self.times.append(time.monotonic())
        return answered


def asking(count: int) -> float:
    """Run a gate over so many sources and return the seconds from the first request to the last answer."""
    points = dict.fromkeys(range(START, START + 13 * 3600, 20), 40.0)
    with contextlib.ExitStack() as stack:
        servers = [
            stack.enter_context(datadog_server.running(Timed([datadog_server.Metric("load", {}, points)])))
            for _ in range(count)
        ]
        name = stack.enter_context(tempfile.TemporaryDirectory())
        folder = Path(name)
        (folder / "pytest.ini").write_text("[pytest]\n")
        sources = "".join(
            f"      s{number}: {{source: datadog, url: '{one.url}', api_key: {datadog_server.API_KEY}, app_key: {datadog_server.APP_KEY}}}\n"
            for number, one in enumerate(servers)
        )
        (folder / "telemetry.yaml").write_text(
            f"default: mixed\nenvironments:\n  mixed:\n    source: prometheus\n    url: http://127.0.0.1:1\n    sources:\n{sources}"
        )
        criteria = "".join(
            f"    - {{id: c{number}, source: s{number}, window: 1h, query: 'avg(last_1h):avg:load{{*}}', expect: '< 75'}}\n"
            for number in range(count)
        )
        (folder / "mixed.gate.yaml").write_text(HEAD + criteria)
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "--telemetry-now=2025-01-24T00:00:00Z",
        ]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            sys.exit(f"the gate failed:\n{done.stdout}\n{done.stderr}")
    times = [moment for server in servers for moment in server.times]
    return max(times) - min(times)


def main() -> None:
    """Measure and print."""
    alone = statistics.median(asking(1) for _ in range(ROUNDS))
    five = statistics.median(asking(5) for _ in range(ROUNDS))
    verdict = "ok" if five < MOST_SECONDS else "TOO SLOW"
    print(
        f"five sources of {DELAY * 1000:.0f} ms each: asking takes {five:.2f} s, one source alone {alone:.2f} s (under {MOST_SECONDS:g} s: {verdict})"
    )
