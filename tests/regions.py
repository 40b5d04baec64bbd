"""A project whose regions are live servers, and what its gate decided."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(__file__).parent / "plugin"))

from projects import Project

TIMEOUT = "60s"  # which a server that answers never needs, however busy the machine is


class LiveProject(Project):
    """Writes a telemetry.yaml of live regions."""

    def regions(self, regions: Mapping[str, Mapping[str, object] | str], **shared: object) -> Path:
        """Write the regions: an address, or an address and further keys."""
        settings = {
            name: {"url": one} if isinstance(one, str) else dict(one) for name, one in regions.items()
        }
        environment = {"source": "prometheus", "timeout": TIMEOUT, **shared, "regions": settings}
        return self.file(
            "telemetry.yaml", yaml.safe_dump({"default": "live", "environments": {"live": environment}})
        )

    def verdicts(self, *arguments: str) -> dict[str, tuple[str, str]]:
        """Run the gate and return outcome and reason of every check by region and criterion."""
        return {name: (outcome, reason) for name, outcome, reason in self.judged(*arguments)}

    def judged(self, *arguments: str) -> list[tuple[str, str, str]]:
        path = self.path / "verdicts.txt"
        path.unlink(missing_ok=True)
        self.file("conftest.py", RECORDER)
        self.result = self.run(*arguments)
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        return [tuple(line.split("\t", 2)) for line in lines]  # type: ignore[misc]


RECORDER = """
    from pathlib import Path

    def pytest_telemetry_gate_verdict(verdict, config):
        name = "-".join(part for part in (verdict.region, verdict.criterion) if part)
        line = "\\t".join((name, str(verdict.outcome), verdict.reason.replace("\\n", "\\\\n")))
        with Path("verdicts.txt").open("a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(line + "\\n")
"""
