"""Read replay suites into models; every problem becomes one line with file, line, and what is allowed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_telemetry_gate.errors import ConfigError, SuiteError
from pytest_telemetry_gate.files.document import Document
from pytest_telemetry_gate.files.validation import validate_model
from pytest_telemetry_gate.replay.suite.capturing import why_not_captured
from pytest_telemetry_gate.replay.suite.contracts import CONTRACTS, Contract, MetricContract
from pytest_telemetry_gate.replay.suite.drive_variables import (
    DOLLAR,
    drive_variables,
    mark_variable,
    show_marked,
)
from pytest_telemetry_gate.replay.suite.model import (
    CARDINALITY,
    CI_LOGS,
    CaptureSettings,
    CaseEntry,
    ReplayCase,
    ReplaySuite,
    ReplaySuiteFile,
)
from pytest_telemetry_gate.replay.suite.named_drivers import name_callables
from pytest_telemetry_gate.replay.suite.registries import load_registries
from pytest_telemetry_gate.support.places import Key, Place, map_texts
from pytest_telemetry_gate.support.suggestions import suggest
from pytest_telemetry_gate.support.variables import ReferencedText, expand

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.environment import ReplaySettings

__all__ = ["files_of", "load_replay"]

_ID = re.compile(r"[A-Za-z0-9_.-]+")
_WHOLE = re.compile(r"\$(?:(\w+)|\{(\w+)\})")
_PRIVATE = "\ue000"  # stands for the dollar of an environment variable while suite variables are expanded


def load_replay(
    path: Path, display_path: str = "", *, region: str = "", settings: ReplaySettings | None = None
) -> ReplaySuite:
    """Read a ``*.replay.yaml`` file for a region; raises SuiteError for anything in it that cannot be used.

    ``settings`` are what telemetry.yaml says instead of the file; raises ConfigError for what is wrong there.
    References to environment variables (``${VAR}``, ``${VAR:-default}``) in ``variables`` stay until a case is
    driven, since what starts the system may set them; everything else is checked here. A file that has not changed is
    read once.
    """
    try:
        stamp = path.stat()
        return _load(path, display_path, region, settings, (stamp.st_mtime_ns, stamp.st_size))
    except OSError:
        return _load(path, display_path, region, settings, (0, 0))


@lru_cache(maxsize=64)
def _load(
    path: Path, display_path: str, region: str, settings: ReplaySettings | None, _: tuple[int, int]
) -> ReplaySuite:
    document = Document(path, display_path)
    if settings is not None:
        document.value = name_callables(document.value, settings.find_drivers())
    raw = document.value
    variables = {**_variables(document), "region": region}
    if settings is not None:
        variables |= _override(variables, settings)
        variables |= _told(document, variables, settings)
    contracts = _contracts(document, variables)
    entries = raw.get("cases")
    # Cases are expanded before they are read, so the file itself is read without them and contracts.
    placeholder = [{"id": "-", "drive": {"cli": {"argv": ["-"]}}, "expect": {"spans": [{"contract": "-"}]}}]
    rest = {**raw, "contracts": {}, "variables": {}}
    if isinstance(entries, list) and entries:
        rest["cases"] = placeholder
    capture = rest.pop("capture", None)
    expanded = _expand_texts(rest, variables, document, (), whole=False)
    if capture is not None:
        # The id of a trace is known when it is asked for.
        known = {**variables, "trace_id": "$trace_id"}
        expanded["capture"] = _expand_texts(capture, known, document, ("capture",), whole=False)
    file = validate_model(ReplaySuiteFile, expanded, document, ())
    if settings is not None and settings.capture is not None:

        def error(where: Sequence[Key], message: str) -> Exception:
            return settings.error(("capture", *where), f"replay.capture: {message}")

        file = file.model_copy(
            update={"capture": validate_model(CaptureSettings, dict(settings.capture), error, ())}
        )
    cases: list[ReplayCase] = []
    for index, entry in enumerate(entries if isinstance(entries, list) else ()):
        cases += _cases(
            document, entry, ("cases", index), file=file, variables=variables, contracts=contracts
        )
    _refuse_duplicates(document, cases)
    suite = ReplaySuite(
        file.suite,
        file.title,
        document.shown,
        path.parent,
        file,
        contracts,
        tuple(cases),
        {name: document.line(("contracts", name)) for name in contracts},
        document.line(("ci_logs",)),
        {
            name: value.replace(_PRIVATE, "$") if isinstance(value, str) else value
            for name, value in variables.items()
        },
        load_registries(document, contracts),
    )
    _check_denominators(document, suite)
    return suite


def _variables(document: Document) -> dict[str, Any]:
    raw = document.value.get("variables")
    if raw is None:
        return {}
    if not isinstance(raw, dict):
        raise document.error(("variables",), "variables: must be a mapping of keys to values")
    for name, value in raw.items():
        if not isinstance(value, str | int | float | bool):
            raise document.error(
                ("variables", name), f"variables.{name}: must be text, a number, true or false"
            )
    return {
        name: value.replace("$", _PRIVATE) if isinstance(value, str) else value for name, value in raw.items()
    }


def _override(variables: Mapping[str, Any], settings: ReplaySettings) -> Mapping[str, Any]:
    """Return the variables of telemetry.yaml; a misspelt one is refused, as cases would drive something else."""
    for name in settings.variables:
        if name not in variables:
            message = f"replay.variables: the suite has no variable {name!r}{suggest(name, variables)}"
            raise settings.error(("variables", name), message)
    return settings.variables


def _told(
    document: Document, variables: Mapping[str, Any], settings: ReplaySettings
) -> dict[str, str | int | float | bool]:
    """Return the variables of the command line that the suite has, each of the type that it has in the file."""
    own = document.value.get("variables") or {}
    return {
        name: _like(variables[name], text.replace("$", _PRIVATE), f"--telemetry-set {name}={text}")
        for name, text in settings.told.items()
        if name in own
    }


def _like(written: object, text: str, option: str) -> str | int | float | bool:
    if isinstance(written, bool):
        if text in {"true", "false"}:
            return text == "true"
        message = f"{option}: the variable is true or false"
        raise ConfigError(message)
    if isinstance(written, int | float):
        number = ReferencedText(text).number()
        if isinstance(number, str):
            message = f"{option}: the variable is a number"
            raise ConfigError(message)
        return number
    return text


def _contracts(document: Document, variables: Mapping[str, Any]) -> dict[str, Contract]:
    raw = document.value.get("contracts") or {}
    if not isinstance(raw, dict):
        raise document.error(("contracts",), "contracts: must be a mapping of keys to values")
    contracts: dict[str, Contract] = {}
    for name, entry in raw.items():
        where = ("contracts", name)
        if not isinstance(entry, dict):
            raise document.error(where, f"contract {name!r}: must be a mapping of keys to values")
        signal = entry.get("signal", "spans")
        if signal not in CONTRACTS:
            message = f"contract {name!r}: signal: {signal!r}{suggest(signal, CONTRACTS)}"
            raise document.error((*where, "signal"), message)
        expanded = _expand_texts(entry, variables, document, where)
        contracts[name] = validate_model(CONTRACTS[signal], expanded, document, where, f"contract {name!r}: ")
    return contracts


def _cases(
    document: Document,
    entry: object,
    where: Place,
    *,
    file: ReplaySuiteFile,
    variables: Mapping[str, Any],
    contracts: Mapping[str, Contract],
) -> list[ReplayCase]:
    if not isinstance(entry, dict):
        raise document.error(where, "a case must be a mapping of keys to values")
    rows = entry.get("matrix", [{}])
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise document.error(
            (*where, "matrix"), "matrix: must be a list of rows, each a mapping of variables"
        )
    cases = []
    for number, row in enumerate(rows):
        at = (*where, "matrix", number) if "matrix" in entry else where
        bad_key = next(
            (key for key, value in row.items() if not isinstance(value, str | int | float | bool)), None
        )
        if bad_key is not None:
            raise document.error((*at, bad_key), f"matrix: {bad_key}: must be text, a number, true or false")
        row_variables = {**variables, **row}
        body = {key: value for key, value in entry.items() if key != "matrix"}
        name = entry.get("id")
        expanded = _expand_texts(body, row_variables, document, where, case=body)

        def error(place: Sequence[Key], message: str) -> Exception:
            return document.error(place, show_marked(message))

        case = validate_model(CaseEntry, expanded, error, where, f"case {name!r}: ")
        identity = _identity(str(name), case, row)
        if not _ID.fullmatch(identity):
            message = f"case {identity!r}: a name has letters, digits, '_', '.' and '-'"
            raise document.error((*where, "id"), message)
        if identity == CI_LOGS:
            message = f"case {identity!r}: the name is reserved for `ci_logs:`"
            raise document.error((*where, "id"), message)
        if identity == CARDINALITY and any(map(_limits_checkpoint, contracts.values())):
            message = (
                f"case {identity!r}: the name is reserved for `cardinality: {{checkpoint: ...}}` of contracts"
            )
            raise document.error((*where, "id"), message)
        _check(document, case, where, file, contracts)
        _check_outputs(document, case, where, row_variables)
        line = document.line(at)
        for checkpoint in case.checkpoints or file.checkpoints:
            title = case.title or identity
            cases.append(
                ReplayCase(
                    identity, checkpoint, title, case.drive, case.expect, case.level, line, case.capture
                )
            )
    return cases


def _limits_checkpoint(contract: Contract) -> bool:
    limits = contract.cardinality if isinstance(contract, MetricContract) else None
    return limits is not None and limits.checkpoint is not None


def _identity(written: str, case: CaseEntry, row: Mapping[str, Any]) -> str:
    if "$" in written:
        return case.id
    values = [str(value) for value in row.values() if _ID.fullmatch(str(value))]
    return "-".join([case.id, *values])


def _check(
    document: Document,
    case: CaseEntry,
    where: Place,
    file: ReplaySuiteFile,
    contracts: Mapping[str, Contract],
) -> None:
    for checkpoint in case.checkpoints:
        if checkpoint not in file.checkpoints:
            message = (
                f"case {case.id!r}: unknown checkpoint {checkpoint!r}{suggest(checkpoint, file.checkpoints)}"
            )
            raise document.error((*where, "checkpoints"), message)
    for signal in ("spans", "metrics", "logs"):
        for index, expected in enumerate(getattr(case.expect, signal)):
            name = getattr(expected, "contract", None)
            if name is None:
                continue
            at = (*where, "expect", signal, index)
            allowed = [
                contract_name for contract_name, contract in contracts.items() if contract.signal == signal
            ]
            if name not in allowed:
                other = f"contract {name!r} is about {contracts[name].signal}" if name in contracts else ""
                message = other or f"unknown contract {name!r}{suggest(name, allowed)}"
                raise document.error(at, f"case {case.id!r}: {message}")
    refused = why_not_captured(file.capture, case)
    if refused is not None:
        key, message = refused
        raise document.error((*where, *key), f"case {case.id!r}: {message}")
    folder = document.path.parent
    for key, name in files_of(case):
        if not (folder / name).is_file():
            message = show_marked(f"case {case.id!r}: there is no file {name!r}")
            raise document.error((*where, *key), message)


def _check_outputs(document: Document, case: CaseEntry, where: Place, variables: Mapping[str, Any]) -> None:
    for number, step in enumerate(case.drive.steps or ()):
        for name in step.outputs:
            if name in variables:
                message = f"case {case.id!r}: output ${name} has the name of a variable of the suite"
                raise document.error((*where, "drive", "steps", number, "outputs", name), message)


def files_of(case: CaseEntry | ReplayCase) -> list[tuple[tuple[Key, ...], str]]:
    """Return the files that a case reads, from the suite's folder, with the keys that name them."""
    files: list[tuple[tuple[Key, ...], str]] = [
        (("drive", *place, *key), name)
        for place, settings in case.drive.parts
        for key, name in settings.files()
    ]
    if case.expect.tree is not None:
        files.append((("expect", "tree", "like"), case.expect.tree.like))
    return files


def _refuse_duplicates(document: Document, cases: Sequence[ReplayCase]) -> None:
    lines: dict[tuple[str, str], int] = {}
    for case in cases:
        key = case.id, case.checkpoint
        if key in lines:
            message = f"duplicate case {case.id!r} (first at line {lines[key]})"
            raise SuiteError(document.shown, case.line, message)
        lines[key] = case.line


def _check_denominators(document: Document, suite: ReplaySuite) -> None:
    for name, checkpoint in suite.file.checkpoints.items():
        number = len(suite.cases_at(name))
        if number != checkpoint.cases:
            message = f"checkpoint {name!r} has {checkpoint.cases} cases, but {number} are written for it"
            raise document.error(("checkpoints", name), message)
    if suite.file.ci_logs is not None:
        if suite.file.ci_logs.before == suite.file.ci_logs.after:
            message = "ci_logs: before and after are the same logs, which never show an increase"
            raise document.error(("ci_logs", "after"), message)
        for name in suite.file.ci_logs.checkpoints:
            if name not in suite.file.checkpoints:
                message = f"ci_logs: unknown checkpoint {name!r}{suggest(name, suite.file.checkpoints)}"
                raise document.error(("ci_logs", "checkpoints"), message)


def _expand_texts(
    part: Any,
    variables: Mapping[str, Any],
    document: Document,
    where: Place,
    *,
    whole: bool = True,
    case: Mapping[str, Any] | None = None,
) -> Any:
    """Replace variables in all texts; a text that is a single variable takes over its type.

    In the drive of a ``case``, what only that knows is left for it, and two dollars stand for one.
    """
    words = {
        name: str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in variables.items()
    }

    def expand_text(text: str, place: Place) -> Any:
        if "$" not in text:
            return text
        alone = _WHOLE.fullmatch(text)
        value: Any
        if alone is not None and whole and (alone[1] or alone[2]) in variables:
            value = variables[alone[1] or alone[2]]
        else:
            known = drive_variables(case, place[len(where) :]) if case is not None else None
            marks = {} if known is None else {name: mark_variable(name) for name in known}
            try:
                value = expand(text if known is None else text.replace("$$", DOLLAR), {**marks, **words})
            except ValueError as error:
                raise document.error(place, str(error)) from None
        return value.replace(_PRIVATE, "$") if isinstance(value, str) else value

    return map_texts(part, expand_text, where)
