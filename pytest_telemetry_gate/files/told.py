"""Read what people say in a suite's report, in the suite or in a file of its own, and hold it against the suite."""

from __future__ import annotations

from pathlib import Path

from pytest_telemetry_gate.files.document import Document
from pytest_telemetry_gate.files.validation import validate_model
from pytest_telemetry_gate.model.suite import Suite
from pytest_telemetry_gate.model.told import Told
from pytest_telemetry_gate.support.places import Place
from pytest_telemetry_gate.support.suggestions import suggest

__all__ = ["read_told"]

_KEY = "report"


def read_told(suite: Suite, document: Document) -> Told | None:
    """Return what the suite's ``report`` says, None where it has none.

    Raises SuiteError for a file that cannot be used, and for what does not fit the suite.
    """
    said = suite.report
    if said is None:
        return None
    if isinstance(said, Told):
        _check_groups(said, suite, document, (_KEY,))
        return said
    path = document.path.parent / said
    if not path.is_file():
        raise document.error((_KEY,), f"report: there is no file {said!r}")
    file = Document(path, str(Path(document.shown).parent / said))
    place: Place = (_KEY,) if _KEY in file.value else ()
    beside = next((key for key in file.value if place and key != _KEY), None)
    if beside is not None:
        raise file.error((beside,), f"unknown key {beside!r} beside {_KEY!r}, which holds everything")
    told = validate_model(Told, file.value[_KEY] if place else file.value, file, place)
    _check_groups(told, suite, file, place)
    return told


def _check_groups(told: Told, suite: Suite, document: Document, place: Place) -> None:
    for group in told.observations:
        if group not in suite.groups:
            where = (*place, "observations", group)
            raise document.error(
                where, f"observations: unknown group {group!r}{suggest(group, suite.groups)}"
            )
