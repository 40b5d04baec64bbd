"""A plugin that is installed is found by its entry point; this one lies beside the suite."""

from __future__ import annotations

pytest_plugins = ["company_gate"]
