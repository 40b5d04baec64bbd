"""Read baseline files, and give the baselines of suites what the files say that they name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_telemetry_gate.files.document import Document
from pytest_telemetry_gate.files.validation import validate_model
from pytest_telemetry_gate.model.baseline import Baseline, BaselineFile
from pytest_telemetry_gate.support.units import dimension

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.check import Criterion
    from pytest_telemetry_gate.model.suite import Suite
    from pytest_telemetry_gate.support.places import Key

__all__ = ["attach_content", "find_unit_problem", "read_baseline_file"]

_B = TypeVar("_B", Baseline, Baseline | None, Baseline | float | None)


def read_baseline_file(path: Path, shown: str = "") -> BaselineFile:
    """Read a baseline file, which people call ``shown``; raises SuiteError for anything in it that cannot be used."""
    file = Document(path, shown)
    return validate_model(BaselineFile, file.value, file, ())


def attach_content(baseline: _B, folder: Path, suite_path: str, where: Sequence[Key], error: Any) -> _B:
    """Return a baseline with the content of the files that it names, which are below the suite's folder.

    ``suite_path`` is the suite file's, as people call it, ``where`` the place of the baseline in it, and ``error`` makes an
    error from a place and a message. Raises SuiteError where there is no such file, and for what is in it.
    """
    if not isinstance(baseline, Baseline):
        return baseline
    changes: dict[str, Any] = {}
    if baseline.file is not None:
        content = _read(baseline.file, folder, suite_path, (*where, "file"), error)
        changes = {"content": content, "name": baseline.name or content.name}
    if isinstance(baseline.original, str):
        content = _read(baseline.original, folder, suite_path, (*where, "original"), error)
        changes["original_content"] = content
    return baseline.model_copy(update=changes) if changes else baseline


def _read(name: str, folder: Path, suite_path: str, where: Sequence[Key], error: Any) -> BaselineFile:
    path = folder / name
    if not path.is_file():
        raise error(where, f"there is no baseline file {name!r}: `telemetry-gate baseline write` makes one")
    return read_baseline_file(path, str(Path(suite_path).parent / name))


def find_unit_problem(criterion: Criterion, suite: Suite) -> str:
    """Return why the unit in a baseline file does not fit a criterion, empty where it does."""
    baseline = suite.baseline_of(criterion)
    if not isinstance(baseline, Baseline):
        return ""
    for content in (baseline.content, baseline.original_content):
        entry = None if content is None else content.values.get(criterion.id)
        if entry is None or not entry.unit or dimension(entry.unit) == dimension(criterion.yielded_unit):
            continue
        unit = repr(criterion.yielded_unit) if criterion.yielded_unit else "no unit"
        return f"the baseline's unit {entry.unit!r} and the query's, {unit}, do not measure the same"
    return ""
