"""``python -m benchmarks.live``: 500 criteria against a live Prometheus, beside the same queries written by hand.

By hand means pytest functions that call prometheus-api-client one after the other, without coverage and baselines. A
real Prometheus answers; for the runs with latency a proxy in a process of its own delays every byte by 25 ms each way.
"""

from __future__ import annotations

import asyncio
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

import servers  # noqa: E402 - the real servers that the tests use

CRITERIA = 500
THREADS = 16
ONE_WAY = 0.025  # seconds
ROUNDS = 5
START = 1_737_583_200  # 2025-01-22T14:00:00-08:00
SUITE = """\
version: 1
suite: many
rollout: {start: 2025-01-22T14:00:00-08:00, end: 2025-01-22T14:30:00-08:00}
checkpoints: [2h]
groups:
  Many:
"""
BY_HAND = """\
import pytest
from prometheus_api_client import PrometheusConnect

prometheus = PrometheusConnect(url="{url}")

@pytest.mark.parametrize("number", range({count}))
def test_it(number):
    query = f'avg_over_time(load{{{{number="{{number}}"}}}}[1h])'
    (series,) = prometheus.custom_query(query, params={{"time": {time}}})
    assert float(series["value"][1]) < 1000
"""


def openmetrics(path: Path) -> None:
    """Write 500 series of two and a half hours at 15 s."""
    with path.open("w", encoding="utf-8") as file:
        file.write("# TYPE load gauge\n")
        for number in range(CRITERIA):
            for moment in range(START - 1800, START + 7260, 15):
                file.write(f'load{{job="parser",number="{number}"}} {number + moment % 7} {moment}\n')
        file.write("# EOF\n")


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass bytes on, each part a fixed time after it came, however many are under way."""
    loop = asyncio.get_running_loop()
    while data := await reader.read(2**16):
        loop.call_later(ONE_WAY, writer.write, data)
    loop.call_later(ONE_WAY, writer.close)


async def _delay(port: int) -> None:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(_carry(reader, far_writer), _carry(far_reader, writer), return_exceptions=True)

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextmanager
def delayed(port: int) -> Iterator[str]:
    """Run the proxy before a port and give its address."""
    argv = [sys.executable, "-m", "benchmarks.live", str(port)]
    with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.kill()


def seconds(folder: Path, file: str) -> float:
    """Run pytest on one file and return the wall time of the whole process."""
    begin = time.perf_counter()
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", file]
    # Compiled modules are kept between runs, as on any machine that does not forbid it.
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env=environment)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout}\n{done.stderr}")
    return time.perf_counter() - begin


def compared(folder: Path, url: str, rounds: int) -> tuple[float, float, float, float]:
    """Return medians of whole processes: the gate, one that judges a single criterion, by hand, by hand a single one."""
    (folder / "telemetry.yaml").write_text(
        f"default: live\nenvironments: {{live: {{source: prometheus, url: '{url}', scrape_interval: 15s}}}}\n"
    )
    for name, count in (("many", CRITERIA), ("one", 1)):
        rows = (
            f"    - {{id: c{n}, query: 'avg_over_time(load{{number=\"{n}\"}}[1h])', expect: '< 1000'}}\n"
            for n in range(count)
        )
        (folder / f"{name}.gate.yaml").write_text(SUITE + "".join(rows))
        (folder / f"test_{name}.py").write_text(BY_HAND.format(url=url, count=count, time=START + 7200))
    files = ("many.gate.yaml", "one.gate.yaml", "test_many.py", "test_one.py")
    found = [[seconds(folder, file) for file in files] for _ in range(rounds)]
    return tuple(statistics.median(column) for column in zip(*found, strict=True))  # type: ignore[return-value]


def show(what: str, figure: str, wanted: str) -> None:
    """Print one row."""
    print(f"{what:<58} {figure:<40} {wanted}", flush=True)


def main() -> None:
    """Print the ratios."""
    show("what, against what", f"measured (medians of {ROUNDS})", "wanted")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "pytest.ini").write_text("[pytest]\n")
        openmetrics(folder / "load.om")
        with servers.prometheus(folder / "prometheus", openmetrics=folder / "load.om") as server:
            many, one, hand, hand_one = compared(folder, server.url, ROUNDS)
            ratio = (many - one) / (hand - hand_one)
            told = f"{(many - one) * 1e3 / CRITERIA:.2f} ms, {(hand - hand_one) * 1e3 / CRITERIA:.2f} ms, ratio {ratio:.2f}"
            show("loopback: one criterion more, against one query by hand", told, "at most 1.2")
            port = int(server.url.rpartition(":")[2])
            with delayed(port) as url:
                many, one, hand, _ = compared(folder, url, ROUNDS)
            bound = 1.3 * math.ceil(CRITERIA / THREADS) * 2 * ONE_WAY
            show(
                "50 ms: 500 criteria, whole process",
                f"{many:.2f} s (of it {one:.2f} s for a single one)",
                f"at most {bound:.2f} s",
            )
            show(
                "50 ms: by hand, against 500 criteria",
                f"{hand:.1f} s, ratio {hand / many:.1f}",
                "at least 10",
            )


if __name__ == "__main__":
    if len(sys.argv) > 1:
        asyncio.run(_delay(int(sys.argv[1])))
    else:
        main()
