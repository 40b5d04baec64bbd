"""The engine against the local Prometheus: the same samples, the same questions, one run.

    ./run bench engine [s1k|s10k ...] [--data DIR] [--rounds N]

``--data`` keeps the data sets (about 1.5 GB) for the next run. Asked in turn (server, engine, server, engine ...), so
that a machine that slows down slows both; medians are printed. Both read files that are in the page cache.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.engine_data import DATA_SETS, HOURS, START, DataSet
from pytest_telemetry_gate.promql import Engine, ast, parse
from pytest_telemetry_gate.recording import Recording

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
import servers

STEP = 60
QUERIES = {
    "Q1 sum by rate 5m": "sum by (job) (rate(http_requests_total[5m]))",
    "Q2 histogram_quantile": "histogram_quantile(0.95, sum by (le) (rate(request_duration_seconds_bucket[5m])))",
    "Q3 avg by avg_over_time 10m": "avg by (job) (avg_over_time(queue_latency_seconds[10m]))",
    "Q4 max by gauge": "max by (job) (queue_latency_seconds)",
    "Q5 ratio of rates": 'sum by (job) (rate(http_requests_total{code=~"5.."}[5m])) / '
    "sum by (job) (rate(http_requests_total[5m]))",
    "Q6 raw gauges": "queue_latency_seconds",
    "Q7 sum by rate 1h": "sum by (job) (rate(http_requests_total[1h]))",
    "Q8 quantile_over_time 10m": "max by (job) (quantile_over_time(0.9, queue_latency_seconds[10m]))",
    "Q9 max_over_time subquery": "max by (job) (max_over_time(queue_latency_seconds[1h:1m]))",
}
END = START + HOURS * 3600


@dataclass
class Row:
    """Seconds and bytes of one question, of the engine and of the server."""

    ours: list[float] = field(default_factory=list)
    theirs: list[float] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        """The median of the ratios, pair by pair."""
        return statistics.median(a / b for a, b in zip(self.ours, self.theirs, strict=True))

    def cells(self) -> str:
        """Medians in milliseconds, and the ratio."""
        ours, theirs = statistics.median(self.ours) * 1000, statistics.median(self.theirs) * 1000
        return f"{ours:8.1f} {theirs:8.1f} {self.ratio:7.2f}"


class Client:
    """One connection to the server that is kept open."""

    def __init__(self, server: servers.Server) -> None:
        self._connection = http.client.HTTPConnection(server.address, timeout=600)

    def seconds(self, promql: str, *, instant: bool) -> float:
        """Ask, read the whole body, and return the time that took."""
        path, form = "/api/v1/query", {"query": promql, "time": str(END)}
        if not instant:
            path = "/api/v1/query_range"
            form = {"query": promql, "start": str(START + 1200), "end": str(END), "step": str(STEP)}
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        begin = time.perf_counter()
        self._connection.request("POST", path, urllib.parse.urlencode(form), headers)
        answer = self._connection.getresponse()
        body = answer.read()
        took = time.perf_counter() - begin
        if answer.status != 200 or b'"result":[]' in body[:200]:
            sys.exit(f"{promql}: {body[:300]!r}")
        return took


def seconds(engine: Engine, promql: str, *, instant: bool) -> float:
    """Ask the engine and return the time that took."""
    begin = time.perf_counter()
    if instant:
        answer = engine.instant(promql, float(END))
    else:
        answer = engine.range(promql, float(START + 1200), float(END), float(STEP))
    took = time.perf_counter() - begin
    if not answer.labels:
        sys.exit(f"{promql}: no series")
    return took


@contextlib.contextmanager
def server_of(folder: Path) -> Iterator[servers.Server]:
    """Run a Prometheus over a data set; samples and blocks stay as they are."""
    with servers.prometheus(folder, interval="1m", arguments=["--query.max-samples=1000000000"]) as server:
        yield server


def prepare(data: DataSet, folder: Path) -> Path:
    """Make what is not there yet: the recording and the TSDB."""
    recording = folder / "bench.telemetry.zip"
    if not recording.exists():
        print(f"{data.name}: writing the recording of {data.samples:,} samples ...", file=sys.stderr)
        folder.mkdir(parents=True, exist_ok=True)
        data.write_recording(recording)
    if not (folder / "tsdb").exists():
        print(f"{data.name}: making the TSDB with promtool ...", file=sys.stderr)
        text = folder / "bench.om"
        data.write_openmetrics(text)
        servers.backfill(text, folder / "tsdb.unfinished")
        (folder / "tsdb.unfinished").rename(folder / "tsdb")
        text.unlink()
    return recording


def warm(recording: Path, folder: Path, rounds: int, *, instant: bool) -> dict[str, Row]:
    """Ask both in turn, with everything decoded and cached that either keeps."""
    engine = Engine(Recording.open(recording).storage(), semantics="2")
    rows = {}
    with server_of(folder) as server:
        client = Client(server)
        for name, promql in QUERIES.items():
            seconds(engine, promql, instant=instant)
            client.seconds(promql, instant=instant)
            rows[name] = row = Row()
            for _ in range(rounds * (3 if instant else 1)):
                row.theirs.append(client.seconds(promql, instant=instant))
                row.ours.append(seconds(engine, promql, instant=instant))
    return rows


def cold(recording: Path, folder: Path, promql: str) -> dict[str, float]:
    """Ask a process that has just opened the recording, and a server that has just started."""
    command = [sys.executable, "-m", "benchmarks.engine", "--cold", str(recording), promql]
    ours = json.loads(subprocess.check_output(command, cwd=Path(__file__).parents[1]))
    with server_of(folder) as server:
        before = _memory(server.process.pid)
        theirs = Client(server).seconds(promql, instant=False)
        peak = _memory(server.process.pid) - before
    return {**ours, "theirs": theirs, "their_peak": peak}


def answer_cold(recording: Path, promql: str) -> None:
    """Open a recording, ask one question and print time, peak of memory and size of the samples touched."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    before = _memory("self")
    begin = time.perf_counter()
    storage = Recording.open(recording).storage()
    seconds(Engine(storage, semantics="2"), promql, instant=False)
    took, peak = time.perf_counter() - begin, _memory("self") - before
    print(json.dumps({"ours": took, "peak": peak, "decoded": decoded(storage, promql)}))


def decoded(storage: object, promql: str) -> int:
    """Return the bytes of the samples, timestamps included, of the metrics that an expression names."""
    names = {node.matchers[0] for node in ast.walk(parse(promql)) if isinstance(node, ast.VectorSelector)}
    size, times = 0, {}
    for matcher in names:
        for group in storage.select([matcher], 0, 2**62):  # type: ignore[attr-defined]
            size += group.values.nbytes
            times[id(group.times)] = group.times.nbytes
    return size + sum(times.values())


def _memory(pid: int | str) -> int:
    """Return the peak of the resident memory of a process in bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def bandwidth() -> float:
    """Return how many bytes a second this machine reads into one sum."""
    block = np.ones(2**24)
    times = []
    for _ in range(7):
        begin = time.perf_counter()
        block.sum()
        times.append(time.perf_counter() - begin)
    return block.nbytes / statistics.median(times)


def measure(data: DataSet, folder: Path, rounds: int) -> None:
    """Print the tables of one data set."""
    recording = prepare(data, folder)
    shutil.copy(recording, "/dev/null")  # into the page cache
    print(f"\n{data.name}: {data.series:,} series x {HOURS} h x {data.interval} s, {data.samples:,} samples")
    storage = Recording.open(recording).storage()
    sizes = {name: decoded(storage, promql) for name, promql in QUERIES.items()}
    del storage
    speed = bandwidth()
    for instant in (False, True):
        print(f"{'instant' if instant else 'range, 2,861 steps'}, warm; {rounds} rounds")
        print(f"  {'query':<30} {'engine ms':>8} {'server ms':>8} {'ratio':>7} {'x bandwidth':>12}")
        rows = warm(recording, folder, rounds, instant=instant)
        for name, row in rows.items():
            roof = statistics.median(row.ours) * speed / sizes[name]
            print(f"  {name:<30} {row.cells()} {'' if instant else f'{roof:12.0f}'}", flush=True)
        print(f"  {'median of the ratios':<48} {statistics.median(row.ratio for row in rows.values()):8.2f}")
    print("range, cold: recording opened, server started just before")
    head = f"{'engine ms':>9} {'server ms':>9} {'ratio':>6} {'decoded':>9} {'peak':>8} {'x':>5} {'server peak':>12}"
    print(f"  {'query':<30} {head}")
    for name, promql in QUERIES.items():
        rounds_of = [cold(recording, folder, promql) for _ in range(max(1, rounds // 2))]
        figure = {key: statistics.median(one[key] for one in rounds_of) for key in rounds_of[0]}
        ratio = statistics.median(one["ours"] / one["theirs"] for one in rounds_of)
        print(
            f"  {name:<30} {figure['ours'] * 1000:9.0f} {figure['theirs'] * 1000:9.0f} {ratio:6.2f} "
            f"{figure['decoded'] / 1e6:6.0f} MB {figure['peak'] / 1e6:5.0f} MB {figure['peak'] / figure['decoded']:5.2f} "
            f"{figure['their_peak'] / 1e6:9.0f} MB",
            flush=True,
        )


def main(arguments: list[str]) -> None:
    """Measure the data sets that were named, or both."""
    parser = argparse.ArgumentParser(prog="run bench engine", description=__doc__)
    parser.add_argument("sets", nargs="*", metavar="s1k|s10k")
    parser.add_argument("--data", type=Path, help="a folder that keeps the data sets")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cold", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.cold:
        answer_cold(Path(options.cold[0]), options.cold[1])
        return
    if unknown := set(options.sets) - set(DATA_SETS):
        parser.error(f"unknown data sets {sorted(unknown)}; known: {', '.join(DATA_SETS)}")
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.data or Path(temporary)
        for name in options.sets or DATA_SETS:
            measure(DATA_SETS[name], folder / name, options.rounds)


if __name__ == "__main__":
    main(sys.argv[1:])
