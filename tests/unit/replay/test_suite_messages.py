"""What is wrong with a part that may be written in several forms is told by the keys of the file alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_telemetry_gate.errors import SuiteError
from pytest_telemetry_gate.replay.suite.loader import load_replay

SUITE = """\
version: 1
suite: s
checkpoints: {48h: {cases: 1}}
contracts: {p: {select: {name: x}, %s}}
cases:
  - {id: one, drive: {cli: {argv: [x]}}, expect: {spans: [{contract: p}]}}
ci_logs: {before: %s, after: b}
"""


@pytest.mark.parametrize(
    ("contract", "before", "message"),
    [
        (
            "status: {nott: error}",
            "a",
            "4: contract 'p': status: unknown key 'nott' (did you mean 'not'?)",
        ),
        ("parent: {nam: x}", "a", "4: contract 'p': parent: unknown key 'nam' (did you mean 'name'?)"),
        ("parent: {name: {regex: 1}}", "a", "4: contract 'p': parent.name.regex: must be text"),
        ("parent: x", "a", "4: contract 'p': parent: must be a mapping of keys to values"),
        (
            "count: 1",
            '{url: "http://x", headerz: {}}',
            "7: ci_logs.before: unknown key 'headerz' (did you mean 'headers'?)",
        ),
        ("count: 1", "{headers: {}}", "7: ci_logs.before: needs 'url'"),
        ("count: 1", "b", "7: ci_logs: before and after are the same logs, which never show an increase"),
    ],
)
def test_a_part_of_several_forms(tmp_path: Path, contract: str, before: str, message: str) -> None:
    path = tmp_path / "s.replay.yaml"
    path.write_text(SUITE % (contract, before), encoding="utf-8")
    with pytest.raises(SuiteError) as error:
        load_replay(path, "s.replay.yaml")
    assert str(error.value) == f"s.replay.yaml:{message}"


def test_the_same_case_twice(tmp_path: Path) -> None:
    path = tmp_path / "s.replay.yaml"
    case = "  - {id: one, drive: {cli: {argv: [x]}}, expect: {spans: [{contract: p}]}}\n"
    path.write_text((SUITE % ("count: 1", "a")).replace(case, case + case), encoding="utf-8")
    with pytest.raises(SuiteError, match=r"s.replay.yaml:7: duplicate case 'one' \(first at line 6\)$"):
        load_replay(path, "s.replay.yaml")
