"""Environments and suites as one pytest session uses them: located near a file, loaded once, shown as the user writes them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from pytest_telemetry_gate.errors import ConfigError
from pytest_telemetry_gate.files.environment_places import (
    NAME,
    describe_missing,
    refuse_other_name,
    searched_folders,
)
from pytest_telemetry_gate.files.environments import load_environment
from pytest_telemetry_gate.files.suites import load_suite
from pytest_telemetry_gate.model.check import Criterion
from pytest_telemetry_gate.model.environment import Environment
from pytest_telemetry_gate.model.suite import Suite
from pytest_telemetry_gate.plugin.options import Options
from pytest_telemetry_gate.support.log_records import mask_logs
from pytest_telemetry_gate.support.secrets import Secrets

__all__ = ["Environments"]

_WORD = re.compile(r"[\w.-]+")


class Environments:
    """Loads telemetry.yaml and suite files, each once; ``kinds`` gives the kinds of criteria by key."""

    def __init__(
        self, config: pytest.Config, options: Options, kinds: Callable[[], Mapping[str, type[Criterion]]]
    ) -> None:
        self._config = config
        self._options = options
        self._kinds = kinds
        self._environments: dict[tuple[Path, str | None], Environment] = {}
        self._suites: dict[Path, Suite] = {}
        self._said_by_suites: set[str] = set()
        self._no_secrets = Secrets()

    def near(self, folder: Path, name: str | None = None) -> Environment:
        """Return the environment for files of a folder: of the nearest telemetry.yaml, by name, option or default.

        Raises ConfigError where there is no such file or no such environment.
        """
        return self.load(self._config_file(folder, name), name or self._options.environment)

    def load(self, path: Path, name: str | None) -> Environment:
        """Return an environment of a telemetry.yaml; raises ConfigError."""
        key = (path, name)
        if key not in self._environments:
            environment = load_environment(path, name, deadline=self._options.deadline)
            mask_logs(environment.secrets)
            environment.secrets.publish(self._said_by_suites)
            self._environments[key] = environment
        return self._environments[key]

    def suite(self, path: Path) -> Suite:
        """Return a suite file's content; raises SuiteError."""
        if path not in self._suites:
            self._suites[path] = load_suite(path, self._kinds(), display_path=self.display_path(path))
            # What a suite says is public, such as a label that is called as a tenant is.
            self._said_by_suites.update(_WORD.findall(path.read_text(encoding="utf-8-sig")))
            for environment in self._environments.values():
                environment.secrets.publish(self._said_by_suites)
        return self._suites[path]

    def display_path(self, path: Path) -> str:
        """Return a path as the user would write it: relative to where pytest was called, if it is below that."""
        here = self._config.invocation_params.dir
        return path.relative_to(here).as_posix() if path.is_relative_to(here) else str(path)

    def scrub(self, text: str) -> str:
        """Return a text without any secret of the environments that were loaded, and without logins in addresses."""
        for environment in self._environments.values():
            text = environment.scrub(text)
        return self._no_secrets.scrub(text)

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
