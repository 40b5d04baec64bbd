"""Skipped stages and retries per executed stage of a CI pipeline, before a rollout against after it.

With raw counts more runs would look worse, so each is a rate over the stages that were executed.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urljoin, urlsplit

from pytest_telemetry_gate.errors import CorpusError, TelemetryGateError
from pytest_telemetry_gate.model.verdict import Outcome
from pytest_telemetry_gate.model.wire import from_wire
from pytest_telemetry_gate.replay.captured import CAPTURE_VERSION, require_known_version
from pytest_telemetry_gate.replay.ci_words import KNOWN_WORDS, StageState, read_state
from pytest_telemetry_gate.replay.drive.client import ask
from pytest_telemetry_gate.replay.drive.context import resolve
from pytest_telemetry_gate.replay.drive.drive_secrets import keep_settings
from pytest_telemetry_gate.replay.suite.model import CiLogSettings, HttpAddress
from pytest_telemetry_gate.sources.http.addresses import shown_url
from pytest_telemetry_gate.support.json_text import JsonTextError, read_json_values
from pytest_telemetry_gate.support.log_records import mask_logs
from pytest_telemetry_gate.support.secrets import Secrets

__all__ = ["CiComparison", "CiRates", "judge_ci", "read_ci_logs", "undecided_ci"]

_MAX_BYTES = 64 * 2**20
_TIMEOUT = 30.0
_EPSILON = 1e-9
_KEYS = ("run", "stage", "result", "attempt")
_MOST_ATTEMPTS = 1000  # of one stage; GitHub Actions has 50
_ENDED_SHARE = 0.9  # of the runs that are listed: like the coverage that metrics need
_Entry: TypeAlias = tuple[str, str, int, StageState]  # run, stage, attempt


@dataclass(frozen=True, slots=True)
class CiRates:
    """What the logs of some runs hold: a stage that was run again counts once as executed, and its further attempts as retries.

    ``runs`` are those that have ended; of the ``unfinished`` ones nothing is counted.
    """

    runs: int
    executed: int
    skipped: int
    retries: int
    unfinished: int = 0

    def __post_init__(self) -> None:
        """Raise TypeError for what is no number of anything, which an edited recording may hold."""
        for name, number in asdict(self).items():
            if not isinstance(number, int) or isinstance(number, bool) or number < 0:
                message = f"{name} is {str(number)[:80]}, not a number of 0 or more"
                raise TypeError(message)

    def rate(self, kind: str) -> float:
        """Return skipped stages or retries in percent of executed stages."""
        return 100.0 * float(getattr(self, kind)) / self.executed

    def to_wire(self) -> dict[str, int]:
        """Return builtins."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class CiComparison:
    """The rates before a rollout and after it, as a recording keeps them beside the captures of cases."""

    before: CiRates
    after: CiRates

    def to_wire(self) -> dict[str, Any]:
        """Return builtins."""
        return {"capture": CAPTURE_VERSION, "before": self.before.to_wire(), "after": self.after.to_wire()}

    @classmethod
    def from_wire(cls, wire: Mapping[str, Any]) -> CiComparison:
        """Rebuild from ``to_wire()``; keys that are not known are ignored.

        Raises CorpusError for a newer version and for anything that is no comparison.
        """
        require_known_version(wire)
        try:
            return cls(*(from_wire(CiRates, wire.get(side) or {}) for side in ("before", "after")))
        except TypeError as error:
            message = f"not the figures of CI logs: {error}"
            raise CorpusError(message) from None


def judge_ci(settings: CiLogSettings, before: CiRates, after: CiRates) -> tuple[Outcome, str]:
    """Decide whether skipped stages or retries have become more frequent; too few runs decide nothing."""
    undecided = undecided_ci(settings, before, after)
    if undecided:
        return Outcome.INCONCLUSIVE, undecided
    parts, outcome = [], Outcome.PASS
    for kind, allowed in (
        ("skipped", settings.max_increase.skipped),
        ("retries", settings.max_increase.retries),
    ):
        change = after.rate(kind) - before.rate(kind)
        text = f"{kind} {before.rate(kind):.2f} % -> {after.rate(kind):.2f} % of executed stages"
        if change > allowed + _EPSILON:
            outcome = Outcome.FAIL
            text += f" (+{change:.2f} pp, allowed +{allowed:g} pp)"
        parts.append(text)
    return outcome, f"{'; '.join(parts)} ({before.runs} runs before, {after.runs} after)"


def undecided_ci(settings: CiLogSettings, before: CiRates, after: CiRates) -> str:
    """Return why the logs decide nothing, or an empty string."""
    for name, rates in (("before", before), ("after", after)):
        listed = rates.runs + rates.unfinished
        if rates.runs < settings.min_runs:
            rest = f" ({rates.unfinished} more have not ended)" if rates.unfinished else ""
            return f"{name}: {rates.runs} runs, {settings.min_runs} are needed{rest}"
        if rates.runs < _ENDED_SHARE * listed:
            return f"{name}: {rates.unfinished} of {listed} runs have not ended; fetch the logs again when they have"
        if not rates.executed:
            return f"{name}: no stage was executed"
    return ""


def read_ci_logs(origin: HttpAddress | str, folder: Path, secrets: Secrets) -> CiRates:
    """Read a file or address: JSON Lines of ``{run, stage, result, attempt}``, or GitHub Actions' lists of jobs.

    An address may have several pages, as its ``Link`` header says. ``secrets`` remember what its headers hold. Raises
    CorpusError with the place of what cannot be read, and for a list that is not whole.
    """
    mask_logs(secrets)
    try:
        return _rates(_entries(*_texts(origin, folder, secrets)))
    except TelemetryGateError as error:
        raise CorpusError(str(error)) from None


def _texts(origin: HttpAddress | str, folder: Path, secrets: Secrets) -> tuple[Iterable[str], str]:
    """Return the texts of a file or address, and its name."""
    headers = (
        {} if isinstance(origin, str) else {key: resolve(value) for key, value in origin.headers.items()}
    )
    keep_settings(secrets, {"url": origin} if isinstance(origin, str) else origin.model_dump())
    place = resolve(origin if isinstance(origin, str) else origin.url)
    if not place.startswith(("http://", "https://")):
        return [_read(folder / place, place)], place
    return _pages(place, headers), shown_url(place)


def _rates(entries: Iterable[_Entry]) -> CiRates:
    stages: dict[tuple[str, str], dict[int, StageState]] = {}
    for run, stage, attempt, state in entries:
        attempts = stages.setdefault((run, stage), {})
        # Of a log that notes a beginning and an end, the end counts; of several ends, that the stage ran.
        attempts[attempt] = max(state, attempts.get(attempt, state))
    runs = {run for run, _ in stages}
    unfinished = {run for (run, _), attempts in stages.items() if StageState.OPEN in attempts.values()}
    executed = skips = retries = 0
    for (run, _), attempts in stages.items():
        if run in unfinished:
            continue
        ran = {attempt for attempt, state in attempts.items() if state is StageState.RAN}
        if ran:
            executed += 1
            # Attempts are numbered from 1, so a list with only the last attempts still tells how many there were.
            retries += max(*ran, len(ran)) - 1
        else:
            skips += 1
    return CiRates(len(runs) - len(unfinished), executed, skips, retries, len(unfinished))


def _entries(texts: Iterable[str], origin: str) -> Iterator[_Entry]:
    totals: dict[str, int] = {}
    listed: Counter[str] = Counter()
    promised = 0  # jobs of a page that lists none, so that nobody knows of which run
    for text in texts:
        for line, entry in _values(text, origin):
            if not isinstance(entry, dict) or "jobs" not in entry:
                yield _stage(entry, origin, line)
                continue
            jobs = list(_github(entry["jobs"], origin, line))
            yield from jobs
            total = entry.get("total_count", len(jobs))
            if not isinstance(total, int) or isinstance(total, bool) or total < 0:
                raise _error_at(origin, line, f"total_count {str(total)[:80]!r} is not a number of jobs")
            if jobs:
                run = jobs[0][0]
                totals[run] = max(totals.get(run, 0), total)
                listed[run] += len(jobs)
            else:
                promised = max(promised, total)
    if promised and not listed:
        message = f"{origin}: 0 of {promised} jobs are listed: pages are missing"
        raise CorpusError(message)
    for run, number in totals.items():
        if listed[run] < number:
            message = f"{origin}: {listed[run]} of {number} jobs of run {run[:80]}: pages are missing"
            raise CorpusError(message)


def _values(text: str, origin: str) -> Iterator[tuple[int, Any]]:
    """Yield each JSON value with its line: one for each line, documents one after the other, or an array of either."""
    try:
        for line, value in read_json_values(text):
            yield from ((line, document) for document in (value if isinstance(value, list) else [value]))
    except JsonTextError as error:
        raise _error_at(origin, error.line, str(error)) from None


def _stage(entry: object, origin: str, line: int) -> _Entry:
    missing = [key for key in _KEYS[:3] if not isinstance(entry, dict) or key not in entry]
    if missing or not isinstance(entry, dict):
        raise _error_at(origin, line, f"needs {', '.join(missing)}; an entry has {', '.join(_KEYS)}")
    state = _state(entry["result"], origin, line)
    run, stage = (_name(entry[key], key, origin, line) for key in _KEYS[:2])
    return run, stage, _attempt(entry.get("attempt", 1), origin, line), state


def _name(value: object, key: str, origin: str, line: int) -> str:
    """Return the name or number of a run or a stage; without one, entries of several would be counted as one."""
    if isinstance(value, bool) or not isinstance(value, str | int) or not str(value).strip():
        raise _error_at(origin, line, f"{key} {str(value)[:80]!r} is neither a name nor a number")
    return str(value).strip()


def _state(result: object, origin: str, line: int) -> StageState:
    state = read_state(result)
    if state is None:  # which could be a word for skipped
        raise _error_at(origin, line, f"result {str(result)[:80]!r} is not known; known are {KNOWN_WORDS}")
    return state


def _attempt(value: object, origin: str, line: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise _error_at(origin, line, f"attempt {str(value)[:80]!r} is not a positive integer")
    if value > _MOST_ATTEMPTS:
        raise _error_at(
            origin, line, f"attempt {value} is no number of an attempt: more than {_MOST_ATTEMPTS}"
        )
    return value


def _github(jobs: object, origin: str, line: int) -> Iterator[_Entry]:
    """Yield the jobs of ``GET /repos/{owner}/{repo}/actions/runs/{id}/jobs?filter=all``; one without conclusion has not ended."""
    if not isinstance(jobs, list):
        raise _error_at(origin, line, "jobs must be a list")
    for job in jobs:
        if not isinstance(job, dict) or not {"run_id", "name", "conclusion"} <= job.keys():
            raise _error_at(origin, line, "a job needs run_id, name and conclusion")
        attempt = _attempt(job.get("run_attempt", 1), origin, line)
        run, name = (_name(job[key], key, origin, line) for key in ("run_id", "name"))
        yield run, name, attempt, _state(job["conclusion"], origin, line)


def _read(path: Path, shown: str) -> str:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise _error_at(shown, 1, f"the file is larger than {_MAX_BYTES // 2**20} MiB")
        return path.read_text("utf-8-sig")
    except OSError as error:
        raise _error_at(shown, 1, f"cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise _error_at(shown, 1, "not UTF-8") from None


def _pages(url: str, headers: Mapping[str, str]) -> Iterator[str]:
    """Yield the pages of an address, all within the time and size of one file; raises TelemetryGateError."""
    shown, give_up, remaining = shown_url(url), time.monotonic() + _TIMEOUT, _MAX_BYTES
    while url:
        if time.monotonic() > give_up:
            message = f"{shown}: no complete answer within {_TIMEOUT:g} s"
            raise CorpusError(message)
        answer = ask("GET", url, headers=headers, timeout=_TIMEOUT, keep=remaining + 1)
        if answer.status_code != 200:
            message = f"{shown}: HTTP {answer.status_code}"
            raise CorpusError(message)
        remaining -= len(answer.content)
        if remaining < 0:
            message = f"{shown}: larger than {_MAX_BYTES // 2**20} MiB"
            raise CorpusError(message)
        yield answer.content.decode("utf-8", "replace")
        url = _next(url, answer.next_page, shown)


def _next(url: str, following: str, shown: str) -> str:
    """Return the address of the next page; it must be on the same host, since headers are sent to it as well."""
    if not following:
        return ""
    target = urljoin(url, following)
    current_parts, next_parts = urlsplit(url), urlsplit(target)
    if (current_parts.scheme, current_parts.hostname, current_parts.port) != (
        next_parts.scheme,
        next_parts.hostname,
        next_parts.port,
    ):
        message = f"{shown}: its next page is on another host"
        raise CorpusError(message)
    return target


def _error_at(shown: str, line: int, message: str) -> CorpusError:
    return CorpusError(f"{shown}:{line}: {message}")
