"""What is an expression and what is refused, each refusal in one line."""

from __future__ import annotations

import re
from contextlib import nullcontext, suppress

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_telemetry_gate.promql import Engine, Matcher, MemoryStorage, PromQLError, ast, parse
from pytest_telemetry_gate.promql.function_table import FUNCTIONS, NATIVE, UNSUPPORTED


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("x @ -1", -1000),
        ("x @ - 1.5", -1500),
        ("x @ 0", 0),
        ("x @ .0005", 1),
        ("x @ 1e3", 1_000_000),
        ("x @ 0x10", 16_000),
        ("x @ 1m40s", 100_000),
        ("x @ 100ms", 100),
        ("x @ start()", "start"),
        ("x @ end()", "end"),
        ("x @\t7 # seconds", 7000),
    ],
)
def test_times_of_at(text, at):
    assert parse(text).at == at


def test_an_at_within_a_string_is_none():
    assert parse("""x{a="@ 1", b='@ 2', c=`@ 3`} @ 4 # @ 5""").matchers[1:] == (
        Matcher("a", "=", "@ 1"),
        Matcher("b", "=", "@ 2"),
        Matcher("c", "=", "@ 3"),
    )


@pytest.mark.parametrize("text", ["x @ 1e30", "x @ -1e30", "x @ Inf", "x @ NaN"])
def test_times_beyond_all_clocks(text):
    with pytest.raises(PromQLError, match="timestamp out of bounds for @ modifier"):
        parse(text)


@pytest.mark.parametrize(
    "text", ["x @ 1s2", "x @ 1_", "x @ 1__0", "x @ 1.2.3", "x @", "x @ y", "x @ (1)", "x @ 1 @ 2"]
)
def test_times_that_are_none(text):
    with pytest.raises(PromQLError, match=r"parse error|bad number"):
        parse(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no expression found in input"),
        (" \n", "no expression found in input"),
        ("{}", "at least one non-empty matcher"),
        ('{a=~".*"}', "at least one non-empty matcher"),
        ('{a="b" or c="d"}', 'unexpected "or" between label matchers'),
        ("x[5m", "unexpected end of input"),
        ("x[0s]", "duration must be greater than 0"),
        ("x[5m:0s]", "duration must be greater than 0"),
        ("-x[5m]", "unary expression only allowed"),
        ("x[5m][5m]", "parse error"),
        ("rate(x)", "expected type range vector|parse error"),
        ("sum(x[5m])", "parse error"),
        ("topk(x)", "parse error"),
        ("topk(x, 1)", "parse error"),
        ("1 > 0", "BOOL modifier"),
        ("1 and 2", "set operator"),
        ('"a" + 1', "scalar and instant vector"),
        ("x + on(a) group_left(a) y", "parse error"),
        ("x and on(a) group_left y", "parse error"),
        ("label_replace(x)", "argument"),
        ("nonsense(x)", "nonsense"),
        ('x{a=~"("}', "regex|regexp"),
        ('x{a=~"(?=b)"}', "regex|regexp"),
        ('x{a=~"(a)\\\\1"}', "regex|regexp"),
        ("x + fill(0) y", "'fill' is not supported"),
        ('x{__name__="y"}', 'metric name must not be set twice: "x" or "y"'),
        ("x\0", "parse error"),
        ("x[1.5h]", "duration"),
    ],
)
def test_refusals(text, reason):
    with pytest.raises(PromQLError, match=reason) as refused:
        parse(text)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", sorted(NATIVE | UNSUPPORTED))
def test_functions_that_are_refused_by_name(name):
    assert name not in FUNCTIONS
    for arguments in ("", "x", "x[5m]", "1, 2", "x, 'q', 0.5"):
        with pytest.raises(PromQLError, match=rf"function '{name}' is not supported|argument|expected type"):
            parse(f"{name}({arguments})")


def test_a_function_of_native_histograms_says_so():
    with pytest.raises(PromQLError, match="'histogram_avg' is not supported: it needs native histograms"):
        parse("histogram_avg(x)")


@pytest.mark.parametrize(
    "pattern", ["((?i)PRO).*", r"a\z", r"\pL+", "(?<n>a)", "(?P<n>a)", r"\Qa.b\E", "[[:alpha:]]+"]
)
def test_patterns_of_re2(pattern):
    assert parse(f"x{{a=~`{pattern}`}}")


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("a", "ab", False),
        ("a|ab", "ab", True),
        ("a$", "a\n", False),
        (r"\d", "٣", False),
        (r"\w+", "é", False),
        ("((?i)PRO).*", "production", True),
        ("", "", True),
        ("[[:alpha:]]", "a", True),
        (".*é", "café", True),
    ],
)
def test_patterns_are_anchored_and_not_pythons(pattern, text, matches):
    assert Matcher("a", "=~", pattern).matches(text) is matches
    assert Matcher("a", "!~", pattern).matches(text) is not matches


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("(" * 101 + "x" + ")" * 101, "nested more than 100 deep"),
        ('x{a=")))"} + ' + "(" * 101 + "x" + ")" * 101, "nested more than 100 deep"),
        ("-" * 100_000 + "1", "more than 250 operators"),
        ("1+" * 10_000 + "1", "more than 250 operators"),
        ("x or " * 10_000 + "x", "more than 250 operators"),
        ("x" * 2_000_000, "longer than 1,000,000 characters"),
        ("x" + "[5m:]" * 5_000, "parse error"),
        ("!" * 5_000, "parse error"),
    ],
    ids=["brackets", "string", "unary", "binary", "or", "long", "subqueries", "nonsense"],
)
def test_expressions_beyond_measure(text, reason, capfd):
    """Refused in one line: the grammar's parser would run out of its stack, and take the process with it."""
    with pytest.raises(PromQLError, match=reason) as refused:
        parse(text)
    assert len(str(refused.value)) < 500
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "text",
    ["(" * 100 + "x" + ")" * 100, "x or " * 250 + "x", "abs(1 + " * 100 + "x" + ")" * 100],
    ids=["brackets", "or", "calls"],
)
def test_large_expressions_are_answered(world, text):
    assert len(world({"x": [1]}).instant(text, 0)) == 1
    assert str(parse(str(parse(text)))) == str(parse(text))


@pytest.mark.parametrize("text", ['x{a=~"("}', "x @ 1e30", "histogram_avg(x)", "x{", "rate(x)"])
def test_nothing_is_printed(text, capfd):
    with pytest.raises(PromQLError):
        parse(text)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("literal", "text"),
    [
        (r'"\x41\101\u00e4\U0001F600"', "AAä😀"),
        (r'"\a\b\f\n\r\t\v\\"', "\a\b\f\n\r\t\v\\"),
        (r"""'b\'c"'""", "b'c\""),
        (r"""`\n'\"`""", r"""\n'\""""),
        ("`two\nlines`", "two\nlines"),
        (r'"\xc3\xa4"', "ä"),
        ('"#0"', "#0"),
        ("''", ""),
    ],
)
def test_strings(literal, text):
    assert parse(literal) == ast.StringLiteral(text)
    assert parse(f"x{{a={literal}}}").matchers[1] == Matcher("a", "=", text)


@pytest.mark.parametrize(
    "literal",
    [r'"\q"', r'"\'"', r"'\"'", r'"\xg"', r'"\ud800"', r'"\777"', '"a\nb"', '"a', "'", "`", '"\\"'],
)
def test_strings_that_are_none(literal):
    with pytest.raises(PromQLError, match="parse error"):
        parse(literal)


def test_walking_a_tree():
    tree = parse("sum by (a) (rate(x[5m])) / on(a) topk(2, max_over_time(y[1h:1m] offset 5m)) or -(z)")
    names = [node.name for node in ast.walk(tree) if isinstance(node, ast.VectorSelector)]
    assert names == ["x", "y", "z"]


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("sum(x)by(a)", "sum by (a) (x)"),
        ('sum by ("zone.id") (x)', 'sum by ("zone.id") (x)'),
        ('{"a.b"}', '{__name__="a.b"}'),
        ("x[90m:] offset -1s @ 1.5", "x[1h30m:] @ 1.500 offset -1s"),
        ("x + on() group_left y", "x + on () group_left () y"),
        ('{__name__="x", __name__=~"x.*"}', '{__name__="x", __name__=~"x.*"}'),
        ('{__name__="atan2"}', '{__name__="atan2"}'),
        ("x[1500ms]", "x[1s500ms]"),
        ('x{a="\\n\\"\\\\"}', 'x{a="\\n\\"\\\\"}'),
        ("2^-1", "2.0 ^ -1.0"),
        ("1e-7", "1e-07"),
        ("0x1F + Inf", "31.0 + +Inf"),
    ],
)
def test_printing(text, printed):
    assert str(parse(text)) == printed
    assert str(parse(printed)) == printed


def test_a_profile_knows_its_own_functions():
    assert parse("holt_winters(x[5m], 0.1, 0.1)")
    with pytest.raises(
        PromQLError, match=re.escape("function 'holt_winters' is not supported with semantics '3'")
    ):
        parse("holt_winters(x[5m], 0.1, 0.1)", "3")


def test_an_unknown_profile_is_refused():
    with pytest.raises(PromQLError, match="unknown semantics '4'; known: '2', '3'"):
        Engine(MemoryStorage([]), semantics="4")


@pytest.mark.parametrize("semantics", ["2", "3"])
def test_a_parsed_expression_is_evaluated_like_its_text(semantics):
    times = np.arange(0, 600_000, 15_000)
    labels = {"__name__": "a_total", "path": "x\ny"}
    engine = Engine(MemoryStorage([(labels, times, times / 7.0)]), semantics=semantics)
    for text in ("rate(a_total[1m])", 'count(a_total{path=~"x.y"}) or vector(0)', "sum(a_total) - 1 > 2"):
        expression = parse(text)
        assert (
            engine.instant(expression, 300.0).values.tolist() == engine.instant(text, 300.0).values.tolist()
        )
        one, other = (engine.range(query, 0.0, 300.0, 60.0) for query in (expression, text))
        assert (one.values.tolist(), one.labels) == (other.values.tolist(), other.labels)


@pytest.mark.parametrize(
    ("semantics", "name"), [("3", "holt_winters"), ("2", "double_exponential_smoothing")]
)
def test_a_parsed_expression_needs_the_functions_of_the_profile(semantics, name):
    engine = Engine(MemoryStorage([]), semantics=semantics)
    with pytest.raises(PromQLError, match=f"function '{name}' is not supported with semantics '{semantics}'"):
        engine.instant(parse(f"{name}(a[1m], 0.5, 0.5)"), 0.0)


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("1_000", "1000"), ("0x_1f", "31"), ("0X1_F", "31"), ("1_0.5_0e1_0", "10.5e10"), (".1_2", "0.12"),
        ("x @ 1_000", "x @ 1000"), ("x[1_0]", "x[10s]"), ("x[.5]", "x[500ms]"), ("x[5.]", "x[5s]"), ("x[.5:1_0]", "x[500ms:10s]"),
        ("x offset 1_0", "x offset 10s"), ("x offset -.5", "x offset -500ms"), ("x offset + 1", "x offset 1s"),
        ("x[0x10]", "x[16s]"), ("f:1_000", "f:1_000"), ('x{a="1_000"}', 'x{a="1_000"}'), ("inf:x", "inf:x"),
        ("sum by (a_1_0) (x_1_0)", "sum by (a_1_0) (x_1_0)"), ("x[1m:1_0]", "x[1m:10s]"), ("x[1m] offset .25", "x[1m] offset 250ms"),
    ],
)  # fmt: skip
def test_numbers_as_prometheus_3_writes_them(text, same):
    for semantics in ("3", None):
        assert parse(text, semantics) == parse(same, semantics)


@pytest.mark.parametrize(
    "text", ["1__0", "1_", "0x_", "1_.5", "1._5", "1e_5", "x[1__0]", "x @ 1__0", "x offset 1_"]
)
def test_underscores_that_part_no_digits(text):
    with pytest.raises(PromQLError, match=r"parse error|bad number"):
        parse(text, "3")


@pytest.mark.parametrize(
    "text", ["1_000", "0x_1f", "x @ 1_000", "x[.5]", "x[10]", "x offset 10", "x offset +1m"]
)
def test_what_prometheus_2_does_not_take(text):
    with pytest.raises(PromQLError, match="parse error"):
        parse(text, "2")
    parse(text, "3")


@pytest.mark.parametrize(
    "length", ["NaN", "Inf", "-Inf", "+inf", "1e300", "-1e300", "1e11", "0x" + "f" * 40, "9" * 400]
)
@pytest.mark.parametrize(
    "text",
    ["x offset {}", "x[5m] offset {}", "x[5m:1m] offset {}", "x[{}]", "x[{}:1m]", "x[5m:{}]", "x @ {}"],
)
def test_lengths_that_no_duration_holds_are_refused_without_a_word_of_the_parser(text, length, capfd):
    taken = text == "x @ {}" and length == "1e11"
    with nullcontext() if taken else pytest.raises(PromQLError):
        parse(text.format(length), "3")
    assert capfd.readouterr() == ("", "")


def test_a_parser_that_panics_is_an_error_of_one_line(monkeypatch):
    class PanicException(BaseException):
        """As pyo3 raises it."""

    def panic(text):
        raise PanicException("assertion failed")

    monkeypatch.setattr("promql_parser.parse", panic)
    with pytest.raises(PromQLError, match=r"^parse error: the parser failed$"):
        parse("x + 77", "3")


TOKENS = [
    "x", "sum", "rate", "(", ")", "[", "]", "{", "}", "5m", "1e300", "NaN", "-Inf", ":", "offset", "@", "-", "+", "*", "1", ".5", ",",
    "by", "on", "group_left", "bool", "and", "a", "=", "!=", "=~", '"b"', "start", "end", "99999999999999999999y", "0x1f", "1_0", "==",
    "0", "ms", "#", "or", "vector", "smoothed", "anchored", "keep_metric_names", "step", "min", "^", "%", "/", "\\", "'", "é",
]  # fmt: skip


@settings(max_examples=600, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(TOKENS), min_size=1, max_size=12).map(" ".join))
def test_whatever_is_written_is_parsed_or_refused_in_silence(capfd, text):
    for semantics in ("2", "3", None):
        with suppress(PromQLError):
            parse(text, semantics)
        with suppress(PromQLError):
            parse(text.replace(" ", ""), semantics)
    assert capfd.readouterr() == ("", "")


def test_matchers_are_no_operators():
    matchers = ",".join(['a!="b"'] * 300)
    assert parse(f"x{{{matchers}}}", "3")
    with pytest.raises(PromQLError, match="more than 250 operators"):
        parse(" != ".join(["x"] * 252), "3")


def test_names_in_quotes_are_names_when_labels_are_compared():
    for names in ("on (job, inst) group_left (inst)", 'on ("job", "inst") group_left (inst)'):
        with pytest.raises(PromQLError, match='label "inst" must not occur in ON and GROUP clause at once'):
            parse(f"x * {names} y", "3")
    assert parse('x * on ("job") group_left ("inst") y', "3")


@pytest.mark.parametrize(
    ("pattern", "is_known"),
    [
        ("(" * 998 + "a" + ")" * 998, True),
        ("(" * 999 + "a" + ")" * 999, False),
        ("(b|" * 499 + "a" + ")" * 499, True),
        ("(b|" * 500 + "a" + ")" * 500, False),
        ("(" * 499 + "a" + ")*" * 499, True),
        ("(" * 500 + "a" + ")*" * 500, False),
        ("(?:" * 5000 + "a" + ")" * 5000, True),
        ("[(]" * 2000, True),
        (r"\\(" * 2000, True),
        (r"\\Q" + "(" * 2000 + r"\\E", True),
    ],
)
def test_patterns_nest_as_deep_as_in_go(pattern, is_known):
    text = f'x{{a=~"{pattern}"}}'
    if is_known:
        assert parse(text, "3")
    else:
        with pytest.raises(PromQLError, match="error parsing regexp: expression nests too deeply"):
            parse(text, "3")
