"""A check: one criterion in one region at one checkpoint, which becomes one pytest item; and how it is judged.

``judge(check, answers)`` is pure: the same answers give the same verdict in any process, live or recorded.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from pytest_telemetry_gate.criteria.regions import combined
from pytest_telemetry_gate.errors import SuiteError
from pytest_telemetry_gate.figures import duration
from pytest_telemetry_gate.suite.duration import format_duration, format_time
from pytest_telemetry_gate.suite.fields import expand
from pytest_telemetry_gate.suite.model import Checkpoint, Criterion, Suite, Waiver
from pytest_telemetry_gate.verdict import Level, Outcome, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_telemetry_gate.config import ReplaySettings
    from pytest_telemetry_gate.sources.base import Answers, Question

__all__ = ["ALL_REGIONS", "Check", "judge"]

ALL_REGIONS = "all"
_YEAR = 366 * 86400.0


@dataclass(frozen=True)
class Check:
    """One criterion of a suite in one region at one checkpoint, with everything that its text may refer to.

    ``scrape_interval`` is the environment's, in seconds; ``everywhere`` are all regions of the environment, which are
    looked at together where the criterion is judged over regions: the check's own region is then ``ALL_REGIONS``.
    ``replays`` is what telemetry.yaml says of replays, by region.
    """

    suite: Suite
    group: str
    criterion: Criterion
    checkpoint: Checkpoint
    region: str = ""
    everywhere: tuple[str, ...] = ("",)
    environment: str = ""
    scrape_interval: float = 15.0
    path: str = ""
    sequence: int = 0
    replays: Mapping[str, ReplaySettings] = dataclasses.field(default_factory=dict, repr=False, compare=False)

    @property
    def regions(self) -> tuple[str, ...]:
        """The regions whose data is looked at."""
        return self.everywhere if self.region == ALL_REGIONS else (self.region,)

    @property
    def time(self) -> float:
        """The moment that is judged, in seconds since the epoch."""
        return self.checkpoint.at

    @property
    def window(self) -> float | None:
        """The length of ``$__window`` in seconds: the checkpoint's where it has one, else the criterion's."""
        return self.criterion.window if self.checkpoint.window is None else self.checkpoint.window

    @property
    def start(self) -> float:
        """The moment from which ``$__range`` counts: the start of the rollout, or its end with ``since``."""
        rollout = self.suite.rollout
        return rollout.end if self.criterion.since == "rollout_end" else rollout.start

    @property
    def range(self) -> float:
        """The length of ``$__range`` in seconds."""
        return self.time - self.start

    def due(self, longest_interval: float) -> float:
        """Return from when on it can be judged: two scrape intervals after its time, which are the longest known."""
        return self.time + 2 * (longest_interval or self.scrape_interval)

    @property
    def waiver(self) -> Waiver | None:
        """The waiver that names this check, of several the one that holds longest, or None."""
        naming = [
            waiver
            for waiver in self.suite.waivers
            if waiver.criterion == self.criterion.id
            and waiver.region in (None, self.region)
            and waiver.checkpoint in (None, self.checkpoint.id)
        ]
        return max(naming, key=lambda waiver: waiver.until, default=None)

    def expand(self, text: str, *, window: float | None = None) -> str:
        """Put values in the place of ``$variables``; raises SuiteError at the criterion for an unknown one.

        ``window`` (seconds) is used for ``$__window`` instead of the check's own.
        """
        if "$" not in text:
            return text
        window = self.window if window is None else window
        values = {
            **self.suite.variables,
            "region": self.region,
            "__interval": format_duration(self.scrape_interval),
            # Grafana's rule for its Prometheus data source: room for one lost scrape on either side.
            "__rate_interval": format_duration(4 * self.scrape_interval),
        }
        if self.range > 0:
            values["__range"] = format_duration(self.range)
        if window is not None:
            values["__window"] = format_duration(window)
        try:
            return expand(text, values)
        except ValueError as error:
            raise self.error(str(error)) from None

    def sibling(self, group: str, criterion: Criterion, checkpoint: Checkpoint | None = None) -> Check:
        """Return the check of another criterion of the suite in the same region, here or at another checkpoint."""
        there = self.checkpoint if checkpoint is None else checkpoint
        other = dataclasses.replace(self, group=group, criterion=criterion, checkpoint=there)
        return other.within(ALL_REGIONS) if criterion.over_regions and len(self.everywhere) > 1 else other

    def within(self, region: str) -> Check:
        """Return the same check in another region."""
        return dataclasses.replace(self, region=region)

    def error(self, message: str) -> SuiteError:
        """Return an error that points at the criterion's line."""
        where = f"criterion {self.criterion.id!r}"
        return SuiteError(self.path, self.criterion.line, f"{where}: {message}")

    def questions(self) -> tuple[Question, ...]:
        """Return everything that must be asked before ``judge`` can decide, derived checks included."""
        return self._questions

    @cached_property
    def _questions(self) -> tuple[Question, ...]:
        """The questions once found: they are wanted ahead, when judging, and when recording."""
        if not self._combined:
            return tuple(dict.fromkeys(self.criterion.questions(self)))
        parts = (self.criterion.questions(self.within(region)) for region in self.regions)
        return tuple(dict.fromkeys(question for part in parts for question in part))

    def decided(self, answers: Answers) -> Verdict:
        """Return what the criterion decides, over all regions where it combines them.

        A verdict that follows from others has the profile of PromQL that their answers were given with.
        """
        verdict = combined(self, answers) if self._combined else self.criterion.judge(self, answers)
        if verdict.semantics:
            return verdict
        profiles = {answers[question].semantics for question in self.questions()} - {""}
        return dataclasses.replace(verdict, semantics=", ".join(sorted(profiles)))

    @property
    def _combined(self) -> bool:
        return self.region == ALL_REGIONS and self.criterion.combine is not None

    def verdict(self, outcome: Outcome, reason: str, **found: object) -> Verdict:
        """Return a verdict about this check; ``found`` are further fields of the verdict."""
        criterion = self.criterion
        fields: dict[str, object] = {
            "suite": self.suite.suite,
            "suite_title": self.suite.title,
            "group": self.group,
            "criterion": criterion.id,
            "title": criterion.title or criterion.id,
            "region": self.region,
            "checkpoint": self.checkpoint.id,
            "time": self.time,
            "severity": Level(criterion.level) if criterion.level else None,
            "environment": self.environment,
            "named": self.checkpoint.named,
            "path": self.path,
            "line": criterion.line,
            "sequence": self.sequence,
            "unit": criterion.shown_unit,
            "limit": criterion.limit_text,
            "tolerance": None if criterion.tolerance is None else criterion.tolerance * 100,
            "variance_unit": criterion.variance_unit,
        }
        return Verdict(outcome=outcome, reason=reason, **{**fields, **found})  # type: ignore[arg-type]


def judge(check: Check, answers: Answers) -> Verdict:
    """Decide about a check from the answers to its questions; raises nothing for missing or broken data.

    A checkpoint that is not due is pending; otherwise the criterion decides, and a waiver that names the check and
    has not expired turns a verdict that would close the gate into ``waived``.
    """
    rollout = check.suite.rollout
    for name, moment in (
        ("rollout.start", rollout.start),
        ("rollout.end", rollout.end),
        ("checkpoint", check.time),
    ):
        if moment - answers.now > _YEAR:
            ahead = duration(moment - answers.now)
            reason = f"{name} {format_time(moment)} is {ahead} ahead of the clock: is the year right?"
            return check.verdict(Outcome.ERROR, reason)
    due = check.due(answers.longest_interval(check.regions))
    if due > answers.now:
        return check.verdict(Outcome.PENDING, f"due {format_time(due)}, in {duration(due - answers.now)}")
    failure = answers.failure(check.regions)
    if failure:
        return check.verdict(Outcome.ERROR, failure)
    verdict = check.decided(answers)
    waiver = check.waiver
    if waiver is None or verdict.outcome.lets_through():
        return verdict
    if waiver.until <= answers.now:
        expired = f"{verdict.reason}; the waiver of {waiver.owner} expired {format_time(waiver.until)}"
        return verdict.replaced(reason=expired)
    waived = f"waived until {format_time(waiver.until)} by {waiver.owner}: {waiver.reason} ({verdict.outcome}: {verdict.reason})"
    return verdict.replaced(outcome=Outcome.WAIVED, reason=waived)
