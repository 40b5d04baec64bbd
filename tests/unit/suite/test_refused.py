"""What is refused in a suite because it says nothing, or something else than it seems to; and its neighbours that are taken."""

from __future__ import annotations

import datetime as dt

import pytest
from gates import HEAD, MemoryGate

from pytest_telemetry_gate.errors import SuiteError
from pytest_telemetry_gate.model.verdict import Outcome

CPU = "{id: cpu, query: cpu, tolerance: 5%, baseline: 1}"


@pytest.fixture
def gate(tmp_path):
    return MemoryGate(tmp_path)


@pytest.mark.parametrize(
    ("criteria", "message"),
    [
        ("{id: x, query: cpu, expect: '< 1', coverage: 101%}", "at most 100%"),
        ("{id: x, query: cpu, expect: '< 1', unit: 5}", "is not a unit"),
        ("{id: x, query: 'cpu[5m]', expect: '< 1'}", "yields a matrix, not values: add a function"),
        ("{id: x, query: '\"cpu\"', expect: '< 1'}", "not values"),
        ("{id: x, query: cpu, tolerance: 5%, baseline: {query: 'cpu[5m]'}}", "baseline: 'cpu\\[5m\\]' yields"),
        ("{id: x, query: cpu, tolerance: 5%, baseline: {at: 2025}}", "is not a time"),
        ("{id: x, query: cpu, tolerance: 5%, baseline: true}", "is not a number"),
        ("{id: x, query: cpu, tolerance: 5%, baseline: .inf}", "is not a finite number"),
        ("{id: x, query: cpu, tolerance: 5%, baseline: .nan}", "is not a finite number"),
        ("{id: x, query: cpu, tolerance: 5%, baseline: 1, floor: '3'}", "is not a number"),
        (f"{CPU}\n- {{id: x, trend: {{of: cpu, better: lower}}, expect: '< 1'}}", "a trend has no `expect`"),
        (f"{CPU}\n- {{id: x, trend: {{of: cpu, better: lower}}, tolerance: 5%}}", "a trend has no `tolerance`"),
        (f"{CPU}\n- {{id: x, trend: {{of: cpu}}, forecast: {{at: 9h, expect: '< 1 ms'}}}}", "no limit on a variance"),
        (f"{CPU}\n- {{id: x, trend: {{of: cpu}}, forecast: {{at: 9h, expect: '<= 5%'}}}}", "write `-5% .. 5%`, or say which way"),
        (f"{CPU}\n- {{id: x, trend: {{of: cpu}}, forecast: {{at: 9h, expect: '> -3%'}}}}", "write `-3% .. 3%`, or say which way"),
        (f"{CPU[:-1]}, combine: all}}\n- {{id: x, spread: {{of: cpu}}, expect: '< 1'}}", "has no spread"),
    ],
)  # fmt: skip
def test_what_could_not_fail_or_means_something_else_is_refused(gate, criteria, message):
    with pytest.raises(SuiteError, match=message):
        gate.checks(f"- {criteria}")


@pytest.mark.parametrize(
    "criteria",
    [
        "{id: x, query: cpu, expect: '< 1', coverage: 100%}",
        "{id: x, query: '5', expect: '< 1'}",
        "{id: x, query: cpu, tolerance: 5%, baseline: 1, floor: 0}",
        f"{CPU}\n- {{id: x, trend: {{of: cpu}}, forecast: {{at: 9h, expect: '-1% .. 1%'}}}}",
        f"{CPU}\n- {{id: x, trend: {{of: cpu, better: lower}}, forecast: {{at: 9h, expect: '< 1%'}}}}",
        f"{CPU[:-1]}, better: lower}}\n- {{id: x, trend: {{of: cpu}}, forecast: {{at: 9h, expect: '< 1%'}}}}",
    ],
)
def test_its_neighbours_are_taken(gate, criteria):
    assert gate.checks(f"- {criteria}")


def test_a_date_lasts_to_its_end(gate):
    """As the end of a waiver: the clock is in the night after the 22nd."""
    day = dt.datetime.fromtimestamp(gate.now, dt.UTC).date()
    for until, outcome in ((day, Outcome.WAIVED), (day - dt.timedelta(days=1), Outcome.INCONCLUSIVE)):
        head = HEAD + f"waivers: [{{criterion: x, reason: known, owner: qa, until: {until}}}]\n"
        assert gate.verdict("- {id: x, query: gone, expect: '< 75'}", head).outcome is outcome


def test_a_rate_looks_at_four_scrapes(gate):
    (check,) = gate.checks("- {id: x, query: 'rate(done_total[$__rate_interval])', expect: '< 1'}")
    assert check.query("query").text == "rate(done_total[1m])"
    with pytest.raises(SuiteError, match="not among the expressions"):
        check.query("other")
