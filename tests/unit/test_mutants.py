"""The faults that ``python -m benchmarks.mutate`` tries: each is one change that the text for people does not have."""

from __future__ import annotations

import sys
from pathlib import Path
from textwrap import dedent, indent

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.mutants import mutants_of

HEAD = "def decide(a, b, c):\n"


def changed(text: str) -> list[str]:
    """Return the lines of a function with each mutant."""
    source = (HEAD + indent(text, "    ")).encode()
    return [dedent(mutant.apply(source).decode().removeprefix(HEAD)) for mutant in mutants_of(source)]


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
        ("if a:\n    c = b", ["if False:\n    c = b"]),
        ("é = a <\\\n  b", ["é = a <=\\\n  b", "é = a >=\\\n  b"]),
        ("'a' + b", []),
        ("f'{a + b}'", []),
        ("def f(a: b | c) -> d < e: ...", []),
        # What chooses the words of a text, and what does not choose words alone
        ("said = max(a, b)\nreturn Problem(f'it is {said}')", []),
        ("sign = min(a, b)\nsaid = f'{sign}'\nreturn a", []),
        ("if a:\n    return f'a: {a - b}'\nreturn f'{c} is wrong'", []),
        ("said = max(a, b)\nreturn f'{said}', said", ["said = min(a, b)\nreturn f'{said}', said"]),
        ("if a:\n    return f'{a}'\nreturn ''", ["if False:\n    return f'{a}'\nreturn ''"]),
        ("if a:\n    return f'{a}'\nreturn f'{b} '", ["if False:\n    return f'{a}'\nreturn f'{b} '"]),
        ("if TYPE_CHECKING:\n    a < b", []),
        ("Outcome.PASS", []),
        ("if a:\n    b\nelse:\n    c", []),
    ],
)
def test_each_mutant_is_one_change(text, mutants):
    assert sorted(changed(text)) == sorted(mutants)


def test_a_mutant_says_where_it_is():
    (mutant,) = mutants_of(b"def f(a):\n  x = 1\n\n  y = any(\n    a\n  )\n")
    assert str(mutant) == "4: any/all: any -> all"


def test_what_no_function_does_is_left_alone():
    assert mutants_of(b"x = max(1, 2)\n") == []
