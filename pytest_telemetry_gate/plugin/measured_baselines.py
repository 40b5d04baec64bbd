"""The ``telemetry_baseline`` fixture: what a test measures itself, held against a baseline file that people accept."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pytest_telemetry_gate.criteria.baseline_file import find_measurement
from pytest_telemetry_gate.criteria.measured import MeasuredValue
from pytest_telemetry_gate.errors import ConfigError, SourceError
from pytest_telemetry_gate.files.baseline_files import read_baseline_file
from pytest_telemetry_gate.files.baseline_text import leading_comments, write_baseline_text
from pytest_telemetry_gate.model.baseline import BaselineEntry, BaselineFile, RegionMeasurement
from pytest_telemetry_gate.model.verdict import Outcome
from pytest_telemetry_gate.plugin.baselines import find_author, with_history
from pytest_telemetry_gate.promql import Matrix, Vector
from pytest_telemetry_gate.support.whole_files import hold_lock, replace_file

if TYPE_CHECKING:
    from pytest_telemetry_gate.gate.gate import Gate
    from pytest_telemetry_gate.model.check import Check
    from pytest_telemetry_gate.model.dossier import Dossier
    from pytest_telemetry_gate.model.verdict import Verdict
    from pytest_telemetry_gate.plugin.checking import Checking

__all__ = ["MeasuredBaselines"]

_OPTION = "--telemetry-write-baselines"
_HEADER = f"# Written by `pytest {_OPTION}=REASON`, which also writes it anew.\n"

Measured: TypeAlias = float | Sequence[float] | NDArray[Any] | Vector | Matrix


@dataclass(frozen=True, slots=True)
class _Summary:
    """What stands for one or several measurements: their mean, standard deviation and number."""

    value: float
    spread: float | None = None
    samples: int | None = None


class MeasuredBaselines:
    """Holds measured values against the baseline file of a test's module; ``reason`` is why it is written anew, if it is.

    The file is ``baselines/MODULE.yaml`` beside the module. A run that writes it judges nothing, so that no gate opens by what
    it has just accepted.
    """

    def __init__(self, telemetry: Checking, gate: Gate, path: Path, reason: str | None) -> None:
        self._telemetry = telemetry
        self._gate = gate
        self._module = path
        self._reason = reason

    def check(
        self,
        name: str,
        measured: Measured,
        expect: str | None = None,
        /,
        *,
        file: str | None = None,
        **keys: Any,
    ) -> Verdict:
        """Judge what was measured under a name of the baseline file, as ``telemetry.check`` judges; return the verdict.

        ``measured`` is a number, or a series of numbers, of which the mean is judged; ``keys`` are those of a criterion, such
        as ``tolerance``, ``better`` and ``unit``. ``file`` is another baseline file, from the test's folder. Without a value in
        the file the verdict is inconclusive. Raises SourceError where nothing was measured, or no number.
        """
        shown = file or f"baselines/{self._module.stem}.yaml"
        path = self._module.parent / shown

        def judge() -> Dossier:
            if "baseline" in keys:
                message = "telemetry_baseline: the baseline is the file's: use telemetry.check(measured=...) for another"
                raise ConfigError(message)
            summary = _summarise(name, measured)
            told = {"id": name, MeasuredValue.key: summary.value, **keys}
            if "tolerance" in told:
                told.setdefault("confidence", "none")
            if self._reason is None and path.is_file():
                return self._compare({**told, "baseline": {"file": shown}}, expect)
            check = self._telemetry.write_check({**told, "baseline": summary.value}, expect)
            if self._reason is None:
                said = f"there is no baseline file {shown}: {_OPTION}=REASON writes it"
            else:
                before = _write(path, shown, check, summary, self._reason)
                was = "" if before is None else f", was {before:g}"
                said = f"{summary.value:g} was written into {shown}{was}: judge without {_OPTION}"
            return check.dossier(Outcome.INCONCLUSIVE, said, value=check.criterion.shown(summary.value))

        return self._telemetry.carry(judge).verdict

    def _compare(self, keys: Mapping[str, Any], expect: str | None) -> Dossier:
        check = self._telemetry.write_check(keys, expect)
        dossier = self._gate.judge(check)
        if find_measurement(check, getattr(check.criterion.baseline, "content", None)) is not None:
            return dossier
        return dossier.revise(reason=f"{dossier.verdict.reason}: {_OPTION}=REASON writes one")


def _summarise(name: str, measured: Measured) -> _Summary:
    """Return what stands for a measurement; raises SourceError where there is none, and ConfigError for what is no number."""
    if isinstance(measured, Vector | Matrix):
        if len(measured.labels) > 1:
            message = f"{name}: {len(measured.labels)} series, not one: check each under a name of its own"
            raise SourceError(message)
        series = measured.values[measured.present] if isinstance(measured, Matrix) else measured.values
    else:
        try:
            series = np.asarray(measured, dtype=np.float64)
        except (TypeError, ValueError):
            series = np.empty((0, 0))
        if series.ndim > 1 or isinstance(measured, bool | str):
            message = f"{name}: {type(measured).__name__} is neither a number nor a series of numbers"
            raise ConfigError(message)
    numbers = [float(number) for number in series.ravel()]
    if not numbers:
        message = f"no data: {name} was never measured"
        raise SourceError(message)
    if not all(map(math.isfinite, numbers)):
        message = (
            f"{name}: {next(number for number in numbers if not math.isfinite(number))} is no measurement"
        )
        raise SourceError(message)
    if len(numbers) == 1:
        return _Summary(numbers[0])
    return _Summary(statistics.fmean(numbers), statistics.stdev(numbers), len(numbers))


def _write(path: Path, shown: str, check: Check, summary: _Summary, reason: str) -> float | None:
    """Write a value into a baseline file, and return the one that it replaces; raises ConfigError or SuiteError."""
    try:
        with hold_lock(path):
            old = path.read_text(encoding="utf-8-sig") if path.is_file() else ""
            before = read_baseline_file(path, shown) if old else None
            content, replaced = _content(before, old, check, summary=summary, reason=reason, path=path)
            with replace_file(path) as file:
                file.write(write_baseline_text(content, leading_comments(old) or _HEADER).encode())
            return replaced
    except OSError as error:
        message = f"{shown}: cannot be written: {error.strerror}"
        raise ConfigError(message) from None


def _content(
    before: BaselineFile | None, old: str, check: Check, *, summary: _Summary, reason: str, path: Path
) -> tuple[BaselineFile, float | None]:
    """Return what the file will say, with one more value or another one, and the value that this replaces."""
    author = _author(path.parent)
    if before is None:
        environment = (check.environment,) if check.environment else ()
        before = BaselineFile(version=1, name=path.stem, environment=environment, values={})
    elif before.environment and check.environment not in before.environment:
        known = " and ".join(map(repr, before.environment))
        message = f"it is of environment {known}, not of {check.environment!r}: name another `file`"
        raise check.error(message)
    elif (before.author, before.reason) != (author, reason):  # written for another reason than this run's
        before = with_history(before, before, old)
    known_entry, measured = before.values.get(check.criterion.id), find_measurement(check, before)
    fields: dict[str, Any] = {"unit": check.criterion.yielded_unit, "measured": check.time}
    found = {"value": summary.value, "spread": summary.spread, "samples": summary.samples}
    if check.region:
        others = {} if known_entry is None else known_entry.regions
        fields["regions"] = {**others, check.region: RegionMeasurement.model_validate(found)}
    else:
        fields |= found
    values = {**before.values, check.criterion.id: BaselineEntry.model_validate(fields)}
    content = before.model_copy(update={"author": author, "reason": reason, "values": values})
    return content, None if measured is None else measured.value


def _author(folder: Path) -> str:
    """Return who measures as git knows the user, empty where it does not."""
    try:
        return find_author(None, folder)
    except ConfigError:
        return ""
