"""Prometheus rule files, evaluated by the engine: groups in order, alerts with their states, promtool's own rule tests."""
