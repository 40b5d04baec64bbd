"""The shape of a trace: held against a recorded one, and written in a line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence

from pytest_telemetry_gate.replay.judging import Finding, Tree
from pytest_telemetry_gate.replay.telemetry import Span

__all__ = ["judge_tree", "outline"]

_SHOWN = 12


def judge_tree(spans: Sequence[Span], like: Sequence[Span], ignore: Collection[str]) -> Iterator[Finding]:
    """Yield in what the captured spans differ from recorded ones.

    Spans are the same when their names, and those of all spans above them, are; then kinds and the types of
    attributes are compared. Values, order, times and ids never count.
    """
    captured, recorded = _paths(spans), _paths(like)
    have, want = Counter(dict(_sizes(captured))), Counter(dict(_sizes(recorded)))
    for path, number in sorted((want - have).items()):
        what = f"{number} times " if number > 1 else ""
        yield Finding("tree", f"missing: {what}{' > '.join(path)}")
    if "extra" not in ignore:
        for path, number in sorted((have - want).items()):
            what = f"{number} times " if number > 1 else ""
            yield Finding("tree", f"not in the recorded trace: {what}{' > '.join(path)}")
    for path in sorted(set(captured).intersection(recorded)):
        yield from _differences(path, captured[path][0], recorded[path][0], ignore)


def outline(spans: Sequence[Span]) -> str:
    """Write the tree in one line: ``POST /parse > parser.parse (ast.walk, emit)``."""
    tree = Tree(spans)
    roots = [span for span in spans if tree.parent(span) is None]
    budget = [_SHOWN]

    def written(span: Span) -> str:
        budget[0] -= 1
        below = sorted(tree.children(span), key=lambda one: one.start)
        if not below or budget[0] <= 0:
            return span.name + (" ..." if below else "")
        inner = ", ".join(written(one) for one in below)
        return f"{span.name} > {inner}" if len(below) == 1 else f"{span.name} > ({inner})"

    return "; ".join(written(root) for root in sorted(roots, key=lambda one: one.start)[:4])


def _paths(spans: Sequence[Span]) -> dict[tuple[str, ...], list[Span]]:
    tree = Tree(spans)
    found: dict[tuple[str, ...], list[Span]] = {}
    for span in spans:
        path, above, seen = [span.name], tree.parent(span), {span.span_id}
        while above is not None and above.span_id not in seen:
            seen.add(above.span_id)
            path.append(above.name)
            above = tree.parent(above)
        found.setdefault(tuple(reversed(path)), []).append(span)
    return found


def _sizes(paths: dict[tuple[str, ...], list[Span]]) -> Iterator[tuple[tuple[str, ...], int]]:
    yield from ((path, len(spans)) for path, spans in paths.items())


def _differences(path: Sequence[str], span: Span, like: Span, ignore: Collection[str]) -> Iterator[Finding]:
    where = f"tree {' > '.join(path)}"
    if "kinds" not in ignore and span.kind != like.kind:
        yield Finding(where, f"kind: expected {like.kind}, got {span.kind}")
    if "types" not in ignore:
        for key, value in like.attributes.items():
            got = span.attributes.get(key)
            if got is None:
                yield Finding(where, f"attribute {key}: in the recorded trace, missing here")
            elif got.type != value.type:
                yield Finding(where, f"attribute {key}: expected {value.type}, got {got.shown()}")
        if "extra" not in ignore:
            for key in span.attributes:
                if key not in like.attributes:
                    yield Finding(where, f"attribute {key}: not in the recorded trace")
    if "resource" not in ignore:
        for key in like.resource:
            if key not in span.resource:
                yield Finding(where, f"resource attribute {key}: in the recorded trace, missing here")
