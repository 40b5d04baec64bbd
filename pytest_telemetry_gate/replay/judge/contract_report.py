"""The findings of one contract about the telemetry that it selects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_telemetry_gate.model.dossier import Finding
from pytest_telemetry_gate.model.verdict import Outcome
from pytest_telemetry_gate.replay.judge.attribute_rules import BrokenRule, broken_rules, format_nearest
from pytest_telemetry_gate.replay.judge.findings import MISSING, find
from pytest_telemetry_gate.replay.otlp.records import Attributes, Scope
from pytest_telemetry_gate.replay.suite.contracts import Contract
from pytest_telemetry_gate.replay.suite.rules import AttributeRule

__all__ = ["ContractReport"]


class ContractReport:
    """Collects the findings of one contract, and which of its fields were exercised.

    ``name`` is the contract's, ``rules`` are its rules for attributes together with those that one case adds.
    """

    def __init__(self, contract: Contract, name: str, rules: Mapping[str, AttributeRule]) -> None:
        self.findings: list[Finding] = []
        self.exercised: set[str] = set()
        self._contract = contract
        self._name = name
        self._rules = rules
        self._unexercised = {*rules}
        self._resources: dict[int, tuple[Attributes, list[BrokenRule]]] = {}

    def add(
        self,
        identity: str,
        where: str,
        message: str,
        *,
        fails: bool = True,
        missing: bool = False,
        **context: Any,
    ) -> None:
        """Add a finding about a part of the telemetry, such as ``span parser.parse``; ``missing``: for want of a span."""
        level = Outcome.FAIL if fails else Outcome.WARN
        context |= MISSING if missing else {}
        line = f"{where}: {message}"
        self.findings.append(find(identity, where, line, level=level, contract=self._name, **context))

    def judge_attributes(self, where: str, attributes: Attributes, context: Mapping[str, Any]) -> None:
        """Judge attributes by the rules; ``context`` has what else ``required_when`` may name."""
        for broken in broken_rules(self._rules, attributes, context):
            message = f"attribute {broken.key}: {broken.message}"
            self.add(f"attribute.{broken.rule}", where, message, attribute=broken.key)
        if found := self._unexercised & attributes.keys():
            self._unexercised -= found
            self.exercised.update(f"attributes.{key}" for key in found)
        if self._contract.unknown_attributes != "allow":
            self._judge_unknown(where, attributes)

    def judge_resource(self, where: str, attributes: Attributes) -> None:
        """Judge the attributes of a resource by the contract's rules for it."""
        rules = self._contract.resource
        known = self._resources.get(id(attributes))  # what a process exports at once has one resource
        if known is None:
            known = self._resources[id(attributes)] = attributes, [*broken_rules(rules, attributes, {})]
            self.exercised.update(f"resource.{key}" for key in rules if key in attributes)
        for broken in known[1]:
            message = f"resource attribute {broken.key}: {broken.message}"
            self.add(f"resource.{broken.rule}", where, message, attribute=broken.key)

    def judge_scope(self, where: str, scope: Scope) -> None:
        """Judge the instrumentation scope of some telemetry, and the schema that it names."""
        rule, schema = self._contract.scope, self._contract.schema_url
        if rule is not None:
            for key in ("name", "version"):
                expected, got = getattr(rule, key), getattr(scope, key)
                if expected is not None and not expected.holds(got):
                    message = f"scope {key}: expected {expected.shown()}, got {got or 'none'}"
                    self.add(f"scope.{key}", where, message, got=got)
            for broken in broken_rules(rule.attributes, scope.attributes, {}):
                message = f"scope attribute {broken.key}: {broken.message}"
                self.add(f"scope.{broken.rule}", where, message, attribute=broken.key)
        if schema is not None and not schema.holds(scope.schema_url):
            message = f"schema_url: expected {schema.shown()}, got {scope.schema_url or 'none'}"
            self.add("scope.schema_url", where, message, got=scope.schema_url)

    def judge_dropped(self, where: str, dropped: int, parts: str) -> None:
        """Judge how much of it the SDK dropped; what is not there can break no other rule."""
        if dropped and self._contract.dropped != "allow":
            message = f"dropped: the SDK dropped {dropped} of its {parts}"
            self.add("dropped", where, message, fails=self._contract.dropped == "fail", got=dropped)

    def drop_repeated(self) -> None:
        """Keep the first of findings that say the same."""
        first: dict[tuple[Outcome, str], Finding] = {}
        for finding in self.findings:
            first.setdefault((finding.level, finding.message), finding)
        self.findings = [*first.values()]

    def _judge_unknown(self, where: str, attributes: Attributes) -> None:
        fails = self._contract.unknown_attributes == "fail"
        for key in attributes:
            if key not in self._rules:
                message = f"attribute {key}: not in the contract{format_nearest(key, self._rules)}"
                self.add("attribute.unknown", where, message, fails=fails, attribute=key)
