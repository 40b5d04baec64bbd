"""The shape of a trace: compared with a recorded one, and written in a line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from pytest_telemetry_gate.model.dossier import Finding
from pytest_telemetry_gate.replay.judge.findings import find
from pytest_telemetry_gate.replay.judge.span_tree import SpanTree
from pytest_telemetry_gate.replay.otlp.telemetry import SpanRecord

__all__ = ["judge_tree", "missing_below", "outline"]

_MAX_SPANS = 12  # in the outline of one line
_MAX_ROOTS = 4
Path = tuple[str, ...]
"""The names of a span and of all spans above it, the root first."""


def judge_tree(
    spans: Sequence[SpanRecord], recorded: Sequence[SpanRecord], ignore: Collection[str]
) -> Iterator[Finding]:
    """Yield how the captured spans differ from recorded ones.

    Spans are the same when their names, and those of all spans above them, are; then kinds and the types of
    attributes are compared. Values, order, times and ids never count.
    """
    got, expected = _by_path(spans), _by_path(recorded)
    yield from _surplus("tree.missing", _count(expected) - _count(got), "missing")
    if "extra" not in ignore:
        yield from _surplus("tree.extra", _count(got) - _count(expected), "not in the recorded trace:")
    for path in sorted(set(got).intersection(expected)):
        yield from _differences(path, got[path][0], expected[path][0], ignore)


def missing_below(spans: Sequence[SpanRecord], recorded: Sequence[SpanRecord]) -> dict[str, list[str]]:
    """Return the names of spans that a recorded trace has and captured ones lack, by the id of the span above."""
    got, expected = _by_path(spans), _by_path(recorded)
    missing: dict[str, list[str]] = {}
    for path, number in sorted(_count(expected).items()):
        above = got.get(path[:-1])
        if above and number > len(got.get(path, ())):
            missing.setdefault(above[0].span_id, []).append(path[-1])
    return missing


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
    tree = SpanTree(spans)
    roots = sorted((span for span in spans if tree.parent(span) is None), key=lambda span: span.start)
    remaining = [len(spans) + 1 if whole else _MAX_SPANS]

    def write(span: SpanRecord) -> str:
        remaining[0] -= 1
        below = sorted(tree.children(span), key=lambda child: child.start)
        absent = [f"missing {name}" for name in missing.get(span.span_id, ())]
        if not (below or absent) or remaining[0] <= 0:
            return span.name + (" ..." if below else "")
        inner = [write(child) for child in below] + absent
        return f"{span.name} > {inner[0]}" if len(inner) == 1 else f"{span.name} > ({', '.join(inner)})"

    return "; ".join(write(root) for root in (roots if whole else roots[:_MAX_ROOTS]))


def _by_path(spans: Sequence[SpanRecord]) -> dict[Path, list[SpanRecord]]:
    tree = SpanTree(spans)
    by_path: dict[Path, list[SpanRecord]] = {}
    for span in spans:
        names, above, ancestors = [span.name], tree.parent(span), {span.span_id}
        while above is not None and above.span_id not in ancestors:
            ancestors.add(above.span_id)
            names.append(above.name)
            above = tree.parent(above)
        by_path.setdefault(tuple(reversed(names)), []).append(span)
    return by_path


def _count(by_path: Mapping[Path, Sequence[SpanRecord]]) -> Counter[Path]:
    return Counter({path: len(spans) for path, spans in by_path.items()})


def _surplus(identity: str, paths: Counter[Path], description: str) -> Iterator[Finding]:
    """Yield the topmost spans that are missing or extra: those below them follow from that."""
    for path, number in sorted(paths.items()):
        if path[:-1] not in paths:
            times = f"{number} times " if number > 1 else ""
            yield _difference(
                identity, path[:-1], f"{description} {times}{path[-1]}", span=path[-1], times=number
            )


def _differences(
    path: Path, span: SpanRecord, recorded: SpanRecord, ignore: Collection[str]
) -> Iterator[Finding]:
    if "kinds" not in ignore and span.kind != recorded.kind:
        message = f"kind: expected {recorded.kind}, got {span.kind}"
        yield _difference("tree.kind", path, message, expected=recorded.kind, got=span.kind)
    if "types" not in ignore:
        yield from _different_types(path, span, recorded)
        if "extra" not in ignore:
            for key in span.attributes:
                if key not in recorded.attributes:
                    message = f"attribute {key}: not in the recorded trace"
                    yield _difference("tree.attribute_extra", path, message, attribute=key)
    if "resource" not in ignore:
        for key in recorded.resource:
            if key not in span.resource:
                message = f"resource attribute {key}: in the recorded trace, missing here"
                yield _difference("tree.resource_missing", path, message, attribute=key)


def _different_types(path: Path, span: SpanRecord, recorded: SpanRecord) -> Iterator[Finding]:
    for key, expected in recorded.attributes.items():
        got = span.attributes.get(key)
        if got is None:
            message = f"attribute {key}: in the recorded trace, missing here"
            yield _difference("tree.attribute_missing", path, message, attribute=key)
        elif got.type != expected.type:
            message = f"attribute {key}: expected {expected.type}, got {got.type}"
            yield _difference("tree.attribute_type", path, message, attribute=key)


def _difference(identity: str, path: Path, message: str, **context: Any) -> Finding:
    where = f"tree {' > '.join(path)}" if path else "tree"
    return find(identity, where, f"{where}: {message}", path=list(path), **context)
