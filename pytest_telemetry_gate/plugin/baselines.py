"""Write baseline files: the command ``baseline write`` of the console script."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from pytest_telemetry_gate.errors import ConfigError
from pytest_telemetry_gate.plugin.option_values import read_duration, read_moment
from pytest_telemetry_gate.support.durations import format_time
from pytest_telemetry_gate.support.text import disarm, plain, visible

if TYPE_CHECKING:
    from pytest_telemetry_gate.gate.gate import Gate
    from pytest_telemetry_gate.gate.measured_baseline import MeasuredBaseline
    from pytest_telemetry_gate.gate.registry import Registry
    from pytest_telemetry_gate.model.baseline import BaselineFile
    from pytest_telemetry_gate.model.check import Check
    from pytest_telemetry_gate.model.environment import Environment
    from pytest_telemetry_gate.model.suite import Suite

__all__ = ["BaselineRequest", "find_author", "with_history", "write_baseline"]

_KEPT = 10  # replaced baselines; version control has all of them


@dataclass(frozen=True, slots=True)
class BaselineRequest:
    """What a user wants to have measured and written; texts are as they were written on the command line."""

    name: str
    suites: Sequence[str]
    reason: str
    environment: str | None = None
    recording: str | None = None
    start: str | None = None
    end: str | None = None
    window: str | None = None
    reference: str | None = None
    author: str | None = None
    expires: str | None = None
    build: str = ""
    output: str | None = None
    replace: bool = False
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Subject:
    """A suite whose criteria are measured, and the check of each of them at its last checkpoint, by region."""

    path: Path
    suite: Suite
    checks: tuple[Check, ...]


def write_baseline(request: BaselineRequest, registry: Registry) -> int:
    """Measure what suites judge before their rollouts, print it, and write it into a baseline file.

    Returns 0, or 1 where something could not be measured, or where the file exists and is not to be replaced: it stays as
    it is then. Raises ConfigError, SuiteError, SourceError or RecordingError.
    """
    from pytest_telemetry_gate.gate.dialects import with_dialects
    from pytest_telemetry_gate.gate.gate import Gate
    from pytest_telemetry_gate.gate.past.places import environment_of_recording, find_environment

    paths = [_suite_path(suite) for suite in request.suites]
    if request.recording is None:
        environment = find_environment(paths[0], request.environment)
    elif request.environment is None:
        environment = environment_of_recording(Path(request.recording))
    else:
        message = (
            "--telemetry-env and --recording exclude each other: a recording is an environment of its own"
        )
        raise ConfigError(message)
    gate = Gate(with_dialects(environment, lambda: registry), registry)
    try:
        gate.open(environment.regions)
        for region in environment.regions:
            gate.source(region)
        return _measure_and_write(request, registry, gate, paths)
    finally:
        gate.close()


def _measure_and_write(
    request: BaselineRequest, registry: Registry, gate: Gate, paths: Sequence[Path]
) -> int:
    from pytest_telemetry_gate.gate.measured_baseline import ask_ahead, measure_baseline
    from pytest_telemetry_gate.plugin import baseline_lines

    subjects = [_subject(path, request, registry, gate) for path in paths]
    output = _output(request, subjects[0])
    end = _end(request, subjects, gate)
    window = None if request.window is None else read_duration("--window", request.window)
    reference = _reference(request.reference)
    author = find_author(request.author, output.parent)
    chosen, left_out = _choose(subjects, output)
    ask_ahead(gate, chosen, end)
    measured = [measure_baseline(gate, check, end, window, reference) for check in chosen]
    found = [one for one in measured if one.measurement is not None]
    missing = [*baseline_lines.missing_lines(measured), *left_out]
    if not found:
        _print(gate.environment, [*missing, f"{request.name}: nothing was measured, and nothing is written"])
        return 1
    content = _content(request, gate.environment, found, end, author)
    lines = [
        *baseline_lines.measured_lines(content, measured),
        *_spaced(baseline_lines.remark_lines(measured)),
        *_spaced(missing),
    ]
    told, refused = _write(request, output, content)
    _print(gate.environment, [*lines, "", *told])
    return 1 if refused or len(found) < len(measured) else 0


def _suite_path(suite: str) -> Path:
    path = Path(suite)
    if not path.is_file():
        message = f"{suite}: there is no such suite file"
        raise ConfigError(message)
    return path


def _subject(path: Path, request: BaselineRequest, registry: Registry, gate: Gate) -> _Subject:
    """Read a suite without its baseline files, which need not be there, and plan it."""
    from pytest_telemetry_gate.files.rollouts import SuiteSettings
    from pytest_telemetry_gate.files.suites import load_suite
    from pytest_telemetry_gate.gate.plan import plan_checks

    environment = gate.environment
    settings = SuiteSettings(
        request.start, None, request.variables, lambda: _clock(gate), environment.secrets
    )
    suite = load_suite(path, registry.criteria, str(path), settings, with_baselines=False)
    last = {
        (check.criterion.id, region): check.within(region)
        for check in sorted(plan_checks(suite, environment), key=lambda check: check.time)
        for region in check.regions
    }
    return _Subject(path, suite, tuple(last.values()))


def _clock(gate: Gate) -> float:
    return float(math.floor(min(map(gate.now, gate.environment.regions))))


def _output(request: BaselineRequest, subject: _Subject) -> Path:
    """Return the file to write: as told, else the suite's own, else one called like the baseline beside the suite."""
    if request.output is not None:
        return Path(request.output)
    own = subject.suite.baseline
    if own is not None and own.file is not None:
        return subject.path.parent / own.file
    words = "".join(letter if letter.isalnum() else " " for letter in request.name.lower()).split()
    return subject.path.parent / "baselines" / f"{'-'.join(words) or 'baseline'}.yaml"


def _end(request: BaselineRequest, subjects: Iterable[_Subject], gate: Gate) -> float:
    """Return when the window ends: as told, else at the first rollout's start, or now where that is ahead."""
    clock, start = _clock(gate), min(subject.suite.rollout.start for subject in subjects)
    if request.end is None:
        return min(start, clock // 60 * 60)
    end = read_moment("--end", request.end, lambda: clock)
    if end > start:
        message = f"--end: {format_time(end)} is after rollout.start {format_time(start)}: the rollout would be compared with itself"
        raise ConfigError(message)
    if end > clock:
        message = f"--end: {format_time(end)} is ahead of the clock, {format_time(clock)}"
        raise ConfigError(message)
    return end


def _reference(text: str | None) -> str | None:
    from pytest_telemetry_gate.model.baseline import reference_offsets

    if text is not None:
        try:
            reference_offsets(text)
        except ValueError as error:
            message = f"--reference: {error}"
            raise ConfigError(message) from None
    return text


def find_author(told: str | None, folder: Path) -> str:
    """Return who measures: as told, else as git knows the user; raises ConfigError where nobody is known."""
    if told:
        return told
    where = next(parent for parent in (folder, *folder.absolute().parents) if parent.is_dir())
    try:
        named = subprocess.run(
            ["git", "config", "user.name"],  # noqa: S607 - git is where the user has it
            cwd=where,
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        message = "--author: git knows no user.name here: say who measures, --author='Ann Example'"
        raise ConfigError(message) from None
    return plain(named.stdout.strip())


def _choose(subjects: Iterable[_Subject], output: Path) -> tuple[list[Check], list[str]]:
    """Return the checks whose criteria are measured, and a line for each that cannot be although it asks for a baseline.

    Where criteria name the file that is written, these are they; else all that have no baseline of another kind.
    """
    from pytest_telemetry_gate.gate.measured_baseline import find_unmeasurable

    pairs = [(subject, check) for subject in subjects for check in subject.checks]
    named = [check for subject, check in pairs if _is_in(subject, check, output)]
    checks = named or [check for _, check in pairs if _names_no_other(check)]
    seen: dict[str, Path] = {}
    for subject, check in pairs:
        first = seen.setdefault(check.criterion.id, subject.path)
        if first != subject.path and check in checks:
            message = f"criterion {check.criterion.id!r} is in {first} and in {subject.path}: a file has one value for each id"
            raise ConfigError(message)
    reasons = {check.criterion.id: (check, find_unmeasurable(check)) for check in checks}
    left_out = [
        f"left out: {name}: {reason}"
        for name, (check, reason) in reasons.items()
        if reason and (check.criterion.tolerance is not None or "query" in check.criterion.expressions())
    ]
    chosen = [check for check in checks if not reasons[check.criterion.id][1]]
    return sorted(chosen, key=lambda check: (check.criterion.id, check.region)), left_out


def _file_of(check: Check) -> str | None:
    baseline = check.suite.baseline_of(check.criterion)
    return None if baseline is None or isinstance(baseline, float) else baseline.file


def _is_in(subject: _Subject, check: Check, output: Path) -> bool:
    file = _file_of(check)
    return file is not None and (subject.path.parent / file).resolve() == output.resolve()


def _names_no_other(check: Check) -> bool:
    return check.criterion.baseline is None or _file_of(check) is not None


def _content(
    request: BaselineRequest,
    environment: Environment,
    found: Sequence[MeasuredBaseline],
    end: float,
    author: str,
) -> BaselineFile:
    """Return what the file will say; raises ConfigError for an expiry that is none."""
    from pytest_telemetry_gate.criteria.baseline_file import digest_query, said_change
    from pytest_telemetry_gate.model.baseline import BaselineFile

    windows = [one.window for one in found if one.window is not None]
    usual = max(set(windows), key=lambda window: (windows.count(window), window)) if windows else None
    values: dict[str, dict[str, Any]] = {}
    for one in found:
        check = one.check
        entry = values.setdefault(
            check.criterion.id,
            {
                "unit": check.criterion.yielded_unit,
                "query": digest_query(check),
                "change": said_change(check),
                **({} if one.window in (None, usual) else {"window": one.window}),
            },
        )
        measurement = {} if one.measurement is None else one.measurement.model_dump(exclude_none=True)
        if check.region:
            entry.setdefault("regions", {})[check.region] = measurement
        else:
            entry.update(measurement)
    try:
        return BaselineFile.model_validate(
            {
                "version": 1,
                "name": request.name,
                "environment": (environment.name,),
                "author": author,
                "reason": request.reason,
                "build": request.build,
                "measured": end,
                "window": usual,
                "expires": request.expires,
                "values": values,
            }
        )
    except ValidationError as error:
        problem = next(one for one in error.errors(include_url=False))
        if problem["loc"][:1] != ("expires",):
            raise
        message = f"--expires: {problem.get('ctx', {}).get('error', problem['msg'])}"
        raise ConfigError(message) from None


def _write(request: BaselineRequest, output: Path, content: BaselineFile) -> tuple[list[str], bool]:
    """Write the file unless it exists and may not be replaced; return what is to be said, and whether it was refused."""
    from pytest_telemetry_gate.files.baseline_files import read_baseline_file
    from pytest_telemetry_gate.files.baseline_text import leading_comments, write_baseline_text
    from pytest_telemetry_gate.plugin.baseline_lines import difference_lines
    from pytest_telemetry_gate.support.whole_files import hold_lock, replace_file

    try:
        with hold_lock(output.resolve()):
            if not output.exists():
                with replace_file(output) as file:
                    file.write(write_baseline_text(content).encode())
                return [f"wrote {output}"], False
            before = read_baseline_file(output, str(output))
            told = list(difference_lines(str(output), before, content))
            if not request.replace:
                return [
                    *told,
                    "",
                    f"{output} is there already and stays as it is: --replace writes it anew",
                ], True
            old = output.read_text(encoding="utf-8-sig")
            with replace_file(output) as file:
                text = write_baseline_text(with_history(content, before, old), leading_comments(old))
                file.write(text.encode())
            return [*told, "", f"wrote {output} anew"], False
    except OSError as error:
        message = f"{output}: cannot be written: {error.strerror}"
        raise ConfigError(message) from None


def with_history(content: BaselineFile, before: BaselineFile, text: str) -> BaselineFile:
    """Return the content with the baseline that it replaces, and those which that has replaced."""
    import time

    from pytest_telemetry_gate.files.baseline_text import digest_of_text
    from pytest_telemetry_gate.model.baseline import ReplacedBaseline

    replaced = ReplacedBaseline(
        measured=before.measured,
        replaced=float(int(time.time())),
        author=before.author,
        reason=before.reason,
        digest=digest_of_text(text),
    )
    return content.model_copy(update={"history": (replaced, *before.history)[:_KEPT]})


def _spaced(lines: Iterable[str]) -> Iterator[str]:
    """Yield lines after an empty one, nothing where there are none."""
    for place, line in enumerate(lines):
        if not place:
            yield ""
        yield line


def _print(environment: Environment, lines: Iterable[str]) -> None:
    from pytest_telemetry_gate.reports.terminal import takes_unicode

    unicode = takes_unicode()
    for line in lines:
        shown = visible(environment.scrub(line))
        shown = shown if unicode else shown.encode("ascii", "backslashreplace").decode()
        sys.stdout.write(f"{disarm(shown)}\n")
