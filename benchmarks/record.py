"""``python -m benchmarks.record``: what recording costs in memory and time: 48 h of samples every 15 s, from a server that makes them up.

Each figure is a process of its own, so that its peak of resident memory is the recording's.
"""

from __future__ import annotations

import http.server
import json
import re
import subprocess
import sys
import tempfile
import threading
import urllib.parse
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

END = 1_737_756_000  # 2025-01-24T22:00:00Z
STEP = 15
HOURS = 48
QUESTION = re.compile(r"(sum\(count_over_time\()?[a-z]+(?:\{series=\"(\d+)\"\})?(?:\[(\d+)ms\])?.*")
PROGRAM = """\
import resource, sys, time
from pathlib import Path
from pytest_telemetry_gate import builtin
from pytest_telemetry_gate.files.environments import load_environment
from pytest_telemetry_gate.recorder.recorder import RegionRequest, record
from pytest_telemetry_gate.model.questions import Instant

folder, series, end = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3])
environment = load_environment(folder / "telemetry.yaml")
source = builtin.pytest_telemetry_gate_sources()["prometheus"](environment.regions[""])
source.restore_probe(source.probe())
question = Instant("", f'sum(rate(requests{{series="{series}"}}[48h]))', end)
begun = time.perf_counter()
out = folder / f"{series}-{time.time_ns()}.telemetry.zip"
done = record(out, {"": RegionRequest(source, [question])}, recorded_at=end)
took = time.perf_counter() - begun
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(done.series, done.samples, done.size, took, peak / 1024)
"""


class Made(http.server.BaseHTTPRequestHandler):
    """Answers as Prometheus does for as many series as the selector names, all with the same samples."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.do_POST()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        fields = urllib.parse.parse_qs(body or urllib.parse.urlsplit(self.path).query)
        data = json.dumps({"resultType": "vector", "result": []})
        if self.path.startswith("/api/v1/status/buildinfo"):
            data = '{"version": "3.0.0"}'
        elif "query" in fields:
            data = answer(fields["query"][0], float(fields["time"][0]) if "time" in fields else END)
        content = f'{{"status":"success","data":{data}}}'.encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


def answer(query: str, time: float) -> str:
    """Return the data of the answer to one query."""
    match = QUESTION.fullmatch(query)
    if match is None or match[2] is None:
        kind = "matrix" if query.endswith("]") else "vector"
        return f'{{"resultType":"{kind}","result":[]}}'
    first = time - int(match[3] or 0) / 1000
    begin = max(first, END - HOURS * 3600)
    times = range(int(begin // STEP) * STEP + STEP, int(time) + 1, STEP)
    if match[1]:
        count = len(times) * int(match[2])
        return f'{{"resultType":"vector","result":[{{"metric":{{}},"value":[{time},"{count}"]}}]}}'
    values = ",".join(f'[{moment},"{moment % 86400}.25"]' for moment in times)
    series = (
        f'{{"metric":{{"__name__":"requests","job":"a","series":"{number}"}},"values":[{values}]}}'
        for number in range(int(match[2]))
    )
    return f'{{"resultType":"matrix","result":[{",".join(series)}]}}'


@contextmanager
def server(folder: Path) -> Iterator[None]:
    """Serve, and name the server in a telemetry.yaml."""
    made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Made)
    threading.Thread(target=made.serve_forever, daemon=True).start()
    (folder / "telemetry.yaml").write_text(
        "default: made\nenvironments:\n  made:\n    source: prometheus\n    scrape_interval: 15s\n"
        f"    url: http://127.0.0.1:{made.server_address[1]}\n"
    )
    try:
        yield
    finally:
        made.shutdown()
        made.server_close()


def recorded(folder: Path, series: int) -> tuple[int, int, float, float]:
    """Record so many series; return samples, bytes of the file, seconds and the peak of memory in MiB."""
    command = [sys.executable, "-c", PROGRAM, str(folder), str(series), str(END)]
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    if int(found[0]) != series or int(found[1]) != series * HOURS * 3600 // STEP:
        sys.exit(f"{found[1]} samples of {found[0]} series were recorded instead of {series} whole ones")
    return int(found[1]), int(found[2]), float(found[3]), float(found[4])


def main() -> None:
    """Compare ten times the series with one time: memory must not follow."""
    with tempfile.TemporaryDirectory() as name, server(Path(name)):
        few, _, _, low = recorded(Path(name), 100)
        many, _, took, high = recorded(Path(name), 1000)
    print(f"48 h every 15 s, {many:,} samples against {few:,}")
    print(f"  peak of memory   {high:.0f} MiB, {low:.0f} MiB, ratio {high / low:.2f}   at most 1.2")
    print(f"  time             {took:.0f} s, {many / took:,.0f} samples/s")
    if high > 1.2 * low:
        sys.exit("memory grows with what is recorded")


if __name__ == "__main__":
    main()
