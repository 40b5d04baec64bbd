"""Files of any size are read, or refused in one line, in bounded time."""

from __future__ import annotations

import time

import gates
import pytest

from pytest_telemetry_gate.errors import SuiteError, TelemetryGateError
from pytest_telemetry_gate.files.suites import load_suite
from pytest_telemetry_gate.gate.plan import plan_checks
from pytest_telemetry_gate.model.environment import Environment, Origin, RegionSettings

HUGE = {
    "keys": "".join(f"k{number}: 1\n" for number in range(100_000)),
    "criteria": "groups:\n  g:\n"
    + "".join(f"  - {{id: a{number}, query: up}}\n" for number in range(60_000)),
    "one line": "groups: {g: ["
    + ", ".join(f"{{id: a{number}, query: up}}" for number in range(60_000))
    + "]}\n",
    "items": "checkpoints: [" + ", ".join(f"{number}m" for number in range(1, 200_000)) + "]\n",
    "brackets on one line": "title: " + "[" * 90 + "{a: b}, " * 50_000,
    "aliases": "a: &a [1, 2, 3]\nb: [" + "*a, " * 80_000 + "]\n",
    "merges": "a: &a {b: 1}\n" + "".join(f"k{number}: {{<<: *a}}\n" for number in range(60_000)),
}


@pytest.mark.parametrize("huge", HUGE)
def test_a_file_of_any_size_is_refused_in_one_line_and_soon(tmp_path, huge):
    path = tmp_path / "huge.gate.yaml"
    path.write_text(gates.HEAD + HUGE[huge])
    began = time.process_time()
    with pytest.raises(SuiteError) as caught:
        load_suite(path, gates.KINDS)
    assert time.process_time() - began < 5
    assert len(str(caught.value)) < 400
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "".join(f"k{number}: 1\n" for number in range(45_000)) + "groups: {g: [{id: a, query: up, expect: '> 0'}]}\n",
        "groups:\n  g:\n" + "".join(f"  - {{id: a{number}, query: up, expect: '> 0'}}\n" for number in range(12_000))
        + "waivers:\n" + "".join(f"  - {{criterion: b{number}, owner: o, reason: r, until: 2099-01-01}}\n" for number in range(100)),
        "groups:\n" + "".join(f"  g{number}: [{{id: a, query: up, expect: '> 0'}}]\n" for number in range(9_000)),
        "groups:\n  g:\n  - {id: a, query: '" + "(" * 50_000 + "', expect: '> 0'}\n",
        "groups:\n  g:\n  - {id: a, query: up, expect: '> " + "1" * 100_000 + "'}\n",
        "groups:\n  g:\n  - {id: a, query: up, unknown" + "n" * 100_000 + ": 1}\n",
    ],
    ids=["keys", "criteria", "groups", "brackets", "digits", "long key"],
)  # fmt: skip
def test_a_large_file_is_read_to_its_error_soon(tmp_path, text):
    path = tmp_path / "large.gate.yaml"
    path.write_text(gates.HEAD + text)
    settings = RegionSettings("", "recording", {}, {}, Origin("telemetry.yaml"), tmp_path)
    environment = Environment("e", path, {"": settings})
    began = time.process_time()
    with pytest.raises(TelemetryGateError) as caught:
        plan_checks(load_suite(path, gates.KINDS), environment)
    assert time.process_time() - began < 8
    assert len(str(caught.value)) < 2000


def test_too_many_checks_are_refused_before_they_are_made(tmp_path):
    path = tmp_path / "many.gate.yaml"
    head = gates.HEAD.replace("[2h]", "[{every: 1m, until: 9000m}]")
    criteria = "".join(f"  - {{id: a{number}, query: up, expect: '> 0'}}\n" for number in range(100))
    path.write_text(head + "groups:\n  g:\n" + criteria)
    settings = RegionSettings("", "recording", {}, {}, Origin("telemetry.yaml"), tmp_path)
    with pytest.raises(SuiteError, match="more than 100,000 checks"):
        plan_checks(load_suite(path, gates.KINDS), Environment("e", path, {"": settings}))
