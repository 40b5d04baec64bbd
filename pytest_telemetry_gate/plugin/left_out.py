"""What a session could not collect, or skipped as a whole, although it may hold checks."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from pytest_telemetry_gate.plugin.wire_names import LEFT_OUT, is_suite

__all__ = ["describe_left_out"]

_FIXTURES = frozenset({"telemetry", "telemetry_environment", "telemetry_recording"})


def describe_left_out(config: pytest.Config, *, skipped: bool = True) -> Iterator[str]:
    """Yield a line for each file that could not be collected, and each suite, Python file with telemetry tests, or folder
    of such that was skipped as a whole.

    Those that were skipped on purpose count only where ``skipped`` says so.
    """
    for report in config.stash.get(LEFT_OUT, ()):
        name = report.nodeid.partition("::")[0]
        if not name or (report.skipped and not skipped):
            continue
        if report.failed:
            yield f"{name} could not be collected"
        elif any(_holds_checks(file, config.rootpath) for file in _files_of(config.rootpath / name)):
            yield f"{name} was skipped as a whole"


def _files_of(path: Path) -> Iterable[Path]:
    return (file for file in path.rglob("*") if file.is_file()) if path.is_dir() else (path,)


def _holds_checks(path: Path, root: Path) -> bool:
    if is_suite(path.name):
        return True
    tree = _parse(path)
    if tree is None:
        return False
    conftests = (_parse(folder / "conftest.py") for folder in path.parents if folder.is_relative_to(root))
    fixtures = _grow(_FIXTURES, [tree, *filter(None, conftests)])
    return any(_asks(node, fixtures) for node in ast.walk(tree))


def _parse(path: Path) -> ast.Module | None:
    """Return a Python file as a tree; it is read, not run. None where it cannot be, which pytest tells by itself."""
    try:
        return ast.parse(path.read_text(encoding="utf-8")) if path.suffix == ".py" else None
    except (OSError, ValueError, SyntaxError):
        return None


def _grow(fixtures: frozenset[str], trees: Iterable[ast.Module]) -> frozenset[str]:
    """Return the names of fixtures with those of all functions that take one of them, and so on."""
    functions = [node for tree in trees for node in ast.walk(tree) if isinstance(node, _FUNCTIONS)]
    # A fixture of one of these names may be another than ours.
    fixtures -= {node.name for node in functions if not _takes(node, fixtures)}
    while True:
        grown = fixtures.union(node.name for node in functions if _takes(node, fixtures))
        if grown == fixtures:
            return fixtures
        fixtures = grown


_BY_NAME = frozenset({"usefixtures", "getfixturevalue"})
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def _takes(node: ast.FunctionDef | ast.AsyncFunctionDef, fixtures: frozenset[str]) -> bool:
    return any(argument.arg in fixtures for argument in (*node.args.args, *node.args.kwonlyargs))


def _asks(node: ast.AST, fixtures: frozenset[str]) -> bool:
    if isinstance(node, _FUNCTIONS):
        return _takes(node, fixtures)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _BY_NAME:
        return any(isinstance(name, ast.Constant) and name.value in fixtures for name in node.args)
    return isinstance(node, ast.Attribute) and node.attr == "telemetry" and _is_mark(node.value)


def _is_mark(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "mark"
