"""What one pytest process knows of a run: parts with one job each, put together."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import pytest

from pytest_telemetry_gate.errors import FOREIGN_ERRORS, ConfigError, describe
from pytest_telemetry_gate.gate.registry import Registry
from pytest_telemetry_gate.plugin import builtin_hooks
from pytest_telemetry_gate.plugin.denominator import Denominator
from pytest_telemetry_gate.plugin.environments import Environments
from pytest_telemetry_gate.plugin.exits import Exits
from pytest_telemetry_gate.plugin.gates import Gates
from pytest_telemetry_gate.plugin.options import Options
from pytest_telemetry_gate.plugin.progress import Progress
from pytest_telemetry_gate.plugin.roles import role_of

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.past_runs import PastRun

__all__ = ["GateRun"]


class GateRun:
    """One per process and pytest session, made when the first telemetry item or option needs it.

    Raises UsageError for options that cannot be used.
    """

    def __init__(self, config: pytest.Config) -> None:
        config.pluginmanager.register(builtin_hooks, "telemetry_gate_builtin")
        self.config = config
        self.role = role_of(config)
        self.options = Options.from_config(config, self.role.run_id)
        self.environments = Environments(config, self.options, lambda: self.registry, self.role.moment)
        self.gates = Gates(self.options, self.role, self.environments, lambda: self.registry)
        self.denominator = Denominator()
        self.problems: dict[str, None] = {}  # lines about what closes the gate beside the verdicts
        self.exits = Exits(self.environments.scrub)
        self.progress = Progress(config, self.role.terminal, lambda: self.environments.loaded)

    @cached_property
    def past(self) -> tuple[PastRun, ...] | None:
        """The earlier runs in the folder of ``--telemetry-history``, from the oldest on; None where no folder is named."""
        if self.options.report.history is None:
            return None
        from pytest_telemetry_gate.reports.document.history import read_history

        runs, _, _ = read_history(self.config.invocation_params.dir / self.options.report.history)
        return tuple(runs)

    @cached_property
    def registry(self) -> Registry:
        """What plugins have registered; raises ConfigError where it cannot be used, or two claim one name."""
        hook = self.config.hook
        try:
            return Registry.from_hooks(
                hook.pytest_telemetry_gate_sources(),
                hook.pytest_telemetry_gate_event_sources(),
                hook.pytest_telemetry_gate_criteria(),
                hook.pytest_telemetry_gate_reducers(),
                hook.pytest_telemetry_gate_drivers(),
            )
        except ConfigError:
            raise
        except FOREIGN_ERRORS as error:
            # A plugin whose hook fails must not end the session with an internal error.
            message = f"a plugin's hook for pytest-telemetry-gate failed: {describe(error)}"
            raise ConfigError(message) from error
