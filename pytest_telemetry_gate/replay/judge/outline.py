"""The shape of a trace written in a line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from pytest_telemetry_gate.replay.judge.span_tree import SpanNode, grow_trees
from pytest_telemetry_gate.replay.otlp.records import SpanRecord

__all__ = ["outline"]

_MAX_SPANS = 12  # in the outline of one line
_MAX_ROOTS = 4
_MAX_DEPTH = 100  # of an outline that is whole: deeper than anybody reads


def outline(
    spans: Sequence[SpanRecord],
    missing: Mapping[str, Sequence[str]] = MappingProxyType({}),
    *,
    whole: bool = False,
) -> str:
    """Write the tree in one line: ``POST /parse > parser.parse > (ast.walk, missing emit)``.

    ``missing`` has the names of spans that should be below others, by the ids of these. A large tree is cut unless
    ``whole``.
    """
    roots = sorted(grow_trees(spans), key=_start)
    remaining = [len(spans) + 1 if whole else _MAX_SPANS]

    def write(node: SpanNode, depth: int) -> str:
        remaining[0] -= 1
        name = node.span.name
        below = sorted(node.children, key=_start)
        absent = [f"missing {one}" for one in missing.get(node.span.span_id, ())]
        if not (below or absent) or remaining[0] <= 0 or depth >= _MAX_DEPTH:
            return name + (" ..." if below else "")
        inner = [write(child, depth + 1) for child in below] + absent
        return f"{name} > {inner[0]}" if len(inner) == 1 else f"{name} > ({', '.join(inner)})"

    return "; ".join(write(root, 0) for root in (roots if whole else roots[:_MAX_ROOTS]))


def _start(node: SpanNode) -> int:
    return node.span.start
