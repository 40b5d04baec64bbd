"""Check attribute names by OpenTelemetry's semantic conventions, where their package is installed."""

from __future__ import annotations

import functools
import importlib
import pkgutil
import re
from types import ModuleType

from pytest_telemetry_gate.errors import DriveError

__all__ = ["convention_problem"]

_DEPRECATED = re.compile(r'^([A-Z0-9_]+)[^=\n]*=\s*"([^"]+)"\n"""(.*?)"""', re.MULTILINE | re.DOTALL)


def convention_problem(name: str) -> str:
    """Return what the conventions say against an attribute's name, or nothing.

    Wrong are deprecated names, and unknown names in one of their namespaces; names in other namespaces are the user's
    own. Raises DriveError where the package is not installed.
    """
    problems = _problems_by_name()
    if name in problems:
        return problems[name]
    namespace = name.split(".", 1)[0]
    if (
        "." in name
        and namespace in _namespaces()
        and not any(name.startswith(f"{known_name}.") for known_name in problems)
    ):
        return f"not in the semantic conventions, whose namespace {namespace!r} is"
    return ""


@functools.cache
def _namespaces() -> frozenset[str]:
    return frozenset(name.split(".", 1)[0] for name in _problems_by_name() if "." in name)


@functools.cache
def _problems_by_name() -> dict[str, str]:
    """Return what is wrong with each name of the conventions: a deprecation, or nothing."""
    problems: dict[str, str] = {}
    for package in (
        "opentelemetry.semconv._incubating.attributes",
        "opentelemetry.semconv.attributes",
    ):
        try:
            parent = importlib.import_module(package)
        except ImportError:
            message = "semantic_conventions needs opentelemetry-semantic-conventions: pip install pytest-telemetry-gate[replay]"
            raise DriveError(message) from None
        for info in pkgutil.iter_modules(parent.__path__):
            problems.update(_module_problems(importlib.import_module(f"{package}.{info.name}")))
    return problems


def _module_problems(module: ModuleType) -> dict[str, str]:
    with open(str(module.__file__), encoding="utf-8") as file:  # noqa: PTH123 - a module's file is text
        source = file.read()
    notes = {
        value: " ".join(note.split())
        for _, value, note in _DEPRECATED.findall(source)
        if "Deprecated:" in note
    }
    names = [value for key, value in vars(module).items() if key.isupper() and isinstance(value, str)]
    return {name: _deprecation(notes.get(name, "")) for name in names}


def _deprecation(note: str) -> str:
    return f"deprecated: {note.split('Deprecated:', 1)[1].strip().rstrip('.')}" if note else ""
