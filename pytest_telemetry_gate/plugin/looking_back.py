"""Look at the past: the commands ``backtest``, ``plan`` and ``sensitivity`` of the console script."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_telemetry_gate.errors import ConfigError
from pytest_telemetry_gate.plugin.option_values import read_duration, read_moment
from pytest_telemetry_gate.support.suggestions import suggest
from pytest_telemetry_gate.support.text import disarm, one_line

if TYPE_CHECKING:
    from pytest_telemetry_gate.gate.past.places import Past
    from pytest_telemetry_gate.gate.registry import Registry

__all__ = ["run_backtest", "run_plan", "run_sensitivity"]

_PIPED = 100  # columns where there is no terminal to ask
_HOUR = 3600.0


def run_backtest(
    suites: Sequence[str],
    registry: Registry,
    *,
    environment: str | None,
    recordings: Sequence[str],
    every: str | None,
    start: str | None,
    until: str | None,
    json_file: str | None,
) -> None:
    """Print what suites would have said of their past, hour by hour or at the checkpoints of several recordings.

    Texts are as the user wrote them. Raises ConfigError, SuiteError, SourceError or RecordingError.
    """
    from pytest_telemetry_gate.gate.past.backtest import backtest
    from pytest_telemetry_gate.gate.past.backtest_text import backtest_lines, backtest_to_json
    from pytest_telemetry_gate.reports.terminal import takes_unicode

    own = len(recordings) > 1 and every is None
    step = None if own else _HOUR if every is None else read_duration("--every", every)
    found = []
    lines: list[str] = []
    for suite in suites:
        tested = []
        for past in _pasts(suite, registry, environment, recordings):
            try:
                first, last = _moment("--from", start, past), _moment("--until", until, past)
                tested.append(backtest(past, every=step, start=first, until=last))
            finally:
                past.gate.close()
        lines += [*([""] if lines else []), *backtest_lines(tested, width=_width(), unicode=takes_unicode())]
        found += tested
    _write_json(json_file, backtest_to_json(found))
    _print(lines)


def run_sensitivity(
    suites: Sequence[str],
    make_registry: Callable[[], Registry],
    *,
    environment: str | None,
    recordings: Sequence[str],
    only: Sequence[str],
    faults: Sequence[str],
    region: str | None,
    onset: str | None,
    json_file: str | None,
) -> None:
    """Print which faults suites would notice in a recording, and the smallest of each.

    Texts are as the user wrote them. Raises ConfigError, SuiteError, SourceError or RecordingError.
    """
    from pytest_telemetry_gate.gate.sensitivity.faults import FAULTS
    from pytest_telemetry_gate.gate.sensitivity.processes import Work, measure_together
    from pytest_telemetry_gate.gate.sensitivity.text import sensitivity_lines, sensitivity_to_json
    from pytest_telemetry_gate.reports.terminal import takes_unicode

    kinds = [FAULTS[name] for name in _known("--fault", faults, FAULTS)] or [*FAULTS.values()]
    after = None if onset is None else read_duration("--onset", onset)
    if len(recordings) > 1:
        message = "--recording: faults are put into one recording, not into several"
        raise ConfigError(message)
    found = []
    lines: list[str] = []
    for suite in suites:
        open_past = partial(_open_past, suite, make_registry, environment, *recordings)
        past = open_past()
        try:
            _known("--region", [] if region is None else [region], past.environment.regions)
            ids = [one.id for criteria in past.suite.groups.values() for one in criteria]
            criteria = [name for name in ids if not only or name in _known("--only", only, ids)]
            work = Work(open_past, make_registry, kinds, region, after)
            try:
                measured = measure_together(work, past, criteria, _say_progress)
            finally:
                work.close()
                _erase_progress()
        finally:
            past.gate.close()
        lines += [
            *([""] if lines else []),
            *sensitivity_lines(measured, width=_width(), unicode=takes_unicode()),
        ]
        found.append(measured)
    _write_json(json_file, sensitivity_to_json(found))
    _print(lines)


def _open_past(
    suite: str, make_registry: Callable[[], Registry], environment: str | None, *recordings: str
) -> Past:
    (past,) = _pasts(suite, make_registry(), environment, recordings)
    return past


def _known(option: str, names: Sequence[str], known: Iterable[str]) -> Sequence[str]:
    """Return the names of an option; raises ConfigError for one that nobody knows."""
    known = list(known)
    for name in names:
        if name not in known:
            message = f"{option}: unknown name {name!r}{suggest(name, known)}"
            raise ConfigError(message)
    return names


def _say_progress(criterion: str, done: int, total: int) -> None:
    if sys.stderr.isatty():
        width = shutil.get_terminal_size().columns - 1  # a longer line could not be rewritten
        sys.stderr.write(f"\r\x1b[K{one_line(f'{done} of {total}: {criterion}')[:width]}")
        sys.stderr.flush()


def _erase_progress() -> None:
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()


def run_plan(
    suites: Sequence[str],
    registry: Registry,
    *,
    environment: str | None,
    recordings: Sequence[str],
    end: str | None,
    json_file: str | None,
) -> int:
    """Print what suites will be able to see of changes, told from the time before their rollouts.

    Texts are as the user wrote them. Returns 0, or 1 where nothing can be told of a suite. Raises ConfigError, SuiteError,
    SourceError or RecordingError.
    """
    from pytest_telemetry_gate.gate.past.foresight import foresee
    from pytest_telemetry_gate.gate.past.foresight_text import foresight_lines, foresight_to_json
    from pytest_telemetry_gate.reports.terminal import takes_unicode

    found = []
    lines: list[str] = []
    for suite in suites:
        for past in _pasts(suite, registry, environment, recordings):
            try:
                plan = foresee(past, _moment("--end", end, past))
            finally:
                past.gate.close()
            found.append(plan)
            lines += [
                *([""] if lines else []),
                *foresight_lines(plan, width=_width(), unicode=takes_unicode()),
            ]
    _write_json(json_file, foresight_to_json(found))
    _print(lines)
    return 0 if all(plan.comparisons for plan in found) else 1


def _pasts(
    suite: str, registry: Registry, environment: str | None, recordings: Sequence[str]
) -> Iterator[Past]:
    """Yield what a suite is judged over: each recording, or an environment of its telemetry.yaml."""
    from pytest_telemetry_gate.gate.past.places import Past, environment_of_recording, find_environment

    path = Path(suite)
    if not path.is_file():
        message = f"{suite}: there is no such suite file"
        raise ConfigError(message)
    if environment is not None and recordings:
        message = (
            "--telemetry-env and --recording exclude each other: a recording is an environment of its own"
        )
        raise ConfigError(message)
    if not recordings:
        chosen = find_environment(path, environment)
        yield Past.open(path, chosen, registry, f"environment {chosen.name}")
    for recording in recordings:
        file, start = _split_start(recording)
        yield Past.open(path, environment_of_recording(file), registry, file.name, start)


def _split_start(text: str) -> tuple[Path, str | None]:
    """Return the file of ``FILE@START`` and when its rollout began, None where only the file is named."""
    file, mark, start = text.rpartition("@")
    return (Path(file), start) if mark and not Path(text).exists() else (Path(text), None)


def _moment(option: str, text: str | None, past: Past) -> float | None:
    """Return a moment in seconds; ``now`` is the clock of what is judged."""
    if text is None:
        return None
    return read_moment(option, text, lambda: min(map(past.gate.now, past.environment.regions)))


def _width() -> int:
    return shutil.get_terminal_size(fallback=(_PIPED, 24)).columns


def _print(lines: Iterable[str]) -> None:
    sys.stdout.write("".join(f"{disarm(line)}\n" for line in lines))


def _write_json(file: str | None, content: Mapping[str, Any]) -> None:
    """Write a file of JSON where one is named; raises ConfigError where it cannot be written."""
    if file is None:
        return
    try:
        Path(file).write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        message = f"--json: {one_line(file)} cannot be written: {error.strerror}"
        raise ConfigError(message) from None
