"""What a bundle of a run needs: the suites with all files that they name, in their places beside each other, and recordings.

Nothing secret is gathered: telemetry.yaml stays where it is, and a file that holds a credential is refused.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

from pytest_telemetry_gate.bundle.archive import BundledFile
from pytest_telemetry_gate.bundle.judged import JUDGED, JudgedRegion, JudgedRun, JudgedSuite, is_replay
from pytest_telemetry_gate.errors import BundleError
from pytest_telemetry_gate.files.document import Document
from pytest_telemetry_gate.files.rollouts import SuiteSettings
from pytest_telemetry_gate.files.suites import load_suite
from pytest_telemetry_gate.gate.named_files import REPLAY_SUITE, list_named_files
from pytest_telemetry_gate.model.check import Criterion
from pytest_telemetry_gate.model.environment import RECORDING, Environment, RegionSettings
from pytest_telemetry_gate.model.suite import Suite
from pytest_telemetry_gate.replay.suite.loader import files_of, load_replay
from pytest_telemetry_gate.support.places import walk

__all__ = ["FILE_REFERENCE", "SuiteFile", "gather"]

_REFERENCE = re.compile(r"\$\{(\w+)(?::-[^}]*)?\}", re.ASCII)
FILE_REFERENCE = "${file:"
_LARGEST_TEXT = 16 * 2**20  # bytes of a file beside a suite that is looked through for credentials


@dataclass(frozen=True, slots=True)
class SuiteFile:
    """A suite file as it was judged: ``shown`` is its path as the report has it, ``settings`` what goes before its keys."""

    path: Path
    shown: str
    environment: Environment
    settings: SuiteSettings = field(default_factory=SuiteSettings)


def gather(
    suites: Sequence[SuiteFile],
    kinds: Mapping[str, type[Criterion]],
    *,
    recorded: Path | None = None,
    further: Mapping[str, Path] | None = None,
) -> list[BundledFile]:
    """Return what the suites of a run need to be judged again, as members of a bundle.

    ``kinds`` are the kinds of criteria by key; ``recorded`` is the recording that the run has written, by which live regions
    are judged again; ``further`` are other files by member. Raises BundleError, one line, where something cannot be
    bundled: a live region without a recording, a path that is absolute, a credential in a file.
    """
    return _Gathering(kinds, recorded).gather(suites, further or {})


class _Gathering:
    def __init__(self, kinds: Mapping[str, type[Criterion]], recorded: Path | None) -> None:
        self._kinds = kinds
        self._recorded = recorded
        self._members: dict[str, Path] = {}  # what lies where
        self._trees: dict[Path, str] = {}  # the member of each suite file
        self._folders: set[str] = set()

    def gather(self, suites: Sequence[SuiteFile], further: Mapping[str, Path]) -> list[BundledFile]:
        judged = JudgedRun(tuple(map(self._add, suites)))
        files = [
            BundledFile(member, path.absolute()) for member, path in {**self._members, **further}.items()
        ]
        return [*files, BundledFile(JUDGED, judged.to_bytes())]

    def _add(self, file: SuiteFile) -> JudgedSuite:
        environment, settings = file.environment, file.settings
        document = Document(file.path, file.shown)
        for name, value in settings.variables.items():
            if environment.secrets.scrub_credentials(value) != value:
                message = f"--telemetry-set {name}: holds a secret, which a bundle would hand on"
                raise BundleError(message)
        moments: list[float] = []

        def now() -> float:
            moments.append(settings.now())
            return moments[-1]

        return JudgedSuite(
            member=self._tree(replace(file, settings=replace(settings, now=now))),
            shown=file.shown,
            environment=environment.name,
            regions={name: self._region(environment, one) for name, one in environment.regions.items()},
            scrape_interval=environment.scrape_interval,
            start=settings.start,
            end=settings.end,
            now=max(moments, default=0.0),
            told=dict(settings.variables),
            references={} if is_replay(file.path) else self._references(document, file),
        )

    def _references(self, document: Document, file: SuiteFile) -> dict[str, str]:
        """Return the variables of the process that a suite names; those that are secret are refused."""
        found: dict[str, str] = {}
        for place, text in _texts(document.value):
            if place[:1] == ("variables",) and place[-1] in file.settings.variables:
                continue
            for name in _REFERENCE.findall(text):
                value = os.environ.get(name, "")
                if file.environment.secrets.scrub_credentials(value) != value:
                    raise _refusal(document, place, f"${{{name}}} is a secret, which a bundle would hand on")
                if value:
                    found[name] = value
        return found

    def _region(self, environment: Environment, settings: RegionSettings) -> JudgedRegion:
        variables = {
            name: environment.scrub(value) if isinstance(value, str) else value
            for name, value in settings.replay.variables.items()
        }
        replays = settings.replay.recording
        if settings.source == RECORDING:
            own = "path" in settings.own
            path: Path | None = settings.resolve(str(settings.options.get("path")))
        else:
            own, path = False, self._recorded
        if path is None:
            message = (
                f"environment {environment.name!r} is live: --telemetry-record=FILE records what it answers, "
                "and a bundle is judged again from that"
            )
            raise BundleError(message)
        return JudgedRegion(
            self._recording(path), own, "" if replays is None else self._recording(replays), variables
        )

    def _recording(self, path: Path) -> str:
        """Return the member of a recording; those of one name lie in folders of their own."""
        folders = ("recordings" if number == 1 else f"recordings/{number}" for number in count(1))
        members = (f"{folder}/{path.name}" for folder in folders)
        return next(
            member
            for member in members
            if self._members.setdefault(member, path.absolute()) == path.absolute()
        )

    def _tree(self, file: SuiteFile) -> str:
        """Take a suite with all files that it names, in their places beside each other; returns its member."""
        path = Path(os.path.abspath(file.path))  # noqa: PTH100 - resolve() would follow links out of the tree
        if is_replay(path):
            files = [path, *_files_of_replay(path, file.environment)]
            name = path.name.removesuffix(".replay.yaml").removesuffix(".replay.yml")
        else:
            suite = load_suite(path, self._kinds, file.shown, file.settings)
            files = [path, *_files_of_suite(path, suite, file)]
            name = suite.suite
        if path in self._trees:
            return self._trees[path]
        root = Path(os.path.commonpath([one.parent for one in files]))
        folder = self._free_folder(f"suites/{name}")
        for one in dict.fromkeys(files):
            _refuse_credentials(one, file)
            self._members[f"{folder}/{one.relative_to(root).as_posix()}"] = one
        self._trees[path] = f"{folder}/{path.relative_to(root).as_posix()}"
        return self._trees[path]

    def _free_folder(self, wanted: str) -> str:
        names = (wanted if number == 1 else f"{wanted}-{number}" for number in count(1))
        folder = next(name for name in names if name not in self._folders)
        self._folders.add(folder)
        return folder


def _files_of_suite(path: Path, suite: Suite, file: SuiteFile) -> Iterator[Path]:
    """Yield the files that a suite names: what people say, baselines, and replay suites with theirs."""
    for what, name in list_named_files(suite):
        named = _beside(path, name, file.shown)
        yield named
        if what == REPLAY_SUITE:
            yield from _files_of_replay(named, file.environment)


def _files_of_replay(path: Path, environment: Environment) -> Iterator[Path]:
    """Yield the files that the cases and contracts of a replay suite read, without which it cannot be loaded."""
    for region, settings in environment.regions.items():
        suite = load_replay(path, region=region, settings=settings.replay)
        for case in suite.cases:
            for _, name in files_of(case):
                yield _beside(path, name, path.name)
        for name, registry in suite.registries.items():
            for written in suite.contracts[name].semantic_conventions.registry:
                _beside(path, written, path.name)
            yield from (Path(os.path.abspath(file)) for file in registry.files)  # noqa: PTH100 - as above


def _beside(path: Path, name: str, shown: str) -> Path:
    """Return a file that a suite names, from its folder."""
    if Path(name).is_absolute():
        message = (
            f"{shown}: {name} is an absolute path, which no bundle can hold: write it from the suite's folder"
        )
        raise BundleError(message)
    return Path(os.path.abspath(path.parent / name))  # noqa: PTH100 - as above


def _refuse_credentials(path: Path, file: SuiteFile) -> None:
    """Refuse a file that holds a credential of the environment, or reads another file into itself."""
    if path.stat().st_size > _LARGEST_TEXT:
        return
    text = path.read_text(encoding="utf-8", errors="replace")
    for number, line in enumerate(text.splitlines(), 1):
        if file.environment.secrets.scrub_credentials(line) != line:
            message = f"{path.name}:{number}: holds a secret of environment {file.environment.name!r}, which a bundle would hand on: write ${{VAR}}"
            raise BundleError(message)
    if path.suffix in {".yaml", ".yml"} and FILE_REFERENCE in text:
        number = text[: text.index(FILE_REFERENCE)].count("\n") + 1
        message = f"{path.name}:{number}: reads a file with ${{file:...}}, which no bundle can hold"
        raise BundleError(message)


def _texts(value: Any) -> Iterator[tuple[tuple[Any, ...], str]]:
    return ((place, part) for place, part in walk(value) if isinstance(part, str))


def _refusal(document: Document, place: Sequence[Any], message: str) -> BundleError:
    return BundleError(f"{document.shown}:{document.line(place)}: {message}")
