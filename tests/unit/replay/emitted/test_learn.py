"""Learned contracts: what is written of what was seen, and that what was learned from keeps to it."""

from __future__ import annotations

import random
from typing import Any

import pytest
import yaml
from emitted.telemetry_of_one import attributes, span, telemetry
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_telemetry_gate.replay.emitted.contract_text import write_contracts
from pytest_telemetry_gate.replay.emitted.learn import learn_contracts
from pytest_telemetry_gate.replay.emitted.listing import list_emitted
from pytest_telemetry_gate.replay.judge.contracts import judge_contract
from pytest_telemetry_gate.replay.otlp.telemetry import TelemetryData
from pytest_telemetry_gate.replay.suite.contracts import CONTRACTS


def parse(language: str, number: int, *, failed: bool = False) -> TelemetryData:
    """Return the telemetry of one request to a parser."""
    told: dict[str, Any] = {"language": language, "files": number}
    told |= {"python.version": f"3.{number}"} if language == "python" else {}
    told |= {"error.kind": "syntax"} if failed else {"ratio": number / 2}
    below = [] if failed else [span("emit", 3, parent=2)]
    return telemetry(
        span(f"POST /{language}", 1, kind=2),
        span("parse", 2, parent=1, attributes=told, status={"code": 2 if failed else 0}),
        *below,
    )


PARSED = [parse(language, number) for language in ("go", "python") for number in (1, 2)]


def test_what_is_always_there_is_required_and_few_words_are_listed():
    contracts = learn_contracts([*PARSED, parse("go", 3, failed=True)])
    assert list(contracts) == ["post", "emit", "parse"]
    assert contracts["post"]["select"] == {"name": {"regex": "POST /(go|python)"}, "kind": "server"}
    assert contracts["post"]["parent"] == "none"
    assert contracts["parse"]["parent"] == {"name": {"regex": "POST /(go|python)"}}
    assert contracts["parse"]["children"] == {"emit": {"min": 0}}
    assert "status" not in contracts["parse"]
    assert contracts["emit"]["status"] == {"not": "error"}
    assert contracts["parse"]["attributes"] == {
        "error.kind": {"type": "string", "required_when": {"status": "error"}},
        "files": {"type": "int", "required": True},
        "language": {"type": "string", "required": True, "enum": ["go", "python"]},
        "python.version": {"type": "string", "required_when": {"language": "python"}},
        "ratio": {"type": "number", "required_when": {"status": "unset"}},
    }


def test_what_identifies_one_thing_is_not_listed():
    one = telemetry(
        *(
            span("get", number, attributes={"id": f"x{number % 2}", "user": "abcdefgh"[number], "host": "a"})
            for number in range(8)
        )
    )
    rules = learn_contracts([one])["get"]["attributes"]
    assert rules["id"] == {"type": "string", "required": True}  # values with digits are numbers of something
    assert rules["user"] == {"type": "string", "required": True}  # eight of eight differ
    assert rules["host"] == {"type": "string", "required": True, "enum": ["a"]}


def test_what_has_a_secrets_name_is_neither_listed_nor_shown():
    held = {"token": "hunter", "peer": {"password": "swordfish"}, "usage.tokens": 42}
    one = telemetry(*(span("get", number, attributes=held) for number in range(6)))
    (contract,) = learn_contracts([one]).values()
    assert contract["attributes"]["token"] == {"type": "string", "required": True}
    shown = "\n".join(list_emitted(one))
    assert "42" in shown
    assert "hunter" not in shown + str(contract)
    assert "swordfish" not in shown + str(contract)


def test_the_resource_is_said_once_and_without_the_machine():
    resource = {"service.name": "shop", "service.version": "1.2", "host.name": "box", "process.pid": 7}
    contracts = learn_contracts([telemetry(span("get", 1), span("db", 2, parent=1), resource=resource)] * 2)
    assert contracts["get"]["resource"] == {
        "service.name": {"type": "string", "required": True, "enum": ["shop"]},
        "service.version": {"type": "string", "required": True},
    }
    assert "resource" not in contracts["db"]


def test_metrics_and_log_records_have_contracts_of_their_own():
    point = {"attributes": attributes({"route": "/cart"}), "asInt": "4", "timeUnixNano": "5"}
    orders = {
        "name": "orders",
        "unit": "1",
        "sum": {"dataPoints": [point], "aggregationTemporality": 2, "isMonotonic": True},
    }
    record = {"severityNumber": 9, "body": {"stringValue": "hello"}, "attributes": attributes({"code": 7})}
    captured = telemetry(metrics=(orders,), logs=(record,))
    found = learn_contracts([captured])
    for name, learned in found.items():
        contract = CONTRACTS[learned["signal"]].model_validate(learned)
        assert judge_contract(contract, captured, name=name).findings == ()
    assert found["orders"] == {
        "signal": "metrics",
        "select": {"name": "orders"},
        "type": "sum",
        "unit": "1",
        "monotonic": True,
        "temporality": "cumulative",
        "resource": {"service.name": {"type": "string", "required": True}},
        "attributes": {"route": {"type": "string", "required": True}},
        "unknown_attributes": "warn",
    }
    assert found["info_lib"]["select"] == {"severity": "INFO", "scope": "lib"}
    assert "correlated" not in found["info_lib"]


NAMES = st.sampled_from(["GET /a", "GET /b", "db", "cost $5 (50%)", "x|y", "a.b", "true", ""])
VALUES = st.one_of(
    st.sampled_from(["go", "python", "4", "it's", "$HOME", "a: b", "ü"]),
    st.integers(-3, 3),
    st.floats(-1, 1),
    st.booleans(),
    st.lists(st.sampled_from(["a", "b"]), min_size=1, max_size=2),
    st.lists(st.integers(0, 2), min_size=1, max_size=2),
)


@st.composite
def requests(draw: st.DrawFn) -> TelemetryData:
    """Return the spans of one request: any tree, any attributes, events."""
    spans = []
    for number in range(1, draw(st.integers(2, 6))):
        told = draw(st.dictionaries(st.sampled_from(["a", "b.c", "d$e", "no"]), VALUES, max_size=3))
        events = [
            {
                "name": name,
                "attributes": attributes(draw(st.dictionaries(st.sampled_from("xy"), VALUES, max_size=1))),
            }
            for name in draw(st.lists(st.sampled_from(["e", "f"]), max_size=2))
        ]
        parent = draw(st.integers(0, number - 1))
        status = {"code": draw(st.integers(0, 2))}
        spans.append(
            span(
                draw(NAMES),
                number,
                parent,
                draw(st.integers(1, 3)),
                attributes=told,
                events=events,
                status=status,
            )
        )
    return telemetry(*spans)


@settings(max_examples=40)
@given(st.lists(requests(), min_size=1, max_size=4), st.randoms(use_true_random=False))
def test_what_was_learned_from_keeps_to_what_was_learned(
    captures: list[TelemetryData], chance: random.Random
) -> None:
    contracts = learn_contracts(captures)
    text = write_contracts(contracts)
    shuffled = chance.sample(captures, len(captures))
    assert write_contracts(learn_contracts(shuffled)) == text
    for name, written in yaml.safe_load(text)["contracts"].items():
        undoubled = yaml.safe_load(yaml.safe_dump(written).replace("$$", "$"))
        contract = CONTRACTS[written.get("signal", "spans")].model_validate(undoubled)
        for one in captures:
            findings = judge_contract(contract, one, name=name).findings
            # A contract may be about no span of this capture.
            assert [found.message for found in findings if found.id != "contract.count"] == []


@pytest.mark.parametrize("dots", ["a.b", "cost $5 (50%)", "x|y", r"back\slash"])
def test_a_name_in_a_pattern_is_that_name(dots: str) -> None:
    pair = [telemetry(span(f"{dots} one", 1)), telemetry(span(f"{dots} two", 1))]
    (contract,) = learn_contracts(pair).values()
    model = CONTRACTS["spans"].model_validate(contract)
    assert [model.select.name.holds(name) for name in (f"{dots} one", f"{dots} two", "a_b one")] == [
        True,
        True,
        False,
    ]
