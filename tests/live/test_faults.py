"""docs/explanation/live.md, row by row, against a server that does what the row says."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import faults
import pytest
import servers
from children import PATIENCE
from regions import LiveProject

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "live.md"
ROWS = {
    "does not answer": ["hang", "hang-in-head", "hang-in-body"],
    "sends its answer byte by byte": ["drip-head", "drip-body", "drip-chunks"],
    "is not there": ["refused"],
    "resets the connection": ["reset"],
    "closes the connection without a word": ["empty-reply"],
    "speaks another protocol": ["not-http"],
    "breaks off in the middle of an answer": ["truncated", "truncated-chunks", "reset-in-body"],
    "answers 503 or 429 once": ["503-once", "429-once", "429-date-once"],
    "answers 503, three times": ["503"],
    "needs too long for the query": ["503-json"],
    "answers 429, three times": ["429"],
    "answers 429 with `Retry-After: 86400`": ["429-long"],
    "has an error of its own": ["500-json"],
    "does not understand the query": ["400-json"],
    "cannot evaluate the query": ["422-json"],
    "tells an error with status 200": ["200-error"],
    "wants other credentials": ["401"],
    "does not let these in": ["403"],
    "lets nobody in, by POST or by GET": ["405"],
    "refuses POST with 403, 404, 405 or 501, and answers GET": ["only-get-403", "only-get-404", "only-get-405", "only-get-501"],
    "has its API elsewhere": ["404"],
    "redirects to another host": ["302"],
    "shows a login page": ["login-page"],
    "answers anything else than JSON": ["wrong-type", "json-as-text"],
    "answers broken JSON, or JSON of endless depth": ["deep", "deep-object", "broken", "shape-null"],
    "answers nothing": ["empty-body", "204"],
    "answers what cannot be decompressed": ["not-gzip"],
    "answers more than 256 MiB, compressed or not": ["huge", "bomb"],
    "answers other JSON than Prometheus": [f"shape-{name}" for name in faults.SHAPES if name not in {"histogram", "matrix", "null"}],
    "has native histograms for the query": ["shape-histogram"],
    "warns that its answer is partial": ["warnings"],
    "says `isPartial`": ["partial"],
    "has an info beside its answer": ["infos"],
}  # fmt: skip
LARGE = ROWS["answers more than 256 MiB, compressed or not"]
# These servers never answer, and their regions have a limit of their own; all others have the page's.
HANGING = [*ROWS["does not answer"], *ROWS["sends its answer byte by byte"]]
LIMIT = "2s"
PAGE_LIMIT = "30s"


def table() -> dict[str, tuple[str, str]]:
    """Return verdict and line by what the server does."""
    _, _, rows = PAGE.read_text(encoding="utf-8").partition(
        "| the server | verdict | what is read |\n|---|---|---|\n"
    )
    cells = [line.strip("|").split(" | ") for line in rows.partition("\n\n")[0].splitlines()]
    return {server.strip(): (verdict.strip().strip("`"), told.strip()) for server, verdict, told in cells}


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[faults.FaultServer]:
    with faults.serving(lambda asked: (200, b"{}")) as server:
        yield server


@pytest.fixture
def ill(faulty: faults.FaultServer, elsewhere: faults.FaultServer) -> faults.FaultServer:
    faulty.faults["302"] = lambda exchange: faults.told(
        exchange, 302, Location=f"{elsewhere.url('')}{exchange.asked.path[1:]}?token=t0ken"
    )
    return faulty


def expected(
    ill: faults.FaultServer, elsewhere: faults.FaultServer, names: dict[str, str]
) -> dict[str, tuple[str, str]]:
    """Return what the page says about each region, in this machine's addresses and times."""
    page = {fault: row for server, row in table().items() for fault in ROWS[server]}
    found = {}
    for region, url in names.items():
        fault = region.removeprefix(faults.LATE)
        verdict, told = page[fault]
        for there, here in (
            ("region eu:", f"region {region}:"),
            ("https://prometheus.example.net", url),
            ("https://elsewhere.example.net/", elsewhere.url("")),
            (PAGE_LIMIT, LIMIT if fault in HANGING else PAGE_LIMIT),
        ):
            told = told.replace(there, here)
        found[f"{region}-cpu"] = (verdict, told)
    return found


def test_the_page_and_the_faults_know_each_other():
    assert set(table()) == set(ROWS)
    told = {fault for row in ROWS.values() for fault in row}
    shapes = {f"shape-{name}" for name in faults.SHAPES}
    echoes = {"echo", "echo-beside", "echo-labels", "302-echo"}  # which the tests of secrets are about
    untold = {"fine", "slow", "503-empty", "302-nowhere", "surrogate", "shape-matrix", *echoes}
    assert told | untold == {*faults.FAULTS, *shapes, "302", "refused"}


@pytest.mark.parametrize(
    ("prefix", "workers"),
    [("", "-n0"), (faults.LATE, "-n0"), (faults.LATE, "-n2")],
    ids=["from the start", "after the probe", "after the probe, two workers"],
)
def test_each_fault_ends_in_the_line_that_the_page_shows(
    project: LiveProject, ill: faults.FaultServer, elsewhere: faults.FaultServer, prefix: str, workers: str
):
    names = {
        f"{prefix}{fault}": ill.url(f"{prefix}{fault}")
        for row in ROWS.values()
        for fault in row
        if fault not in LARGE
    }
    names[f"{prefix}refused"] = servers.NOBODY
    project.suite()
    limits = {f"{prefix}{fault}": {"timeout": LIMIT} for fault in HANGING}
    project.regions(
        {name: {"url": url, **limits.get(name, {})} for name, url in names.items()}, timeout=PAGE_LIMIT
    )
    found = project.verdicts("-q", workers)
    assert ill.since_first() < faults.LONGEST / 2, "none of those that hang is waited for"
    assert found == expected(ill, elsewhere, names)
    assert project.result.ret == 1
    assert "Traceback" not in project.result.stdout.str() + project.result.stderr.str()
    assert not elsewhere.asked


def test_warnings_are_judged_where_the_environment_accepts_them(
    project: LiveProject, faulty: faults.FaultServer
):
    project.suite()
    regions = {name: faulty.url(name) for name in ("warnings", "partial")}
    project.regions(regions, accept_warnings=True)
    assert {verdict for verdict, _ in project.verdicts().values()} == {"pass"}
    assert project.result.ret == 0
    project.regions({**regions, "well": {"url": faulty.url(), "accept_warnings": True}})
    assert [verdict for verdict, _ in project.verdicts().values()] == ["inconclusive", "inconclusive", "pass"]


@pytest.mark.parametrize("fault", LARGE)
def test_a_huge_answer_takes_bounded_memory(ill: faults.FaultServer, tmp_path: Path, fault: str):
    """Measured in a process of its own, by the most that was ever resident there."""
    program = tmp_path / "program.py"
    program.write_text(HUGE)
    url = ill.url(f"late-{fault}")
    done = subprocess.run(
        [sys.executable, program, url, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=4 * PATIENCE,
        check=True,
    )
    told, before, after = json.loads(done.stdout)
    _, line = expected(ill, ill, {fault: url})[f"{fault}-cpu"]
    assert told == line
    assert after - before < 600, f"{after - before} MiB for an answer of at most 256 MiB"


HUGE = """
import json, sys
from pathlib import Path
from pytest_telemetry_gate.model.environment import Origin, RegionSettings
from pytest_telemetry_gate.errors import SourceError
from pytest_telemetry_gate.sources.prometheus import PrometheusSource

def most():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024

url, folder = sys.argv[1:]
name = url.rpartition("/")[2].removeprefix("late-")
settings = {"url": url, "timeout": "200s"}
source = PrometheusSource(RegionSettings(name, "prometheus", settings, {}, Origin("telemetry.yaml"), Path(folder)))
before = most()
try:
    source.instant("cpu", 0.0)
except SourceError as error:
    print(json.dumps([str(error), before, most()]))
"""


def test_the_deadline_holds_whatever_the_servers_do(project: LiveProject, faulty: faults.FaultServer):
    project.suite()
    slow = [name for name in faulty.faults if name.startswith(("hang", "drip"))]
    for prefix in ("", faults.LATE):
        project.regions({name: faulty.url(f"{prefix}{name}") for name in slow}, timeout="60s")
        faulty.forget()
        found = project.verdicts("--telemetry-deadline=1s")
        assert faulty.since_first() < faults.LONGEST / 2
        assert {verdict for verdict, _ in found.values()} == {"error"}
        assert len(found) == len(slow)
        assert all(
            re.search(r"no answer within|the gate's deadline of 1s", told) for _, told in found.values()
        )


def test_a_broken_server_is_not_asked_again_and_again(project: LiveProject, faulty: faults.FaultServer):
    """Each criterion has queries of its own; 80 criteria on a server that answers 503 must not become 700 requests."""
    project.suite(
        "".join(
            f"- {{id: c{number}, query: scalar(cpu) + {number}, expect: '< 75'}}\n" for number in range(80)
        )
    )
    for fault in ("503", "hang"):
        faulty.forget()
        project.regions({"eu": faulty.url(f"late-{fault}")}, concurrency=4, timeout=LIMIT)
        found = project.verdicts()
        assert len(found) == 80
        assert {verdict for verdict, _ in found.values()} == {"error"}
        assert len(faulty.asked_at(f"late-{fault}")) <= 3 + 3 * (3 + 4), fault
        assert any("not asked again" in told for _, told in found.values())
