"""The engine and a real Prometheus 2.42 asked the same questions about the same data.

Both must agree in labels, presence and values (1e-9 relative; next to nought, where terms cancel, 1e-9 absolute), or
both refuse. Everything follows from one seed: `--differential-seed` and `--differential-cases`, or
TELEMETRY_DIFFERENTIAL_SEED and TELEMETRY_DIFFERENTIAL_CASES. Hypothesis also draws on constants of the modules that are
loaded, so the same seed means the same questions where the same tests are run.
"""

from __future__ import annotations

import http.server
import itertools
import math
import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import numpy as np
import pytest
from children import until
from promql.corpus import Report, World, run_script
from promql.differential import Differential
from promql.promqltest import Clear, Load, read
from promql.questions import Question, questions
from promql.remote_write import RECEIVER, remote_write
from promql.server_engine import ServerEngine
from promql.worlds import Sample, worlds

from pytest_telemetry_gate.promql import Engine, MemoryStorage, Vector
from pytest_telemetry_gate.promql.storage import STALE

if TYPE_CHECKING:
    from collections.abc import Callable

    import servers

pytestmark = pytest.mark.integration

WORLDS = 24
CASES = Path(__file__).parent / "cases"
ON_SERVER = [path for path in sorted(CASES.glob("*/*.test")) if path.parent.name in {"both", "2"}]


def _setting(config: pytest.Config, name: str, default: int) -> int:
    given = config.getoption(f"differential_{name}")
    return int(
        given if given is not None else os.environ.get(f"TELEMETRY_DIFFERENTIAL_{name.upper()}", default)
    )


def _collect(number: int, seed: int) -> list[Sample]:
    """Draw one world from hypothesis, the same one for the same seed."""
    drawn: list[list[Sample]] = []

    @hypothesis.seed(seed * 1000 + number)
    @hypothesis.settings(
        max_examples=4,
        database=None,
        deadline=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(worlds(number))
    def draw(world: list[Sample]) -> None:
        drawn.append(world)

    draw()
    return max(drawn, key=lambda world: sum(len(times) for _, times, _ in world))


def _questions(cases: int, seed: int) -> list[Question]:
    """Draw questions from hypothesis, the same ones for the same seed."""
    drawn: list[Question] = []

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=cases,
        database=None,
        deadline=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(questions(WORLDS))
    def draw(question: Question) -> None:
        drawn.append(question)

    draw()
    return drawn


@pytest.fixture(scope="module")
def differential(
    prometheus_server: Callable[..., servers.Server], pytestconfig: pytest.Config
) -> Differential:
    seed = _setting(pytestconfig, "seed", 1)
    series = [one for number in range(WORLDS) for one in _collect(number, seed)]
    server = prometheus_server(interval="1m", arguments=[RECEIVER])
    remote_write(
        server,
        (
            (labels, stamp, value)
            for labels, times, values in series
            for stamp, value in zip(times, values, strict=True)
        ),
    )
    storage = MemoryStorage(
        [(labels, np.array(times, np.int64), np.array(values, float)) for labels, times, values in series]
    )
    return Differential(Engine(storage, semantics="2", lookback=300.0), ServerEngine(server))


def test_generated_questions_have_the_server_s_answers(
    differential: Differential, pytestconfig: pytest.Config, record_property: Callable[[str, object], None]
) -> None:
    cases, seed = _setting(pytestconfig, "cases", 2000), _setting(pytestconfig, "seed", 1)
    begun = time.perf_counter()
    generated = _questions(cases, seed)
    for question, wrong in differential.disagreements(generated):
        if wrong:
            part = differential.smallest(question)
            raise AssertionError(f"{part}\n{differential.disagreement(part) or wrong}\nin {question}")
    asked = sum(differential.counts[kind] for kind in ("answered", "refused by both"))
    record_property(
        "conformance",
        f"differential with Prometheus: {asked} cases ({len(set(generated))} different), seed {seed}, no disagreement; "
        f"{differential.counts['answered']} answered ({differential.counts['empty']} empty), "
        f"{differential.counts['refused by both']} refused by both, {time.perf_counter() - begun:.0f} s",
    )
    assert asked >= cases
    assert differential.counts["answered"] - differential.counts["empty"] > asked / 4, (
        "the questions are too empty"
    )


@pytest.mark.parametrize("path", ON_SERVER, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_our_own_cases_hold_on_the_server(
    path: Path, prometheus_server: Callable[..., servers.Server]
) -> None:
    commands = read(path.read_text("utf-8"))
    assert not any(isinstance(command, Clear) for command in commands), (
        "one server holds a script's whole data"
    )
    world = World()
    for command in commands:
        if isinstance(command, Load):
            world.load(command)
    server = prometheus_server(interval="1m", arguments=[RECEIVER])
    remote_write(server, world.samples())
    report = Report(run_script(path, "2", engine=ServerEngine(server)))
    assert [f"{outcome.place} {outcome.expr}: {outcome.misses[0]}" for outcome in report.missed] == []


class Target(http.server.BaseHTTPRequestHandler):
    """A metrics page with a counter and a gauge that comes and goes."""

    def do_GET(self) -> None:
        """Answer a scrape."""
        count = self.server.count = getattr(self.server, "count", 0) + 1  # type: ignore[attr-defined]
        page = f"# TYPE beat counter\nbeat_total {count}\n"
        if count % 4 < 2:
            page += f'# TYPE flicker gauge\nflicker{{phase="{count // 4 % 2}"}} {count}\n'
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(page.encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.mark.slow
def test_stale_markers_of_a_scraped_target_that_goes_away(
    prometheus_server: Callable[..., servers.Server],
) -> None:
    """Series vanish at once from instant selectors when their target, or they alone, are gone."""
    target = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Target)
    threading.Thread(target=target.serve_forever, daemon=True).start()
    address = f"127.0.0.1:{target.server_address[1]}"
    jobs = [{"job_name": "beat", "static_configs": [{"targets": [address]}]}]
    server = prometheus_server(scrape=jobs, interval="250ms")
    theirs = ServerEngine(server)
    begun = time.time()

    def beats(at_least: int) -> bool:
        count = theirs.instant("beat_total", time.time())
        return isinstance(count, Vector) and bool(count.values.size) and count.values[0] >= at_least

    until(lambda: beats(9))
    target.shutdown()
    target.server_close()
    until(lambda: not beats(0))

    def in_vain() -> bool:
        found = theirs.instant('count_over_time((up{job="beat"} == 0)[1h:125ms])', time.time())
        return isinstance(found, Vector) and bool(found.values.size) and found.values[0] >= 8

    until(in_vain)  # four scrapes, which are twice as far apart
    now = math.floor(4 * time.time()) / 4
    storage = MemoryStorage(_with_stale_markers(server, now))
    ours = Engine(storage, semantics="2", lookback=300.0)
    start = float(round(begun) - 2)
    both = Differential(ours, theirs)
    for promql in ("beat_total", "flicker", "up", "count(flicker)", "rate(beat_total[1250ms])", "flicker offset 500ms",
                   "count_over_time(flicker[1s])", "max_over_time(flicker[1250ms:125ms])", "absent(beat_total)",
                   "last_over_time(flicker[750ms])", "sum(flicker) or up * 100"):  # fmt: skip
        assert both.disagreement(Question(promql, start, now, 0.025)) == "", promql
    alive = theirs.range("beat_total", start, now, 0.025)
    assert alive.present.any()
    assert not alive.present[:, -1].any(), "the server itself kept the vanished series"


def _with_stale_markers(server: servers.Server, now: float) -> list[tuple[dict[str, str], Any, Any]]:
    """Raw samples of the server, with its stale markers put back where instant selectors end.

    The API's range vectors leave markers out; a marker stands at the time of the first scrape without the series,
    which is a time of `up`.
    """
    raw = ServerEngine(server).instant('{__name__=~"beat_total|flicker|up"}[10m]', now)
    scrapes = next(
        raw.times[raw.present[row]] for row, labels in enumerate(raw.labels) if labels["__name__"] == "up"
    )
    series = []
    for row, labels in enumerate(raw.labels):
        points = {
            round(raw.times[column] * 1000): float(raw.values[row, column])
            for column in np.flatnonzero(raw.present[row])
        }
        for before, after in itertools.pairwise(scrapes):
            if round(before * 1000) in points:
                points.setdefault(round(after * 1000), STALE)
        times = sorted(points)
        series.append((labels, np.array(times, np.int64), np.array([points[stamp] for stamp in times])))
    return series
