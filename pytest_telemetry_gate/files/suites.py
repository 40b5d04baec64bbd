"""Read suite files into models; every problem becomes one line with file, line, the problem, and what is allowed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pytest_telemetry_gate.errors import SuiteError
from pytest_telemetry_gate.files.baseline_files import attach_content, find_unit_problem
from pytest_telemetry_gate.files.checkpoints import CheckpointError, list_checkpoints
from pytest_telemetry_gate.files.document import Document
from pytest_telemetry_gate.files.rollouts import SuiteSettings, apply_settings, starts_now
from pytest_telemetry_gate.files.told import read_told
from pytest_telemetry_gate.files.validation import keys_of, validate_model
from pytest_telemetry_gate.model.check import Criterion
from pytest_telemetry_gate.model.rollback import Trigger
from pytest_telemetry_gate.model.suite import Suite
from pytest_telemetry_gate.support.places import Key
from pytest_telemetry_gate.support.suggestions import suggest
from pytest_telemetry_gate.support.units import dimension

__all__ = ["load_criterion", "load_suite"]


def load_suite(
    path: Path,
    kinds: Mapping[str, type[Criterion]],
    display_path: str = "",
    settings: SuiteSettings | None = None,
    *,
    with_baselines: bool = True,
    change: Callable[[dict[str, Any], Path, str], dict[str, Any]] | None = None,
) -> Suite:
    """Read a ``*.gate.yaml`` file; ``kinds`` are the kinds of criteria by the key that tells them.

    ``settings`` go before what the file says. Without ``with_baselines`` its baseline files, which need not exist then, are
    not read. ``change`` returns the content as plugins want it. Raises SuiteError for anything in it, or in its baseline file, that cannot be used, and ConfigError for settings
    that cannot be used with it.
    """
    document = Document(path, display_path)
    settings = settings or SuiteSettings()
    if change is not None:
        document.value = change(document.value, path, document.shown)
    from_now = starts_now(document.value, settings)
    document.value, zone = apply_settings(document, settings)
    suite = validate_model(Suite, document.value, document, ())
    try:
        points = list_checkpoints(suite)
    except CheckpointError as error:
        raise document.error(("checkpoints", error.index), str(error)) from None
    if suite.rollout.finish < suite.rollout.start:
        raise document.error(("rollout", "end"), "rollout.end lies before rollout.start")
    groups = _groups(document, suite, kinds, with_baselines=with_baselines)
    baseline = suite.baseline
    if with_baselines:
        baseline = attach_content(
            baseline, document.path.parent, document.shown, ("baseline",), document.error
        )
    told = read_told(suite, document)
    suite = suite.model_copy(
        update={
            "groups": groups,
            "points": points,
            "baseline": baseline,
            "path": document.shown,
            "starts_now": from_now,
            "told": told,
            "timezone": zone if told is None else told.timezone or zone,
        }
    )
    _cross_check(suite, document)
    return suite


def load_criterion(
    keys: Mapping[str, Any], kinds: Mapping[str, type[Criterion]], *, path: str, line: int, folder: Path
) -> Criterion:
    """Read one criterion from keys that do not stand in a file; raises SuiteError at the path and line given.

    ``folder`` is what the path of a baseline file counts from.
    """

    def error(_: Sequence[Key], message: str) -> SuiteError:
        return SuiteError(path, line, message)

    criterion = _criterion(dict(keys), kinds, (), error, line).relative_to_folder(folder)
    baseline = attach_content(criterion.baseline, folder, path, ("baseline",), error)
    return criterion.model_copy(update={"baseline": baseline})


def _groups(
    document: Document, suite: Suite, kinds: Mapping[str, type[Criterion]], *, with_baselines: bool
) -> dict[str, tuple[Criterion, ...]]:
    groups: dict[str, tuple[Criterion, ...]] = {}
    lines: dict[str, int] = {}
    for group, entries in document.value["groups"].items():
        if "::" in group or not group.strip():
            raise document.error(("groups", group), f"group {group!r}: a group needs a name without '::'")
        criteria = []
        if not entries:
            raise document.error(("groups", group), f"group {group!r} has no criteria")
        for index, entry in enumerate(entries):
            where = ("groups", group, index)
            line = document.line(where)
            criterion = _criterion(entry, kinds, where, document.error, line).relative_to_folder(
                document.path.parent
            )
            if criterion.id in lines:
                first = lines[criterion.id]
                raise SuiteError(
                    document.shown, line, f"duplicate criterion {criterion.id!r} (first at line {first})"
                )
            lines[criterion.id] = line
            if with_baselines:
                own = attach_content(
                    criterion.baseline,
                    document.path.parent,
                    document.shown,
                    (*where, "baseline"),
                    document.error,
                )
                criterion = criterion.model_copy(update={"baseline": own})
            criteria.append(criterion)
        groups[group] = tuple(criteria)
    return groups


def _criterion(
    entry: object, kinds: Mapping[str, type[Criterion]], where: Sequence[Key], error: Any, line: int
) -> Criterion:
    if not isinstance(entry, dict):
        raise error(where, "a criterion must be a mapping of keys to values")
    name = f"criterion {entry.get('id', '?')!r}"
    named_kinds = _named_kinds(entry, kinds)
    if len(named_kinds) != 1:
        unknown = next((key for key in entry if key not in kinds and key not in Criterion.model_fields), None)
        if unknown is not None and not named_kinds:
            raise error(
                (*where, unknown),
                f"{name}: unknown key {unknown!r}{suggest(unknown, keys_of(Criterion) | set(kinds))}",
            )
        has = " and ".join(named_kinds) or "none"
        raise error(where, f"{name}: needs exactly one of {', '.join(kinds)}, has {has}")
    criterion = validate_model(kinds[named_kinds[0]], entry, error, where, f"{name}: ")
    _check_units(criterion, where, error, name)
    return criterion.model_copy(update={"line": line})


def _named_kinds(entry: Mapping[Any, object], kinds: Mapping[str, type[Criterion]]) -> list[str]:
    """Return the kinds that an entry can be of, by its keys; one that has the other kinds' keys as keys of its own is meant."""
    named = [key for key in kinds if key in entry]
    with_the_others = [key for key in named if set(named) <= keys_of(kinds[key])]
    return with_the_others if len(named) > 1 and len(with_the_others) == 1 else named


def _check_units(criterion: Criterion, where: Sequence[Key], error: Any, name: str) -> None:
    if criterion.change == "points" and not criterion.is_ratio:
        unit = repr(criterion.yielded_unit) if criterion.yielded_unit else "no unit"
        raise error(
            (*where, "change"), f"{name}: change: percentage points are of a ratio or %, and this has {unit}"
        )
    limit = criterion.expect
    if limit is None or not limit.unit:
        return
    if not criterion.yielded_unit:
        raise error(
            (*where, "expect"), f"{name}: the limit {limit.shown()!r} has a unit, so the query needs `unit:`"
        )
    if dimension(limit.unit) != dimension(criterion.yielded_unit):
        units = f"{limit.unit!r} of the limit and {criterion.yielded_unit!r} of the query"
        raise error((*where, "expect"), f"{name}: the units {units} do not measure the same")


def _cross_check(suite: Suite, document: Document) -> None:
    ids = {criterion.id for criteria in suite.groups.values() for criterion in criteria}
    points = {point.id for point in suite.points}
    for group, criteria in suite.groups.items():
        for index, criterion in enumerate(criteria):
            where = ("groups", group, index)
            for name in criterion.checkpoints or ():
                if name not in points:
                    hint = suggest(name, points)
                    message = f"criterion {criterion.id!r}: unknown checkpoint {name!r}{hint}"
                    raise document.error((*where, "checkpoints"), message)
            unit = find_unit_problem(criterion, suite)
            if unit:
                raise document.error(where, f"criterion {criterion.id!r}: {unit}")
            for key, message in criterion.problems(suite):
                raise document.error((*where, key), f"criterion {criterion.id!r}: {message}")
    for index, condition in enumerate(() if suite.rollback is None else suite.rollback.when):
        if condition.trigger is Trigger.CRITERION and condition.name not in ids:
            message = (
                f"{condition.text!r}: unknown criterion {condition.name!r}{suggest(condition.name, ids)}"
            )
            raise document.error(("rollback", "when", index), f"rollback.when: {message}")
    for index, waiver in enumerate(suite.waivers):
        if waiver.criterion not in ids:
            hint = suggest(waiver.criterion, ids)
            raise document.error(
                ("waivers", index, "criterion"), f"unknown criterion {waiver.criterion!r}{hint}"
            )
        if waiver.checkpoint is not None and waiver.checkpoint not in points:
            hint = suggest(waiver.checkpoint, points)
            raise document.error(
                ("waivers", index, "checkpoint"), f"unknown checkpoint {waiver.checkpoint!r}{hint}"
            )
