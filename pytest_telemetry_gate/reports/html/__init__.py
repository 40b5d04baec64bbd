"""The report as HTML."""

from __future__ import annotations

from pytest_telemetry_gate.reports.html.page import render_html

__all__ = ["render_html"]
