"""A criterion, which asks and decides, and a check: one criterion in one region at one checkpoint, one pytest item.

Both are in one file, since each refers to the other.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_telemetry_gate.errors import PromQLError, SuiteError
from pytest_telemetry_gate.model.answers import Answers
from pytest_telemetry_gate.model.dossier import Dossier, Finding, Requirement, Step
from pytest_telemetry_gate.model.environment import ReplaySettings, name_place
from pytest_telemetry_gate.model.facts import Facts
from pytest_telemetry_gate.model.past_runs import PastRun
from pytest_telemetry_gate.model.query_sources import Dialect
from pytest_telemetry_gate.model.questions import Query, Question
from pytest_telemetry_gate.model.report import Approval
from pytest_telemetry_gate.model.suite import Checkpoint, Suite, Waiver
from pytest_telemetry_gate.model.terms import Terms
from pytest_telemetry_gate.model.verdict import Level, Outcome, Verdict
from pytest_telemetry_gate.support.durations import format_duration, format_time
from pytest_telemetry_gate.support.variables import expand

__all__ = ["ALL_REGIONS", "Check", "Criterion"]

ALL_REGIONS = "all"


class Criterion(Terms):
    """A kind of criterion: what it asks about a check and how it decides from the answers.

    A kind implements ``questions(check)`` and ``judge(check, answers)``; ``judge`` must be pure and must never let
    the gate through because something is missing.
    """

    def expressions(self) -> Mapping[str, tuple[str, frozenset[str]]]:
        """Return the PromQL of this criterion by key, before variables are expanded, with the types it may have."""
        return {}

    def problems(self, suite: Suite) -> Iterable[tuple[str, str]]:
        """Yield key and message for everything that does not fit together, here or with the rest of the suite.

        Every criterion needs a limit: without one it would pass whatever the data says.
        """
        if self.source is not None and not self.asks_source:
            yield "source", f"a criterion of kind `{self.key}` asks no source of its own"
        if self.expect is None and self.tolerance is None:
            yield self.key, "needs `expect` or `tolerance`: without a limit it could not fail"
        if self.tolerance is not None and self.baseline is None and suite.baseline is None:
            yield "tolerance", "a tolerance needs a `baseline`, here or of the suite"
        yield from self._confidence_problems(suite)
        baseline = suite.baseline_of(self)
        at, start = getattr(baseline, "at", None), suite.rollout.start
        if at is not None and at > start:
            key = "baseline" if self.baseline is not None else self.key
            late = f"baseline.at {format_time(at)} is after rollout.start {format_time(start)}"
            yield key, f"{late}: what is judged would be compared with itself"
        if self.combine == "sum" and getattr(baseline, "original", None) is not None:
            yield "combine", "a sum is held against one baseline, and this has an `original` beside it"
        if self.floor is not None and (self.tolerance is None or self.floor < 0):
            yield (
                "floor",
                "a size that replaces the tolerance where the baseline is zero: not negative, and with one",
            )

    def _confidence_problems(self, suite: Suite) -> Iterable[tuple[str, str]]:
        """Yield what could never be proven, since nothing tells how far the variance may be off."""
        if self.tolerance is None:
            if self.confidence not in {None, "none"}:
                yield (
                    "confidence",
                    "`confidence` needs a `tolerance`: it says how sure a decision by that must be",
                )
        elif suite.confidence_of(self) is not None:
            without = "which is summed over regions" if self.combine == "sum" else f"of kind `{self.key}`"
            if self.combine == "sum" or not self.has_interval:
                text = f"the variance of a criterion {without} has no interval: write `confidence: none` here"
                yield "confidence" if self.confidence is not None else "tolerance", text

    def relative_to_folder(self, folder: Path) -> Criterion:
        """Return the criterion with paths that count from this folder, which holds its suite file."""
        return self

    def verify(self, check: Check) -> None:
        """Raise SuiteError or ConfigError where something that a check of this criterion refers to cannot be used."""

    def questions(self, check: Check) -> Iterable[Question]:
        """Yield what must be asked to judge a check of this criterion."""
        raise TypeError(type(self))

    def judge(self, check: Check, answers: Answers) -> Dossier:
        """Decide about a check from the answers; must be pure."""
        raise TypeError(type(self))


@dataclass(frozen=True, slots=True)
class Check:
    """One criterion of a suite in one region at one checkpoint, with everything that its text may refer to.

    ``scrape_interval`` is the environment's, in seconds. ``everywhere`` are all regions of the environment; a criterion
    that is judged over all of them at once has ``ALL_REGIONS`` as the check's region. ``replays`` is what
    telemetry.yaml says of replays, by region. ``approvals`` are the entries of the approvals file, None where there is no such file;
    ``past`` are the earlier runs of the history, from the oldest on, None where there is none. ``find_dialect`` gives
    the language of a place, None for PromQL; ``find_reducers`` the reducers of plugins.
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
    approvals: tuple[Approval, ...] | None = dataclasses.field(default=None, repr=False, compare=False)
    past: tuple[PastRun, ...] | None = dataclasses.field(default=None, repr=False, compare=False)
    find_dialect: Callable[[str], Dialect | None] = dataclasses.field(
        default=lambda place: None, repr=False, compare=False
    )
    find_reducers: Callable[[], Mapping[str, Callable[[Sequence[float]], float]]] = dataclasses.field(
        default=dict, repr=False, compare=False
    )
    _queries: dict[tuple[str, float | None], Query] = dataclasses.field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    _questions: list[tuple[Question, ...]] = dataclasses.field(
        default_factory=list, init=False, repr=False, compare=False
    )

    @property
    def regions(self) -> tuple[str, ...]:
        """The regions whose data is looked at."""
        return self.everywhere if self.region == ALL_REGIONS else (self.region,)

    @property
    def place(self) -> str:
        """What is asked: the region, or the further source of it that the criterion names."""
        return name_place(self.region, self.criterion.source)

    @property
    def places(self) -> tuple[str, ...]:
        """What is asked in all regions whose data is looked at."""
        return tuple(name_place(region, self.criterion.source) for region in self.regions)

    @property
    def dialect(self) -> Dialect | None:
        """The language that the criterion's query is written in, None for PromQL."""
        return self.find_dialect(self.places[0])

    @property
    def time(self) -> float:
        """The moment that is judged, in seconds since the epoch."""
        return self.checkpoint.at

    @property
    def window(self) -> float | None:
        """The length of ``$__window`` in seconds: the checkpoint's where it has one, else the criterion's."""
        return self.criterion.window if self.checkpoint.window is None else self.checkpoint.window

    @property
    def confidence(self) -> float | None:
        """How sure a pass or a fail by the tolerance must be; None where the number alone decides."""
        return self.suite.confidence_of(self.criterion)

    @property
    def is_last(self) -> bool:
        """Whether no later checkpoint judges the criterion."""
        points = [point.at for point in self.suite.points if self.suite.applies(self.criterion, point)]
        return self.time >= max(points, default=self.time)

    @property
    def start(self) -> float:
        """The moment from which ``$__range`` counts: the start of the rollout, or its end with ``since``."""
        rollout = self.suite.rollout
        return rollout.finish if self.criterion.since == "rollout_end" else rollout.start

    @property
    def range(self) -> float:
        """The length of ``$__range`` in seconds."""
        return self.time - self.start

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

    def query(self, key: str, text: str | None = None, *, window: float | None = None) -> Query:
        """Return the PromQL that the criterion has under a key, expanded, and parsed once.

        ``text`` is the expression, if it is not one of the criterion's ``expressions()``, and ``key`` then only names
        it in errors; ``window`` (seconds) is used for ``$__window`` instead of the check's own. Raises SuiteError at
        the criterion for an unknown variable, for a key without an expression, and for an expression that cannot be
        parsed.
        """
        if text is None:
            expressions = self.criterion.expressions()
            if key not in expressions:
                raise self.error(f"{key!r} is not among the expressions() of its kind of criterion")
            text, _ = expressions[key]
        if (text, window) not in self._queries:
            try:
                self._queries[text, window] = Query.from_text(self.expand(text, window=window))
            except PromQLError as error:
                raise self.error(f"{key}: {error}") from None
        return self._queries[text, window]

    def expand(self, text: str, *, window: float | None = None) -> str:
        """Replace ``$variables`` by their values; raises SuiteError at the criterion for an unknown one.

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
        elif "$__window" in text or "${__window}" in text:
            at = f"at checkpoint {self.checkpoint.id!r}"
            raise self.error(
                f"$__window has no length {at}: set `window:`, such as 1h, here or of the checkpoint"
            )
        try:
            return expand(text, values)
        except ValueError as error:
            raise self.error(str(error)) from None

    def sibling(self, group: str, criterion: Criterion, checkpoint: Checkpoint | None = None) -> Check:
        """Return the check of another criterion of the suite in the same region, here or at another checkpoint."""
        target = self.checkpoint if checkpoint is None else checkpoint
        other = dataclasses.replace(self, group=group, criterion=criterion, checkpoint=target)
        return other.within(ALL_REGIONS) if criterion.over_regions and len(self.everywhere) > 1 else other

    def within(self, region: str) -> Check:
        """Return the same check in another region."""
        return dataclasses.replace(self, region=region)

    def error(self, message: str) -> SuiteError:
        """Return an error that points at the criterion's line."""
        subject = f"criterion {self.criterion.id!r}"
        return SuiteError(self.path, self.criterion.line, f"{subject}: {message}")

    def questions(self) -> tuple[Question, ...]:
        """Return everything that must be asked before ``judge`` can decide, derived checks included.

        They are worked out once, though asking ahead, judging and recording all need them.
        """
        if not self._questions:
            parts = [self]
            if self.is_combined:
                parts = [self.within(region) for region in self.regions]
            questions = (question for part in parts for question in self.criterion.questions(part))
            self._questions.append(tuple(dict.fromkeys(questions)))
        return self._questions[0]

    def forget(self) -> None:
        """Forget queries and questions: a judged check needs them no more, and those of many checks are large."""
        self._queries.clear()
        self._questions.clear()

    @property
    def is_combined(self) -> bool:
        """Whether it combines the verdicts of all regions into one."""
        return self.region == ALL_REGIONS and self.criterion.combine is not None

    def requirement(self) -> Requirement:
        """Return what the criterion demands of this check, as data."""
        terms, levels = self.criterion, self.suite.levels
        sizes = {} if levels is None else levels.model_dump(exclude_none=True)
        return Requirement(
            kind=terms.key,
            limit=terms.limit,
            tolerance=None if terms.tolerance is None else terms.tolerance * 100,
            floor=None if terms.floor is None else terms.shown(terms.floor),
            levels={} if terms.tolerance is None else {name: size * 100 for name, size in sizes.items()},
            better=terms.better or "",
            reduce=terms.reduce or "",
            combine=terms.combine or "",
            confidence=self.confidence,
            coverage=terms.coverage,
            window=self.window,
            start=self.start,
            unit=terms.yielded_unit,
        )

    def dossier(
        self,
        outcome: Outcome,
        reason: str,
        *,
        steps: Iterable[Step] = (),
        findings: Iterable[Finding] = (),
        facts: Iterable[Facts] = (),
        **fields: Any,
    ) -> Dossier:
        """Return a dossier about this check; ``fields`` are further fields of its verdict.

        Raises ValueError for what is no outcome.
        """
        terms = self.criterion
        about: dict[str, Any] = {
            "suite": self.suite.suite,
            "suite_title": self.suite.title,
            "group": self.group,
            "criterion": terms.id,
            "title": terms.title or terms.id,
            "region": self.region,
            "checkpoint": self.checkpoint.id,
            "time": self.time,
            "severity": Level(terms.level) if terms.level else None,
            "environment": self.environment,
            "named": self.checkpoint.named,
            "path": self.path,
            "line": terms.line,
            "sequence": self.sequence,
            "unit": terms.shown_unit,
            "limit": terms.limit_text,
            "tolerance": None if terms.tolerance is None else terms.tolerance * 100,
            "variance_unit": terms.variance_unit,
            "better": terms.better or "",
            "informational": terms.informational,
        }
        return Dossier(
            verdict=Verdict(outcome=Outcome(outcome), reason=reason, **{**about, **fields}),
            requirement=self.requirement(),
            steps=tuple(steps),
            findings=tuple(findings),
            facts={fact.kind: fact for fact in facts},
        )
