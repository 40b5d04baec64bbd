"""Sessions without telemetry items load plugin.py and nothing else of ours, nor any heavy library."""

from __future__ import annotations

import json
import subprocess
import sys

HEAVY = (
    "yaml",
    "numpy",
    "pydantic",
    "promql_parser",
    "re2",
    "tabulate",
    "requests",
    "prometheus_api_client",
    "xxhash",
)
PROBE = """
import json, sys
import pytest

class Probe:
    def pytest_unconfigure(self):
        ours = sorted(name for name in sys.modules if name.startswith("pytest_telemetry_gate"))
        heavy = [name for name in {heavy!r} if name in sys.modules]
        print("\\nLOADED " + json.dumps([ours, heavy]))

sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", *{arguments!r}], plugins=[Probe()]))
"""


def loaded(folder, *arguments):
    program = PROBE.format(heavy=HEAVY, arguments=[str(folder), *arguments])
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=True
    )
    line = next(line for line in done.stdout.splitlines() if line.startswith("LOADED "))
    return json.loads(line.removeprefix("LOADED "))


def test_an_idle_session_loads_the_plugin_alone(tmp_path):
    (tmp_path / "test_it.py").write_text(
        "import pytest\n\n@pytest.mark.parametrize('n', range(3))\ndef test_it(n): pass\n"
    )
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    ours, heavy = loaded(tmp_path)
    assert ours == ["pytest_telemetry_gate", "pytest_telemetry_gate.plugin"]
    assert heavy == []


def test_so_does_its_controller_under_xdist(tmp_path):
    (tmp_path / "test_it.py").write_text("def test_it(): pass\n")
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    ours, heavy = loaded(tmp_path, "-n1")
    assert ours == ["pytest_telemetry_gate", "pytest_telemetry_gate.plugin"]
    assert heavy == []
