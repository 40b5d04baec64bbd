"""Skipped stages and retries per executed stage of a CI pipeline, before a rollout against after it.

Raw counts would say more runs are worse, so each is a rate over the stages that were executed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pytest_telemetry_gate.errors import CorpusError
from pytest_telemetry_gate.replay.drivers import resolved
from pytest_telemetry_gate.replay.model import CiLogs
from pytest_telemetry_gate.verdict import Outcome

__all__ = ["Rates", "judge_ci", "rates_of", "read_ci", "undecided_ci"]

_MAX_BYTES = 64 * 2**20
_TIMEOUT = 30.0
_EPSILON = 1e-9
_KEYS = ("run", "stage", "result", "attempt")


@dataclass(frozen=True, slots=True)
class Rates:
    """What the logs of some runs hold: a stage that was run again counts once as executed, and its further attempts as retries."""

    runs: int
    executed: int
    skipped: int
    retries: int

    def rate(self, what: str) -> float:
        """Return skipped stages or retries in percent of executed stages."""
        return 100.0 * float(getattr(self, what)) / self.executed

    def to_wire(self) -> dict[str, int]:
        """Return builtins."""
        return asdict(self)


def judge_ci(settings: CiLogs, before: Rates, after: Rates) -> tuple[Outcome, str]:
    """Decide whether skipped stages or retries have become more frequent; too few runs decide nothing."""
    undecided = undecided_ci(settings, before, after)
    if undecided:
        return Outcome.INCONCLUSIVE, undecided
    parts, outcome = [], Outcome.PASS
    for what, allowed in (
        ("skipped", settings.max_increase.skipped),
        ("retries", settings.max_increase.retries),
    ):
        change = after.rate(what) - before.rate(what)
        told = f"{what} {before.rate(what):.2f} % -> {after.rate(what):.2f} % of executed stages"
        if change > allowed + _EPSILON:
            outcome = Outcome.FAIL
            told += f" (+{change:.2f} pp, allowed +{allowed:g} pp)"
        parts.append(told)
    return outcome, f"{'; '.join(parts)} ({before.runs} runs before, {after.runs} after)"


def undecided_ci(settings: CiLogs, before: Rates, after: Rates) -> str:
    """Return why the logs decide nothing, or an empty string."""
    for name, rates in (("before", before), ("after", after)):
        if rates.runs < settings.min_runs:
            return f"{name}: {rates.runs} runs, {settings.min_runs} are needed"
        if not rates.executed:
            return f"{name}: no stage was executed"
    return ""


def read_ci(origin: str, folder: Path) -> Rates:
    """Read a file or address: JSON Lines of ``{run, stage, result, attempt}``, or GitHub Actions' list of jobs.

    Raises CorpusError with the place of what cannot be read.
    """
    origin = resolved(origin)
    text = _fetched(origin) if origin.startswith(("http://", "https://")) else _read(folder / origin, origin)
    stages: dict[tuple[str, str], list[tuple[int, bool]]] = {}
    runs: set[str] = set()
    for run, stage, attempt, skipped in _entries(text, origin):
        runs.add(run)
        stages.setdefault((run, stage), []).append((attempt, skipped))
    executed = skips = retries = 0
    for attempts in stages.values():
        ran = {attempt for attempt, skipped in attempts if not skipped}
        if ran:
            executed += 1
            # Attempts are numbered from 1; a list of the last attempts alone still tells how many there were.
            retries += max(*ran, len(ran)) - 1
        else:
            skips += 1
    return Rates(len(runs), executed, skips, retries)


def _entries(text: str, origin: str) -> Iterator[tuple[str, str, int, bool]]:
    try:
        whole = json.loads(text)
    except ValueError:
        whole = None
    if isinstance(whole, dict) and "jobs" in whole:
        yield from _github(whole["jobs"], origin)
        return
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
        except ValueError:
            raise _at(origin, number, "not JSON") from None
        if isinstance(entry, dict) and "jobs" in entry:
            yield from _github(entry["jobs"], origin)
            continue
        missing = [key for key in _KEYS[:3] if not isinstance(entry, dict) or key not in entry]
        if missing:
            raise _at(origin, number, f"needs {', '.join(missing)}; an entry has {', '.join(_KEYS)}")
        attempt = entry.get("attempt", 1)
        if not isinstance(attempt, int) or isinstance(attempt, bool) or attempt < 1:
            raise _at(origin, number, f"attempt {attempt!r} is not a whole number from 1 on")
        skipped = str(entry["result"]).lower() in {"skip", "skipped"}
        yield str(entry["run"]), str(entry["stage"]), attempt, skipped


def _github(jobs: object, origin: str) -> Iterator[tuple[str, str, int, bool]]:
    """Yield the jobs of ``GET /repos/{owner}/{repo}/actions/runs/{id}/jobs?filter=all``."""
    if not isinstance(jobs, list):
        raise _at(origin, 1, "jobs must be a list")
    for job in jobs:
        if not isinstance(job, dict) or "run_id" not in job or "name" not in job:
            raise _at(origin, 1, "a job needs run_id, name and conclusion")
        if job.get("conclusion") is None:
            continue  # it has not ended
        yield (
            str(job["run_id"]),
            str(job["name"]),
            int(job.get("run_attempt", 1)),
            job["conclusion"] == "skipped",
        )


def _read(path: Path, shown: str) -> str:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise _at(shown, 1, f"the file is larger than {_MAX_BYTES // 2**20} MiB")
        return path.read_text("utf-8-sig")
    except OSError as error:
        raise _at(shown, 1, f"cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise _at(shown, 1, "not UTF-8") from None


def _fetched(url: str) -> str:
    import requests

    shown = url.partition("?")[0]
    try:
        with requests.get(url, timeout=_TIMEOUT, stream=True) as response:
            if response.status_code != 200:
                message = f"{shown}: HTTP {response.status_code}"
                raise CorpusError(message)
            content = response.raw.read(_MAX_BYTES + 1, decode_content=True)
    except requests.RequestException as error:
        message = f"{shown}: cannot be reached: {type(error).__name__}"
        raise CorpusError(message) from None
    if len(content) > _MAX_BYTES:
        message = f"{shown}: larger than {_MAX_BYTES // 2**20} MiB"
        raise CorpusError(message)
    return str(content.decode("utf-8", "replace"))


def _at(shown: str, line: int, message: str) -> CorpusError:
    return CorpusError(f"{shown}:{line}: {message}")


def rates_of(wire: Mapping[str, Any]) -> Rates:
    """Rebuild from ``to_wire()``; raises CorpusError."""
    try:
        return Rates(**wire)
    except TypeError as error:
        message = f"not the figures of CI logs: {error}"
        raise CorpusError(message) from None
