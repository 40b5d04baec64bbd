"""What a session could not collect, or skipped as a whole, although it may hold checks."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_telemetry_gate.plugin.wire_names import LEFT_OUT, REPLAY_SUFFIXES, SUITE_SUFFIXES

__all__ = ["describe_left_out"]

_FIXTURES = frozenset({"telemetry", "telemetry_environment", "telemetry_recording"})


def describe_left_out(config: pytest.Config, *, skipped: bool = True) -> Iterator[str]:
    """Yield a line for each suite file, and each Python file with telemetry tests, of which nothing was collected.

    Those that were skipped on purpose count only where ``skipped`` says so.
    """
    for report in config.stash.get(LEFT_OUT, ()):
        file = report.nodeid.partition("::")[0]
        if not file or (report.skipped and not skipped):
            continue
        is_suite = file.endswith((*SUITE_SUFFIXES, *REPLAY_SUFFIXES))
        if is_suite or _uses_telemetry(config.rootpath / file):
            yield f"{file} was skipped as a whole" if report.skipped else f"{file} could not be collected"


def _uses_telemetry(path: Path) -> bool:
    """Return whether a Python file has a function with one of the fixtures, or the marker; read, not run."""
    try:
        source = path.read_text(encoding="utf-8")
        if path.suffix != ".py" or "telemetry" not in source:
            return False
        tree = ast.parse(source)
    except (OSError, ValueError):
        return False  # pytest tells by itself what it could not read
    return any(_asks(node) for node in ast.walk(tree))


def _asks(node: ast.AST) -> bool:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return any(argument.arg in _FIXTURES for argument in (*node.args.args, *node.args.kwonlyargs))
    return isinstance(node, ast.Attribute) and node.attr == "telemetry" and _is_mark(node.value)


def _is_mark(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "mark"
