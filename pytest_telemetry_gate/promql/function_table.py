"""The table of functions, aggregations and operators, with their types.

From Prometheus' ``promql/parser/functions.go``. A profile names the semantics in which a name exists.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["AGGREGATIONS", "FUNCTIONS", "NATIVE", "NOTES", "PROFILES", "UNSUPPORTED", "Function"]

PROFILES = ("2", "3")


@dataclass(frozen=True, slots=True)
class Function:
    """A function: the types of its arguments and its result.

    ``optional`` is how many of the last arguments may be left out, -1 for any number of them.
    """

    name: str
    arguments: tuple[str, ...]
    returns: str = "vector"
    optional: int = 0
    profiles: frozenset[str] = frozenset(PROFILES)


def _functions() -> dict[str, Function]:
    over_time = (
        "absent_over_time avg_over_time changes count_over_time delta deriv idelta increase irate last_over_time "
        "mad_over_time max_over_time min_over_time present_over_time rate resets stddev_over_time stdvar_over_time "
        "sum_over_time"
    )
    per_value = (
        "abs absent acos acosh asin asinh atan atanh ceil cos cosh deg exp floor ln log10 log2 rad sgn sin sinh sort "
        "sort_desc sqrt tan tanh timestamp"
    )
    calendar = "day_of_month day_of_week day_of_year days_in_month hour minute month year"
    matrix, vector, scalar, string = ("matrix",), ("vector",), ("scalar",), ("string",)
    table = [Function(name, matrix) for name in over_time.split()]
    table += [Function(name, vector) for name in per_value.split()]
    table += [Function(name, vector, optional=1) for name in calendar.split()]
    smoothing = (*matrix, *scalar, *scalar)
    table += [
        Function("clamp", (*vector, *scalar, *scalar)),
        Function("clamp_max", (*vector, *scalar)),
        Function("clamp_min", (*vector, *scalar)),
        Function("double_exponential_smoothing", smoothing, profiles=frozenset({"3"})),
        Function("histogram_fraction", (*scalar, *scalar, *vector), profiles=frozenset({"3"})),
        Function("histogram_quantile", (*scalar, *vector)),
        Function("holt_winters", smoothing, profiles=frozenset({"2"})),
        Function("label_join", (*vector, *string, *string, *string), optional=-1),
        Function("label_replace", (*vector, *string, *string, *string, *string)),
        Function("pi", (), "scalar"),
        Function("predict_linear", (*matrix, *scalar)),
        Function("quantile_over_time", (*scalar, *matrix)),
        Function("round", (*vector, *scalar), optional=1),
        Function("scalar", vector, "scalar"),
        Function("sort_by_label", (*vector, *string), optional=-1),
        Function("sort_by_label_desc", (*vector, *string), optional=-1),
        Function("time", (), "scalar"),
        Function("vector", scalar),
    ]
    return {function.name: function for function in table}


FUNCTIONS = _functions()
AGGREGATIONS = frozenset(
    [
        "avg",
        "bottomk",
        "count",
        "count_values",
        "group",
        "limit_ratio",
        "limitk",
        "max",
        "min",
        "quantile",
        "stddev",
        "stdvar",
        "sum",
        "topk",
    ]
)

# Functions that promql-parser knows and the engine refuses by name
NATIVE = frozenset(
    [
        "histogram_avg",
        "histogram_count",
        "histogram_quantiles",
        "histogram_stddev",
        "histogram_stdvar",
        "histogram_sum",
    ]
)
UNSUPPORTED = frozenset(
    [
        "end",
        "first_over_time",
        "info",
        "max_of",
        "min_of",
        "range",
        "start",
        "step",
        "ts_of_first_over_time",
        "ts_of_last_over_time",
        "ts_of_max_over_time",
        "ts_of_min_over_time",
    ]
)

# Remarks on functions, aggregations, operators and modifiers, for the reference page
NOTES: dict[str, str] = {
    "atan2": 'keeps the name of the metric in profile "2"',
    "count_values": "the value is written as Go does, without an exponent",
    "double_exponential_smoothing": 'the name of holt_winters in profile "3"',
    "histogram_fraction": "of classic buckets",
    "histogram_quantile": 'of classic buckets; counts that hardly rise are taken as equal in profile "3"',
    "holt_winters": 'the name of double_exponential_smoothing in profile "2"',
    "increase": 'extrapolated; a counter that would have been 0 in the window is cut there before (profile "2") or '
    'after (profile "3") the first gap is compared with the mean interval',
    "label_replace": 'RE2; a dot matches a newline in profile "3" only',
    "limit_ratio": "by the xxHash64 of the labels, as a server with its default build does",
    "rate": "see increase",
    "sort": "of instant queries",
    "sort_by_label": "of instant queries; digits in order of their number",
    "sort_by_label_desc": "of instant queries; digits in order of their number",
    "sort_desc": "of instant queries",
    "stddev": 'a single infinity gives 0 in profile "2" and NaN in profile "3"',
    "stdvar": 'a single infinity gives 0 in profile "2" and NaN in profile "3"',
    "timestamp": "the time of the sample, if the argument is a selector; else of the step",
    "=~": 'RE2, anchored at both ends; a dot matches a newline in profile "3" only',
    "!~": 'RE2, anchored at both ends; a dot matches a newline in profile "3" only',
    "[range]": 'a sample at the left edge is in the window in profile "2" and not in profile "3"',
    "[range:step]": "on multiples of the step; without a step, of one minute; a left edge counts as with `[range]`",
    "selector": 'the newest sample of the last 5 minutes; one exactly as old counts in profile "2" only',
    "@": 'seconds, start() or end(), in profile "3" also a duration; also negative',
    "names in quotes": 'UTF-8 names of metrics and labels, in profile "3" only',
    "numbers and durations": '`300` and `5m` stand for each other, and underscores part digits, in profile "3" only',
    "offset": "also negative",
    "fill": "refused",
    "or between matchers": "refused",
}
