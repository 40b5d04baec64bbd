"""The registries of semantic conventions that contracts name, read when a suite is."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from pytest_telemetry_gate.files.document import Document
from pytest_telemetry_gate.replay.conventions.facts import Conventions
from pytest_telemetry_gate.replay.conventions.registry import load_registry
from pytest_telemetry_gate.replay.suite.contracts import Contract
from pytest_telemetry_gate.support.suggestions import suggest

__all__ = ["load_registries"]


def load_registries(document: Document, contracts: Mapping[str, Contract]) -> dict[str, Conventions]:
    """Return the conventions of each contract that names a registry.

    Raises SuiteError for what cannot be read in a registry, with its own file and line, and for a group that it does
    not have.
    """
    registries: dict[str, Conventions] = {}
    for name, contract in contracts.items():
        settings = contract.semantic_conventions
        if not settings.registry:
            continue
        where = ("contracts", name, "semantic_conventions")
        paths: list[tuple[Path, str]] = []
        for written in settings.registry:
            path = document.path.parent / written
            if not path.exists():
                message = f"contract {name!r}: semantic_conventions: there is no registry {written!r}"
                raise document.error((*where, "registry"), message)
            shown = posixpath.normpath(PurePosixPath(document.shown).parent / written)
            paths.append((path, shown))
        registry = load_registry(tuple(paths))
        for group in settings.groups:
            if registry.group(group, contract.signal) is None:
                known = registry.group_names(contract.signal)
                message = f"the registry has no group {group!r} of {contract.signal}{suggest(group, known)}"
                raise document.error(
                    (*where, "groups"), f"contract {name!r}: semantic_conventions: {message}"
                )
        registries[name] = registry
    return registries
