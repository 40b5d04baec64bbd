"""Pairs the spans of a captured trace with those of a recorded one, so that as little as possible differs.

Spans of one name below the same span have no order, so each is held against the recorded one that it is most like.
Whatever pairs are chosen, no span of either side is left out, so that a difference can move but never disappear.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from pytest_telemetry_gate.replay.judge.span_tree import SpanNode, walk_trees
from pytest_telemetry_gate.replay.otlp.records import SpanRecord

__all__ = ["Difference", "Pairing", "Pairs"]

_MAX_CHOICES = 10_000  # pairs of two groups that are weighed; larger groups are paired as they come
_MAX_DEPTH = 50  # below which spans are paired as they come


@dataclass(frozen=True, slots=True)
class Difference:
    """In what a span differs from the recorded one: an identity, what it is about, and a message."""

    identity: str
    message: str
    attribute: str = ""


@dataclass(slots=True)
class Pairs:
    """Spans below the same one: those that belong together, recorded ones that are missing, captured ones more."""

    pairs: list[tuple[SpanNode, SpanNode]] = field(default_factory=list)
    missing: list[SpanNode] = field(default_factory=list)
    extra: list[SpanNode] = field(default_factory=list)


class Pairing:
    """Pairs spans; ``ignore`` names what may differ, as a suite writes it."""

    def __init__(self, ignore: Collection[str]) -> None:
        self._ignore = ignore
        self._shapes: dict[object, int] = {}
        self._shape_of: dict[SpanNode, int] = {}
        self._size_of: dict[SpanNode, int] = {}
        self._costs: dict[tuple[int, int], int] = {}

    def learn(self, tops: Sequence[SpanNode]) -> None:
        """Work out which trees have the same shape; needed before any of their spans is paired."""
        for node in reversed([*walk_trees(tops)]):
            below = tuple(sorted(self._shape_of[child] for child in node.children))
            shape = (node.span.name, self._own_shape(node.span), below)
            self._shape_of[node] = self._shapes.setdefault(shape, len(self._shapes))
            self._size_of[node] = 1 + sum(self._size_of[child] for child in node.children)

    def pair(self, got: Sequence[SpanNode], recorded: Sequence[SpanNode], depth: int = 0) -> Pairs:
        """Pair captured spans with recorded ones of the same names."""
        found = Pairs()
        got_by_name, recorded_by_name = _by_name(got), _by_name(recorded)
        for name in sorted({*got_by_name, *recorded_by_name}):
            self._pair_named(got_by_name.get(name, []), recorded_by_name.get(name, []), depth, found)
        return found

    def is_same(self, got: SpanNode, recorded: SpanNode) -> bool:
        """Tell whether two trees have the same shape."""
        return self._shape_of[got] == self._shape_of[recorded]

    def differences(self, got: SpanRecord, recorded: SpanRecord) -> list[Difference]:
        """Return in what a span itself differs from the recorded one."""
        found = []
        if "kinds" not in self._ignore and got.kind != recorded.kind:
            found.append(Difference("tree.kind", f"kind: expected {recorded.kind}, got {got.kind}"))
        if "types" not in self._ignore:
            found += _different_types(got, recorded)
            if "extra" not in self._ignore:
                found += [
                    Difference(
                        "tree.attribute_extra", f"attribute {key}: not in the recorded trace", attribute=key
                    )
                    for key in got.attributes
                    if key not in recorded.attributes
                ]
        if "resource" not in self._ignore:
            found += [
                Difference(
                    "tree.resource_missing",
                    f"resource attribute {key}: in the recorded trace, missing here",
                    attribute=key,
                )
                for key in recorded.resource
                if key not in got.resource
            ]
        return found

    def _own_shape(self, span: SpanRecord) -> object:
        return (
            None if "kinds" in self._ignore else span.kind,
            None
            if "types" in self._ignore
            else frozenset((key, value.type) for key, value in span.attributes.items()),
            None if "resource" in self._ignore else frozenset(span.resource),
        )

    def _pair_named(self, got: list[SpanNode], recorded: list[SpanNode], depth: int, found: Pairs) -> None:
        by_shape: dict[int, list[SpanNode]] = defaultdict(list)
        for node in recorded:
            by_shape[self._shape_of[node]].append(node)
        rest = []
        for node in got:
            same = by_shape[self._shape_of[node]]
            if same:
                found.pairs.append((node, same.pop(0)))
            else:
                rest.append(node)
        left = {node for nodes in by_shape.values() for node in nodes}
        open_ones = [node for node in recorded if node in left]
        choices = len(rest) * len(open_ones)
        if 1 < choices <= _MAX_CHOICES and depth < _MAX_DEPTH:
            chosen = self._choose(rest, open_ones, depth)
        else:
            chosen = [*zip(range(len(rest)), range(len(open_ones)), strict=False)]
        found.pairs += [(rest[one], open_ones[other]) for one, other in chosen]
        paired_got, paired_recorded = {one for one, _ in chosen}, {other for _, other in chosen}
        found.extra += [node for number, node in enumerate(rest) if number not in paired_got]
        found.missing += [node for number, node in enumerate(open_ones) if number not in paired_recorded]

    def _choose(
        self, got: Sequence[SpanNode], recorded: Sequence[SpanNode], depth: int
    ) -> list[tuple[int, int]]:
        """Return pairs of numbers: as many as can be that differ in nothing, then those that differ least."""
        costs = [[self._cost(one, other, depth) for other in recorded] for one in got]
        partner: dict[int, int] = {}  # of a recorded span

        def place(one: int, tried: set[int]) -> bool:
            for other, cost in enumerate(costs[one]):
                if cost == 0 and other not in tried:
                    tried.add(other)
                    if other not in partner or place(partner[other], tried):
                        partner[other] = one
                        return True
            return False

        for one in range(len(got)):
            place(one, set())
        taken = set(partner.values())
        by_cost = sorted(
            (cost, one, other) for one, row in enumerate(costs) for other, cost in enumerate(row) if cost
        )
        for _, one, other in by_cost:
            if one not in taken and other not in partner:
                partner[other] = one
                taken.add(one)
        return sorted((one, other) for other, one in partner.items())

    def _cost(self, got: SpanNode, recorded: SpanNode, depth: int) -> int:
        """Return in how many things two trees differ."""
        shapes = self._shape_of[got], self._shape_of[recorded]
        if shapes[0] == shapes[1]:
            return 0
        if shapes not in self._costs:
            below = self.pair(got.children, recorded.children, depth + 1)
            cost = len(self.differences(got.span, recorded.span))
            cost += sum(self._size_of[node] for node in below.missing)
            if "extra" not in self._ignore:
                cost += sum(self._size_of[node] for node in below.extra)
            cost += (
                sum(self._cost(one, other, depth + 1) for one, other in below.pairs)
                if depth < _MAX_DEPTH
                else 0
            )
            self._costs[shapes] = cost
        return self._costs[shapes]


def _by_name(nodes: Sequence[SpanNode]) -> dict[str, list[SpanNode]]:
    by_name: dict[str, list[SpanNode]] = defaultdict(list)
    for node in nodes:
        by_name[node.span.name].append(node)
    return by_name


def _different_types(got: SpanRecord, recorded: SpanRecord) -> list[Difference]:
    found = []
    for key, expected in recorded.attributes.items():
        value = got.attributes.get(key)
        if value is None:
            message = f"attribute {key}: in the recorded trace, missing here"
            found.append(Difference("tree.attribute_missing", message, attribute=key))
        elif value.type != expected.type:
            message = f"attribute {key}: expected {expected.type}, got {value.type}"
            found.append(Difference("tree.attribute_type", message, attribute=key))
    return found
