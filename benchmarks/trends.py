"""How often a trend is called worse without a drift, and what intervals of slopes and forecasts hold.

    ./run bench trends [--rollouts N] [--seed N]

48 hourly variances against a week before, without any change, on metrics of the kinds of ``benchmarks/noise.py``: by the line of
the gate, and by ordinary least squares for comparison. The forecast is for the 72nd hour. A drift of 0.05 % an hour is the power.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np
from numpy.typing import NDArray

from benchmarks.noise import KINDS, Kind, Metric
from pytest_telemetry_gate.stats.change_point import find_clear_change
from pytest_telemetry_gate.stats.line import Line, fit
from pytest_telemetry_gate.stats.slope import theil_sen

POINTS, AHEAD, WEEK = 48, 72, 7 * 24  # hours
DRIFT = 0.05  # % an hour
HOUR = 3600.0

Floats = NDArray[np.float64]


def variances(kind: Kind, rollouts: int, random: np.random.Generator) -> Floats:
    """Return hourly variances in % (rollouts, hours 1 to 72)."""
    hours = [float(hour) for hour in range(1, AHEAD + 1)]
    metric = Metric(kind, rollouts, -WEEK - 1, AHEAD, random)
    windows = metric.windows("1h", [*hours, *(hour - WEEK for hour in hours)])
    changes = [windows.mean(hour) / windows.mean(hour - WEEK) - 1 for hour in hours]
    return np.stack(changes, axis=1) * 100


def is_step(times: Floats, row: Floats) -> bool:
    """Tell whether the gate takes points for another level, of which it warns, and not for a slope."""
    change = find_clear_change(times, row, window=HOUR)
    return change is not None and not change.gradual


def measure(rows: Floats, drift: float) -> dict[str, list[float]]:
    """Return for each line the shares: called worse, slope inside its interval, forecast inside its interval."""
    times = np.arange(1, AHEAD + 1) * HOUR
    found: dict[str, list[float]] = {}
    for name, draw in (("squares", fit), ("gate", theil_sen)):
        shares = []
        for row in rows + drift * np.arange(1, AHEAD + 1):
            line: Line | None = draw(times[:POINTS], row[:POINTS])
            if line is None or not line.is_known:
                shares.append((0.0, 1.0, 1.0))  # no interval: inconclusive
                continue
            value, half = line.at(times[-1])
            shares.append(
                (
                    line.slope_low > 0 and (name == "squares" or not is_step(times[:POINTS], row[:POINTS])),
                    line.slope_low <= drift * 24 <= line.slope_high,
                    abs(row[-1] - value) <= half,
                )
            )
        found[name] = np.mean(shares, axis=0).tolist()
    return found


def main(arguments: list[str] | None = None) -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(prog="./run bench trends")
    parser.add_argument("--rollouts", type=int, default=300)
    parser.add_argument("--seed", type=int, default=13)
    options = parser.parse_args(arguments)
    print(
        f"{'':<16} |{'called worse':^18} |{'slope inside':^18} |{'forecast inside':^18} |{'drift found':^18}"
    )
    print(f"{'noise':<16}" + f" |{'squares':>9}{'gate':>9}" * 4)
    for number, kind in enumerate(KINDS):
        rows = variances(kind, options.rollouts, np.random.default_rng([options.seed, number]))
        still, drifting = measure(rows, 0.0), measure(rows, DRIFT)
        pairs = [(still["squares"][place], still["gate"][place]) for place in range(3)]
        pairs.append((drifting["squares"][0], drifting["gate"][0]))
        print(
            f"{kind.name:<16}" + "".join(f" |{first:9.3f}{second:9.3f}" for first, second in pairs),
            flush=True,
        )
        print(kind.name, file=sys.stderr)
    error = np.sqrt(0.025 * 0.975 / options.rollouts)
    print(
        f"\nWanted: called worse at most .04 (2.5 % nominal), inside .95; Monte Carlo error of .025: {error:.3f}. "
        f"Drift found: called worse with {DRIFT} % an hour."
    )


if __name__ == "__main__":
    main()
