"""The faults that ``python -m benchmarks.mutate`` tries: each is one change that the text for people does not have."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.mutants import mutants_of


def changed(text: str) -> list[str]:
    """Return the text with each mutant."""
    source = text.encode()
    return [mutant.apply(source).decode() for mutant in mutants_of(source)]


@pytest.mark.parametrize(
    ("text", "mutants"),
    [
        ("a < b", ["a <= b", "a >= b"]),
        ("a >= b", ["a > b", "a < b"]),
        ("a == b", ["a != b"]),
        ("(a) is  not (b)", ["(a) is (b)"]),
        ("a in b", ["a not in b"]),
        ("0 < a <= 1", ["0 <= a <= 1", "0 >= a <= 1", "0 < a < 1", "0 < a > 1"]),
        ("a and b and c", ["a or b and c", "a and b or c"]),
        ("not a", ["bool(a)"]),
        ("any(a)", ["all(a)"]),
        ("x = max(a, b)", ["x = min(a, b)"]),
        ("a - b", ["a + b"]),
        ("a * b", ["a / b"]),
        ("Outcome.INCONCLUSIVE", ["Outcome.PASS"]),
        ("if a:\n    raise b", ["if False:\n    raise b"]),
        ("é = a <\\\n  b", ["é = a <=\\\n  b", "é = a >=\\\n  b"]),
        ("'a' + b", []),
        ("f'{a + b}'", []),
        ("def f(a: b | c) -> d < e: ...", []),
        ("if TYPE_CHECKING:\n    a < b", []),
        ("Outcome.PASS", []),
        ("if a:\n    b\nelse:\n    c", []),
    ],
)
def test_each_mutant_is_one_change(text, mutants):
    assert sorted(changed(text)) == sorted(mutants)


def test_a_mutant_says_where_it_is():
    (mutant,) = mutants_of(b"x = 1\n\ny = any(\n  a\n)\n")
    assert str(mutant) == "3: any/all: any -> all"
