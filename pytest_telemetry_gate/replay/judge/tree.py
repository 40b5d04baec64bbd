"""The shape of a trace, compared with a recorded one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from pytest_telemetry_gate.model.dossier import Finding
from pytest_telemetry_gate.replay.judge.findings import MISSING, find
from pytest_telemetry_gate.replay.judge.span_tree import Path, SpanNode, grow_trees, spans_by_path
from pytest_telemetry_gate.replay.judge.tree_pairs import Difference, Pairing
from pytest_telemetry_gate.replay.otlp.records import SpanRecord

__all__ = ["judge_tree", "missing_below"]

_EVERYTHING = ("kinds", "types", "resource", "extra")


@dataclass(slots=True)
class _Comparison:
    """How two traces differ: by path, and how often."""

    missing: Counter[Path] = field(default_factory=Counter)
    extra: Counter[Path] = field(default_factory=Counter)
    differences: Counter[tuple[Path, Difference]] = field(default_factory=Counter)
    missing_below: dict[str, list[str]] = field(default_factory=dict)


def judge_tree(
    spans: Sequence[SpanRecord], recorded: Sequence[SpanRecord], ignore: Collection[str]
) -> Iterator[Finding]:
    """Yield how the captured spans differ from recorded ones, every one of them.

    Spans are held against each other where their names, and those of all spans above them, are the same; then kinds and
    the types of attributes are compared. Values, order, times and ids never count.
    """
    compared = _compare(spans, recorded, ignore)
    yield from _told("tree.missing", compared.missing, "missing", **MISSING)
    if "extra" not in ignore:
        yield from _told("tree.extra", compared.extra, "not in the recorded trace:")
    if compared.differences:
        numbers = {path: len(found) for path, found in spans_by_path(spans).items()}
        for (path, difference), number in sorted(compared.differences.items(), key=lambda item: item[0][0]):
            of = f" ({number} of {numbers[path]} spans)" if numbers[path] > 1 else ""
            context = {"attribute": difference.attribute} if difference.attribute else {}
            yield _difference(difference.identity, path, f"{difference.message}{of}", **context)


def missing_below(spans: Sequence[SpanRecord], recorded: Sequence[SpanRecord]) -> dict[str, list[str]]:
    """Return the names of spans that a recorded trace has and captured ones lack, by the id of the span above."""
    return _compare(spans, recorded, _EVERYTHING).missing_below


def _compare(
    spans: Sequence[SpanRecord], recorded: Sequence[SpanRecord], ignore: Collection[str]
) -> _Comparison:
    found, pairing = _Comparison(), Pairing(ignore)
    tops, recorded_tops = grow_trees(spans), grow_trees(recorded)
    pairing.learn(tops)
    pairing.learn(recorded_tops)
    rest: list[tuple[Path, str, list[SpanNode], list[SpanNode]]] = [((), "", tops, recorded_tops)]
    while rest:
        above, span_id, got, expected = rest.pop()
        below = pairing.pair(got, expected, len(above))
        found.missing.update((*above, node.span.name) for node in below.missing)
        found.extra.update((*above, node.span.name) for node in below.extra)
        if below.missing and span_id:
            names = dict.fromkeys(node.span.name for node in below.missing)
            found.missing_below.setdefault(span_id, []).extend(names)
        for one, other in below.pairs:
            if not pairing.is_same(one, other):
                path = (*above, one.span.name)
                found.differences.update(
                    (path, difference) for difference in pairing.differences(one.span, other.span)
                )
                rest.append((path, one.span.span_id, one.children, other.children))
    return found


def _told(identity: str, paths: Counter[Path], description: str, **context: Any) -> Iterator[Finding]:
    """Yield the topmost spans that are missing or extra: those below them follow from that."""
    for path, number in sorted(paths.items()):
        times = f"{number} times " if number > 1 else ""
        yield _difference(
            identity,
            path[:-1],
            f"{description} {times}{path[-1]}",
            span=path[-1],
            times=number,
            **context,
        )


def _difference(identity: str, path: Path, message: str, **context: Any) -> Finding:
    where = f"tree {' > '.join(path)}" if path else "tree"
    return find(identity, where, f"{where}: {message}", path=list(path), **context)
