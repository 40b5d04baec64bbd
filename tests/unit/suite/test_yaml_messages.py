"""What people are told where YAML reads their suite otherwise than they meant it: the line, and what to write."""

from __future__ import annotations

from pathlib import Path
from textwrap import indent

import gates
import pytest

from pytest_telemetry_gate.errors import SuiteError
from pytest_telemetry_gate.files.suites import load_suite
from pytest_telemetry_gate.model.suite import Suite
from pytest_telemetry_gate.plugin import builtin_hooks

KINDS = {kind.key: kind for kind in builtin_hooks.pytest_telemetry_gate_criteria()}
FIRST = 8  # the line of the first criterion
SINGLE = "put the query in single quotes"

IN_BRACES = {
    'sum by (le) (rate(served_bucket{job="shop"}[5m]))': "'{'",
    'histogram_quantile(0.9, rate(served_bucket{job="shop"}[5m]))': "','",
    "rate(served_total[5m])": "'['",
    'served{job="shop"}': "'{'",
    'served{zone=~"a|b", job="shop"} / 3': "'{'",
    "rate(served_total[5m:1m])": "'['",
    'served{zone="${region}"}': "'{'",
    'served{note="a #b"}': "'{'",
    "- served": "'-'",
    "* served": "'*'",
    "%served": "'%'",
    "@served": "'@'",
    "`served`": "'`'",
}


def load(folder: Path, *criteria: str) -> Suite:
    """Read a suite with these criteria and a further one."""
    path = folder / "shop.gate.yaml"
    listed = "\n".join([*criteria, "- {id: last, query: up, expect: '> 0'}"])
    path.write_text(f"{gates.HEAD}groups:\n  Shop:\n{indent(listed, '    ')}\n", encoding="utf-8")
    return load_suite(path, KINDS, display_path="shop.gate.yaml")


def refusal(folder: Path, *criteria: str) -> str:
    with pytest.raises(SuiteError) as failure:
        load(folder, *criteria)
    return str(failure.value)


@pytest.mark.parametrize("query", IN_BRACES)
def test_a_query_in_braces_is_shown_with_the_quotes_that_it_needs(tmp_path, query):
    said = refusal(tmp_path, f"- {{id: x, query: {query}, expect: '> 0'}}")
    wanted = f"YAML has a use of its own for {IN_BRACES[query]}: {SINGLE}: query: '{query}'"
    assert said == f"shop.gate.yaml:{FIRST}: not YAML: {wanted}"
    quoted = load(tmp_path, f"- {{id: x, query: '{query}', expect: '> 0'}}").groups["Shop"][0]
    assert quoted.query == query


@pytest.mark.parametrize(
    "query", ["max(served, asked)", "sum by (job, zone) (served)", "clamp(served, 0, 1)"]
)
def test_a_query_that_a_comma_ends_is_shown_whole(tmp_path, query):
    said = refusal(tmp_path, f"- {{id: x, query: {query}, expect: '> 0'}}")
    assert said == f"shop.gate.yaml:{FIRST}: YAML ends the query at ',': {SINGLE}: query: '{query}'"


@pytest.mark.parametrize("query", ['{job="shop"}', '{"served.total", job="shop"}'])
@pytest.mark.parametrize(
    "form", ["- {{id: x, query: {}, expect: '> 0'}}", "- id: x\n  query: {}\n  expect: '> 0'"]
)
def test_a_query_that_begins_with_a_brace_is_told_to_need_quotes(tmp_path, query, form):
    said = refusal(tmp_path, form.format(query))
    assert said.endswith("criterion 'x': query: must be text: one that begins with '{' needs single quotes")


BLOCK = {
    'query: served{note="a: b"}': (1, f"':': {SINGLE}: query: 'served{{note=\"a: b\"}}'"),
    'query: served{note="a #b"}': (1, f"YAML ends the query at ' #': {SINGLE}: query: 'served{{note=\"a #b\"}}'"),
    'query: "served.total"{job="shop"}': (1, f"the text ends at its second '\"': {SINGLE}"),
    'query: "rate(served{zone=~"a"}[5m])"': (1, f"the text ends at its second '\"': {SINGLE}"),
    'query: "served{zone=~\'\\d+\'}"': (1, f"a backslash in double quotes begins an escape: {SINGLE}"),
    "query: 'served{zone=~'a'}'": (1, "the text ends at its second \"'\": use double quotes inside the query"),
    "query: *served": (1, f"'*': {SINGLE}: query: '*served'"),
    "query: sum by (job) (\n      served{job: 'a'})": (1, f"':': {SINGLE}: query:"),
    "'query': served: total": (1, f"':': {SINGLE}: query: 'served: total'"),
    "query: served\n  title: Shop: served": (2, "put the value of 'title' in single quotes: title: 'Shop: served'"),
    "query: served\n  unit: %": (2, "put the value of 'unit' in single quotes: unit: '%'"),
    "query: !served": (1, "a text that begins with '!' needs quotes"),
    "query:": (1, "criterion 'x': query: must be text, and is empty"),
    "query: {{ served }}": (1, "a text that begins with '{' or '[' needs quotes"),
    "query:served": (1, "a key is followed by ':' and a space"),
    " query: served": (1, "is the line indented as those that it belongs to?"),
    'query: "served': (1, "the quotes that begin here do not end"),
}  # fmt: skip


@pytest.mark.parametrize("keys", BLOCK)
def test_the_line_of_a_key_says_what_to_write(tmp_path, keys):
    offset, wanted = BLOCK[keys]
    said = refusal(tmp_path, f"- id: x\n  {keys}\n  expect: '> 0'")
    assert said.startswith(f"shop.gate.yaml:{FIRST + offset}: ")
    assert wanted in said
    assert "\n" not in said


ONE_LINE = {
    "- {id: x, query: served, expect: > 90}": "put the value of 'expect' in single quotes: expect: '> 90'",
    "- {id: x, query: served # of the shop, expect: '> 0'}": "a comment hides the rest of the line",
    "- {id: x, query: 'served{zone=~'a'}', expect: '> 0'}": "use double quotes inside the query",
    '- {"id": "x", "query": "served{zone="a"}", "expect": "> 0"}': SINGLE,
    "- id: x, query: served, expect: '> 0'": "several keys in one line need braces around them",
    "- {id: x, count: served{zone=\"a\"}, expect: '== 0'}": "count: 'served{zone=\"a\"}'",
    "- {id: x, query: served, baseline: {query: rate(served[5m])}, tolerance: 5%}": "query: 'rate(served[5m])'",
    "- {id: x, alerts: {severity: page, proof: absent(a{b=\"c\"})}, expect: '== 0'}": "proof: 'absent(a{b=\"c\"})'",
    "- {id: x, query: served, expect: '> 0'": f"(of what begins at line {FIRST})",
}  # fmt: skip


@pytest.mark.parametrize("criterion", ONE_LINE)
def test_a_criterion_in_one_line_says_what_to_write(tmp_path, criterion):
    assert ONE_LINE[criterion] in refusal(tmp_path, criterion)


def test_a_query_over_several_lines_in_braces_is_joined(tmp_path):
    said = refusal(
        tmp_path,
        "- {id: x,\n   query: sum by (le)\n     (rate(served_bucket{job=\"a\"}[5m])),\n   expect: '> 0'}",
    )
    assert said.startswith(f"shop.gate.yaml:{FIRST + 1}: ")
    assert said.endswith("query: 'sum by (le) (rate(served_bucket{job=\"a\"}[5m]))'")


@pytest.mark.parametrize(
    "keys",
    [
        'query: sum by (le) (rate(served_bucket{job="shop", zone=~"a|b"}[5m]))',
        "query: served # of the shop",
        "query: |\n    sum( # all\n      served)",
        'query: "sum(served{job=\\"shop\\"})"',
        "title: a (small, one\n  query: served",
    ],
)
def test_what_yaml_reads_as_it_was_meant_is_left_alone(tmp_path, keys):
    assert load(tmp_path, f"- id: x\n  {keys}\n  expect: '> 0'").groups["Shop"][0].query
