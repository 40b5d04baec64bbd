"""The plugins of a session with telemetry items, which are registered together when the first item or option needs them."""

from __future__ import annotations

import pytest

from pytest_telemetry_gate.plugin.ending import EndHooks
from pytest_telemetry_gate.plugin.hooks import RunHooks
from pytest_telemetry_gate.plugin.items import is_telemetric
from pytest_telemetry_gate.plugin.outlets import Outlets
from pytest_telemetry_gate.plugin.overlooked import OverlookedHooks
from pytest_telemetry_gate.plugin.reporting import ReportHooks
from pytest_telemetry_gate.plugin.session import GateRun
from pytest_telemetry_gate.plugin.sinks import SinkHooks

__all__ = ["make_hooks", "register"]


def make_hooks(config: pytest.Config) -> RunHooks:
    """Return the hooks of a session; raises UsageError for options that cannot be used."""
    return RunHooks(GateRun(config))


def register(hooks: RunHooks, manager: pytest.PytestPluginManager) -> None:
    """Register all of them; the later ones are called first where their hooks ask for the same place."""
    config = hooks.run.config
    manager.register(hooks.folded, "telemetry_gate_folded")
    manager.register(hooks, "telemetry_gate_run")
    manager.register(OverlookedHooks(hooks), "telemetry_gate_overlooked")
    manager.register(Outlets(config, hooks.run.environments.scrub, is_telemetric), "telemetry_gate_outlets")
    manager.register(EndHooks(hooks.run), "telemetry_gate_end")
    if hooks.run.role.reports:
        manager.register(ReportHooks(hooks), "telemetry_gate_report")
    manager.register(SinkHooks(hooks.run), "telemetry_gate_sinks")
