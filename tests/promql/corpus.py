"""Runs promqltest scripts against the engine, with the extra passes that Prometheus' own runner makes.

Each instant query is asked again with `@ t` on every selector at five other evaluation times, and every one of these
once more as the middle step of a range query of three steps (promql/promqltest/test.go: atModifierTestCases,
runInstantQuery).
"""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from promql.expectations import compare, shown, unexpected_annotations
from promql.promqltest import NAME, Clear, Eval, Load, read

from pytest_telemetry_gate.promql import Engine, MemoryStorage, PromQLError, Scalar, Vector, ast, parse
from pytest_telemetry_gate.rules.notation import Histogram

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from promql.promqltest import Labels

NATIVE_FUNCTIONS = re.compile(r"\bhistogram_(count|sum|avg|stddev|stdvar)\s*\(")
NATIVE = "native histogram"
UNSAFE_WITH_AT = frozenset(
    {"days_in_month", "day_of_month", "day_of_week", "day_of_year", "hour", "minute", "month", "year"}
    | {"predict_linear", "time", "timestamp"}
)


@dataclass
class Outcome:
    """What became of one `eval`: its misses by pass, or the reason why it was skipped."""

    file: str
    line: int
    expr: str
    passes: int = 0
    misses: list[str] = field(default_factory=list)
    skipped: str = ""

    @property
    def place(self) -> str:
        """File and line, as the tables of known misses name a case."""
        return f"{self.file}:{self.line}"


@dataclass
class Report:
    """The outcomes of a folder of scripts."""

    outcomes: list[Outcome]

    @property
    def run(self) -> list[Outcome]:
        """Cases that were not skipped."""
        return [outcome for outcome in self.outcomes if not outcome.skipped]

    @property
    def missed(self) -> list[Outcome]:
        """Cases with at least one pass that disagrees."""
        return [outcome for outcome in self.run if outcome.misses]

    @property
    def share(self) -> float:
        """Share of the cases that agree in every pass."""
        return 1 - len(self.missed) / len(self.run)

    def summary(self, title: str) -> str:
        """One line of figures for a report section."""
        passes = sum(outcome.passes for outcome in self.run)
        wrong = sum(len(outcome.misses) for outcome in self.run)
        skips = Counter(outcome.skipped for outcome in self.outcomes if outcome.skipped)
        skipped = ", ".join(f"{count} {reason}" for reason, count in sorted(skips.items())) or "none"
        return (
            f"{title}: {len(self.run) - len(self.missed)} of {len(self.run)} cases agree ({self.share:.2%}), "
            f"{passes - wrong} of {passes} passes; skipped: {skipped}"
        )


class World:
    """What the `load` commands of a script have stored."""

    def __init__(self) -> None:
        """Start empty."""
        self._samples: dict[Labels, dict[int, float]] = {}
        self._native: set[Labels] = set()

    def load(self, command: Load) -> None:
        """Add the series of a `load`; samples of native histograms are noted by name only."""
        for series in command.series:
            samples = self._samples.setdefault(series.labels, {})
            for index, value in enumerate(series.values):
                if isinstance(value, Histogram):
                    self._native.add(series.labels)
                elif value is not None:
                    samples[index * command.step] = value
            if command.nhcb:
                self._note_custom_buckets(dict(series.labels))

    def _note_custom_buckets(self, labels: dict[str, str]) -> None:
        name = labels.get("__name__", "")
        for suffix in ("_bucket", "_count", "_sum"):
            if name.endswith(suffix):
                base = {**labels, "__name__": name.removesuffix(suffix)}
                base.pop("le", None)
                self._native.add(tuple(sorted(base.items())))

    def samples(self) -> Iterator[tuple[dict[str, str], int, float]]:
        """Every sample as labels, milliseconds and value, by time within a series."""
        for labels, samples in self._samples.items():
            for time in sorted(samples):
                yield dict(labels), time, samples[time]

    def storage(self) -> MemoryStorage:
        """Return the series as the engine reads them."""
        return MemoryStorage(
            [
                (
                    dict(labels),
                    np.array(sorted(samples), np.int64),
                    np.array([samples[t] for t in sorted(samples)]),
                )
                for labels, samples in self._samples.items()
                if samples
            ]
        )

    def mentions_native(self, promql: str) -> bool:
        """Say whether a text that is no expression to us names a native histogram."""
        return not {dict(labels).get("__name__") for labels in self._native}.isdisjoint(NAME.findall(promql))

    def touches_native(self, expr: ast.Expr) -> bool:
        """Say whether a selector of the expression matches a native histogram."""
        selectors = [node for node in ast.walk(expr) if isinstance(node, ast.VectorSelector)]
        natives = [dict(labels) for labels in self._native]
        return any(
            all(matcher.matches(labels.get(matcher.name, "")) for matcher in selector.matchers)
            for selector in selectors
            for labels in natives
        )


def run_script(
    path: Path, semantics: str, experimental: Mapping[str, str] | None = None, *, engine: Any = None
) -> list[Outcome]:
    """Run one script on the engine, or on another one that holds the script's data already.

    `experimental` maps `file:line` to the feature flag that a case needs.
    """
    world = World()
    outcomes = []
    storage: MemoryStorage | None = None
    for command in read(path.read_text("utf-8")):
        if isinstance(command, Clear):
            world, storage = World(), None
        elif isinstance(command, Load):
            world.load(command)
            storage = None
        else:
            storage = storage or world.storage()
            outcome = Outcome(path.name, command.line, command.expr)
            outcome.skipped = (experimental or {}).get(outcome.place, "") or _needs(command, world)
            if not outcome.skipped:
                _judge(command, engine or Engine(storage, semantics=semantics, lookback=300.0), outcome)
            outcomes.append(outcome)
    return outcomes


def run_folder(folder: Path, semantics: str, experimental: Mapping[str, str] | None = None) -> Report:
    """Run every script of a folder."""
    return Report(
        [
            outcome
            for path in sorted(folder.glob("*.test"))
            for outcome in run_script(path, semantics, experimental)
        ]
    )


def _needs(command: Eval, world: World) -> str:
    if NATIVE_FUNCTIONS.search(command.expr):
        return NATIVE
    if any(isinstance(value, Histogram) for series in command.series for value in series.values):
        return NATIVE
    expr = _parsed(command.expr)
    touched = world.mentions_native(command.expr) if expr is None else world.touches_native(expr)
    return NATIVE if touched else ""


def _parsed(promql: str) -> ast.Expr | None:
    """Return the tree, or None where there is none: evaluating the query tells why."""
    with contextlib.suppress(Exception):
        return parse(promql)
    return None


def _judge(command: Eval, engine: Any, outcome: Outcome) -> None:
    for label, reason in _passes(command, engine):
        outcome.passes += 1
        if reason:
            outcome.misses.append(f"{label}: {reason}")


def _passes(command: Eval, engine: Any) -> Iterator[tuple[str, str]]:
    if not command.instant:
        yield "range", _check(command, lambda: _range(engine, command))
        return
    at = command.start
    yield from _instant_passes(command, engine, command.expr, at)
    expr = _parsed(command.expr)
    pinned = None if expr is None else at_every_selector(expr, at)
    if pinned is None:
        return
    times = (-10 * at, 0, _quotient(at, 5), at, 10 * at) if at else (-1000, 0, 1000)
    for time in times:
        yield from _instant_passes(command, engine, str(pinned), time)


def at_every_selector(expr: ast.Expr, time: int) -> ast.Expr | None:
    """Return the expression with `@ time` on each selector and subquery that has none.

    Inside a subquery that has one nothing changes. None says that an answer would depend on the evaluation time all
    the same, since a function of it asks for that.
    """
    safe = True

    def pinned(node: ast.Expr) -> ast.Expr:
        nonlocal safe
        match node:
            case ast.VectorSelector():
                return node if node.at is not None else replace(node, at=time)
            case ast.MatrixSelector():
                selector = pinned(node.selector)
                return replace(node, selector=selector)
            case ast.Subquery():
                return node if node.at is not None else replace(node, at=time)
            case ast.Call():
                safe = safe and node.func not in UNSAFE_WITH_AT
                return replace(node, args=tuple(map(pinned, node.args)))
            case ast.Aggregate():
                param = None if node.param is None else pinned(node.param)
                return replace(node, param=param, expr=pinned(node.expr))
            case ast.Binary():
                return replace(node, lhs=pinned(node.lhs), rhs=pinned(node.rhs))
            case ast.Unary() | ast.Paren():
                return replace(node, expr=pinned(node.expr))
            case _:
                return node

    result = pinned(expr)
    return result if safe else None


def _quotient(dividend: int, divisor: int) -> int:
    return int(dividend / divisor)


def _instant_passes(command: Eval, engine: Any, expr: str, time: int) -> Iterator[tuple[str, str]]:
    label = f"{expr} at {time} ms"
    yield label, _check(command, lambda: engine.instant(expr, time / 1000))
    if command.fail or command.ordered or command.grid or command.string is not None:
        return

    def middle() -> Any:
        matrix = engine.range(expr, (time - 60_000) / 1000, (time + 60_000) / 1000, 60.0)
        if command.scalar is not None:
            if not matrix.labels:
                raise LookupError("no point for a scalar")
            return Scalar(float(matrix.values[0, 1]), time / 1000, warnings=matrix.warnings)
        rows = np.flatnonzero(matrix.present[:, 1])
        return Vector(
            [matrix.labels[row] for row in rows],
            matrix.values[rows, 1],
            time / 1000,
            warnings=matrix.warnings,
        )

    yield f"{label}, middle step of a range", _check(command, middle)


def _range(engine: Any, command: Eval) -> Any:
    return engine.range(command.expr, command.start / 1000, command.end / 1000, command.step / 1000)


def _check(command: Eval, evaluate: Any) -> str:
    """Return why the answer is not what the command expects, or nothing."""
    try:
        answer = evaluate()
    except PromQLError as error:
        return _failure(command, str(error))
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001 - a panic of the parser derives from BaseException
        return f"raised {type(error).__name__}: {error}"
    if command.fail:
        return f"no error, but {shown(answer)}"
    return unexpected_annotations(command, answer) or compare(command, answer)


def _failure(command: Eval, message: str) -> str:
    if not command.fail:
        return f"error: {message}"
    if command.message is not None and command.message not in message:
        return f"expected the error {command.message!r}, got {message!r}"
    if command.pattern is not None and not re.search(command.pattern, message):
        return f"expected an error like {command.pattern!r}, got {message!r}"
    return ""
