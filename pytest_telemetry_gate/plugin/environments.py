"""Environments and suites as one pytest session uses them: located near a file, loaded once, shown as the user writes them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from pytest_telemetry_gate.errors import ConfigError, RecordingError
from pytest_telemetry_gate.files.environment_places import (
    NAME,
    describe_missing,
    refuse_other_name,
    searched_folders,
)
from pytest_telemetry_gate.files.environments import load_environment
from pytest_telemetry_gate.files.rollouts import SuiteSettings
from pytest_telemetry_gate.files.suites import load_suite
from pytest_telemetry_gate.gate.dialects import with_dialects
from pytest_telemetry_gate.gate.plan import require_known
from pytest_telemetry_gate.gate.registry import Registry
from pytest_telemetry_gate.model.environment import Environment
from pytest_telemetry_gate.model.suite import Suite
from pytest_telemetry_gate.plugin.options import Options
from pytest_telemetry_gate.plugin.suite_changes import SuiteChanger
from pytest_telemetry_gate.recording import Recording
from pytest_telemetry_gate.support.log_records import mask_logs
from pytest_telemetry_gate.support.secrets import Secrets, is_secret_name, looks_like_credential

__all__ = ["Environments"]

_WORD = re.compile(r"[\w.-]+")


class Environments:
    """Loads telemetry.yaml and suite files, each once.

    ``registry`` gives what plugins have registered; ``moment`` is what ``now`` means where no clock is told or recorded, in
    seconds since the epoch.
    """

    def __init__(
        self,
        config: pytest.Config,
        options: Options,
        registry: Callable[[], Registry],
        moment: float,
    ) -> None:
        self._config = config
        self._options = options
        self._registry = registry
        self._moment = moment
        self._variables: dict[str, None] = {}
        self._environments: dict[tuple[Path, str | None], Environment] = {}
        self._suites: dict[tuple[Path, Path, str], Suite] = {}
        self._said_by_suites: set[str] = set()
        self._no_secrets = Secrets()
        self.changes = SuiteChanger(config)

    def near(self, folder: Path, name: str | None = None) -> Environment:
        """Return the environment for files of a folder: of the nearest telemetry.yaml, by name, option or default.

        Raises ConfigError where there is no such file or no such environment.
        """
        named_by = "marker telemetry" if name else "--telemetry-env"
        return self.load(self._config_file(folder, name), name or self._options.environment, named_by)

    def load(self, path: Path, name: str | None, named_by: str = "--telemetry-env") -> Environment:
        """Return an environment of a telemetry.yaml, which ``named_by`` has named; raises ConfigError."""
        key = (path, name)
        if key not in self._environments:
            environment = load_environment(
                path,
                name,
                named_by=named_by,
                deadline=self._options.deadline,
                variables=self._options.variables,
            )
            environment = with_dialects(environment, self._registry)
            for variable, value in self._options.variables.items():
                if is_secret_name(variable) or looks_like_credential(value):
                    environment.secrets.keep(value)
            mask_logs(environment.secrets)
            if environment.reports:
                from pytest_telemetry_gate.sinks.send import require_usable_sinks

                require_usable_sinks(environment)
            environment.secrets.publish(self._said_by_suites)
            self._environments[key] = environment
        return self._environments[key]

    @property
    def loaded(self) -> list[Environment]:
        """The environments that files of this session are judged in, each once."""
        return list({(one.path, one.name): one for one in self._environments.values()}.values())

    def suite(self, path: Path, environment: Environment) -> Suite:
        """Return a suite file's content as it is in an environment; raises SuiteError or ConfigError."""
        key = (path, environment.path, environment.name)
        if key not in self._suites:
            settings = self.settings(environment)
            suite = load_suite(
                path, self._registry().criteria, self.display_path(path), settings, change=self.changes.change
            )
            self.know_variables(suite.variables)
            self._suites[key] = suite
            # What a suite says is public, such as a label that is called as a tenant is.
            for file in (path, *([path.parent / suite.report] if isinstance(suite.report, str) else [])):
                self._said_by_suites.update(_WORD.findall(file.read_text(encoding="utf-8-sig")))
            for loaded in self._environments.values():
                loaded.secrets.publish(self._said_by_suites)
        return self._suites[key]

    def settings(self, environment: Environment) -> SuiteSettings:
        """Return what goes before the keys of a suite file in an environment."""
        return SuiteSettings(
            self._options.start,
            self._options.end,
            self._options.variables,
            partial(self._now, environment),
            environment.secrets,
        )

    def know_variables(self, names: Iterable[str]) -> None:
        """Take note of variables that a suite or replay suite has."""
        self._variables.update(dict.fromkeys(names))

    def require_known_variables(self) -> None:
        """Raise ConfigError for a variable of the command line that no suite has."""
        if self._variables or self._suites:
            require_known("--telemetry-set", self._options.variables, sorted(self._variables))

    def require_known_roles(self) -> None:
        """Raise SuiteError for an entry of the approvals file of a role that no suite has, if suites have any."""
        roles = {role for suite in self._suites.values() for role in suite.approvals}
        if self._options.approvals_file is not None:
            self._options.approvals_file.require_roles(roles)

    def _now(self, environment: Environment) -> float:
        """Return what ``now`` means in an environment, in whole seconds: its clock as the session begins."""
        now = self._options.now
        if now is None:
            now = _recorded_at(environment) if environment.recorded else None
        return self._moment if now is None else float(math.floor(now))

    def display_path(self, path: Path) -> str:
        """Return a path as the user would write it: relative to where pytest was called, if it is below that."""
        here = self._config.invocation_params.dir
        return path.relative_to(here).as_posix() if path.is_relative_to(here) else str(path)

    def scrub(self, text: str) -> str:
        """Return a text without any secret of the environments that were loaded, and without logins in addresses."""
        if not self._environments:
            return self._no_secrets.scrub(text)
        for environment in self._environments.values():
            text = environment.scrub(text)
        return text

    def _config_file(self, folder: Path, name: str | None) -> Path:
        ini, root = self._config.getini("telemetry_config"), self._config.rootpath
        ini_file = self._config.inipath.name if self._config.inipath else "pytest.ini"
        subject = f"environment {name!r}: " if name else ""
        if ini:
            path = root / str(ini)
            if not path.is_file():
                message = f"{subject}telemetry_config of {ini_file}: there is no file {ini} below the rootdir {root}"
                raise ConfigError(message)
            return path
        folders = searched_folders(folder, root)
        found = next((path for path in (parent / NAME for parent in folders) if path.is_file()), None)
        if found is None:
            raise ConfigError(subject + describe_missing(folder, root, ini_file))
        refuse_other_name(folders, found)
        return found


def _recorded_at(environment: Environment) -> float | None:
    """Return the clock of an environment's recordings, the latest of several; None where none can be opened."""
    clocks = []
    for region in environment.regions.values():
        path = region.options.get("path")
        if isinstance(path, str):
            # One that cannot be opened is an error when it is judged, in its own words.
            with suppress(RecordingError):
                recording = Recording.open(region.resolve(path))
                clocks.append(recording.recorded_at)
                recording.close()
    return max(clocks, default=None)
