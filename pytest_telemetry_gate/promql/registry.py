"""Which functions, aggregations and operators there are, with their types: the one place that knows.

From Prometheus' ``promql/parser/functions.go``. A profile names the semantics in which a name exists.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["AGGREGATIONS", "FUNCTIONS", "PROFILES", "Function"]

PROFILES = ("2", "3")


@dataclass(frozen=True, slots=True)
class Function:
    """A function: argument types, how many of the last are optional (-1 for any number), and its result's type."""

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
