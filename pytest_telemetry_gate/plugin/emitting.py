"""What a system emits: the commands ``capture`` and ``diff`` of the console script."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_telemetry_gate.errors import ConfigError
from pytest_telemetry_gate.plugin.option_values import read_duration
from pytest_telemetry_gate.support.suggestions import suggest
from pytest_telemetry_gate.support.text import disarm, visible
from pytest_telemetry_gate.support.whole_files import replace_file

if TYPE_CHECKING:
    from pytest_telemetry_gate.replay.emitted.differences import Difference
    from pytest_telemetry_gate.replay.emitted.inputs import Emitted
    from pytest_telemetry_gate.support.secrets import Secrets

__all__ = ["CaptureRequest", "run_capture", "run_diff"]

_LIMIT, _QUIET, _QUIET_TRAFFIC = 60.0, 1.0, 5.0  # seconds
_PAYLOAD = 0.1
_LISTEN = "127.0.0.1:4318"  # where SDKs export to unless told
_ANY = "any"
_STDOUT = "-"


@dataclass(frozen=True, slots=True)
class CaptureRequest:
    """What a user wants to see; texts are as they were written on the command line."""

    argv: Sequence[str] = ()
    sources: Sequence[str] = ()
    listen: str | None = None
    grpc: str | None = None
    limit: str | None = None
    quiet: str | None = None
    save: str | None = None
    learn: str | None = None
    checkpoint: str | None = None
    only: str | None = None
    replace: bool = False


def run_capture(request: CaptureRequest) -> int:
    """Print what was emitted, and write what is asked for; returns 1 where nothing was, or the command failed.

    Raises ConfigError, CorpusError, RecordingError or DriveError.
    """
    from pytest_telemetry_gate.support.secrets import Secrets

    secrets = Secrets()
    secrets.keep_environment()
    if request.sources and (request.argv or request.listen or request.grpc or request.save):
        message = "--from reads what was captured: it excludes a command, --listen, --grpc and --save"
        raise ConfigError(message)
    if request.learn not in {None, _STDOUT} and Path(str(request.learn)).exists() and not request.replace:
        message = f"--learn: {request.learn} is there already: --replace writes it anew"
        raise ConfigError(message)
    return _show_files(request, secrets) if request.sources else _show_live(request, secrets)


def _show_files(request: CaptureRequest, secrets: Secrets) -> int:
    from pytest_telemetry_gate.replay.emitted.inputs import read_emitted

    emitted = [
        one
        for source in request.sources
        for one in read_emitted(Path(source), request.checkpoint or "", request.only or "*")
    ]
    for one in emitted if request.learn != _STDOUT else ():
        lines = [f"# {one.name}"] if one.name else []
        lines += [f"not whole: {one.problem}"] if one.problem else []
        _print([*lines, *_listed(one)], secrets)
    _learn(request, emitted, secrets)
    return 1 if all(one.telemetry.is_empty for one in emitted) else 0


def _show_live(request: CaptureRequest, secrets: Secrets) -> int:
    from pytest_telemetry_gate.replay.emitted.capturing import capture_command, capture_traffic
    from pytest_telemetry_gate.replay.emitted.inputs import Emitted

    limit = _LIMIT if request.limit is None else read_duration("--for", request.limit)
    usual = _QUIET if request.argv else _QUIET_TRAFFIC
    quiet = usual if request.quiet is None else read_duration("--quiet", request.quiet)
    if request.argv:
        listen = request.listen or "127.0.0.1:0"
        captured = capture_command(
            request.argv,
            listen=listen,
            grpc=request.grpc,
            limit=limit,
            quiet=quiet,
            secrets=secrets,
        )
    else:
        captured = capture_traffic(
            listen=request.listen or _LISTEN, grpc=request.grpc, limit=limit, quiet=quiet, tell=_tell
        )
    emitted = Emitted("", captured.telemetry, captured.sizes)
    if request.learn != _STDOUT:
        _print([*_listed(emitted), *captured.lines], secrets)
    if request.save is not None and captured.documents:
        _save(request.save, captured.documents, secrets)
    if captured.documents:
        _learn(request, [emitted], secrets)
    return 0 if captured.is_whole else 1


def _listed(emitted: Emitted) -> list[str]:
    from pytest_telemetry_gate.replay.emitted.listing import list_emitted

    return list_emitted(emitted.telemetry)


def _save(path: str, documents: Iterable[Mapping[str, object]], secrets: Secrets) -> None:
    from pytest_telemetry_gate.support.secrets import scrub_texts

    mask = partial(_masked, secrets=secrets)
    lines = [json.dumps(scrub_texts(document, mask), ensure_ascii=False) for document in documents]
    _write("--save", path, "".join(f"{line}\n" for line in lines))


def _learn(request: CaptureRequest, emitted: Sequence[Emitted], secrets: Secrets) -> None:
    """Write contracts of what was emitted, where that is asked for."""
    from pytest_telemetry_gate.replay.emitted.contract_text import write_case, write_contracts
    from pytest_telemetry_gate.replay.emitted.learn import learn_contracts
    from pytest_telemetry_gate.replay.emitted.personal import find_personal

    if request.learn is None:
        return
    whole = [one.telemetry for one in emitted if not one.problem and not one.telemetry.is_empty]
    if not whole:
        message = "--learn: nothing was captured whole, so there is nothing to learn from"
        raise ConfigError(message)
    contracts = learn_contracts(whole)
    number = "one capture" if len(whole) == 1 else f"{len(whole)} captures"
    remarks = find_personal(whole)
    head = f"# Learned by `telemetry-gate capture --learn` from {number}: what was seen, not what is right.\n"
    text = write_contracts(contracts)
    if request.argv:
        text = write_case(contracts, request.argv) + text
    else:
        head += "# Review it, and move it into a replay suite.\n"
    head += "".join(f"# {remark}: may it?\n" for remark in remarks)
    if request.learn == _STDOUT:
        _print((head + text).splitlines(), secrets)
        return
    _write("--learn", request.learn, _masked(head + text, secrets))
    left_out = f", {len(emitted) - len(whole)} left out as not whole" if len(whole) < len(emitted) else ""
    _print([f"wrote {request.learn}: {len(contracts)} contracts from {number}{left_out}"], secrets)


def run_diff(
    before: str,
    after: str,
    *,
    fail_on: Sequence[str],
    payload: str | None,
    checkpoint: str | None,
    json_file: str | None,
) -> int:
    """Print what one side emits otherwise than the other; returns 1 where a difference is of a kind in ``fail_on``.

    Where any kind is named, what could not be compared counts as well: it may hide one. Raises ConfigError, CorpusError
    or RecordingError.
    """
    from pytest_telemetry_gate.replay.emitted.differences import KINDS, compare_emitted
    from pytest_telemetry_gate.replay.emitted.inputs import read_emitted
    from pytest_telemetry_gate.support.secrets import Secrets

    for pattern in fail_on:
        if pattern != _ANY and not any(fnmatchcase(kind, pattern) for kind in KINDS):
            message = f"--fail-on: no kind {pattern!r}{suggest(pattern, [*KINDS, _ANY])}"
            raise ConfigError(message)
    share = _PAYLOAD if payload is None else _share(payload)
    secrets = Secrets()
    secrets.keep_environment()
    sides = [read_emitted(Path(path), checkpoint or "") for path in (before, after)]
    differences = compare_emitted(sides[0], sides[1], payload=share)
    names = {one.name for side in sides for one in side}
    failing = [one for one in differences if _fails(one.kind, fail_on)]
    if json_file is not None:
        entries = [
            {
                "kind": one.kind,
                "where": one.where,
                "message": one.message,
                "cases": cases,
                "fails": one in failing,
            }
            for one, cases in differences.items()
        ]
        content = {"before": before, "after": after, "cases": sorted(names), "differences": entries}
        _write(
            "--json", json_file, _masked(json.dumps(content, indent=2, ensure_ascii=False), secrets) + "\n"
        )
    _print(_difference_lines(differences, len(names), before, after, failing), secrets)
    return 1 if failing else 0


def _share(text: str) -> float:
    from pytest_telemetry_gate.support.units import Limit, convert

    try:
        limit = Limit.parse(f"<= {text}")
        share = convert(limit.value, limit.unit, "ratio")
    except (ValueError, KeyError):
        share = -1.0
    if share < 0:
        message = f"--payload: {text!r} is not a share such as 10%"
        raise ConfigError(message)
    return share


def _fails(kind: str, fail_on: Sequence[str]) -> bool:
    if not fail_on:
        return False
    return kind == "not-compared" or any(pattern == _ANY or fnmatchcase(kind, pattern) for pattern in fail_on)


def _difference_lines(
    differences: Mapping[Difference, Sequence[str]],
    number: int,
    before: str,
    after: str,
    failing: Sequence[Difference],
) -> list[str]:
    """Return a line for each difference, those that fail first, and a last one that says how many there are."""
    from pytest_telemetry_gate.replay.emitted.differences import fold_paths

    folded = fold_paths(differences)
    kinds = {one.kind for one in failing}
    ordered = sorted(folded, key=lambda one: one.kind not in kinds)
    width = max((len(one.kind) for one in ordered), default=0)
    lines = []
    for one in ordered:
        which = "" if number == 1 else f"  ({_cases(folded[one], number)})"
        mark = "FAIL  " if one.kind in kinds else ""
        lines.append(f"{mark}{one.kind:{width}}  {one.where}: {one.message}{which}")
    compared = "" if number == 1 else f" of {number} cases"
    if not lines:
        return [f"no difference between {before} and {after}{compared}"]
    word = "difference" if len(lines) == 1 else "differences"
    failed = f", {sum(one.kind in kinds for one in folded)} of a kind that fails" if failing else ""
    return [*lines, "", f"{len(lines)} {word} between {before} and {after}{compared}{failed}"]


def _cases(cases: Sequence[str], number: int) -> str:
    if len(cases) == number:
        return "every case"
    return cases[0] if len(cases) == 1 else f"{len(cases)} of {number} cases, such as {cases[0]}"


def _write(option: str, path: str, text: str) -> None:
    try:
        with replace_file(Path(path)) as file:
            file.write(text.encode())
    except OSError as error:
        message = f"{option}: {path} cannot be written: {error.strerror}"
        raise ConfigError(message) from None


def _tell(line: str) -> None:
    """Say on stderr what is going on, so that what is piped is what was emitted alone."""
    sys.stderr.write(f"{disarm(visible(line))}\n")
    sys.stderr.flush()


def _print(lines: Iterable[str], secrets: Secrets) -> None:
    for line in lines:
        sys.stdout.write(f"{disarm(visible(_masked(line, secrets)))}\n")


def _masked(text: str, secrets: Secrets) -> str:
    """Return a text without the environment's secrets and without personal data of known kinds."""
    from pytest_telemetry_gate.support.personal import mask_personal

    return mask_personal(secrets.scrub(text))
