"""A company's own source, event source, criterion and report sink: everything from ``pytest_telemetry_gate`` alone."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, ClassVar

import numpy as np
import pytest

from pytest_telemetry_gate import (
    Answers,
    Check,
    Criterion,
    Dossier,
    Engine,
    Episode,
    Events,
    EventSource,
    Matrix,
    MemoryStorage,
    Question,
    RegionSettings,
    Scalar,
    Source,
    SourceError,
    Vector,
    collect_evidence,
    coverage_questions,
    decide,
    measure_coverage,
    read_series,
)


class CsvSource(Source):
    """Metrics that a nightly job exports as CSV: ``time,metric,job,value``, the time in seconds since the epoch."""

    def __init__(self, settings: RegionSettings) -> None:
        path = settings.resolve(settings.options["path"])
        if not path.is_file():
            raise SourceError(f"{settings.where}: there is no file {path.name}")
        series: dict[tuple[str, str], list[tuple[int, float]]] = defaultdict(list)
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                sample = round(float(row["time"]) * 1000), float(row["value"])
                series[row["metric"], row["job"]].append(sample)
        times = [time for samples in series.values() for time, _ in samples]
        self.description = f"csv {path.name}"
        self.recorded_at = max(times) / 1000
        self.scrape_intervals = {"": float(settings.options.get("interval", 60))}
        self._engine = Engine(
            MemoryStorage(
                [
                    (
                        {"__name__": metric, "job": job},
                        np.array([time for time, _ in samples], dtype=np.int64),
                        np.array([value for _, value in samples], dtype=np.float64),
                    )
                    for (metric, job), samples in series.items()
                ]
            )
        )

    def instant(self, promql: str, time: float) -> Scalar | Vector | Matrix | str:
        return self._engine.instant(promql, time)

    def range(self, promql: str, start: float, end: float, step: float) -> Matrix:
        return self._engine.range(promql, start, end, step)


class PageLog(EventSource):
    """The pages of the people on call, as a list of ``{"what": ..., "from": ..., "to": ...}`` in a JSON file."""

    def __init__(self, settings: RegionSettings, source: Source) -> None:
        self._path = settings.resolve(settings.options["path"])
        self.description = f"page log {self._path.name}"

    def events(self, kind: str, start: float, end: float) -> Events:
        pages = json.loads(self._path.read_text(encoding="utf-8"))
        episodes = [
            Episode("escalation", page["what"], _seconds(page["from"]), _seconds(page["to"]))
            for page in pages
        ]
        touching = tuple(one for one in episodes if one.start <= end and (one.end or end) >= start)
        return Events(start, end, complete=True, episodes=touching)


class ErrorBudget(Criterion):
    """How much is left of the errors that an objective allows: ``error_budget`` is PromQL for the share of errors."""

    key: ClassVar[str] = "error_budget"
    natural_unit: ClassVar[str] = "ratio"

    error_budget: str
    objective: float

    def expressions(self) -> Mapping[str, tuple[str, frozenset[str]]]:
        return {"error_budget": (self.error_budget, frozenset({"vector"}))}

    def questions(self, check: Check) -> Iterable[Question]:
        query = check.query(self.key)
        yield query.at(check.region, check.time)
        yield from coverage_questions(check, query, check.time)

    def judge(self, check: Check, answers: Answers) -> Dossier:
        query = check.query(self.key)
        answer = answers[query.at(check.region, check.time)]
        coverage = measure_coverage(check, query, check.time, answers)
        labels, shares = read_series(answer)
        left = [1 - share / (1 - self.objective) for share in shares]
        # What is missing, stale or partial is found by the evidence: no budget is left over by an absence of data.
        evidence = collect_evidence(check, answer, query=query.text, coverage=coverage)
        return decide(check, left, evidence, None, labels)


def pytest_telemetry_gate_sources() -> Mapping[str, Any]:
    return {"company_csv": CsvSource}


def pytest_telemetry_gate_event_sources() -> Mapping[str, Any]:
    return {"company_pages": PageLog}


def pytest_telemetry_gate_criteria() -> Iterable[type[Criterion]]:
    return [ErrorBudget]


def pytest_telemetry_gate_verdict(dossier: Dossier, config: pytest.Config) -> None:
    """Append every dossier to a file, one JSON object a line, in the process that reports."""
    folder = config.rootpath / ".company_gate"
    folder.mkdir(exist_ok=True)
    with (folder / "dossiers.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(dossier.to_wire()) + "\n")


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
