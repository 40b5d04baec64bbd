"""Sessions without telemetry items load the plugin and its few names, nothing else of ours, nor any heavy library."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

from children import LIGHT

from pytest_telemetry_gate.plugin import wire_names

ALLOWED = [
    "pytest_telemetry_gate",
    "pytest_telemetry_gate.plugin",
    "pytest_telemetry_gate.plugin.command_line",
    "pytest_telemetry_gate.plugin.wire_names",  # texts alone: it imports nothing
]
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

sys.exit(pytest.main(["-q", *{arguments!r}], plugins=[Probe()]))
"""


def loaded(folder, *arguments):
    program = PROBE.format(heavy=HEAVY, arguments=[*LIGHT, str(folder), *arguments])
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
    assert ours == ALLOWED
    assert heavy == []


def test_so_does_its_controller_under_xdist(tmp_path):
    (tmp_path / "test_it.py").write_text("def test_it(): pass\n")
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    ours, heavy = loaded(tmp_path, "-n1")
    assert ours == sorted([*ALLOWED, "pytest_telemetry_gate.plugin.shared_folder"])
    assert heavy == []


def test_what_processes_look_for_is_written_in_one_place():
    names = {getattr(wire_names, name) for name in wire_names.__all__}
    elsewhere = [
        (path.name, node.value)
        for path in Path(wire_names.__file__).parent.glob("*.py")
        if path.name != "wire_names.py"
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Constant) and node.value in names
    ]
    assert elsewhere == []
