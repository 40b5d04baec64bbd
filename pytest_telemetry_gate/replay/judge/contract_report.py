"""The findings of one contract about the telemetry that it selects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_telemetry_gate.model.dossier import Finding
from pytest_telemetry_gate.model.verdict import Outcome
from pytest_telemetry_gate.replay.judge.attribute_rules import broken_rules, format_nearest
from pytest_telemetry_gate.replay.judge.conventions import convention_problem
from pytest_telemetry_gate.replay.judge.findings import find
from pytest_telemetry_gate.replay.otlp.telemetry import Attributes
from pytest_telemetry_gate.replay.suite.contracts import AttributeRule, Contract

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
        self._conventions: dict[str, str] = {}

    def add(self, identity: str, where: str, message: str, *, fails: bool = True, **context: Any) -> None:
        """Add a finding about a part of the telemetry, such as ``span parser.parse``."""
        level = Outcome.FAIL if fails else Outcome.WARN
        line = f"{where}: {message}"
        self.findings.append(find(identity, where, line, level=level, contract=self._name, **context))

    def judge_attributes(self, where: str, attributes: Attributes, context: Mapping[str, Any]) -> None:
        """Judge attributes by the rules; ``context`` has what else ``required_when`` may name."""
        for broken in broken_rules(self._rules, attributes, context):
            message = f"attribute {broken.key}: {broken.message}"
            self.add(f"attribute.{broken.rule}", where, message, attribute=broken.key)
        self.exercised.update(f"attributes.{key}" for key in self._rules if key in attributes)
        if self._contract.unknown_attributes != "allow":
            self._judge_unknown(where, attributes)
        if self._contract.semantic_conventions != "ignore":
            self._judge_conventions(where, attributes)

    def judge_resource(self, where: str, attributes: Attributes) -> None:
        """Judge the attributes of a resource by the contract's rules for it."""
        rules = self._contract.resource
        for broken in broken_rules(rules, attributes, {}):
            message = f"resource attribute {broken.key}: {broken.message}"
            self.add(f"resource.{broken.rule}", where, message, attribute=broken.key)
        self.exercised.update(f"resource.{key}" for key in rules if key in attributes)

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

    def _judge_conventions(self, where: str, attributes: Attributes) -> None:
        fails = self._contract.semantic_conventions == "fail"
        for key in attributes:
            if key not in self._conventions:
                self._conventions[key] = convention_problem(key)
            if self._conventions[key]:
                message = f"attribute {key}: {self._conventions[key]}"
                self.add("attribute.convention", where, message, fails=fails, attribute=key)
