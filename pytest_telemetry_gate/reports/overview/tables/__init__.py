"""Every table of the report as data, for all renderers: functions of a suite that was laid out once."""

from __future__ import annotations

from pytest_telemetry_gate.reports.overview.tables.events import (
    tabulate_episodes,
    tabulate_events,
    tabulate_thresholds,
)
from pytest_telemetry_gate.reports.overview.tables.evidence import tabulate_evidence, tabulate_sources
from pytest_telemetry_gate.reports.overview.tables.metrics import (
    tabulate_checkpoints,
    tabulate_criteria,
    tabulate_metrics,
)
from pytest_telemetry_gate.reports.overview.tables.replays import (
    tabulate_cases,
    tabulate_replay_figures,
    tabulate_replays,
)
from pytest_telemetry_gate.reports.overview.tables.rollout import tabulate_steps, tabulate_waivers
from pytest_telemetry_gate.reports.overview.tables.sheet import Entry, Sheet, lay_out
from pytest_telemetry_gate.reports.overview.tables.summary import (
    tabulate_changes,
    tabulate_faults,
    tabulate_history,
    tabulate_key_figures,
    tabulate_nearest,
    tabulate_sign_off,
)
from pytest_telemetry_gate.reports.overview.tables.table import Cell, Table
from pytest_telemetry_gate.reports.overview.tables.told import (
    tabulate_artefacts,
    tabulate_messages,
    tabulate_proposed_metrics,
    tabulate_runbooks,
)
from pytest_telemetry_gate.reports.overview.tables.variance import say_forecasts, tabulate_variances

__all__ = [
    "Cell",
    "Entry",
    "Sheet",
    "Table",
    "lay_out",
    "say_forecasts",
    "tabulate_artefacts",
    "tabulate_cases",
    "tabulate_changes",
    "tabulate_checkpoints",
    "tabulate_criteria",
    "tabulate_episodes",
    "tabulate_events",
    "tabulate_evidence",
    "tabulate_faults",
    "tabulate_history",
    "tabulate_key_figures",
    "tabulate_messages",
    "tabulate_metrics",
    "tabulate_nearest",
    "tabulate_proposed_metrics",
    "tabulate_replay_figures",
    "tabulate_replays",
    "tabulate_runbooks",
    "tabulate_sign_off",
    "tabulate_sources",
    "tabulate_steps",
    "tabulate_thresholds",
    "tabulate_variances",
    "tabulate_waivers",
]
