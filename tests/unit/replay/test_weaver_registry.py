"""A Weaver registry that a contract names is the source of names, types, values, levels, instruments and units."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from records import attributes, points, value

from pytest_telemetry_gate.errors import SuiteError
from pytest_telemetry_gate.replay.conventions import registry as module
from pytest_telemetry_gate.replay.conventions.registry import load_registry
from pytest_telemetry_gate.replay.judge.contracts import judge_contract
from pytest_telemetry_gate.replay.otlp.telemetry import read_document
from pytest_telemetry_gate.replay.suite.contracts import CONTRACTS
from pytest_telemetry_gate.replay.suite.loader import load_replay

MANIFEST = """
name: acme
description: what Acme's shops export
"""
GROUPS = """
groups:
  - id: registry.acme
    type: attribute_group
    brief: attributes
    attributes:
      - {id: acme.tenant, type: string, stability: stable, brief: whose shop, examples: [a]}
      - {id: acme.cart.size, type: int, stability: stable, brief: items}
      - {id: acme.cart.total, type: double, stability: stable, brief: price}
      - {id: acme.cart.gift, type: boolean, stability: stable, brief: as a gift}
      - {id: acme.labels, type: "template[string[]]", stability: stable, brief: labels}
      - {id: acme.payload, type: any, stability: development, brief: anything}
      - id: acme.shop
        deprecated: {reason: renamed, renamed_to: acme.tenant, note: Replaced by acme.tenant.}
        type: string
        brief: old name
      - id: acme.channel
        type:
          members:
            - {id: web, value: web, stability: stable}
            - {id: app, value: app, stability: stable}
            - {id: fax, value: fax, deprecated: {reason: obsoleted, note: Nobody has one.}}
        brief: how it was ordered
  - {id: attributes.acme.common, type: attribute_group, brief: common, attributes: [{ref: acme.tenant, requirement_level: required}]}
  - id: span.acme.checkout
    type: span
    span_kind: server
    extends: attributes.acme.common
    brief: a checkout
    attributes:
      - {ref: acme.cart.size, requirement_level: required}
      - {ref: acme.channel, requirement_level: {conditionally_required: where it is known}}
      - {ref: acme.cart.gift}
  - id: event.acme.cart.emptied
    type: event
    name: acme.cart.emptied
    brief: a cart was emptied
    attributes: [{ref: acme.cart.size, requirement_level: required}]
  - {id: entity.acme.shop, type: entity, name: acme.shop, brief: a shop, attributes: [{ref: acme.tenant, requirement_level: required}]}
"""
DEFINITIONS = """
file_format: definition/2
attributes:
  - {key: acme.queue.name, type: string, stability: stable, brief: a queue}
attribute_groups:
  - {id: acme.queued, visibility: internal, attributes: [{ref: acme.queue.name, requirement_level: required}]}
spans:
  - {type: acme.consume, kind: consumer, name: {note: x}, stability: stable, brief: x, attributes: [{ref_group: acme.queued}]}
span_refinements:
  - {id: acme.consume.slow, ref: acme.consume, attributes: [{ref: acme.cart.size, requirement_level: required}]}
metrics:
  - name: acme.orders
    instrument: counter
    unit: "{order}"
    stability: stable
    brief: orders
    attributes: [{ref_group: acme.queued}]
  - {name: acme.sales, instrument: counter, unit: "{order}", brief: old, deprecated: {reason: renamed, renamed_to: acme.orders}}
"""


@pytest.fixture
def registry(tmp_path: Path) -> Path:
    folder = tmp_path / "registry"
    (folder / "deep").mkdir(parents=True)
    (folder / "registry_manifest.yaml").write_text(MANIFEST, encoding="utf-8")
    (folder / "acme.yaml").write_text(GROUPS, encoding="utf-8")
    (folder / "deep/queue.yml").write_text(DEFINITIONS, encoding="utf-8")
    return folder


def told(registry: Path, signal: str, record: dict[str, Any], **contract: Any) -> list[str]:
    top, middle, leaf = {
        "spans": ("resourceSpans", "scopeSpans", "spans"),
        "metrics": ("resourceMetrics", "scopeMetrics", "metrics"),
        "logs": ("resourceLogs", "scopeLogs", "logRecords"),
    }[signal]
    groups, resource = contract.pop("groups", []), contract.pop("tags", {})
    if signal == "spans":
        ids = {"traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": "b7ad6b7169203331"}
        record = {**ids, "name": "x", "kind": 2, "startTimeUnixNano": 1, "endTimeUnixNano": 2, **record}
    select = {"severity": "INFO"} if signal == "logs" else {"name": {"regex": ".*"}}
    settings = {"registry": str(registry), "groups": groups}
    model = CONTRACTS[signal].model_validate(
        {"signal": signal, "select": select, "semantic_conventions": settings, **contract}
    )
    document = {top: [{"resource": {"attributes": attributes(resource)}, middle: [{leaf: [record]}]}]}
    found = judge_contract(
        model, read_document(document), name="c", registry=load_registry(((registry, "registry"),))
    ).findings
    return [finding.message.partition(": ")[2] for finding in found]


GOOD: dict[str, object] = {"acme.tenant": "a", "acme.cart.size": 2}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"acme.cart.total": 2, "acme.labels.x": ["a"], "acme.payload": 1, "acme.channel": "web"}, ""),
        ({"http.method": "GET", "shop.x": 1}, ""),
        ({"acme.cart.total": "2"}, 'attribute acme.cart.total: expected number, got string "2" (the registry)'),
        ({"acme.cart.gift": 1}, "attribute acme.cart.gift: expected bool, got int 1 (the registry)"),
        ({"acme.labels.x": "a"}, 'attribute acme.labels.x: expected string[], got string "a" (the registry)'),
        ({"acme.shop": "a"}, "attribute acme.shop: deprecated: renamed to acme.tenant"),
        ({"acme.tenannt": "a"}, "attribute acme.tenannt: not in the registry, whose namespace 'acme' is (near: acme.tenant)"),
        ({"acme.tenant.id": "a"}, "attribute acme.tenant.id: not in the registry, whose namespace 'acme' is (near: acme.tenant)"),
        ({"acme.channel": "fax"}, 'attribute acme.channel: value string "fax" is deprecated: Nobody has one'),
        ({"acme.channel": "wep"}, 'attribute acme.channel: expected one of the values of the registry, web, app, got string "wep" (near: web); for others the contract needs a rule with enum, equals or regex'),
    ],
)  # fmt: skip
def test_attributes(registry: Path, given: dict[str, object], message: str) -> None:
    assert told(registry, "spans", {"attributes": attributes(given)}) == ([message] if message else [])


def test_required_attributes_and_kinds_of_named_groups(registry: Path) -> None:
    span = {"attributes": attributes(GOOD)}
    assert told(registry, "spans", span, groups=["span.acme.checkout"]) == []
    assert told(registry, "spans", {"kind": 3, "attributes": attributes({"acme.tennant": "a"})}, groups=["span.acme.checkout"]) == [
        "attribute acme.tennant: not in the registry, whose namespace 'acme' is (near: acme.tenant)",
        "attribute acme.tenant: required by span.acme.checkout of the registry, missing (near: acme.tennant)",
        "attribute acme.cart.size: required by span.acme.checkout of the registry, missing",
        "kind: expected server by span.acme.checkout of the registry, got client",
    ]  # fmt: skip
    assert told(registry, "spans", span, groups=["acme.consume.slow"]) == [
        "attribute acme.queue.name: required by acme.consume.slow of the registry, missing",
        "kind: expected consumer by acme.consume.slow of the registry, got server",
    ]
    entity = ["entity.acme.shop"]
    assert told(registry, "spans", span, groups=entity, tags={"acme.tenant": "a"}) == []
    assert told(registry, "spans", span, groups=entity) == [
        "resource attribute acme.tenant: required by entity.acme.shop of the registry, missing"
    ]


def test_metrics_have_instrument_unit_and_required_attributes(registry: Path) -> None:
    point = points(attributes={"acme.queue.name": "q"})
    counter = {"isMonotonic": True, "dataPoints": point}
    assert told(registry, "metrics", {"name": "acme.orders", "unit": "{order}", "sum": counter}) == []
    assert told(registry, "metrics", {"name": "acme.orders", "unit": "1", "gauge": {"dataPoints": points()}}) == [
        "type: expected a sum that only rises (counter in the registry), got gauge",
        "unit: expected {order} (the registry), got 1",
        "attribute acme.queue.name: required by acme.orders of the registry, missing",
    ]  # fmt: skip
    assert told(registry, "metrics", {"name": "acme.order", "unit": "1", "sum": counter}) == [
        "name: not in the registry, whose namespace 'acme' is (near: acme.orders)"
    ]
    assert told(registry, "metrics", {"name": "acme.sales", "unit": "{order}", "sum": counter}) == [
        "name: deprecated: renamed to acme.orders"
    ]


def test_events_of_spans_and_of_log_records(registry: Path) -> None:
    def both(name: str, given: dict[str, object]) -> list[str]:
        event = {"name": name, "attributes": attributes(given)}
        log = {"severityNumber": 9, "body": value("x"), "eventName": name, "attributes": attributes(given)}
        found = told(registry, "spans", {"events": [event]})
        assert told(registry, "logs", log) == found
        return found

    assert both("acme.cart.emptied", {"acme.cart.size": 1}) == []
    assert both("acme.cart.emptied", {}) == [
        "event acme.cart.emptied: attribute acme.cart.size: required by event.acme.cart.emptied of the registry, missing"
    ]
    assert both("acme.cart.emptid", {}) == [
        "event acme.cart.emptid: not in the registry, whose namespace 'acme' is (near: acme.cart.emptied)"
    ]
    assert both("started", {}) == []


def broken(registry: Path, file: str, text: str) -> str:
    (registry / file).write_text(dedent(text), encoding="utf-8")
    with pytest.raises(SuiteError) as caught:
        load_registry(((registry, "registry"),))
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("groups: [{id: g, type: spam}]", "1: type: 'spam' is not one of span, event, metric, metric_group, entity, resource, scope, attribute_group"),
        ("groups: [{type: span}]", "1: a span needs a name"),
        ("groups: [{id: g, attributes: [{id: a.b, type: text}]}]", "1: attribute 'a.b': type: 'text' is not one of string, int, double, boolean, any, string[], int[], double[], boolean[], template[...], members"),
        ("groups: [{id: g, attributes: [{id: acme.tenant, type: int}]}]", "1: attribute 'acme.tenant' is defined twice"),
        ("groups: [{id: g, attributes: [{ref: acme.tenat}]}]", "1: ref: no attribute 'acme.tenat' is defined (did you mean 'acme.tenant'?)"),
        ("groups: [{id: g, attributes: [{ref: acme.tenant, requirement_level: must}]}]", "1: requirement_level: 'must' is not one of required, conditionally_required, recommended, opt_in"),
        ("groups: [{id: g, extends: span.acme.chekout}]", "1: 'g' builds upon 'span.acme.chekout', which is not there (did you mean 'span.acme.checkout'?)"),
        ("groups:\n- {id: g, extends: h}\n- {id: h, extends: g}", "2: 'g' builds upon itself"),
        ("groups: [{id: g, attributes: [{brief: x}]}]", "1: an attribute of a group needs `ref`, `ref_group` or `id`"),
        ("groups: [{id: g, attributes: [{id: x.y, type: {members: [{id: a}]}}]}]", "1: attribute 'x.y': an enum needs members, each with a value"),
        ("file_format: definition/2\nspans: [{type: s, attributes: [{ref_group: acme.quued}]}]", "2: ref_group: there is no attribute group 'acme.quued'"),
        ("file_format: resolved/2.0", "1: file_format: 'resolved/2.0' is not read; read are groups and definition/2"),
        ("groups: text", "1: groups: must be a list of mappings"),
        ("groups: [", "2: not YAML"),
    ],
)  # fmt: skip
def test_what_cannot_be_understood_is_refused_with_its_line(registry: Path, text: str, message: str) -> None:
    assert broken(registry, "z.yaml", text).startswith(f"registry/z.yaml:{message}")


def test_a_dependency_is_a_folder_or_the_installed_package(registry: Path, tmp_path: Path) -> None:
    far = "dependencies: [{name: otel, registry_path: 'https://github.com/open-telemetry/semantic-conventions@v1.34.0[model]'}]"
    (registry / "registry_manifest.yaml").write_text(far, encoding="utf-8")
    (registry / "z.yaml").write_text("groups: [{id: g, attributes: [{ref: http.route}]}]", encoding="utf-8")
    span = {"attributes": attributes({"http.method": "GET", "acme.tenant": 1})}
    assert told(registry, "spans", span) == [
        "attribute http.method: deprecated: Replaced by `http.request.method`",
        "attribute acme.tenant: expected string, got int 1 (the registry)",
    ]
    assert (
        "not read: https://github.com/open-telemetry/semantic-conventions@v1.34.0[model], of which"
        in broken(registry, "z.yaml", "groups: [{id: g, attributes: [{ref: acne.tenant}]}]")
    )
    other = tmp_path / "other/model"
    other.mkdir(parents=True)
    (other / "a.yaml").write_text(
        "groups: [{id: o, type: attribute_group, attributes: [{id: acne.tenant, type: int}]}]",
        encoding="utf-8",
    )
    (registry / "registry_manifest.yaml").write_text(
        "dependencies: [{registry_path: 'other[model]'}]", encoding="utf-8"
    )
    loaded = load_registry(((registry, "registry"),))
    facts = loaded.attribute("acne.tenant")
    assert facts is not None
    assert facts.type == "int"
    assert {file.name for file in loaded.files} >= {"a.yaml", "acme.yaml", "registry_manifest.yaml"}


def test_a_registry_has_bounds(registry: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chain = "".join(f"- {{id: g{number}, extends: g{number + 1}}}\n" for number in range(3000))
    assert broken(registry, "z.yaml", f"groups:\n{chain}- {{id: g3000}}\n") == (
        "registry:1: groups build upon each other too deeply"
    )
    monkeypatch.setattr(module, "_MAX_FILES", 2)
    assert (
        broken(registry, "y.yaml", "groups: []") == "registry:1: more than 2 YAML files: is this a registry?"
    )
    empty = registry / "empty"
    empty.mkdir()
    with pytest.raises(SuiteError, match=r"^none:1: a registry has YAML files, but here is none"):
        load_registry(((empty, "none"),))


SUITE = """
version: 1
suite: shop
checkpoints: {24h: {cases: 1}}
contracts:
  checkout:
    select: {name: checkout}
    semantic_conventions: {level: warn, registry: registry, groups: [span.acme.checkout]}
cases:
  - {id: one, drive: {cli: {argv: [shop]}}, expect: {spans: [{contract: checkout}]}}
"""


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("registry: registry", "registry: regitry", "contract 'checkout': semantic_conventions: there is no registry 'regitry'"),
        ("span.acme.checkout", "span.acme.chekout", "contract 'checkout': semantic_conventions: the registry has no group 'span.acme.chekout' of spans (did you mean 'span.acme.checkout'?)"),
        ("registry: registry, ", "", "contract 'checkout': semantic_conventions: groups are those of a registry, so `registry` must name one"),
        ("{level: warn, registry: registry, groups: [span.acme.checkout]}", "stern", "contract 'checkout': semantic_conventions: 'stern' is not one of ignore, warn, fail, nor a mapping with a registry"),
        ("level: warn", "level: stern", "contract 'checkout': semantic_conventions.level: 'stern' is not 'ignore', 'warn' or 'fail'"),
    ],
)  # fmt: skip
def test_a_suite_names_a_registry_that_is_there(registry: Path, old: str, new: str, message: str) -> None:
    path = registry.parent / "shop.replay.yaml"
    path.write_text(SUITE, encoding="utf-8")
    suite = load_replay(path, "shop.replay.yaml")
    assert suite.registries["checkout"].group("span.acme.checkout", "spans") is not None
    changed = registry.parent / "changed.replay.yaml"
    changed.write_text(SUITE.replace(old, new), encoding="utf-8")
    with pytest.raises(SuiteError) as caught:
        load_replay(changed, "changed.replay.yaml")
    assert message in str(caught.value)
    (registry / "acme.yaml").write_text("groups: text", encoding="utf-8")
    again = registry.parent / "again.replay.yaml"
    again.write_text(SUITE, encoding="utf-8")
    with pytest.raises(SuiteError, match=r"^registry/acme.yaml:1: groups: must be a list"):
        load_replay(again, "again.replay.yaml")
