"""The shape of a trace: held against a recorded one, and written in a line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from types import MappingProxyType

from pytest_telemetry_gate.replay.judge.contracts import Finding, Tree
from pytest_telemetry_gate.replay.otlp.telemetry import SpanRecord

__all__ = ["judge_tree", "missing_below", "outline"]

_SHOWN = 12


def judge_tree(
    spans: Sequence[SpanRecord], like: Sequence[SpanRecord], ignore: Collection[str]
) -> Iterator[Finding]:
    """Yield in what the captured spans differ from recorded ones.

    Spans are the same when their names, and those of all spans above them, are; then kinds and the types of
    attributes are compared. Values, order, times and ids never count.
    """
    captured, recorded = _paths(spans), _paths(like)
    have, want = _sized(captured), _sized(recorded)
    yield from _counted(want - have, "missing")
    if "extra" not in ignore:
        yield from _counted(have - want, "not in the recorded trace:")
    for path in sorted(set(captured).intersection(recorded)):
        yield from _differences(path, captured[path][0], recorded[path][0], ignore)


def _counted(paths: Counter[tuple[str, ...]], what: str) -> Iterator[Finding]:
    """Yield the tops of what is too much or too little: what is below them follows from that."""
    for path, number in sorted(paths.items()):
        if path[:-1] not in paths:
            where = f"tree {' > '.join(path[:-1])}" if path[:-1] else "tree"
            yield Finding(where, f"{what} {f'{number} times ' if number > 1 else ''}{path[-1]}")


def missing_below(spans: Sequence[SpanRecord], like: Sequence[SpanRecord]) -> dict[str, list[str]]:
    """Return the names of spans that a recorded trace has and captured ones lack, by the id of the span above."""
    captured, recorded = _paths(spans), _paths(like)
    found: dict[str, list[str]] = {}
    for path, number in sorted(_sized(recorded).items()):
        above = captured.get(path[:-1])
        if above and number > len(captured.get(path, ())):
            found.setdefault(above[0].span_id, []).append(path[-1])
    return found


def outline(spans: Sequence[SpanRecord], missing: Mapping[str, Sequence[str]] = MappingProxyType({})) -> str:
    """Write the tree in one line: ``POST /parse > parser.parse > (ast.walk, missing emit)``.

    ``missing`` has names of what should be below spans, by their ids.
    """
    tree = Tree(spans)
    roots = [span for span in spans if tree.parent(span) is None]
    budget = [_SHOWN]

    def written(span: SpanRecord) -> str:
        budget[0] -= 1
        below = sorted(tree.children(span), key=lambda one: one.start)
        absent = [f"missing {name}" for name in missing.get(span.span_id, ())]
        if not (below or absent) or budget[0] <= 0:
            return span.name + (" ..." if below else "")
        inner = [written(one) for one in below] + absent
        return f"{span.name} > {inner[0]}" if len(inner) == 1 else f"{span.name} > ({', '.join(inner)})"

    return "; ".join(written(root) for root in sorted(roots, key=lambda one: one.start)[:4])


def _paths(spans: Sequence[SpanRecord]) -> dict[tuple[str, ...], list[SpanRecord]]:
    tree = Tree(spans)
    found: dict[tuple[str, ...], list[SpanRecord]] = {}
    for span in spans:
        path, above, seen = [span.name], tree.parent(span), {span.span_id}
        while above is not None and above.span_id not in seen:
            seen.add(above.span_id)
            path.append(above.name)
            above = tree.parent(above)
        found.setdefault(tuple(reversed(path)), []).append(span)
    return found


def _sized(paths: Mapping[tuple[str, ...], Sequence[SpanRecord]]) -> Counter[tuple[str, ...]]:
    return Counter({path: len(spans) for path, spans in paths.items()})


def _differences(
    path: Sequence[str], span: SpanRecord, like: SpanRecord, ignore: Collection[str]
) -> Iterator[Finding]:
    where = f"tree {' > '.join(path)}"
    if "kinds" not in ignore and span.kind != like.kind:
        yield Finding(where, f"kind: expected {like.kind}, got {span.kind}")
    if "types" not in ignore:
        for key, value in like.attributes.items():
            got = span.attributes.get(key)
            if got is None:
                yield Finding(where, f"attribute {key}: in the recorded trace, missing here")
            elif got.type != value.type:
                yield Finding(where, f"attribute {key}: expected {value.type}, got {got.type}")
        if "extra" not in ignore:
            for key in span.attributes:
                if key not in like.attributes:
                    yield Finding(where, f"attribute {key}: not in the recorded trace")
    if "resource" not in ignore:
        for key in like.resource:
            if key not in span.resource:
                yield Finding(where, f"resource attribute {key}: in the recorded trace, missing here")
