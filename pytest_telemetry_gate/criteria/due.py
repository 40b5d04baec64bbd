"""When a check can be judged: two scrape intervals of the jobs that it reads after its checkpoint.

By then the last sample that belongs to the checkpoint has been scraped and stored.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_telemetry_gate.criteria.observed import named_jobs
from pytest_telemetry_gate.model.arrivals import Arrivals
from pytest_telemetry_gate.model.questions import ArrivalsQuestion

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.answers import Answers
    from pytest_telemetry_gate.model.check import Check

__all__ = ["Due", "earliest_due", "find_due", "latest_due"]

_INTERVALS = 2.0


@dataclass(frozen=True, slots=True)
class Due:
    """When a check is due (seconds since the epoch), by the interval (seconds) of a job; ``job`` may be empty."""

    moment: float
    interval: float
    job: str = ""


def find_due(check: Check, answers: Answers) -> Due:
    """Return when a check is due, by the jobs that it names, else by those that its selectors were found to read.

    What is read is looked at only where it decides: between two of the shortest and two of the longest interval known.
    """
    latest = latest_due(check, answers)
    if latest.moment <= answers.now:
        return latest
    earliest = earliest_due(check, answers)
    if earliest.moment > answers.now:
        return earliest
    at = _last_read(check)
    return max(
        (Due(at + _INTERVALS * seconds, seconds, job) for seconds, job in _read(check, answers)),
        key=lambda due: due.moment,
        default=earliest,
    )


def latest_due(check: Check, answers: Answers) -> Due:
    """Return the latest moment at which a check can be due, without looking at what it reads."""
    seconds, job = max(_named(check, answers), default=(0.0, ""))
    interval = seconds or check.scrape_interval
    return Due(_last_read(check) + _INTERVALS * interval, interval, job)


def earliest_due(check: Check, answers: Answers) -> Due:
    """Return the earliest moment at which a check can be due, without looking at what it reads."""
    seconds, job = min(_named(check, answers), default=(check.scrape_interval, ""))
    return Due(_last_read(check) + _INTERVALS * seconds, seconds, job)


def _last_read(check: Check) -> float:
    """Return the last moment that is read (seconds): the checkpoint, or a later one with a negative offset."""
    return max([check.time, *(question.end for question in _arrivals(check))])


def _arrivals(check: Check) -> Iterator[ArrivalsQuestion]:
    return (question for question in check.questions() if isinstance(question, ArrivalsQuestion))


def _named(check: Check, answers: Answers) -> Iterator[tuple[float, str]]:
    """Yield the intervals of the jobs that selectors name; those of all jobs for a selector that names none."""
    questions = [*_arrivals(check)]
    for region in check.places:
        known = answers.intervals(region)
        jobs: set[str] = set()
        for question in questions:
            if question.region == region:
                jobs.update(named_jobs(question.selector) or known)
        if not jobs and not any(question.region == region for question in questions):
            # Nothing is read of any job, as of alerts: these are evaluated as often as anything is scraped.
            shortest = min(known.values(), default=0.0)
            if shortest:
                yield shortest, ""
        for job in sorted(jobs):
            seconds = known.get(job, known.get(""))
            if seconds is not None:
                yield seconds, job


def _read(check: Check, answers: Answers) -> Iterator[tuple[float, str]]:
    """Yield the intervals of the jobs that selectors were found to read."""
    for question in _arrivals(check):
        value = answers[question].value
        known = answers.intervals(question.region)
        jobs = set(named_jobs(question.selector))
        if isinstance(value, Arrivals):
            jobs.update(target.job for target in value.targets if target.samples)
        for job in sorted(jobs):
            seconds = known.get(job, known.get(""))
            if seconds is not None:
                yield seconds, job
