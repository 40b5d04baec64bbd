"""Differences of two captures: each kind by a change of its own, and none where nothing changed."""

from __future__ import annotations

from typing import Any

import pytest
from emitted.telemetry_of_one import attributes, span, telemetry

from pytest_telemetry_gate.replay.emitted.differences import KINDS, compare_emitted
from pytest_telemetry_gate.replay.emitted.inputs import Emitted
from pytest_telemetry_gate.replay.otlp.telemetry import TelemetryData


def release(**changed: Any) -> TelemetryData:
    """Return what a service emits for one request; ``changed`` names what is otherwise."""
    told = {"route": "/cart", "items": 3, **changed.get("attributes", {})}
    told = {name: content for name, content in told.items() if content is not None}
    spans = [
        span(
            "GET /cart",
            1,
            kind=changed.get("kind", 2),
            attributes=told,
            status={"code": changed.get("status", 0)},
            events=[
                {"name": name, "attributes": attributes(inner)}
                for name, inner in changed.get("events", {"hit": {"n": 1}}).items()
            ],
        ),
        *(
            span(name, number, parent=1)
            for number, name in enumerate(changed.get("children", ("db", "db")), 2)
        ),
        *changed.get("further", ()),
    ]
    point = {"attributes": attributes({"route": "/cart"}), "asInt": "4"}
    metric = {
        "name": changed.get("metric", "orders"),
        "unit": changed.get("unit", "1"),
        "gauge": {"dataPoints": [point]},
    }
    log = {"severityNumber": changed.get("severity", 9), "body": {"stringValue": "hello"}}
    return telemetry(
        *spans,
        resource={"service.name": "shop", **changed.get("resource", {})},
        metrics=(metric,),
        logs=(log,) * changed.get("logs", 1),
    )


CHANGES = [
    ({}, {}),
    ({"children": ("db", "db", "cache")}, {"span-added": "span GET /cart > cache: new"}),
    ({"children": ()}, {"span-removed": "span GET /cart > db: gone"}),
    ({"children": ("db",)}, {"span-count": "span GET /cart > db: 2 -> 1"}),
    ({"kind": 3}, {"span-kind": "span GET /cart: server -> client"}),
    ({"status": 2}, {"span-status": "span GET /cart: unset -> error"}),
    ({"events": {}}, {"event-removed": "span GET /cart, event hit: gone"}),
    ({"events": {"hit": {"n": 1}, "miss": {}}}, {"event-added": "span GET /cart, event miss: new"}),
    ({"events": {"hit": {"n": "1"}}}, {"attribute-type": "span GET /cart, event hit: attribute n: int -> string"}),
    ({"attributes": {"items": None}}, {"attribute-removed": "span GET /cart: attribute items: gone"}),
    ({"attributes": {"user": "x"}}, {"attribute-added": "span GET /cart: attribute user: new, string"}),
    ({"attributes": {"items": 3.5}}, {"attribute-type": "span GET /cart: attribute items: int -> double"}),
    ({"attributes": {"items": 4, "route": "/other"}}, {}),  # values are not compared
    ({"metric": "order"}, {"metric-removed": "metric orders: gone", "metric-added": "metric order: new"}),
    ({"unit": "s"}, {"metric-changed": "metric orders: unit: 1 -> s"}),
    ({"severity": 17}, {"log-removed": "log records INFO lib: gone", "log-added": "log records ERROR lib: new"}),
    ({"logs": 3}, {"log-count": "log records INFO lib: 1 -> 3"}),
]  # fmt: skip


@pytest.mark.parametrize(("changed", "expected"), CHANGES)
def test_each_change_is_one_difference_of_its_kind(changed: dict[str, Any], expected: dict[str, str]) -> None:
    found = compare_emitted([Emitted("a", release())], [Emitted("a", release(**changed))], payload=0.1)
    assert {one.kind: f"{one.where}: {one.message}" for one in found} == expected
    assert set(expected) <= set(KINDS)


def test_what_is_below_a_span_that_is_gone_is_gone_with_it():
    deep = release(further=(span("a", 8, parent=1), span("b", 9, parent=8)))
    found = compare_emitted([Emitted("", deep)], [Emitted("", release())], payload=0.1)
    assert [(one.kind, one.where) for one in found] == [("span-removed", "span GET /cart > a")]


def test_an_attribute_that_is_missing_from_some_is_told():
    some = release(
        further=(
            span(
                "GET /cart",
                9,
                kind=2,
                attributes={"route": "/cart", "items": 3},
                events=[{"name": "hit", "attributes": attributes({"n": 1})}],
            ),
        )
    )
    fewer = release(
        further=(
            span(
                "GET /cart",
                9,
                kind=2,
                attributes={"route": "/cart"},
                events=[{"name": "hit", "attributes": attributes({"n": 1})}],
            ),
        )
    )
    (found,) = compare_emitted([Emitted("", some)], [Emitted("", fewer)], payload=0.1)
    assert (found.kind, found.message) == ("attribute-removed", "always there -> in 1 of 2")


def test_a_resource_is_compared_once_for_each_tree():
    found = compare_emitted(
        [Emitted("", release(resource={"service.version": "1"}))],
        [Emitted("", release(resource={"service.version": 1, "zone": "a"}))],
        payload=0.1,
    )
    assert [(one.kind, one.where) for one in found] == [
        ("resource-added", "span GET /cart: resource attribute zone"),
        ("resource-type", "span GET /cart: resource attribute service.version"),
    ]


@pytest.mark.parametrize(
    ("after", "expected"),
    [((500, 610), "larger by more than 10%"), ((500, 580), ""), ((400,), "smaller by more than 10%")],
)
def test_sizes_are_compared_in_all(after: tuple[int, ...], expected: str) -> None:
    found = compare_emitted([Emitted("", release(), (1000,))], [Emitted("", release(), after)], payload=0.1)
    assert [one.message for one in found if one.kind == "payload"] == ([expected] if expected else [])


def test_what_was_not_captured_whole_is_not_compared():
    sides = (
        [Emitted("a", release()), Emitted("b", release()), Emitted("c", TelemetryData())],
        [
            Emitted("a", release(), problem="the drive failed: status: expected 200, got 500"),
            Emitted("c", release()),
        ],
    )
    found = compare_emitted(*sides, payload=0.1)
    assert {one.message: cases for one, cases in found.items() if one.kind == "not-compared"} == {
        "only in the first": ["b"],
        "the first: nothing was captured": ["c"],
        "the second: the drive failed: status: expected 200, got 500": ["a"],
    }


def test_the_same_difference_of_several_cases_is_one():
    sides = [[Emitted(name, release(kind=kind)) for name in "abc"] for kind in (2, 3)]
    assert list(compare_emitted(*sides, payload=0.1).values()) == [["a", "b", "c"]]
