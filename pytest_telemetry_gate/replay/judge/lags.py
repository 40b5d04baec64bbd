"""How late telemetry was: the last export request after a drive, and the rise of a counter."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from pytest_telemetry_gate.model.dossier import Finding
from pytest_telemetry_gate.model.verdict import Outcome
from pytest_telemetry_gate.replay.captured import CounterLag, ExportRequest
from pytest_telemetry_gate.replay.judge.findings import find
from pytest_telemetry_gate.replay.suite.expectations import CounterExpectation
from pytest_telemetry_gate.support.units import Limit

__all__ = ["judge_counter", "judge_counter_lag", "judge_export_lag"]


def judge_export_lag(
    limit: Limit, requests: Sequence[ExportRequest], missing: Sequence[str], failure: str = ""
) -> Finding:
    """Decide about the last export request; metrics, which are exported again and again, do not count.

    ``missing`` are contracts for which too little has come; the rest may come later than the last request.
    ``failure`` says why the drive did not go well: it may have exported less than one that does.
    """
    counted = [request for request in requests if request.signal != "metrics"]
    if not counted:
        message = "lag: only metrics were captured, which are exported again and again"
        return find("lag.export", "lag", message, level=Outcome.INCONCLUSIVE)
    arrivals = [request.arrival for request in counted if request.arrival is not None]
    if len(arrivals) < len(counted):
        message = "lag: the capture does not say when its requests arrived"
        return find("lag.export", "lag", message, level=Outcome.INCONCLUSIVE)
    last = max(arrivals)
    when = f"{last:g} s after the drive" if last >= 0 else f"{-last:g} s before the drive ended"
    message = f"lag: the last export request arrived {when}"
    if not limit.converted("s").holds(last):
        outcome, message = Outcome.FAIL, f"{message}, outside {limit.shown()}"
    elif failure:
        outcome, message = Outcome.INCONCLUSIVE, f"{message}, but {failure}"
    elif missing:
        outcome, message = Outcome.INCONCLUSIVE, f"{message}, but not yet all of {', '.join(missing)}"
    else:
        outcome, message = Outcome.PASS, f"{message}, limit {limit.shown()}"
    return find("lag.export", "lag", message, level=outcome, seconds=last, limit=limit.shown())


def judge_counter(expectation: CounterExpectation, lag: CounterLag | None, rise: float) -> Iterator[Finding]:
    """Yield the decision about one counter, and the samples that it was made from; ``rise`` as below."""
    outcome, message = judge_counter_lag(expectation, lag, rise)
    where = f"metric {expectation.selector}"
    budget = expectation.budget
    if lag is None:
        yield find("lag.counter", where, message, level=outcome, budget=budget)
        return
    yield find("lag.counter", where, message, level=outcome, budget=budget, low=lag.low, high=lag.high)
    if lag.baseline_at is not None:
        yield find("lag.samples", where, _format_samples(expectation, lag), level=Outcome.PASS)


def judge_counter_lag(
    expectation: CounterExpectation, lag: CounterLag | None, rise: float
) -> tuple[Outcome, str]:
    """Decide about one counter; a rise between two polls on either side of the budget is undecided.

    ``rise`` is the one that everything driven together brings about, which a capture of an earlier version is held to.
    """
    name, budget = f"metric {expectation.selector}", expectation.budget
    if lag is None:
        return Outcome.INCONCLUSIVE, f"{name}: its rise was not measured"
    if lag.error:
        return Outcome.ERROR, f"{name}: {lag.error}"
    if lag.problem:
        return Outcome.INCONCLUSIVE, f"{name}: {lag.problem}"
    if why := _why_of_another(expectation, lag, rise):
        return Outcome.INCONCLUSIVE, f"{name}: {why}; drive it again"
    share = "" if lag.wanted == expectation.delta else f" (all cases driven together: +{lag.wanted:g})"
    if lag.seen > lag.wanted:
        return Outcome.FAIL, (
            f"{name}: rose by {lag.seen:g}, expected exactly {lag.wanted:g}{share}: counted twice, or foreign traffic"
        )
    if lag.high is None or lag.low is None:
        return Outcome.FAIL, (
            f"{name}: rose by {lag.seen:g}, expected {lag.wanted:g}{share} within {budget:g} s; "
            f"given up after {lag.low or 0:.1f} s"
        )
    measured = (
        f"{name}: +{lag.seen:g} seen after {lag.low:.2f} to {lag.high:.2f} s, budget {budget:g} s{share}"
    )
    if lag.high <= budget:
        return Outcome.PASS, measured
    if lag.low > budget:
        return Outcome.FAIL, measured
    return Outcome.INCONCLUSIVE, f"{measured}: the polls were too far apart to tell"


def _why_of_another(expectation: CounterExpectation, lag: CounterLag, rise: float) -> str:
    """Return why a lag was not measured on what is expected now, or nothing: a recorded one may be of another suite.

    Captures of earlier versions do not say the share that a case had in a batch, so all of it must be as expected.
    """
    then, now = (lag.wanted, rise) if lag.delta is None else (float(lag.delta), float(expectation.delta))
    if then != now or lag.wanted < expectation.delta:
        return f"its lag was measured on a rise of {then:g}, the suite expects {now:g}"
    numbers = [number for number in (lag.wanted, lag.seen, lag.low, lag.high) if number is not None]
    if not all(map(math.isfinite, numbers)) or min(numbers[2:], default=0.0) < 0:
        return "what was recorded of its lag is no measurement"
    return ""


def _format_samples(expectation: CounterExpectation, lag: CounterLag) -> str:
    """Write the samples that a lag was measured on, by the server's clock."""
    parts = [f"baseline {lag.baseline:g} at {_format_clock(lag.baseline_at)}"]
    if lag.seen_at is not None:
        parts.append(f"{lag.baseline + lag.seen:g} at {_format_clock(lag.seen_at)}")
    if lag.interval:
        parts.append(f"scrape interval {lag.interval:g} s")
    return f"samples of {expectation.selector}: {', '.join(parts)}"


def _format_clock(moment: float | None) -> str:
    when = datetime.fromtimestamp(moment or 0.0, tz=UTC)
    return f"{when:%H:%M:%S}.{when.microsecond // 100_000}Z"
