"""A printed tree parses back to itself, whatever the tree."""

from __future__ import annotations

from dataclasses import is_dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_telemetry_gate.promql import parse

NAMES = st.sampled_from(["x", "job:x:rate5m", "__x", "y_total"])
LABELS = st.sampled_from(["a", "b", "le", '"zone.id"', "by", "offset"])
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
DURATIONS = st.integers(1, 10**9).map(lambda ms: f"{ms}ms")


def quote(text):
    escaped = text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
    return f'"{escaped}"'


MATCHERS = st.builds(
    lambda n, op, v: f"{n}{op}{quote(v)}", LABELS, st.sampled_from(["=", "!="]), TEXTS
) | st.builds(
    lambda n, op, v: f"{n}{op}{quote(v)}",
    LABELS,
    st.sampled_from(["=~", "!~"]),
    st.sampled_from(["a.*", "[a-z]+", r"\d", "(?i)x"]),
)
MODIFIERS = st.builds(
    lambda at, offset: f"{at}{offset}",
    st.just("") | st.sampled_from([" @ start()", " @ end()", " @ 1.5", " @ -7", " @ 1e9", " @ 2m"]),
    st.just("") | DURATIONS.map(" offset {}".format) | DURATIONS.map(" offset -{}".format),
)
BARE = st.builds(
    lambda name, matchers: f"{name}{{{', '.join(matchers)}}}" if matchers else name,
    NAMES,
    st.lists(MATCHERS, max_size=2),
)
SELECTORS = st.builds("{}{}".format, BARE, MODIFIERS)
NUMBERS = st.floats(allow_nan=False).map(repr) | st.sampled_from(["NaN", "0x1f", "5m", "1e-9"])
GROUPING = st.lists(LABELS, max_size=2, unique=True).map(", ".join)


def vectors(inner):
    ranges = st.builds("{}[{}]{}".format, BARE, DURATIONS, MODIFIERS) | st.builds(
        "({})[{}:{}]{}".format, inner, DURATIONS, st.just("") | DURATIONS, MODIFIERS
    )
    return st.one_of(
        st.builds("({})".format, inner),
        st.builds("-{}".format, inner),
        st.builds("{}({})".format, st.sampled_from(["rate", "max_over_time", "absent_over_time"]), ranges),
        st.builds("quantile_over_time({}, {})".format, NUMBERS, ranges),
        st.builds("clamp({}, {}, {})".format, inner, NUMBERS, NUMBERS),
        st.builds("label_replace({}, 'a', {}, 'b', '(.*)')".format, inner, TEXTS.map(quote)),
        st.builds("{}({})".format, st.sampled_from(["sum", "avg", "count", "group"]), inner),
        st.builds(
            "{} {}({}) ({})".format,
            st.sampled_from(["sum", "stddev"]),
            st.sampled_from(["by", "without"]),
            GROUPING,
            inner,
        ),
        st.builds("topk by ({}) (3, {})".format, GROUPING, inner),
        st.builds("count_values without ({}) ({}, {})".format, GROUPING, st.just('"v"'), inner),
        st.builds(
            "{} {} {}".format, inner, st.sampled_from(["+", "^", "atan2", "and", "unless", ">", "!="]), inner
        ),
        # In parentheses, since what binds tighter would match the number alone, which Prometheus refuses.
        st.builds("({} == bool {})".format, inner, NUMBERS),
        st.builds("{} / on ({}) {}".format, inner, GROUPING, inner),
        st.builds("{} * ignoring (q) group_left (r) {}".format, inner, inner),
        st.builds("{} > bool on (q) group_right () {}".format, inner, inner),
    )


@settings(max_examples=200, deadline=None)
@given(st.recursive(SELECTORS, vectors, max_leaves=5))
def test_what_is_printed_parses_back(text):
    tree = parse(text)
    assert is_dataclass(tree)
    assert repr(parse(str(tree))) == repr(tree), str(tree)
