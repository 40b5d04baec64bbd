"""What only people can say about a rollout, as the suite's ``report:`` has it: who wrote, where it was announced, lessons."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, PlainSerializer

from pytest_telemetry_gate.model.fields import Model, TimeField
from pytest_telemetry_gate.support.durations import format_time
from pytest_telemetry_gate.support.zones import find_zone

__all__ = [
    "Artefact",
    "Entry",
    "Lessons",
    "Message",
    "Person",
    "Recommendations",
    "Runbook",
    "Signature",
    "Told",
    "ToldField",
]

_Moment = Annotated[TimeField, PlainSerializer(format_time)]


_LINK = r"^(https?://[^\s/]|mailto:[^\s@]+@)\S*$"
_LINK_OR_NOTHING = rf"{_LINK}|^$"


def _zone(text: str) -> str:
    find_zone(text)
    return text


def _link(text: str) -> str:
    if text and not re.match(_LINK, text):
        message = f"{text!r} is no address that begins with https://, http:// or mailto:"
        raise ValueError(message)
    return text


_ZoneField = Annotated[str, AfterValidator(_zone)]
_LinkField = Annotated[str, AfterValidator(_link), Field(json_schema_extra={"pattern": _LINK_OR_NOTHING})]


class Person(Model):
    """Somebody who took part."""

    name: str = Field(description="who")
    role: str = Field(default="", description="as what")
    part: str = Field(default="", description="what they did")


class Message(Model):
    """Something that was announced."""

    at: _Moment = Field(description="when")
    where: str = Field(description="the channel, list or page")
    what: str = Field(description="what was said")
    link: _LinkField = Field(default="", description="its address, http(s) or mailto")


class Artefact(Model):
    """Something that was kept elsewhere."""

    what: str = Field(description="what it is")
    uri: str = Field(default="", description="where it is")
    at: _Moment | None = Field(default=None, description="when it was made")
    text: str = Field(default="", description="what is to be said of it")
    sha256: str = Field(default="", description="its SHA-256")


class Signature(Model):
    """Who signed, and when."""

    name: str = Field(description="who")
    at: _Moment = Field(description="when")


class Runbook(Model):
    """A runbook or checklist."""

    what: str = Field(description="what it is called")
    path: str = Field(default="", description="where it is")
    done: str = Field(default="", description="how much of it was done")
    signed: tuple[Signature, ...] = Field(default=(), description="who signed it")


class Entry(Model):
    """A text with a title."""

    title: str = Field(default="", description="its title")
    text: str = Field(default="", description="CommonMark without HTML and images")


class Named(Model):
    """A text about something with a name."""

    name: str = Field(description="what it is about")
    text: str = Field(default="", description="what is to be said of it")


class Lessons(Model):
    """What was learnt."""

    well: tuple[Entry, ...] = Field(default=(), description="what went well")
    improve: tuple[Entry, ...] = Field(default=(), description="what could improve")


class Recommendations(Model):
    """What the next step should look like."""

    title: str = Field(default="", description="what they are for")
    timeline: str = Field(default="", description="when")
    metrics: tuple[Named, ...] = Field(default=(), description="metrics to add")
    approach: tuple[str, ...] = Field(default=(), description="how to go about it")
    risks: tuple[str, ...] = Field(default=(), description="what to guard against")


class Told(Model):
    """What people say in the report; texts are CommonMark without HTML and images."""

    timezone: _ZoneField = Field(
        default="",
        description="of all times in the report: America/Los_Angeles, UTC, or -08:00; that of rollout.start if not told",
    )
    prepared_by: tuple[Person, ...] = Field(default=(), description="who wrote it")
    team: tuple[Person, ...] = Field(default=(), description="who rolled out")
    deployment: str = Field(default="", description="how it was rolled out")
    next_step: Named | None = Field(default=None, description="what the gate leads to")
    observations: dict[str, str] = Field(default_factory=dict, description="notes by group of criteria")
    summary: str = Field(default="", description="the summary in people's words")
    communication: tuple[Message, ...] = Field(default=(), description="what was announced, where and when")
    artefacts: tuple[Artefact, ...] = Field(default=(), description="what was kept elsewhere")
    runbooks: tuple[Runbook, ...] = Field(
        default=(), description="runbooks and checklists, and who signed them"
    )
    lessons: Lessons | None = Field(default=None, description="what was learnt")
    recommendations: Recommendations | None = Field(default=None, description="for the next step")
    distribution: tuple[str, ...] = Field(default=(), description="who gets the report")
    sections: tuple[Entry, ...] = Field(default=(), description="further sections")

    def to_wire(self) -> dict[str, Any]:
        """Return builtins only, moments as ISO 8601 in UTC to the second; what was not said is left out."""
        return self.model_dump(mode="json", exclude_defaults=True)

    @classmethod
    def from_wire(cls, wire: Any) -> Told:
        """Rebuild from ``to_wire()``, ignoring keys it does not know; raises ValueError."""
        return wire if isinstance(wire, cls) else cls.model_validate(_known(cls, wire))


def _known(model: type[BaseModel], wire: Any) -> Any:
    """Return what a model knows of a mapping, at every depth."""
    if not isinstance(wire, Mapping):
        return wire
    return {
        name: _known_value(annotation, wire[name])
        for name, annotation in ((name, field.annotation) for name, field in model.model_fields.items())
        if name in wire
    }


def _known_value(annotation: Any, value: Any) -> Any:
    parts = [annotation, *getattr(annotation, "__args__", ())]
    model = next((part for part in parts if isinstance(part, type) and issubclass(part, BaseModel)), None)
    if model is None:
        return value
    return (
        [_known(model, item) for item in value] if isinstance(value, list | tuple) else _known(model, value)
    )


ToldField = Annotated[
    Told | None, BeforeValidator(lambda wire: None if wire is None else Told.from_wire(wire))
]
"""What a report holds of it: keys that only a newer version knows are left out."""
