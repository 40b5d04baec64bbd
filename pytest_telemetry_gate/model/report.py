"""The report that people sign, as data: what was judged, what it rests on, and what people said of it.

Everything that is written of a gate for later (JSON, HTML, Markdown, what a CI system shows) is a function of it. ``content``
is what people sign: it holds no wall clock, no host and no absolute path, so that equal judgements have equal digests.
Times are seconds since the epoch, durations seconds, shares from 0 to 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from pytest_telemetry_gate.model.dossier import Finding, Step
from pytest_telemetry_gate.model.facts import (
    CoverageFacts,
    EventFacts,
    Gap,
    IntervalFacts,
    MemberFacts,
    OtherFacts,
    SeriesFacts,
    TrendFacts,
)
from pytest_telemetry_gate.model.past_runs import PastRun
from pytest_telemetry_gate.model.told import ToldField
from pytest_telemetry_gate.model.verdict import Level, Outcome
from pytest_telemetry_gate.support.units import Limit

__all__ = [
    "FORMAT",
    "Approval",
    "BaselineReport",
    "CaseReport",
    "Change",
    "Changes",
    "CheckReport",
    "CheckpointReport",
    "Content",
    "CriterionReport",
    "EvidenceFile",
    "GateReport",
    "Generated",
    "RegionReport",
    "Report",
    "RollbackReport",
    "RolloutReport",
    "SeriesReport",
    "StepReport",
    "SuiteReport",
    "WaiverReport",
]

FORMAT = 1


@dataclass(frozen=True, slots=True)
class GateReport:
    """The outcome of the gate: of ``collected`` telemetry tests ``selected`` ones were to run, ``counts`` by outcome."""

    outcome: Outcome
    opens: bool
    reason: str
    strict: bool = False
    counts: Mapping[str, int] = field(default_factory=dict)
    collected: int = 0
    selected: int = 0


@dataclass(frozen=True, slots=True)
class StepReport:
    """Something that was done during the rollout."""

    at: float
    do: str


@dataclass(frozen=True, slots=True)
class RolloutReport:
    """When the rollout was, and what was done meanwhile."""

    start: float
    end: float
    steps: tuple[StepReport, ...] = ()


@dataclass(frozen=True, slots=True)
class CheckpointReport:
    """A moment that was judged or is to be; ``window`` replaces that of the criteria."""

    id: str
    at: float
    window: float | None = None
    named: bool = True


@dataclass(frozen=True, slots=True)
class BaselineReport:
    """The baseline of a suite: ``origin`` says where it comes from where that is no file."""

    name: str = ""
    path: str = ""
    sha256: str = ""
    measured: float | None = None
    expires: float | None = None
    origin: str = ""


@dataclass(frozen=True, slots=True)
class RollbackReport:
    """What triggers the rollback plan, which of that happened, and of which of it nobody can tell, each with the reason."""

    when: tuple[str, ...] = ()
    triggered: Mapping[str, str] = field(default_factory=dict)
    unknown: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WaiverReport:
    """A waiver of the suite, whether it was needed or not."""

    criterion: str
    reason: str
    owner: str
    until: float
    region: str = ""
    checkpoint: str = ""


@dataclass(frozen=True, slots=True)
class SeriesReport:
    """What a criterion's query yielded over the rollout, for its plot.

    Bucket ``i`` begins at ``start + i * step``; ``low`` and ``high`` are its extremes in the criterion's unit, None where
    nothing is drawn. ``none`` says why there is no series. ``gaps`` are times without samples. Nothing is judged by it.
    """

    start: float = 0.0
    step: float = 0.0
    low: tuple[float | None, ...] = ()
    high: tuple[float | None, ...] = ()
    none: str = ""
    gaps: tuple[Gap, ...] = ()


@dataclass(frozen=True, slots=True)
class CheckReport:
    """One verdict with what led to it; what all checks of a criterion share is said there.

    ``query`` is said where it differs from that of the check before. ``at`` is the moment that is judged, ``window`` the
    length of ``$__window``. ``steps``, the ``interval`` and the samples behind a value are kept for what did not pass.
    """

    checkpoint: str
    outcome: Outcome
    at: float | None = None
    named: bool = True
    reason: str = ""
    value: float | None = None
    absent: bool = False
    variance: float | None = None
    variance_half: float | None = None
    variance_basis: str = ""
    baseline: float | None = None
    level: Level | None = None
    margin: float | None = None
    coverage: float | None = None
    window: float | None = None
    query: str | None = None
    source: str | None = None
    semantics: str = ""
    link: str = ""
    digest: str = ""
    baseline_digest: str = ""
    warnings: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    steps: tuple[Step, ...] = ()
    events: EventFacts | None = None
    members: MemberFacts | None = None
    trend: TrendFacts | None = None
    interval: IntervalFacts | None = None
    samples: CoverageFacts | None = None
    series: SeriesFacts | None = None
    other: tuple[OtherFacts, ...] = ()


@dataclass(frozen=True, slots=True)
class RegionReport:
    """The checks of a criterion in one region, in the order of time, and its series for the plot."""

    checks: tuple[CheckReport, ...] = ()
    series: SeriesReport | None = None


@dataclass(frozen=True, slots=True)
class CriterionReport:
    """A criterion with its checks by region.

    ``kind`` is its key in the suite file, ``case`` for a case of a replay suite. ``limit`` is in ``unit``; ``tolerance``
    and ``levels`` are in ``variance_unit``; ``limit_text`` is both for people. ``start`` is where ``$__range`` begins.
    """

    id: str
    group: str = ""
    title: str = ""
    kind: str = ""
    path: str = ""
    line: int = 0
    severity: Level | None = None
    unit: str = ""
    variance_unit: str = "%"
    limit: Limit | None = None
    limit_text: str = ""
    tolerance: float | None = None
    floor: float | None = None
    levels: Mapping[str, float] = field(default_factory=dict)
    better: str = ""
    reduce: str = ""
    combine: str = ""
    confidence: float | None = None
    coverage: float | None = None
    start: float | None = None
    baseline_name: str = ""
    informational: bool = False
    regions: Mapping[str, RegionReport] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SuiteReport:
    """A suite in one environment; a module with hand-written tests is one without a rollout.

    ``sources`` are descriptions by region. ``now`` is the clock that its checks were judged by,
    of live data the latest moment at which one of them was due. ``timezone`` is a name
    of the IANA database or an offset such as ``-08:00``. ``groups`` and ``criteria`` are in the order of the file;
    ``left_out`` are its criteria of which no check was selected.
    """

    id: str
    title: str = ""
    path: str = ""
    sha256: str = ""
    environment: str = ""
    regions: tuple[str, ...] = ()
    sources: Mapping[str, str] = field(default_factory=dict)
    now: float | None = None
    timezone: str = ""
    rollout: RolloutReport | None = None
    checkpoints: tuple[CheckpointReport, ...] = ()
    levels: Mapping[str, float] = field(default_factory=dict)
    baseline: BaselineReport | None = None
    rollback: RollbackReport | None = None
    roles: tuple[str, ...] = ()
    waivers: tuple[WaiverReport, ...] = ()
    groups: tuple[str, ...] = ()
    criteria: tuple[CriterionReport, ...] = ()
    told: ToldField = None
    left_out: tuple[str, ...] = ()

    def regions_of(self, criterion: CriterionReport) -> list[str]:
        """Return the regions that a criterion was judged in, in the order of the environment."""
        return [
            *(name for name in self.regions if name in criterion.regions),
            *sorted(criterion.regions.keys() - set(self.regions)),
        ]

    def checks(self) -> Iterator[tuple[CriterionReport, str, CheckReport]]:
        """Yield every check with its criterion and region, in the order of the file, the environment and time."""
        for criterion in self.criteria:
            for region in self.regions_of(criterion):
                for check in criterion.regions[region].checks:
                    yield criterion, region, check


@dataclass(frozen=True, slots=True)
class CaseReport:
    """A case of a replay suite at a checkpoint; ``captured_at`` is when the system was driven."""

    suite: str
    case: str
    outcome: Outcome
    title: str = ""
    checkpoint: str = ""
    region: str = ""
    reason: str = ""
    details: tuple[str, ...] = ()
    captured_at: float | None = None
    path: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class EvidenceFile:
    """A file that the verdicts rest on: ``what`` it is, its path as people write it, its length in bytes and its SHA-256."""

    what: str
    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Content:
    """What people sign."""

    gate: GateReport
    suites: tuple[SuiteReport, ...] = ()
    replays: tuple[CaseReport, ...] = ()
    evidence: tuple[EvidenceFile, ...] = ()


@dataclass(frozen=True, slots=True)
class Generated:
    """When a report was made, by the wall clock, and with what: versions by name."""

    at: float = 0.0
    tool: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Approval:
    """Somebody's signature under the report with this digest; ``at`` is when."""

    role: str
    name: str
    at: float
    digest: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """One difference from an earlier report.

    ``kind`` is ``loosened``, ``changed``, ``regressed``, ``fixed``, ``new``, ``gone`` or ``moved``; ``what`` names the
    criterion or file, ``message`` says before and after.
    """

    kind: str
    what: str
    message: str
    suite: str = ""
    criterion: str = ""
    region: str = ""


@dataclass(frozen=True, slots=True)
class Changes:
    """What changed since the report with the digest ``since``, which was judged ``at``: loosened limits first."""

    since: str = ""
    at: float | None = None
    outcome: Outcome | None = None
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """A report: ``digest`` is that of the content, of which the rest is no part.

    ``differing`` are lines about checks of which merged reports said different things.
    """

    content: Content
    digest: str = ""
    format: int = FORMAT
    generated: Generated = field(default_factory=Generated)
    approvals: tuple[Approval, ...] = ()
    history: tuple[PastRun, ...] = ()
    changes: Changes | None = None
    differing: tuple[str, ...] = ()

    @property
    def clock(self) -> float:
        """The latest clock that its suites were judged by; when it was made where none has one."""
        clocks = [suite.now for suite in self.content.suites if suite.now is not None]
        return max(clocks, default=self.generated.at)
