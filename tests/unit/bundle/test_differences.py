"""What two dossiers say otherwise, in the words of the one who signed the first."""

from __future__ import annotations

from pathlib import Path

import pytest
from gates import HEAD, UP, MemoryGate, series

from pytest_telemetry_gate.bundle.differences import compare_all

LATENCY = (series("latency", 40, zone="a"), series("latency", 60, zone="b"))
ONE = "- {id: cpu, query: cpu, unit: '%', expect: '< 75'}\n"
TWO = "- {id: requests, query: requests, baseline: 99, tolerance: 5%}\n"
MANY = "- {id: latency, query: latency, expect: '< 75', reduce: max}\n"


def differences(tmp_path: Path, before: str, after: str, *, cpu: float = 70.0, head: str = HEAD) -> list[str]:
    found = []
    for number, (criteria, value, top) in enumerate(((before, 70.0, HEAD), (after, cpu, head))):
        folder = tmp_path / str(number)
        folder.mkdir()
        data = (UP, series("cpu", value), series("requests", 100), *LATENCY)
        found.append(MemoryGate(folder, data).dossiers(criteria, top))
    return compare_all(*found)


@pytest.mark.parametrize(
    ("before", "change", "line"),
    [
        (ONE, ("< 75", "< 80"), "cpu: limit < 75 % was signed, the suite says < 80 %"),
        (ONE, ("query: cpu", "query: cpu + 0"), "cpu: query cpu was signed, the suite asks cpu + 0"),
        (ONE, ("< 75", "< 60"), "cpu[2h]: pass was signed, it is fail: 70 % is outside the limit < 60 %"),
        (ONE, ("expect", "coverage: 10%, expect"), "cpu: coverage 0.9 was signed, the suite says 0.1"),
        (ONE, ("expect", "informational: true, expect"), "cpu: informational false was signed, the suite says true"),
        (ONE, ("expect", "level: crit, expect"), "cpu: severity none was signed, the suite says crit"),
        (ONE, ("expect", "better: lower, expect"), "cpu: better none was signed, the suite says lower"),
        (ONE, ("id: cpu", "id: other"), "cpu[2h]: was signed, but the suite has no such check"),
        (TWO, ("99", "98"), "requests[2h]: baseline 99 was signed, 98 is what the evidence gives"),
        (TWO, ("5%", "6%"), "requests: limit within ±5 % was signed, the suite says within ±6 %"),
        (MANY, ("max", "min"), "latency[2h]: value 60 was signed, 40 is what the evidence gives"),
        (MANY, ("max", "min"), "latency: reduce max was signed, the suite says min"),
    ],
)  # fmt: skip
def test_one_change_is_named(tmp_path: Path, before: str, change: tuple[str, str], line: str) -> None:
    lines = differences(tmp_path, before, before.replace(*change))
    assert any(found.startswith(line) for found in lines), lines


def test_levels_are_terms_of_criteria_with_a_tolerance(tmp_path: Path) -> None:
    (line,) = differences(tmp_path, TWO, TWO, head=HEAD.replace("crit: 6%", "crit: 5%"))
    assert line == "requests: levels crit 6, info 3, warn 4 was signed, the suite says crit 5, info 3, warn 4"


def test_several_checkpoints_are_one_line(tmp_path: Path) -> None:
    (line,) = differences(tmp_path, ONE, ONE, cpu=80.0)
    assert line.startswith("cpu[2h]: value 70 % was signed, 80 % is what the evidence gives; pass was signed")
    (tmp_path / "more").mkdir()
    three = HEAD.replace("[2h]", "[1h, 90m, 2h]")
    gate = MemoryGate(tmp_path / "more", (UP, series("cpu", 70)))
    signed = gate.dossiers(ONE, three)
    again = [one.revise(value=71.0) for one in signed]
    assert compare_all(signed, again) == [
        "cpu[1h]: value 70 % was signed, 71 % is what the evidence gives (and at 2 more checkpoints)"
    ]


def test_the_last_bits_of_a_value_and_of_a_live_digest_are_no_difference(tmp_path: Path) -> None:
    signed = MemoryGate(tmp_path, (UP, series("cpu", 70))).dossiers(ONE)
    assert compare_all(signed, [one.revise(value=70.00000000000001) for one in signed]) == []
    assert compare_all(signed, [one.revise(digest="0", source="recording") for one in signed]) == []
    (line,) = compare_all(signed, [one.revise(digest="0") for one in signed])
    assert line == "cpu[2h]: it is read from other samples or events than those that were signed"
