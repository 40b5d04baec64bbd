"""A user's small project: telemetry.yaml, a recording, suites and tests, and pytest run in it."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent, indent

import gates
import numpy as np
import pytest
from children import LIGHT

from pytest_telemetry_gate.model.events import Evaluation, Events, Rule
from pytest_telemetry_gate.promql import MemoryStorage
from pytest_telemetry_gate.recording import RecordingWriter

CONFIG = """\
default: recorded
environments:
  recorded: {source: recording, path: small.telemetry.zip}
"""
CPU = "- {id: cpu, query: cpu, unit: '%', expect: '< 75'}\n"
PASSING = "- {id: requests, query: 'requests{job=\"parser\"}', expect: '> 90'}\n"
FAILING = "- {id: requests, query: 'requests{job=\"parser\"}', expect: '> 200'}\n"
HEAD = gates.HEAD
TWO = HEAD.replace("[2h]", "[1h, 2h]")
HOURS = HEAD.replace("[2h]", "[30m, 1h, 90m, 2h]")
TREND = """
groups:
  Parser:
    - {id: requests, query: requests, baseline: 99, tolerance: 5%}
    - {id: cpu, query: cpu, unit: '%', expect: '< 60'}
  Derived:
    - {id: share, ratio: {of: [Parser]}, expect: '>= 50%'}
    - {id: trend, trend: {of: requests, better: lower}}
"""
SERIES = (
    gates.UP,
    gates.series("cpu", 70),
    gates.series("requests", 100),
    gates.series("latency_ms", 50, zone="a"),
    gates.series("latency_ms", 70, zone="b"),
    gates.series("failures_total", 3),
)
EVENTS = Events(
    gates.START - 1800,
    gates.START + 3 * 3600,
    complete=True,
    rules=(Rule("Slow", "rules.yml;parser", 60.0, {"team": "telemetry"}),),
    evaluations=(Evaluation("rules.yml;parser", 60.0, 120.0, 0.0),),
    from_metrics=True,
)


def said(result: pytest.RunResult) -> str:
    """Return everything that a run wrote."""
    return result.stdout.str() + result.stderr.str()


@dataclass
class Files:
    """Writes the files of a project below a folder."""

    path: Path

    def file(self, name: str, text: str) -> Path:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text), encoding="utf-8")
        return path

    def suite(self, criteria: str = CPU, head: str = HEAD, name: str = "small.gate.yaml") -> Path:
        """Write a suite whose criteria are given as a list (of the group Parser) or as `groups:`."""
        criteria = dedent(criteria)
        if "groups:" not in criteria:
            criteria = "groups:\n  Parser:\n" + indent(criteria, "    ")
        return self.file(name, head + criteria)

    def recording(
        self,
        regions: Mapping[str, Sequence[gates.Series]] | Sequence[gates.Series] = SERIES,
        name: str = "small.telemetry.zip",
        *,
        events: Mapping[str, Events] | None = None,
        recorded_at: float = gates.START + 5 * 3600,
        interval: float = gates.STEP,
    ) -> Path:
        writer = RecordingWriter(recorded_at=recorded_at, source="a test")
        parts = regions if isinstance(regions, Mapping) else {"": regions}
        for region, data in parts.items():
            storage = MemoryStorage(
                [(dict(labels), np.round(at * 1000).astype(np.int64), values) for labels, at, values in data]
            )
            for group in storage.select([], 0, 2**62):
                writer.add(group, region=region)
            writer.interval("parser", interval, region=region)
            for kind, known in ({"alerts": EVENTS} if events is None else events).items():
                writer.events(kind, known.to_wire(), region=region)
        path = self.path / name
        writer.write(path, overwrite=True)
        return path

    def replay(self, name: str, suite: str, tool: str) -> None:
        """Write a replay suite with the command it drives, and a live environment that is never asked for metrics."""
        self.file("tool.py", tool)
        self.file(f"{name}.replay.yaml", suite)
        self.file(
            "telemetry.yaml",
            f"""\
            default: live
            environments:
              live: {{source: prometheus, url: "http://127.0.0.1:1"}}
              recorded: {{source: recording, path: {name}.telemetry.zip}}
            """,
        )


class Project(Files):
    """Writes the files of a project below pytester's folder and runs pytest there."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        super().__init__(pytester.path)
        self.pytester = pytester

    def run(self, *arguments: str | Path) -> pytest.RunResult:
        """Run pytest in this process; Hypothesis' plugin takes seconds there, being imported anew each time."""
        return self.pytester.runpytest(*LIGHT, *arguments)

    def junit(self, *arguments: str | Path) -> list[ET.Element]:
        """Run pytest and return the test cases of its JUnit file."""
        path = self.path / "junit.xml"
        self.run(f"--junitxml={path}", *arguments)
        return list(ET.parse(path).getroot().iter("testcase"))

    def judged(self, *arguments: str | Path) -> dict[str, tuple[str, str]]:
        """Run pytest and return verdict and reason by name of test, as JUnit has them."""
        found = {}
        for case in self.junit(*arguments):
            told = {str(one.get("name")): str(one.get("value")) for one in case.iter("property")}
            found[str(case.get("name"))] = (told["telemetry.verdict"], told["telemetry.reason"])
        return found


TWO_REGIONS = (
    "default: a\nenvironments: {a: {source: recording, path: two.telemetry.zip, regions: {eu: {}, us: {}}}}\n"
)


def two_regions(bare: Files) -> Files:
    """Give a project an environment of the regions eu and us."""
    bare.file("telemetry.yaml", TWO_REGIONS)
    bare.recording(
        {"eu": (gates.UP, gates.series("cpu", 70)), "us": (gates.UP, gates.series("cpu", 80))},
        "two.telemetry.zip",
    )
    return bare


def write_test(project: Files, *lines: str, marker: str = "@pytest.mark.telemetry(checkpoint='2h')") -> Path:
    """Write a hand-written test with these lines."""
    text = "import numpy as np\nimport pytest\n\n" + marker + "\ndef test_it(telemetry):\n"
    return project.file("test_it.py", text + "".join(f"    {line}\n" for line in lines))
