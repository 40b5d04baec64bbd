"""Judge the suites of an unpacked bundle again, by the clock of the report, from nothing but the bundle."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pytest_telemetry_gate.bundle.archive import Unpacked
from pytest_telemetry_gate.bundle.contents import SUITES
from pytest_telemetry_gate.bundle.gather import FILE_REFERENCE
from pytest_telemetry_gate.bundle.judged import JudgedRun, JudgedSuite, is_replay
from pytest_telemetry_gate.criteria.approvals import Approvals
from pytest_telemetry_gate.errors import BundleError, ConfigError
from pytest_telemetry_gate.files.document import Document
from pytest_telemetry_gate.files.suites import load_suite
from pytest_telemetry_gate.gate.dialects import with_dialects
from pytest_telemetry_gate.gate.gate import Gate
from pytest_telemetry_gate.gate.plan import plan_checks
from pytest_telemetry_gate.gate.registry import Registry
from pytest_telemetry_gate.model.dossier import Dossier
from pytest_telemetry_gate.model.environment import Environment
from pytest_telemetry_gate.model.past_runs import PastRun
from pytest_telemetry_gate.model.suite import Suite
from pytest_telemetry_gate.replay.suite.loader import files_of, load_replay
from pytest_telemetry_gate.replay.verdicts import replayed_at
from pytest_telemetry_gate.support.places import walk
from pytest_telemetry_gate.support.text import one_line

__all__ = ["Rejudged", "rejudge", "require_confined"]


@dataclass(frozen=True, slots=True)
class Rejudged:
    """The dossiers of a suite that was judged again, and the suite, which is None for one of replays."""

    dossiers: tuple[Dossier, ...]
    suite: Suite | None = None


def rejudge(
    suite: JudgedSuite,
    bundle: Unpacked,
    registry: Registry,
    *,
    now: float,
    checkpoints: Collection[str] = (),
    past: Sequence[PastRun] = (),
) -> Rejudged:
    """Judge all checks of a suite again, or the cases of a replay suite at some checkpoints.

    ``now`` is the clock, in seconds since the epoch; ``past`` are the earlier runs that the report names. Raises BundleError where a part is missing, SuiteError and ConfigError
    for a file that cannot be used.
    """
    path = bundle.path(suite.member)
    environment = with_dialects(suite.environment_in(bundle), lambda: registry)
    gate = Gate(environment, registry, now=now)
    try:
        if is_replay(path):
            return Rejudged(tuple(_rejudge_cases(suite, path, environment, gate, checkpoints)))
        loaded = load_suite(path, gate.kinds, suite.shown, suite.settings())
        planned = plan_checks(loaded, environment, past=lambda: past)
        # What people sign says nothing of signatures.
        judged = (gate.judge(check) for check in planned if check.criterion.key != Approvals.key)
        return Rejudged(tuple(judged), loaded)
    finally:
        gate.close()


def _rejudge_cases(
    suite: JudgedSuite, path: Path, environment: Environment, gate: Gate, checkpoints: Collection[str]
) -> Iterator[Dossier]:
    for region, settings in environment.regions.items():
        loaded = load_replay(path, suite.shown, region=region, settings=settings.replay)
        for checkpoint in loaded.checkpoints:
            if checkpoint not in checkpoints:
                continue
            for item in replayed_at(loaded, checkpoint, path=str(path), region=region):
                yield item.judge(gate.answer, environment.name).dossier


def require_confined(bundle: Unpacked, run: JudgedRun) -> None:
    """Raise BundleError where a file of the bundle would have another file read that is not in it.

    A bundle may come from anybody: no suite in it may name a file of the machine that it is verified on.
    """
    root = bundle.folder.resolve()
    for member in bundle.digests:
        if not member.startswith(SUITES) or not member.endswith((".yaml", ".yml")):
            continue
        document = Document(bundle.folder / member, member)
        for place, text in walk(document.value):
            if not isinstance(text, str):
                continue
            if FILE_REFERENCE in text or _leads_out(bundle.folder / member, text, root):
                message = (
                    f"{member}:{document.line(place)}: names a file outside of the bundle: {one_line(text)}"
                )
                raise BundleError(message)
        if is_replay(member):
            _require_confined_cases(bundle, run, member, root)


def _require_confined_cases(bundle: Unpacked, run: JudgedRun, member: str, root: Path) -> None:
    """Refuse a case whose variables put the path of such a file together."""
    path = bundle.folder / member
    for suite in run.suites:
        for region, settings in suite.environment_in(bundle).regions.items():
            with suppress(ConfigError):  # variables of another replay suite; where it is used it fails again
                replays = load_replay(path, member, region=region, settings=settings.replay)
                named = [(case.line, name) for case in replays.cases for _, name in files_of(case)]
                for contract, registry in replays.registries.items():
                    line = replays.contract_lines[contract]
                    named += [(line, str(file.absolute())) for file in registry.files]
                for line, name in named:
                    if not (path.parent / name).resolve().is_relative_to(root):
                        message = f"{member}:{line}: names a file outside of the bundle: {one_line(name)}"
                        raise BundleError(message)


def _leads_out(path: Path, text: str, root: Path) -> bool:
    if "\n" in text or "\0" in text or len(text) > 1_000:
        return False
    try:
        target = (path.parent / text).resolve()
        return not target.is_relative_to(root) and target.exists() and not target.is_dir()
    except (OSError, RuntimeError, ValueError):
        return False
