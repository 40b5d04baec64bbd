"""Says in a session with a gate which files were perhaps meant as suites, and are judged by nobody."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_telemetry_gate.files.near_names import find_overlooked

if TYPE_CHECKING:
    from pytest_telemetry_gate.plugin.hooks import RunHooks

__all__ = ["OverlookedHooks"]


class OverlookedHooks:
    """Writes a line for each such file before the summary, in the process that reports."""

    def __init__(self, hooks: RunHooks) -> None:
        self._hooks = hooks
        self._config = hooks.run.config

    @pytest.hookimpl(tryfirst=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Look at what the session was given, if it is a gate."""
        run = self._hooks.run
        if not self._hooks.summary.is_gate:
            return
        overlooked = find_overlooked(
            self._roots(), self._ignores, nothing_found=run.denominator.collected == 0
        )
        for one in overlooked:
            shown = run.environments.display_path(one.path)
            terminalreporter.write_line(f"telemetry gate: {shown} is not judged: {one.why}", yellow=True)

    def _roots(self) -> Iterable[Path]:
        """Yield the files and folders that pytest was given, without the tests in them that were chosen."""
        for argument in self._config.args:
            path = self._config.invocation_params.dir / str(argument).partition("::")[0]
            if path.exists():
                yield path

    def _ignores(self, path: Path) -> bool:
        return bool(self._config.hook.pytest_ignore_collect(collection_path=path, config=self._config))
