"""Gate a telemetry rollout with pytest: success criteria in YAML, judged from live or recorded metrics.

The public names are here, imported when they are first used: what ``__all__`` names is stable, together with the
hooks, ``pytest_telemetry_gate.promql``, ``pytest_telemetry_gate.testing``, options, exit codes, file formats and the
names of JUnit properties. Everything else may change.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_telemetry_gate.criteria.coverage import Coverage, coverage_questions, measure_coverage
    from pytest_telemetry_gate.criteria.decide import decide
    from pytest_telemetry_gate.criteria.evidence import (
        Evidence,
        Problem,
        Provenance,
        collect_evidence,
        read_series,
    )
    from pytest_telemetry_gate.criteria.judge import judge
    from pytest_telemetry_gate.errors import (
        ConfigError,
        CorpusError,
        DriveError,
        PromQLError,
        RecordingError,
        ReportError,
        SourceError,
        SuiteError,
        TelemetryGateError,
        UnreachableError,
        WaitError,
    )
    from pytest_telemetry_gate.model.answers import Answer, Answers
    from pytest_telemetry_gate.model.check import Check, Criterion
    from pytest_telemetry_gate.model.dossier import Dossier, Finding, Requirement, Step
    from pytest_telemetry_gate.model.environment import RegionSettings
    from pytest_telemetry_gate.model.events import Episode, Evaluation, Events, Rule, Silence
    from pytest_telemetry_gate.model.gate_outcome import GateOutcome
    from pytest_telemetry_gate.model.query_sources import Dialect, QuerySource, Readings, SourceQuery
    from pytest_telemetry_gate.model.questions import EventsQuestion, Instant, Query, Question, Range
    from pytest_telemetry_gate.model.report import (
        CaseReport,
        CheckReport,
        Content,
        CriterionReport,
        GateReport,
        RegionReport,
        Report,
        SeriesReport,
        SuiteReport,
    )
    from pytest_telemetry_gate.model.sections import Section
    from pytest_telemetry_gate.model.sources import EventSource, LiveSource, Source
    from pytest_telemetry_gate.model.systems import System, Tested
    from pytest_telemetry_gate.model.verdict import Level, Outcome, Verdict
    from pytest_telemetry_gate.promql.engine import Engine
    from pytest_telemetry_gate.promql.result import Matrix, Scalar, Vector
    from pytest_telemetry_gate.promql.storage import MemoryStorage
    from pytest_telemetry_gate.reports.document.stored import read_report
    from pytest_telemetry_gate.reports.overview.faults import Fault, Faults, find_faults
    from pytest_telemetry_gate.sources.episodes import Change, join_changes, unite_episodes
    from pytest_telemetry_gate.sources.monitor_queries import TimeAggregate
    from pytest_telemetry_gate.sources.points import PointSeries, read_points

__all__ = [  # noqa: RUF022 - by topic, as docs/reference/python-api.md shows them
    # Sources
    "Change",
    "Dialect",
    "Episode",
    "Evaluation",
    "EventSource",
    "Events",
    "LiveSource",
    "Matrix",
    "PointSeries",
    "QuerySource",
    "Readings",
    "RegionSettings",
    "Rule",
    "Scalar",
    "Silence",
    "Source",
    "SourceQuery",
    "System",
    "Tested",
    "TimeAggregate",
    "Vector",
    "join_changes",
    "read_points",
    "unite_episodes",
    # Criteria
    "Answer",
    "Answers",
    "Check",
    "Coverage",
    "Criterion",
    "EventsQuestion",
    "Evidence",
    "Instant",
    "Problem",
    "Provenance",
    "Query",
    "Question",
    "Range",
    "collect_evidence",
    "coverage_questions",
    "decide",
    "judge",
    "measure_coverage",
    "read_series",
    # Results
    "Dossier",
    "Finding",
    "GateOutcome",
    "Level",
    "Outcome",
    "Requirement",
    "Step",
    "Verdict",
    # Reports
    "CaseReport",
    "CheckReport",
    "Content",
    "CriterionReport",
    "Fault",
    "Faults",
    "GateReport",
    "RegionReport",
    "Report",
    "Section",
    "SeriesReport",
    "SuiteReport",
    "find_faults",
    "read_report",
    # Engine
    "Engine",
    "MemoryStorage",
    # Errors
    "ConfigError",
    "CorpusError",
    "DriveError",
    "PromQLError",
    "RecordingError",
    "ReportError",
    "SourceError",
    "SuiteError",
    "TelemetryGateError",
    "UnreachableError",
    "WaitError",
]

_HOMES = {
    "criteria.coverage": (
        "Coverage",
        "coverage_questions",
        "measure_coverage",
    ),
    "criteria.decide": ("decide",),
    "criteria.evidence": (
        "Evidence",
        "Problem",
        "Provenance",
        "collect_evidence",
        "read_series",
    ),
    "criteria.judge": ("judge",),
    "errors": (
        "ConfigError",
        "CorpusError",
        "DriveError",
        "PromQLError",
        "RecordingError",
        "ReportError",
        "SourceError",
        "SuiteError",
        "TelemetryGateError",
        "UnreachableError",
        "WaitError",
    ),
    "model.answers": (
        "Answer",
        "Answers",
    ),
    "model.check": (
        "Check",
        "Criterion",
    ),
    "model.dossier": (
        "Dossier",
        "Finding",
        "Requirement",
        "Step",
    ),
    "model.environment": ("RegionSettings",),
    "model.events": (
        "Episode",
        "Evaluation",
        "Events",
        "Rule",
        "Silence",
    ),
    "model.gate_outcome": ("GateOutcome",),
    "model.query_sources": (
        "Dialect",
        "QuerySource",
        "Readings",
        "SourceQuery",
    ),
    "model.questions": (
        "EventsQuestion",
        "Instant",
        "Query",
        "Question",
        "Range",
    ),
    "model.report": (
        "CaseReport",
        "CheckReport",
        "Content",
        "CriterionReport",
        "GateReport",
        "RegionReport",
        "Report",
        "SeriesReport",
        "SuiteReport",
    ),
    "model.sections": ("Section",),
    "model.sources": (
        "EventSource",
        "LiveSource",
        "Source",
    ),
    "model.systems": (
        "System",
        "Tested",
    ),
    "model.verdict": (
        "Level",
        "Outcome",
        "Verdict",
    ),
    "promql.engine": ("Engine",),
    "promql.result": (
        "Matrix",
        "Scalar",
        "Vector",
    ),
    "promql.storage": ("MemoryStorage",),
    "reports.document.stored": ("read_report",),
    "reports.overview.faults": (
        "Fault",
        "Faults",
        "find_faults",
    ),
    "sources.episodes": (
        "Change",
        "join_changes",
        "unite_episodes",
    ),
    "sources.monitor_queries": ("TimeAggregate",),
    "sources.points": (
        "PointSeries",
        "read_points",
    ),
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, since every pytest session imports this package."""
    for module, names in _HOMES.items():
        if name in names:
            value = globals()[name] = getattr(importlib.import_module(f"{__name__}.{module}"), name)
            return value
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
