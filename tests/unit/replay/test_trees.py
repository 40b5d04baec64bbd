"""Traces held against recorded ones: every span counts, wherever it hangs and however many are like it."""

from __future__ import annotations

import random
from typing import Any

import pytest
from test_contracts import attribute, span, spans

from pytest_telemetry_gate.replay.judge.outline import outline
from pytest_telemetry_gate.replay.judge.tree import judge_tree, missing_below
from pytest_telemetry_gate.replay.otlp.records import SpanRecord

ROWS = attribute("rows", intValue="1")


def tree(*entries: tuple[str, int, int] | tuple[str, int, int, dict[str, Any]]) -> list[SpanRecord]:
    """Return spans by name, number, the number of the parent, and other fields."""
    plain: dict[str, Any] = {"attributes": []}
    return spans(
        *(span(name, number, parent, **{**plain, **dict(*more)}) for name, number, parent, *more in entries)
    ).spans


def differences(got: list[SpanRecord], recorded: list[SpanRecord], *ignore: str) -> list[str]:
    return [finding.message for finding in judge_tree(got, recorded, ignore)]


RECORDED = tree(
    ("GET", 1, 0),
    ("db", 2, 1, {"attributes": [ROWS]}),
    ("db", 3, 1, {"attributes": [ROWS]}),
)


def test_a_tree_is_held_against_a_recorded_one() -> None:
    like = spans(span("cli", 1), span("parser.parse", 2, 1), span("emit", 3, 2)).spans
    same = spans(span("cli", 11), span("parser.parse", 12, 11), span("emit", 13, 12)).spans
    assert not list(judge_tree(same, like, ()))
    other = spans(span("cli", 1), span("parser.parse", 2, 1, kind=2, attributes=[]), span("walk", 3, 2)).spans
    assert [one.message for one in judge_tree(other, like, ())] == [
        "tree cli > parser.parse: missing emit",
        "tree cli > parser.parse: not in the recorded trace: walk",
        "tree cli > parser.parse: kind: expected internal, got server",
        "tree cli > parser.parse: attribute n: in the recorded trace, missing here",
        "tree cli > parser.parse: attribute word: in the recorded trace, missing here",
    ]
    assert outline(like) == "cli > parser.parse > emit"
    assert outline(other, missing_below(other, like)) == "cli > parser.parse > (walk, missing emit)"


def test_of_a_tree_that_lacks_a_branch_only_its_top_is_told() -> None:
    like = spans(span("cli", 1), span("parser.parse", 2, 1), span("emit", 3, 2), span("emit", 4, 2)).spans
    assert [one.message for one in judge_tree(like[:1], like, ())] == ["tree cli: missing parser.parse"]
    assert [one.message for one in judge_tree(like[:2], like, ())] == [
        "tree cli > parser.parse: missing 2 times emit"
    ]
    assert [one.message for one in judge_tree([], like, ())] == ["tree: missing cli"]


@pytest.mark.parametrize(
    ("second", "told"),
    [
        ({"attributes": [attribute("rows", stringValue="1")]}, "attribute rows: expected int, got string"),
        ({"attributes": [ROWS, attribute("sql", stringValue="x")]}, "attribute sql: not in the recorded trace"),
        ({"attributes": []}, "attribute rows: in the recorded trace, missing here"),
        ({"attributes": [ROWS], "kind": 3}, "kind: expected internal, got client"),
    ],
)  # fmt: skip
def test_any_of_several_spans_of_one_path_may_differ(second: dict[str, Any], told: str) -> None:
    for wrong in (2, 3):
        got = tree(
            ("GET", 1, 0),
            *(("db", number, 1, second if number == wrong else {"attributes": [ROWS]}) for number in (2, 3)),
        )
        assert differences(got, RECORDED) == [f"tree GET > db: {told} (1 of 2 spans)"]
    both = tree(("GET", 1, 0), ("db", 2, 1, second), ("db", 3, 1, second))
    assert differences(both, RECORDED) == [f"tree GET > db: {told} (2 of 2 spans)"]


def test_spans_of_one_name_have_no_order() -> None:
    """Whichever of them is first, each has a recorded one that it is like."""
    recorded = tree(
        ("GET", 1, 0), ("step", 2, 1), ("db", 3, 2, {"attributes": [ROWS]}), ("step", 4, 1), ("cache", 5, 4)
    )
    turned = tree(
        ("cache", 5, 2), ("step", 2, 1), ("step", 4, 1), ("db", 3, 4, {"attributes": [ROWS]}), ("GET", 1, 0)
    )
    assert differences(turned, recorded) == []
    # One of them may have more than the recorded one where that is ignored: then the other needs the stricter.
    strict = tree(("GET", 1, 0), ("db", 2, 1, {"attributes": [ROWS]}), ("db", 3, 1))
    loose = tree(
        ("GET", 1, 0),
        ("db", 2, 1, {"attributes": [ROWS]}),
        ("db", 3, 1, {"attributes": [attribute("other", stringValue="x")]}),
    )
    assert differences(loose, strict, "extra") == []
    assert differences(strict, loose, "extra") == [
        "tree GET > db: attribute other: in the recorded trace, missing here (1 of 2 spans)"
    ]


def test_a_span_below_the_wrong_one_of_two_is_missing_there() -> None:
    """Counted by their paths alone, both traces have the same spans."""
    recorded = tree(("GET", 1, 0), ("step", 2, 1), ("db", 3, 2), ("step", 4, 1), ("db", 5, 4))
    got = tree(("GET", 1, 0), ("step", 2, 1), ("db", 3, 2), ("step", 4, 1), ("db", 5, 2))
    assert differences(got, recorded) == [
        "tree GET > step: missing db",
        "tree GET > step: not in the recorded trace: db",
    ]
    assert outline(got, missing_below(got, recorded)) == "GET > (step > (db, db), step > missing db)"


def test_a_span_exported_twice_is_one_too_many() -> None:
    twice = [*RECORDED, RECORDED[2]]
    assert differences(twice, RECORDED) == ["tree GET: not in the recorded trace: db"]


def test_spans_that_are_each_others_parents_are_there() -> None:
    circle = tree(("a", 1, 2), ("b", 2, 1), ("self", 3, 3))
    assert differences(circle, circle) == []
    assert differences([], circle) == ["tree: missing a", "tree: missing self"]
    assert differences(circle, RECORDED, "extra") == ["tree: missing GET"]
    assert outline(circle) == "a > b; self"


def test_large_and_deep_traces_are_compared_in_no_time() -> None:
    """In the worst order, and however deep: chains are longer than Python may recurse."""
    chain = tree(*(("step", number, number - 1) for number in range(1, 1501)))
    changed = [*chain[:-1], *tree(("other", 1500, 1499))]
    assert len(differences(changed, chain)) == 2
    assert outline(chain, whole=True).endswith(" ...")
    wide = tree(
        ("GET", 1, 0),
        *(("db", n, 1, {"attributes": [attribute(f"k{n}", intValue=1)]}) for n in range(2, 502)),
    )
    shuffled = [*wide]
    random.Random(1).shuffle(shuffled)
    assert differences(shuffled, wide) == []
    assert differences(shuffled[:-1], wide) != []
