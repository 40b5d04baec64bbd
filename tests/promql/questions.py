"""Generated expressions for the comparison with a real Prometheus.

An expression is marked exact as long as its values cannot depend on the order of a summation. Operations that jump
(comparisons, rounding, ranks) are only generated over exact operands, where a last bit cannot become another answer.

Three quirks of the server are kept out, since no profile is meant to have them: predict_linear over a range pinned with
@ (prometheus/prometheus commit 86d7618d84), timestamp() of a selector with both @ and offset, whose offset it forgets
(rangeEvalTimestampFunctionOverVectorSelector), and a pinned subquery without a single step, to which it gives one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from hypothesis import strategies as st
from promql.worlds import SPAN, START

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random


@dataclass(frozen=True)
class Piece:
    """A vector expression and whether its values are exact in any order of summation."""

    text: str
    exact: bool = True
    deep: bool = False

    @property
    def operand(self) -> str:
        """The expression as an operand of something that binds more tightly."""
        return f"({self.text})" if self.deep else self.text


DURATIONS = ("15s", "30s", "1m", "90s", "2m30s", "5m", "17m", "45m", "1ms", "61s")
MATCHERS = (
    'job="a"', 'job!="a"', 'job=~"a|b"', 'job!~"a.*"', 'instance="1"', 'zone=""', 'zone!=""', 'zone=~".+"',
    'instance=~"[12]"', 'job=~".*"', 'job="none"', 'team="t1"',
)  # fmt: skip
EXACT_RANGES = ("min_over_time", "max_over_time", "count_over_time", "last_over_time", "present_over_time",
                "sum_over_time", "idelta", "changes", "resets")  # fmt: skip
OTHER_RANGES = ("rate", "increase", "irate", "delta", "deriv", "avg_over_time", "stddev_over_time",
                "stdvar_over_time", "absent_over_time")  # fmt: skip
JUMPS = ("ceil", "floor", "round", "sgn")
WAVES = ("sin", "cos", "tan")
SMOOTH = ("sqrt", "exp", "ln", "log2", "log10", "asinh", "atan", "tanh", "deg", "rad")
CALENDAR = ("minute", "hour", "day_of_week", "day_of_month", "day_of_year", "days_in_month", "month", "year")
GROUPINGS = ("", "", " by (job)", " by (job, instance)", " without (instance)", " by (zone)", " without (job, le)",
             " by ()", " by (job, le)", " without ()")  # fmt: skip
MATCHINGS = (
    "",
    "",
    " on (job, instance)",
    " ignoring (zone)",
    " on (job)",
    " ignoring (instance, zone)",
    " on ()",
)
GROUPED = (" on (job) group_left ()", " on (job) group_left (team)", " ignoring (instance, zone) group_left (zone)",
           " on (job) group_right ()", " on (job) group_right (instance)")  # fmt: skip
SCALARS = ("0", "1", "2", "-1.5", "0.25", "1e3", "NaN", "Inf", "-Inf")


@dataclass(frozen=True)
class Writer:
    """Writes expressions over one world by chance."""

    chance: Random
    number: int

    def pick(self, *choices: str) -> str:
        """Return one of the choices."""
        return self.chance.choice(choices)

    def selector(
        self,
        names: tuple[str, ...] = (
            "hits_{}_total",
            "hits_{}_total",
            "level_{}",
            "level_{}",
            "about_{}",
            "delay_{}_bucket",
        ),
    ) -> str:
        """A vector selector without modifiers."""
        matchers = self.chance.sample(MATCHERS, self.chance.choice((0, 0, 0, 0, 1, 1, 2)))
        if self.chance.randrange(20) == 0:
            matchers = [f'__name__=~"(hits|level)_{self.number}(_total)?"', *matchers]
            return "{" + ", ".join(matchers) + "}"
        name = self.pick(*names).format(self.number)
        return name + ("{" + ", ".join(matchers) + "}" if matchers else "")

    def modifiers(self) -> str:
        """Offset and @, mostly neither."""
        kind = self.chance.randrange(10)
        offset = (
            f" offset {self.pick('15s', '1m', '7m', '-2m', '333ms', '1h', '-15s')}" if kind in {0, 1} else ""
        )
        at = f" @ {self.pick('start()', 'end()', self.instant())}" if kind in {1, 2} else ""
        return self.pick(f"{offset}{at}", f"{at}{offset}")

    def instant(self) -> str:
        """Seconds of a time in or near the data, to 1/8 s."""
        return repr((START + self.chance.randrange(-1200, (SPAN + 400_000) // 125) * 125) / 1000)

    def scalar(self, depth: int) -> str:
        """A scalar expression."""
        kind = self.chance.randrange(8)
        if kind == 0:
            return "(time() % 1000)"
        if kind == 1 and depth > 0:
            return f"scalar({self.vector(depth - 1, exact=True).text})"
        return self.pick(*SCALARS)

    def window(self, depth: int, *, exact: bool) -> tuple[str, bool]:
        """A range vector and whether its values are exact."""
        if depth > 0 and self.chance.randrange(3) == 0:
            inner = self.vector(depth - 1, exact=exact)
            span = self.pick("1m", "2m30s", "5m", "10m", "17m")
            step = self.pick("", "15s", "1m", "47s", "7s", *(["2m"] if span != "1m" else []))
            return f"{inner.operand}[{span}:{step}]{self.modifiers()}", inner.exact
        return f"{self.selector()}[{self.pick(*DURATIONS)}]{self.modifiers()}", True

    def vector(self, depth: int, *, exact: bool = False) -> Piece:
        """An instant vector of at most the given depth."""
        if depth <= 0:
            return Piece(self.selector() + self.modifiers(), deep=True)
        makers: list[Callable[[int], Piece]] = [
            self.leaf, self.over_time, self.over_time, self.aggregation, self.aggregation, self.ranked,
            self.with_scalar, self.with_vector, self.with_vector, self.compared, self.signed, self.absence,
            self.calendar, self.counted, *(partial(make, exact=exact) for make in (self.sets, self.jumping, self.labelled)),
        ]  # fmt: skip
        if not exact:
            makers += [
                self.rates,
                self.rates,
                self.smooth,
                self.quantiles,
                self.spreads,
                self.divided,
                self.predicted,
            ]
        return self.chance.choice(makers)(depth)

    def leaf(self, depth: int) -> Piece:
        """A selector with its modifiers."""
        return Piece(self.selector() + self.modifiers(), deep=True)

    def over_time(self, depth: int) -> Piece:
        """A function of a range whose values stay exact."""
        window, _ = self.window(depth, exact=True)
        return Piece(f"{self.pick(*EXACT_RANGES)}({window})")

    def rates(self, depth: int) -> Piece:
        """A function of a range that extrapolates or averages."""
        window, _ = self.window(depth, exact=True)
        return Piece(f"{self.pick(*OTHER_RANGES)}({window})", exact=False)

    def predicted(self, depth: int) -> Piece:
        """A function of a range and scalars."""
        window, _ = self.window(depth, exact=True)
        free = f"{self.selector()}[{self.pick(*DURATIONS)}]{self.pick('', ' offset 1m', ' offset -2m')}"
        text = self.pick(
            f"quantile_over_time({self.pick('0', '0.3', '0.99', '1', '-1', '2', 'NaN')}, {window})",
            f"predict_linear({free}, {self.pick('60', '-60', '3600')})",
            f"holt_winters({window}, {self.pick('0.3', '0.9')}, {self.pick('0.1', '0.5')})",
        )
        return Piece(text, exact=False)

    def aggregation(self, depth: int) -> Piece:
        """A sum, an extreme or a count."""
        inner = self.vector(depth - 1, exact=True)
        return Piece(
            f"{self.pick('sum', 'min', 'max', 'count', 'group')}{self.pick(*GROUPINGS)} ({inner.text})"
        )

    def spreads(self, depth: int) -> Piece:
        """A mean, a spread or a quantile over series."""
        inner = self.vector(depth - 1)
        head = self.pick(
            "avg{} (", "stddev{} (", "stdvar{} (", "quantile{} (0.3, ", "quantile{} (0.9, ", "sum{} ("
        )
        return Piece(f"{head.format(self.pick(*GROUPINGS))}{inner.text})", exact=False)

    def ranked(self, depth: int) -> Piece:
        """What a rank keeps, summed up, since the choice among equals is nobody's promise."""
        inner = self.vector(depth - 1, exact=True)
        head = f"{self.pick('topk', 'bottomk')}{self.pick(*GROUPINGS)}"
        rank = f"{head} ({self.pick('1', '2', '3', '0', '99')}, {inner.text})"
        return Piece(f"{self.pick('count', 'sum', 'max', 'min')} ({rank})")

    def counted(self, depth: int) -> Piece:
        """Series per value."""
        inner = self.vector(depth - 1, exact=True)
        return Piece(f'count_values{self.pick(*GROUPINGS)} ("{self.pick("value", "job")}", {inner.text})')

    def with_scalar(self, depth: int) -> Piece:
        """Exact arithmetic of a vector and a scalar."""
        inner, number, sign = self.vector(depth - 1, exact=True), self.pick(*SCALARS), self.pick("+", "-")
        return Piece(
            self.pick(f"{inner.operand} {sign} {number}", f"{number} {sign} {inner.operand}"), deep=True
        )

    def divided(self, depth: int) -> Piece:
        """Arithmetic whose results are rounded."""
        left = self.vector(depth - 1)
        operator = self.pick("*", "/")
        if self.chance.randrange(2):
            return Piece(f"{left.operand} {operator} ({self.scalar(depth - 1)})", exact=False, deep=True)
        right = f"{self.pick(*MATCHINGS)} {self.vector(depth - 1).operand}"
        return Piece(f"{left.operand} {operator}{right}", exact=False, deep=True)

    def with_vector(self, depth: int) -> Piece:
        """Exact arithmetic of two vectors, one to one or many to one."""
        left, right = self.vector(depth - 1, exact=True), self.vector(depth - 1, exact=True)
        matching = self.pick(*MATCHINGS, *GROUPED)
        if "group" in matching:
            about = f"about_{self.number}"
            left = Piece(about) if "right" in matching else left
            right = right if "right" in matching else Piece(about)
        return Piece(f"{left.operand} {self.pick('+', '-')}{matching} {right.operand}", deep=True)

    def compared(self, depth: int) -> Piece:
        """A comparison, as a filter or as 0 and 1."""
        left = self.vector(depth - 1, exact=True)
        operator = self.pick("==", "!=", ">", "<", ">=", "<=") + self.pick("", " bool")
        if self.chance.randrange(2):
            number = self.pick(*SCALARS)
            text = self.pick(f"{left.operand} {operator} {number}", f"{number} {operator} {left.operand}")
            return Piece(text, deep=True)
        right = self.vector(depth - 1, exact=True)
        return Piece(f"{left.operand} {operator}{self.pick(*MATCHINGS)} {right.operand}", deep=True)

    def sets(self, depth: int, *, exact: bool) -> Piece:
        """A set operation."""
        left, right = self.vector(depth - 1, exact=exact), self.vector(depth - 1, exact=exact)
        text = f"{left.operand} {self.pick('and', 'or', 'unless')}{self.pick(*MATCHINGS)} {right.operand}"
        return Piece(text, exact=left.exact and right.exact, deep=True)

    def jumping(self, depth: int, *, exact: bool) -> Piece:
        """A function that is only compared where its argument is exact."""
        inner = self.vector(depth - 1, exact=True)
        kind = self.pick(*JUMPS, *(() if exact else WAVES), "clamp", "clamp_min", "abs", "to", "timestamp")
        if kind == "clamp":
            return Piece(f"clamp({inner.text}, {self.pick(*SCALARS)}, {self.pick(*SCALARS)})")
        if kind == "clamp_min":
            return Piece(f"{self.pick('clamp_min', 'clamp_max')}({inner.text}, {self.pick(*SCALARS)})")
        if kind == "timestamp" and " @ " in inner.text and " offset " in inner.text:
            kind = "abs"
        if kind == "to":
            return Piece(f"round({inner.text}, {self.pick('0.5', '4', '-2')})")
        return Piece(f"{kind}({inner.text})", exact=kind not in WAVES)

    def smooth(self, depth: int) -> Piece:
        """A function that turns small differences into small ones."""
        return Piece(f"{self.pick(*SMOOTH)}({self.vector(depth - 1).text})", exact=False)

    def signed(self, depth: int) -> Piece:
        """A sign, sorting, or a vector of a scalar."""
        inner = self.vector(depth - 1, exact=True)
        return self.chance.choice(
            (
                Piece(f"-{inner.operand}", deep=True),
                Piece(f"sort({inner.text})"),
                Piece(f"sort_desc({inner.text})"),
                Piece(f"vector(scalar({inner.text}))"),
                Piece("vector(time() % 777)"),
            )
        )

    def absence(self, depth: int) -> Piece:
        """Absence of a selector or of anything."""
        inner = self.vector(depth - 1)
        return Piece(self.pick(f"absent({self.selector()}{self.modifiers()})", f"absent({inner.text})"))

    def calendar(self, depth: int) -> Piece:
        """A part of a date; of finite times only, since Go leaves the conversion of NaN to the processor."""
        hits = f"hits_{self.number}_total"
        return Piece(f"{self.pick(*CALENDAR)}({self.pick('', hits, f'{hits} * 86400', f'-{hits} * 1e7')})")

    def labelled(self, depth: int, *, exact: bool) -> Piece:
        """Labels rewritten, joined, dropped or made equal."""
        inner = self.vector(depth - 1, exact=exact)
        text = self.pick(
            f'label_replace({inner.text}, "copy", "$1-x", "job", "(.*)")',
            f'label_replace({inner.text}, "zone", "", "job", "a|b")',
            f'label_replace({inner.text}, "job", "q", "instance", "1")',
            f'label_replace({inner.text}, "__name__", "n_$1", "job", "(a)")',
            f'label_replace({inner.text}, "copy", "$1", "zone", "(.*)")',
            f'label_join({inner.text}, "all", "-", "job", "instance", "none")',
            f'label_join({inner.text}, "instance", "")',
        )
        return Piece(text, exact=inner.exact)

    def quantiles(self, depth: int) -> Piece:
        """A quantile of a classic histogram."""
        matchers = self.pick("", '{job=~"a|b"}', '{le!="1"}', '{le!="+Inf"}')
        buckets = f"delay_{self.number}_bucket{matchers}"
        source = self.pick(
            buckets + self.modifiers(),
            f"rate({buckets}[{self.pick(*DURATIONS)}]{self.modifiers()})",
            f"sum by (le) (increase({buckets}[{self.pick(*DURATIONS)}]))",
            f"sum by (job, le) ({buckets})",
            f"max_over_time({buckets}[{self.pick(*DURATIONS)}])",
        )
        rank = self.pick("0.5", "0.9", "0.99", "0", "1", "-1", "2", "NaN", self.scalar(0))
        return Piece(f"histogram_quantile({rank}, {source})", exact=False)


@dataclass(frozen=True)
class Question:
    """An expression and when it is asked: an instant, or a range in seconds."""

    promql: str
    start: float
    end: float
    step: float

    def __str__(self) -> str:
        """The question as a line for a failure's message."""
        when = f"from {self.start} to {self.end} step {self.step}" if self.step else f"at {self.start}"
        return f"{self.promql}   {when}"


def question(chance: Random, count: int) -> Question:
    """Return a question over one of `count` worlds: half are ranges, some of raw range vectors or scalars."""
    writer = Writer(chance, chance.randrange(count))
    depth, kind, start = chance.randint(0, 4), chance.randrange(20), float(writer.instant())
    if kind == 0:
        return Question(writer.window(depth, exact=False)[0], start, start, 0.0)
    if kind == 1:
        text = f"{writer.scalar(depth)} {writer.pick('+', '-', '*', '/', '%', '^', '== bool')} {writer.scalar(depth)}"
    else:
        text = writer.vector(depth).text
    if chance.randrange(2):
        return Question(text, start, start, 0.0)
    step = chance.choice((0.125, 1.0, 7.5, 15.0, 61.0, 300.0, 1000.0))
    return Question(text, start, start + step * chance.randint(0, 25), step)


def questions(count: int) -> st.SearchStrategy[Question]:
    """Questions, each from one seed that hypothesis draws.

    Drawn choice by choice, hypothesis' mutations would repeat a few expressions with small changes; failures are made
    small by `Differential.smallest` instead.
    """
    return st.builds(question, st.randoms(use_true_random=True), st.just(count))
