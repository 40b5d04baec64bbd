"""How often verdicts are right: the gate with confidence, a plain threshold, and Kayenta's judge, on metrics of many kinds.

    ./run bench verdicts [--rollouts N] [--kind WORD] [--pictures DIR] [--seed N]

Each rollout has five checkpoints and a history of six weeks, in which nothing changed. A metric then changes at the start of the
rollout by a share, or not at all. One line for each kind of noise, window and reference; what the columns are is printed below
them, and what was wanted and not reached at the end. The rollouts of a cell are as many as are asked for (100); the same
ones are judged with every reference and after every change.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks import kayenta
from benchmarks.judges import CONFIDENCE, TOLERANCE, Check, judge, judge_number, measure
from benchmarks.noise import KINDS, Kind, Metric, Windows
from pytest_telemetry_gate.stats.placebos import Comparison, take_apart

CHANGES = (0.0, 0.03, 0.05, 0.06, 0.075, 0.10)
WORSE = 0.075  # 1.5 times the tolerance
HISTORY = 42 * 24  # hours before the rollout that placebos can be taken from
CHECKPOINTS = {"10m": (12, 24, 36, 48, 60), "1h": (12, 24, 36, 48, 60), "24h": (24, 48, 72, 96, 120)}  # hours
WEEK = 7 * 24
OFFSETS = {"3d": (72,), "7d": (WEEK,), "4w": tuple(WEEK * week for week in (1, 2, 3, 4))}  # hours
NUMBERS = {
    "number 10m": "10m",
    "number 1h": "1h",
    "number 24h": "24h",
}  # the window that each was measured in
FOLLOWED = ("7d", "number 24h")  # references whose table of changes is printed
PASS, INCONCLUSIVE, FAIL = 0, 1, 2

Floats = NDArray[np.float64]


@dataclass
class Cell:
    """What became of the rollouts of one kind of noise with one window and one reference.

    Outcomes are arrays (checks, rollouts) by judge and change; ``checks`` has a row for each checkpoint.
    """

    kind: str
    window: str
    reference: str
    checks: list[list[Check]]
    outcomes: dict[tuple[str, float], NDArray[np.int_]] = field(default_factory=dict)

    def variances(self) -> Floats:
        """The variances without a change, in %."""
        return np.array([[check.variance for check in row] for row in self.checks])

    @property
    def error(self) -> float:
        """The true standard error of a variance, in tolerances."""
        return float(np.sqrt(np.mean(self.variances() ** 2))) / (TOLERANCE * 100)

    def coverage(self, name: str) -> float:
        """Return the share of the intervals that hold the truth: ``sampling``, ``history``, or what counts of both."""
        halves = np.array(
            [
                [np.nan if (half := _half(check, name)) is None else half for check in row]
                for row in self.checks
            ]
        )
        known = np.isfinite(halves)
        return float((np.abs(self.variances()) <= halves)[known].mean()) if known.any() else np.nan

    def share(self, judge: str, change: float, outcome: int) -> float:
        """Return the share of checks with an outcome."""
        found = self.outcomes.get((judge, change))
        return np.nan if found is None else float((found == outcome).mean())

    def failed(self, judge: str, change: float) -> float:
        """Return the share of rollouts in which a check failed."""
        found = self.outcomes.get((judge, change))
        return np.nan if found is None else float((found == FAIL).any(axis=0).mean())


def _half(check: Check, name: str) -> float | None:
    if name == "counted":
        return check.half()
    interval = check.sampling if name == "sampling" else check.history
    return None if interval is None else interval.half


def simulate(kind: Kind, rollouts: int, random: np.random.Generator) -> Iterator[Cell]:
    """Yield the cells of one kind of noise, judged."""
    last = max(max(moments) for moments in CHECKPOINTS.values())
    metric = Metric(kind, rollouts, -HISTORY - 4 * WEEK - 24, last, random)
    past = {length: metric.past(length, HISTORY + 4 * WEEK) for length in CHECKPOINTS}
    number = {length: metric.windows(length, [0]) for length in CHECKPOINTS}
    for length, moments in CHECKPOINTS.items():
        earlier = {moment - offset for moment in moments for offset in (0, *OFFSETS["3d"], *OFFSETS["4w"])}
        windows = metric.windows(length, (float(moment) for moment in earlier))
        for reference in (*NUMBERS, *OFFSETS):
            offsets = OFFSETS.get(reference)
            if offsets == (72,) and max(moments) > 72:
                continue  # a rollout that lasts longer would be compared with itself
            baseline = {moment: windows.part(moment) for moment in windows.places}
            if offsets is None:
                written = number[NUMBERS[reference]].part(0)
                is_exact = reference == "number 24h" != f"number {length}"
                baseline = {0: written.mean(axis=1, keepdims=True) if is_exact else written}
            wide = past[length if offsets is not None else NUMBERS[reference]]
            placebos = [
                _placebos(own, other, length, max(moments), offsets)
                for own, other in zip(past[length], wide, strict=True)
            ]
            checks = [
                [
                    measure(
                        windows.part(moment)[rollout],
                        [
                            baseline[0 if offsets is None else moment - offset][rollout]
                            for offset in offsets or (0,)
                        ],
                        placebos[rollout],
                    )
                    for rollout in range(rollouts)
                ]
                for moment in moments
            ]
            cell = Cell(kind.name, length, reference, checks)
            _judge(cell)
            if offsets is not None and len(offsets) == 1:
                _judge_by_kayenta(cell, windows, moments, offsets[0])
            yield cell


def _placebos(
    own: Floats, wide: Floats, length: str, distance: int, offsets: tuple[int, ...] | None
) -> Floats:
    """Return what the project takes for placebos of hourly values; a number's are as far away as the last checkpoint."""
    # Several weeks are looked back from a history of six as well.
    kept = HISTORY + (0 if offsets is None else max(offsets))
    comparison = Comparison(own[-kept:], wide[-kept:], 3600.0)
    if offsets is None:
        variances = comparison.against_number(distance * 3600.0)
    else:
        variances = comparison.against_earlier([offset * 3600.0 for offset in offsets])
    return take_apart(variances, 3600.0)


def _judge(cell: Cell) -> None:
    judges = {
        "gate": judge,
        "sampling": lambda check, change: judge(check, change, with_history=False),
        "number": judge_number,
    }
    for change in CHANGES:
        for name, decide in judges.items():
            if change in (0.0, WORSE) or (name != "sampling" and cell.reference in FOLLOWED):
                cell.outcomes[name, change] = np.array(
                    [[decide(check, change) for check in row] for row in cell.checks]
                )


def _judge_by_kayenta(cell: Cell, windows: Windows, moments: tuple[int, ...], offset: int) -> None:
    for change in CHANGES if cell.reference in FOLLOWED else (0.0, WORSE):
        flagged = [
            kayenta.flags(
                windows.point(moment) * (1 + change), windows.point(moment - offset), (0.0, TOLERANCE)
            )
            for moment in moments
        ]
        for name, found in zip(("Kayenta", "Kayenta 5 %"), zip(*flagged, strict=True), strict=True):
            cell.outcomes[name, change] = np.where(found, FAIL, PASS)


HEAD = (
    f"{'noise':<16} {'window':>6} {'reference':>10} {'SE/T':>5} |"
    f"{'pass':>6}{'incon':>6}{'fail':>6} |{'fail':>6}{'samp':>6}{'num':>6}{'Kay':>6}{'Kay5':>6} |"
    f"{'not p':>6}{'fail':>6}{'samp':>6}{'num':>6}{'Kay':>6}{'Kay5':>6} |{'samp':>6}{'hist':>6}{'count':>6}"
)
GROUPS = (
    f"{'':<39} |{'no change, checks':^18} |{'no change, failed rollouts':^30} |"
    f"{'at +7.5 %, not passed checks':^36} |{'coverage':^18}"
)
LEGEND = """\
SE/T: the true standard error of a variance, in tolerances (5 %). No change, checks: what the gate with confidence: 95% and a history
decides about each. Failed rollouts: those of five in which at least one check failed, by the gate with a history, the gate with
the sampling error alone, the plain threshold on the number, Kayenta's judge by default, and Kayenta's with 5 % allowed. At +7.5 %:
checks that did not pass, and that failed, by the gate; that did not pass, by the others. Coverage: how often an
interval holds the truth: that of the parts of the window, that of placebos, and what counts of both."""


def row(cell: Cell) -> str:
    """Return the line of one cell."""

    def not_passed(judge: str) -> float:
        return 1 - cell.share(judge, WORSE, PASS)

    numbers = [
        [cell.share("gate", 0.0, outcome) for outcome in (PASS, INCONCLUSIVE, FAIL)],
        [cell.failed(judge, 0.0) for judge in ("gate", "sampling", "number", "Kayenta", "Kayenta 5 %")],
        [
            not_passed("gate"),
            cell.share("gate", WORSE, FAIL),
            *(not_passed(judge) for judge in ("sampling", "number", "Kayenta", "Kayenta 5 %")),
        ],
        [cell.coverage(name) for name in ("sampling", "history", "counted")],
    ]
    groups = ("".join("     -" if np.isnan(x) else f"{x:6.3f}" for x in group) for group in numbers)
    return f"{cell.kind:<16} {cell.window:>6} {cell.reference:>10} {cell.error:5.2f} |{' |'.join(groups)}"


def say_changes(cells: list[Cell]) -> Iterator[str]:
    """Yield a table of what became of checks after each change: passes and fails of the gate, and what others refused."""
    yield f"{'noise':<16} {'window':>6} {'reference':>10} {'SE/T':>5}" + "".join(
        f" |{f'{change:+.1%}':^20}" for change in CHANGES
    )
    yield " " * 40 + " | pass fail  num  Kay" * len(CHANGES)
    for cell in cells:
        if cell.reference not in FOLLOWED:
            continue
        groups = [
            [
                cell.share("gate", change, PASS),
                *(cell.share(judge, change, FAIL) for judge in ("gate", "number", "Kayenta")),
            ]
            for change in CHANGES
        ]
        shown = ("".join("    -" if np.isnan(x) else f"{x:5.2f}" for x in group) for group in groups)
        yield f"{cell.kind:<16} {cell.window:>6} {cell.reference:>10} {cell.error:5.2f} |{' |'.join(shown)}"


def say_targets(cells: list[Cell], rollouts: int) -> Iterator[str]:
    """Yield what was wanted, in how many cells it was reached, and where it was not."""
    checks = rollouts * 5
    yield (
        f"Monte Carlo error (one standard deviation): of .01 of rollouts {np.sqrt(0.01 * 0.99 / rollouts):.3f}, "
        f"of .95 of checks {np.sqrt(0.95 * 0.05 / checks):.3f} to {np.sqrt(0.95 * 0.05 / rollouts):.3f}"
    )

    def luck(share: float, count: int) -> float:
        return 2 * float(np.sqrt(share * (1 - share) / count))

    wanted = [
        (
            "at most 1 % of rollouts fail without a change",
            cells,
            lambda cell: cell.failed("gate", 0.0) <= 0.01 + luck(0.01, rollouts),
        ),
        (
            "at least 95 % of checks do not pass at +7.5 %",
            cells,
            lambda cell: cell.share("gate", WORSE, PASS) <= 0.05 + luck(0.05, checks),
        ),
        (
            "at least 99 % of checks pass without a change, where SE/T is at most .20",
            [cell for cell in cells if cell.error <= 0.2],
            lambda cell: cell.share("gate", 0.0, PASS) >= 0.99 - luck(0.99, checks),
        ),
        (
            "at most 2.5 % pass or fail without a change, where SE/T is above .60",
            [cell for cell in cells if cell.error > 0.6],
            lambda cell: cell.share("gate", 0.0, INCONCLUSIVE) >= 0.975 - luck(0.025, checks),
        ),
        (
            f"what counts covers {CONFIDENCE:.0%}, within 2 points",
            cells,
            lambda cell: abs(cell.coverage("counted") - CONFIDENCE) <= 0.02 + luck(CONFIDENCE, rollouts),
        ),
    ]
    for what, concerned, holds in wanted:
        missed = [cell for cell in concerned if not holds(cell)]
        yield f"{what}: {len(concerned) - len(missed)} of {len(concerned)} cells"
        for cell in missed:
            yield f"    not: {row(cell)}"


def main(arguments: list[str] | None = None) -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(prog="./run bench verdicts")
    parser.add_argument("--rollouts", type=int, default=100)
    parser.add_argument("--kind", default="", help="a word in the name of the noise")
    parser.add_argument("--seed", type=int, default=13)
    parser.add_argument("--pictures", type=Path, help="folder for the curves, as SVG")
    options = parser.parse_args(arguments)
    cells: list[Cell] = []
    began = time.perf_counter()
    print(GROUPS, HEAD, sep="\n")
    for number, kind in enumerate(KINDS):
        if options.kind not in kind.name:
            continue
        random = np.random.default_rng([options.seed, number])
        for cell in simulate(kind, options.rollouts, random):
            cells.append(cell)
            print(row(cell), flush=True)
        print(f"{kind.name}: {time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)
    print(f"\n{LEGEND}\n", *say_changes(cells), "", *say_targets(cells, options.rollouts), sep="\n")
    if options.pictures is not None:
        from benchmarks.verdict_pictures import draw

        draw(options.pictures, cells, CHANGES)


if __name__ == "__main__":
    main()
