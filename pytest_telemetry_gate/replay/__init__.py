"""Replays: cases that drive a system, capture the telemetry that it emits, and hold it against contracts."""
