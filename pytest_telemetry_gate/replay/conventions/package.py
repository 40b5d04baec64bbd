"""OpenTelemetry's semantic conventions as their package for Python has them: names, values, instruments, units, notes.

The package is written for people and type checkers: what it says is read from its source, file by file as namespaces
are asked for. It has no types of attributes and no events; the types of ``attribute_types.py`` stand in.
"""

from __future__ import annotations

import ast
import functools
import importlib.util
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from pytest_telemetry_gate.errors import DriveError
from pytest_telemetry_gate.replay.conventions.attribute_types import ATTRIBUTE_TYPES, TEMPLATE_TYPES
from pytest_telemetry_gate.replay.conventions.facts import (
    TEXTS,
    AttributeFacts,
    Conventions,
    GroupFacts,
    MetricFacts,
    ScalarValue,
    current_names,
    namespace_of,
)

__all__ = ["PackageConventions", "installed_conventions"]

# What is stable comes last, as it goes before what is in development.
_PACKAGES = ("opentelemetry.semconv._incubating", "opentelemetry.semconv")
_MOVED = "Deprecated in favor of stable"
_INSTRUMENT = re.compile(r"^Instrument: (\w+)$", re.MULTILINE)
_UNIT = re.compile(r"^Unit: (.*)$", re.MULTILINE)
_OPEN_WORDS = ("custom value", "not limited to those listed")
# Environments have names of their users' own, although the conventions list four of them.
_OPEN = frozenset({"deployment.environment.name"})


@functools.cache
def installed_conventions() -> PackageConventions:
    """Return the conventions of the installed package; raises DriveError where it is not installed."""
    try:
        specs = [importlib.util.find_spec(name) for name in _PACKAGES]
    except ImportError:
        specs = []
    folders = [Path(folder) for spec in specs if spec for folder in spec.submodule_search_locations or ()]
    if not any((folder / "attributes").is_dir() for folder in folders):
        message = "semantic_conventions needs opentelemetry-semantic-conventions: pip install pytest-telemetry-gate[conventions]"
        raise DriveError(message)
    return PackageConventions(folders)


class PackageConventions(Conventions):
    """The conventions in the folders of the package, those in development first."""

    title = "the semantic conventions"

    def __init__(self, folders: Collection[Path]) -> None:
        self._folders = folders
        self._namespaces = {
            signal: frozenset(
                file.stem.removesuffix(f"_{signal}")
                for folder in folders
                for file in (folder / signal).glob(f"*_{signal}.py")
            )
            for signal in ("attributes", "metrics")
        }
        self._known: dict[tuple[str, str], _Namespace] = {}

    def attribute(self, name: str) -> AttributeFacts | None:
        """Return what is known of an attribute, or None."""
        return self._read("attributes", name).attributes.get(name)

    def template(self, name: str) -> AttributeFacts | None:
        """Return what is known of a template, or None."""
        return self._read("attributes", name).templates.get(name)

    def metric(self, name: str) -> MetricFacts | None:
        """Return what is known of a metric, or None."""
        return self._read("metrics", name).metrics.get(name)

    def event(self, name: str) -> GroupFacts | None:
        """Return None: the package has no events."""
        return None

    def covers(self, name: str, signal: str) -> bool:
        """Tell whether a name's namespace is one of OpenTelemetry's."""
        return namespace_of(name) in self._namespaces.get(signal, frozenset())

    def near(self, name: str) -> Collection[str]:
        """Return the names of a name's namespace that are not deprecated."""
        attributes, metrics = self._read("attributes", name), self._read("metrics", name)
        return current_names(attributes.attributes, attributes.templates, metrics.metrics)

    def _read(self, signal: str, name: str) -> _Namespace:
        namespace = namespace_of(name)
        if namespace not in self._namespaces[signal]:
            return _NOTHING
        if (signal, namespace) not in self._known:
            known = _Namespace()
            for folder in self._folders:
                file = folder / signal / f"{namespace}_{signal}.py"
                if file.is_file():
                    known.read(ast.parse(file.read_text(encoding="utf-8")), signal)
            self._known[signal, namespace] = known
        return self._known[signal, namespace]


class _Namespace:
    """What the files of one namespace say."""

    def __init__(self) -> None:
        self.attributes: dict[str, AttributeFacts] = {}
        self.templates: dict[str, AttributeFacts] = {}
        self.metrics: dict[str, MetricFacts] = {}

    def read(self, tree: ast.Module, signal: str) -> None:
        values = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
        enums = {name.removesuffix("Values").lower(): node for name, node in values.items()}
        for constant, name, note in _constants(tree.body):
            if signal == "metrics":
                self.metrics[name] = _metric(note)
            elif constant == f"{name.upper().replace('.', '_')}_TEMPLATE":
                self.templates[name] = AttributeFacts(
                    TEMPLATE_TYPES.get(name, TEXTS), deprecated=_deprecation(note)
                )
            else:
                listed = _enum(enums.get(constant.replace("_", "").lower()))
                previous = self.attributes.get(name, AttributeFacts())
                self.attributes[name] = _attribute(name, note, listed, previous)


_NOTHING = _Namespace()


def _attribute(
    name: str, note: str, listed: Mapping[ScalarValue, str], previous: AttributeFacts
) -> AttributeFacts:
    # A stable enum may list fewer values than the one in development, whose values are right all the same.
    values = tuple({**dict.fromkeys(previous.values), **dict.fromkeys(listed)})
    notes = " ".join((note, *listed.values()))
    return AttributeFacts(
        type=_enum_type(values) if values else ATTRIBUTE_TYPES.get(name, ""),
        values=values,
        is_open=previous.is_open or name in _OPEN or any(words in notes for words in _OPEN_WORDS),
        deprecated=_deprecation(note),
        deprecated_values={
            **previous.deprecated_values,
            **{value: _deprecation(text) for value, text in listed.items() if _deprecation(text)},
        },
    )


def _metric(note: str) -> MetricFacts:
    instrument, unit = _INSTRUMENT.search(note), _UNIT.search(note)
    return MetricFacts(
        instrument[1].lower() if instrument else None, unit[1].strip() if unit else None, _deprecation(note)
    )


def _constants(body: list[ast.stmt]) -> Iterator[tuple[str, str, str]]:
    """Yield name, value and the text below it of constants that are texts."""
    for node, after in zip(body, [*body[1:], None], strict=True):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            value = _literal(node.value)
            if isinstance(value, str):
                yield node.target.id, value, _text(after)


def _enum(node: ast.ClassDef | None) -> dict[ScalarValue, str]:
    """Return the values of an enum with what is said of each."""
    if node is None:
        return {}
    members: dict[ScalarValue, str] = {}
    for member, after in zip(node.body, [*node.body[1:], None], strict=True):
        value = _literal(member.value) if isinstance(member, ast.Assign) else None
        # Two members may have the same value, and only one be deprecated.
        if isinstance(value, str | int) and (value not in members or _deprecation(members[value])):
            members[value] = _text(after)
    return members


def _enum_type(values: Collection[ScalarValue]) -> str:
    return "int" if all(isinstance(value, int) for value in values) else "string"


def _literal(node: ast.expr | None) -> object:
    return node.value if isinstance(node, ast.Constant) else None


def _text(node: ast.stmt | None) -> str:
    value = _literal(node.value) if isinstance(node, ast.Expr) else None
    # What is said of something that became stable stands in the stable module, which is read next.
    return value.strip() if isinstance(value, str) and not value.strip().startswith(_MOVED) else ""


def _deprecation(note: str) -> str:
    words = " ".join(note.split()).partition("Deprecated:")[2].strip()
    return words.rstrip(".")
