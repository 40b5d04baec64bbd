"""What semantic conventions say of attributes, metrics, events and groups, whoever wrote it down."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

__all__ = [
    "TEXTS",
    "AttributeFacts",
    "Conventions",
    "GroupFacts",
    "MetricFacts",
    "current_names",
    "namespace_of",
]

TEXTS = "string or string[]"  # a type: of templates, which instrumentations fill both ways

ScalarValue = str | bool | int | float


@dataclass(frozen=True, slots=True)
class AttributeFacts:
    """What is known of an attribute.

    ``type`` is one of those of a contract's rules, or nothing where it is not known or may be any; ``values`` are those
    of an enum, and ``is_open`` says that another one is right as well; ``deprecated`` says why the name, and
    ``deprecated_values`` why a value is not to be used any more.
    """

    type: str = ""
    values: tuple[ScalarValue, ...] = ()
    is_open: bool = False
    deprecated: str = ""
    deprecated_values: Mapping[ScalarValue, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MetricFacts:
    """What is known of a metric: ``instrument`` and ``unit`` are None where they are not, ``required`` are attributes."""

    instrument: str | None = None
    unit: str | None = None
    deprecated: str = ""
    required: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GroupFacts:
    """A group of attributes that a span, an event or a resource has.

    ``signal`` is ``span``, ``event``, ``entity``, ``metric`` or ``attribute_group``, ``kind`` that of the span, or nothing;
    ``required`` are the attributes that must be there.
    """

    name: str
    signal: str
    kind: str = ""
    required: tuple[str, ...] = ()
    deprecated: str = ""


class Conventions(ABC):
    """Semantic conventions of one source; ``title`` is what messages call them, ``files`` are those of a user."""

    title: str
    files: tuple[Path, ...] = ()

    @abstractmethod
    def attribute(self, name: str) -> AttributeFacts | None:
        """Return what is known of an attribute, or None; templates are no attributes."""

    @abstractmethod
    def template(self, name: str) -> AttributeFacts | None:
        """Return what is known of the attributes whose names begin with a template's and a dot, or None."""

    @abstractmethod
    def metric(self, name: str) -> MetricFacts | None:
        """Return what is known of a metric, or None."""

    @abstractmethod
    def event(self, name: str) -> GroupFacts | None:
        """Return what is known of an event, or None."""

    def group(self, name: str, signal: str) -> GroupFacts | None:
        """Return the group that contracts of ``spans``, ``metrics`` or ``logs`` may name so, or None."""
        return None

    @abstractmethod
    def covers(self, name: str, signal: str) -> bool:
        """Tell whether a name of ``attributes``, ``metrics`` or ``events`` must be known, as its namespace is."""

    @abstractmethod
    def near(self, name: str) -> Collection[str]:
        """Return the names of attributes and metrics among which a misspelt one may be meant."""

    def template_of(self, name: str) -> AttributeFacts | None:
        """Return what is known of the template that a name is an instance of, or None."""
        parts = name.split(".")
        prefixes = (".".join(parts[:number]) for number in range(len(parts) - 1, 0, -1))
        found = (self.template(prefix) for prefix in prefixes if len(name) > len(prefix) + 1)
        return next((facts for facts in found if facts is not None), None)


def namespace_of(name: str) -> str:
    """Return the first part of a name with dots, or nothing."""
    first, dot, rest = name.partition(".")
    return first if dot and rest else ""


def current_names(*groups: Mapping[str, AttributeFacts | MetricFacts | GroupFacts]) -> list[str]:
    """Return the names of which nothing says that they are deprecated."""
    return [name for facts in groups for name, known in facts.items() if not known.deprecated]
