"""What a report has to know of a run besides its verdicts: its suites, their files, and where their data came from."""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_telemetry_gate.errors import TelemetryGateError
from pytest_telemetry_gate.gate.named_files import list_named_files
from pytest_telemetry_gate.model.dossier import CASE, Dossier
from pytest_telemetry_gate.model.report import EvidenceFile, Generated
from pytest_telemetry_gate.plugin.wire_names import is_suite
from pytest_telemetry_gate.reports.document.build import SuiteFacts, SuiteKey, key_of

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.environment import Environment
    from pytest_telemetry_gate.model.suite import Suite
    from pytest_telemetry_gate.plugin.environments import Environments

__all__ = ["JudgedSuite", "Suites", "describe_tool", "recordings_of"]

_PACKAGE = "pytest-telemetry-gate"


class JudgedSuite:
    """A suite file that verdicts of a run are about, in the environment that it was judged in."""

    def __init__(self, path: Path, environment: Environment, suite: Suite) -> None:
        self.path = path
        self.environment = environment
        self.suite = suite


class Suites:
    """The suites of a run, read in the process that reports, which under xdist has judged none of them."""

    def __init__(self, environments: Environments, folder: Path, *, clock_is_told: bool) -> None:
        self._clock_is_told = clock_is_told
        self._environments = environments
        self._folder = folder

    def shown(self, path: Path) -> str:
        """Return a path as a report has it: relative to where pytest was called, wherever it is."""
        return Path(os.path.relpath(path, self._folder)).as_posix()

    def place(self, dossiers: Iterable[Dossier]) -> list[Dossier]:
        """Return dossiers whose paths say nothing of this machine."""
        return [
            dossier.revise(path=self.shown(Path(dossier.verdict.path)))
            if Path(dossier.verdict.path).is_absolute()
            else dossier
            for dossier in dossiers
        ]

    def judged(self, dossiers: Iterable[Dossier]) -> dict[SuiteKey, JudgedSuite]:
        """Return the suite files that dossiers are about; what cannot be read any more is left out."""
        found: dict[SuiteKey, JudgedSuite] = {}
        missing: set[SuiteKey] = set()
        for dossier in dossiers:
            key = key_of(dossier)
            if key in found or key in missing or dossier.requirement.kind == CASE or not is_suite(key.path):
                continue
            missing.add(key)
            path = self._folder / key.path
            with suppress(TelemetryGateError, OSError):
                environment = self._environment(path, key.environment)
                found[key] = JudgedSuite(path, environment, self._environments.suite(path, environment))
        return found

    def replayed(self, dossiers: Iterable[Dossier]) -> dict[str, Environment]:
        """Return the environments of the replay suites whose cases were tests of the run, by the path of the suite.

        What cannot be read any more is left out.
        """
        paths = {
            dossier.verdict.path: dossier.verdict.environment
            for dossier in dossiers
            if dossier.requirement.kind == CASE
        }
        found = {}
        for path, name in paths.items():
            with suppress(TelemetryGateError, OSError):
                found[path] = self._environment(self._folder / path, name)
        return found

    def _environment(self, path: Path, name: str) -> Environment:
        environment = self._environments.near(path.parent)
        return environment if environment.name == name else self._environments.near(path.parent, name)

    def facts(self, key: SuiteKey, judged: JudgedSuite | None, dossiers: Sequence[Dossier]) -> SuiteFacts:
        """Return what is known of a suite besides its verdicts."""
        sources = {
            dossier.verdict.region: dossier.verdict.source
            for dossier in reversed(dossiers)
            if key_of(dossier) == key and dossier.verdict.query and dossier.verdict.source
        }
        if judged is None:
            return SuiteFacts(sources=sources)
        regions = judged.environment.regions
        facts = SuiteFacts(
            suite=judged.suite,
            sources={name: sources.get(name, settings.source) for name, settings in regions.items()},
            sha256=_sha256(judged.path),
            recorded=judged.environment.recorded or self._clock_is_told,
        )
        baseline = judged.suite.baseline
        if baseline is None or baseline.file is None:
            return facts
        path = judged.path.parent / baseline.file
        return replace(facts, baseline_path=self.shown(path), baseline_sha256=_sha256(path))

    def evidence(
        self, suites: Iterable[JudgedSuite], further: Iterable[tuple[str, Path]]
    ) -> Iterator[EvidenceFile]:
        """Yield the files that the verdicts rest on, each once; ``further`` are others with what they are."""
        files: dict[Path, tuple[str, Path]] = {}
        for what, path in (*(file for judged in suites for file in _files_of(judged)), *further):
            files.setdefault(path.resolve(), (what, path))
        for what, path in files.values():
            with suppress(OSError):
                yield EvidenceFile(what, self.shown(path), path.stat().st_size, _sha256(path))


def _files_of(judged: JudgedSuite) -> Iterator[tuple[str, Path]]:
    yield "suite", judged.path
    yield from recordings_of(judged.environment)
    for what, name in list_named_files(judged.suite):
        yield what, judged.path.parent / name


def recordings_of(environment: Environment) -> Iterator[tuple[str, Path]]:
    """Yield the recordings that an environment is judged from, with what they are."""
    for settings in environment.regions.values():
        path = settings.options.get("path")
        if settings.source == "recording" and isinstance(path, str):
            yield "recording", settings.resolve(path)


def _sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hex, empty where it cannot be read."""
    with suppress(OSError), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
    return ""


def describe_tool(at: float) -> Generated:
    """Return with what a report is made, and when (seconds since the epoch)."""
    versions = {"python": platform.python_version()}
    for package in ("pytest", "numpy"):
        with suppress(PackageNotFoundError):
            versions[package] = version(package)
    tool = _PACKAGE
    with suppress(PackageNotFoundError):
        tool = f"{_PACKAGE} {version(_PACKAGE)}"
    return Generated(at=at, tool=tool, versions=versions)
