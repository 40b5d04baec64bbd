"""What stands behind a verdict: the query, where its answer came from, and every reason to distrust it."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_telemetry_gate.criteria.coverage import Coverage
from pytest_telemetry_gate.model.facts import CoverageFacts, Facts
from pytest_telemetry_gate.model.verdict import Outcome, Verdict
from pytest_telemetry_gate.promql import Scalar, Vector
from pytest_telemetry_gate.support.durations import format_time
from pytest_telemetry_gate.support.numbers import format_percent

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.answers import Answer
    from pytest_telemetry_gate.model.check import Check

__all__ = ["Evidence", "Problem", "Provenance", "collect_evidence", "join_digests", "read_series"]


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a value cannot be used at all, the outcome that follows, and the id of the finding that says so."""

    outcome: Outcome
    reason: str
    id: str = "evidence.problem"


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a value came from: the fields of a verdict with these names, and no others.

    ``coverage`` is the share of the window that holds data, from 0 to 1.
    """

    query: str = ""
    source: str = ""
    semantics: str = ""
    link: str = ""
    digest: str = ""
    warnings: tuple[str, ...] = ()
    coverage: float | None = None

    def fields(self) -> dict[str, Any]:
        """Return the fields by name, for ``Check.dossier()``."""
        return {name: getattr(self, name) for name in _NAMES}

    @classmethod
    def of_all(cls, verdicts: Sequence[Verdict]) -> Provenance:
        """Return where a value came from that is made of the values of several verdicts, of which there is one.

        Query, profile and link are those of the first; the coverage is the lowest.
        """
        first = cls(**{name: getattr(verdicts[0], name) for name in _NAMES})
        shares = [verdict.coverage for verdict in verdicts if verdict.coverage is not None]
        return dataclasses.replace(
            first,
            source=", ".join(dict.fromkeys(verdict.source for verdict in verdicts)),
            digest=join_digests(verdict.digest for verdict in verdicts),
            warnings=tuple(dict.fromkeys(warning for verdict in verdicts for warning in verdict.warnings)),
            coverage=min(shares, default=None),
        )


def join_digests(digests: Iterable[str]) -> str:
    """Return one digest over several, in their order."""
    return hashlib.sha256("".join(digests).encode()).hexdigest()


_NAMES = tuple(attribute.name for attribute in dataclasses.fields(Provenance))


@dataclass(frozen=True, slots=True)
class Evidence:
    """Where a value came from, and every reason to distrust it.

    ``problem`` stands in the way of any decision; ``doubt`` only in the way of a good one: a limit that is
    broken on incomplete data is broken all the same.
    """

    provenance: Provenance = field(default_factory=Provenance)
    problem: Problem | None = None
    doubt: str = ""
    facts: tuple[Facts, ...] = ()


def collect_evidence(
    check: Check, answer: Answer, *, query: str, coverage: Coverage | None = None, doubt: str = ""
) -> Evidence:
    """Return the evidence of one answer, judged for errors, partial answers, absence and coverage."""
    provenance = Provenance(
        query=query,
        source=_source(answer),
        semantics=answer.semantics,
        link=answer.link,
        digest=answer.digest,
        warnings=answer.warnings,
        coverage=None if coverage is None else coverage.share,
    )
    facts = (CoverageFacts(coverage.facts),) if coverage is not None and coverage.facts else ()
    return Evidence(provenance, _problem(check, answer, query, coverage), doubt, facts)


def read_series(answer: Answer) -> tuple[Sequence[Mapping[str, str]], Sequence[float]]:
    """Return the label sets and values of an instant answer; a scalar is one series without labels."""
    if isinstance(answer.value, Scalar):
        return ({},), (float(answer.value.value),)
    if isinstance(answer.value, Vector):
        return answer.value.labels, np.asarray(answer.value.values, dtype=np.float64).tolist()
    return (), ()


def _source(answer: Answer) -> str:
    """Return where an answer came from; for an empty answer also the span of time that the source has data of.

    This is no part of the reason: a recording must give the same reason as the server that it was made from.
    """
    nothing = isinstance(answer.value, Vector) and not answer.value.labels
    return f"{answer.source} ({answer.extent})" if nothing and answer.extent else answer.source


def _problem(check: Check, answer: Answer, query: str, coverage: Coverage | None) -> Problem | None:
    if answer.error:
        return Problem(Outcome.ERROR, answer.error, "answer.error")
    if answer.partial:
        reason = f"{answer.source}: the answer may be partial: {'; '.join(answer.warnings)}"
        return Problem(Outcome.INCONCLUSIVE, reason, "answer.partial")
    if isinstance(answer.value, Vector) and not answer.value.labels:
        reason = f"no data: {query} has no value at {format_time(answer.value.time)}"
        return Problem(Outcome.INCONCLUSIVE, reason, "data.none")
    if coverage is None:
        return None
    if coverage.error:
        return Problem(Outcome.ERROR, coverage.error, "coverage.error")
    if coverage.doubt:
        return Problem(Outcome.INCONCLUSIVE, coverage.doubt, "coverage.doubtful")
    if coverage.share is None:
        return Problem(Outcome.INCONCLUSIVE, coverage.reason, "coverage.unknown")
    if coverage.share < check.criterion.coverage:
        required = format_percent(check.criterion.coverage)
        reason = f"coverage {format_percent(coverage.share)}, below {required}: {coverage.reason}"
        return Problem(Outcome.INCONCLUSIVE, reason, "coverage.low")
    if coverage.stale:
        return Problem(Outcome.INCONCLUSIVE, coverage.stale, "data.stale")
    return None
