"""What a suite forbids in captured telemetry: found wherever it stands, and masked in whatever is judged, shown or stored.

What was found is told by its kind, its place and how often it is there, and never by what it is. A recording gives the
same verdict: forbidden names stay in it with the types of their values, and it keeps what was found of forbidden values.
"""

from __future__ import annotations

import base64
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Any, NamedTuple

from pytest_telemetry_gate.errors import CorpusError
from pytest_telemetry_gate.replay.captured import CapturedCase, MaskedValues
from pytest_telemetry_gate.replay.otlp.places import (
    AttributeSet,
    attribute_sets,
    decode_bytes,
    loose_texts,
    text_of,
    values_within,
)
from pytest_telemetry_gate.replay.otlp.records import AttributeValue
from pytest_telemetry_gate.replay.otlp.telemetry import TelemetryData
from pytest_telemetry_gate.replay.suite.contracts import Contract, SpanContract
from pytest_telemetry_gate.replay.suite.model import ReplayCase, ReplaySuite
from pytest_telemetry_gate.replay.suite.rules import (
    AttributeRules,
    ForbiddenPattern,
    ForbiddenValue,
    find_matches,
)
from pytest_telemetry_gate.support.ordinary_values import is_ordinary
from pytest_telemetry_gate.support.personal import PERSONAL, Place, mask_places
from pytest_telemetry_gate.support.places import map_texts
from pytest_telemetry_gate.support.secrets import MASK, Secrets

__all__ = [
    "Forbidden",
    "ForbiddenName",
    "Repeated",
    "Screened",
    "ValueKind",
    "forbidden_by",
    "mask_capture",
    "screen",
]

_EMPTY: dict[str, Any] = {
    "stringValue": MASK,
    "intValue": "0",
    "doubleValue": 0.0,
    "boolValue": False,
    "bytesValue": "",
    "arrayValue": {"values": []},
    "kvlistValue": {"values": []},
}
_TEXTS = frozenset(
    {"stringValue", "name", "description", "unit", "message", "severityText", "eventName", "traceState"}
    | {"schemaUrl", "version"}
)  # keys of OTLP
_NESTED = frozenset({"map", "array"})  # types of values
_SHORTEST = 4  # characters; masking shorter texts would shred every other
_MOST_SPELLED = 100  # texts of one search, since each costs time in every text
_WORD = re.compile(r"[^\s\"'<>()\[\]{},;:=]*[^\s\"'<>()\[\]{},;:=.!?]")
_DIGITS = re.compile(r"(?:.*[0-9]){6}", re.DOTALL)  # of what is no year, port or duration


@dataclass(frozen=True, slots=True)
class ValueKind:
    """A kind of values that is forbidden: its name in a capture, what people call one of it, and what finds it in a text.

    One that ``is_local`` is found in a text that is part of a longer one as well.
    """

    name: str
    words: str
    find: Callable[[str], Iterable[Place]]
    is_local: bool = False


@dataclass(frozen=True, slots=True)
class Forbidden:
    """What must not be in what a case captured: attributes of these ``names``, and values of these ``kinds``.

    ``elsewhere`` are the names that other contracts of the suite forbid: they decide nothing here, but their values are
    not kept.
    """

    names: frozenset[str] = frozenset()
    kinds: tuple[ValueKind, ...] = ()
    elsewhere: frozenset[str] = frozenset()


class Repeated:
    """Masks in other texts what stood under forbidden names: in every spelling, of very many as whole words alone."""

    def __init__(self) -> None:
        self._secrets = Secrets()
        self._words: set[str] = set()

    def keep(self, texts: Iterable[str]) -> None:
        """Remember texts that tell something: masking usual words would hide nothing."""
        telling = [
            text
            for text in texts
            if text != MASK and len(text) >= _SHORTEST and (_DIGITS.match(text) or not is_ordinary(text))
        ]
        self._words.update(telling)
        self._secrets.keep(*telling[:_MOST_SPELLED])

    def mask(self, text: str) -> str:
        """Return a text without any of them."""
        if not self._words:
            return text
        text = self._secrets.scrub_credentials(text)
        return _WORD.sub(lambda match: MASK if match[0] in self._words else match[0], text)


@dataclass(frozen=True, slots=True)
class ForbiddenName:
    """A forbidden attribute that is there: ``where`` is its record, ``place`` what it is there, with its name.

    An ``unattributed`` log record may be anybody's.
    """

    where: str
    place: str
    name: str
    unattributed: bool = False


@dataclass(frozen=True, slots=True)
class Screened:
    """What a case captured as it is judged, without what is forbidden, and how often that is where.

    ``values`` are those that were found, now or before the capture was stored. ``repeated`` masks what stood under
    forbidden names.
    """

    telemetry: TelemetryData
    names: Mapping[ForbiddenName, int] = field(default_factory=dict)
    values: tuple[MaskedValues, ...] = ()
    repeated: Repeated = field(default_factory=Repeated)


def forbidden_by(suite: ReplaySuite, case: ReplayCase | None) -> Forbidden:
    """Return what the contracts forbid that a case names; of a case that the suite has no more, nothing but names."""
    expected = () if case is None else case.expect.contracts
    own = [suite.contracts[one.contract] for one in expected]
    rules = [*(part for contract in own for part in _rules(contract)), *(one.attributes for one in expected)]
    everywhere = [part for contract in suite.contracts.values() for part in _rules(contract)]
    everywhere += [one.attributes for other in suite.cases for one in other.expect.contracts]
    kinds = dict.fromkeys(kind for contract in own for kind in contract.forbidden_values)
    names = _forbidden_names(rules)
    return Forbidden(names, tuple(map(_kind, kinds)), _forbidden_names(everywhere) - names)


def screen(captured: CapturedCase, forbidden: Forbidden) -> Screened:
    """Find what is forbidden in a case's own telemetry, and return that without it; raises CorpusError."""
    telemetry = captured.telemetry()
    stored = tuple(captured.masked)
    if not (forbidden.names or forbidden.kinds):
        return Screened(telemetry, values=stored)
    repeated = Repeated()
    names, values = _search(telemetry, forbidden, repeated)
    if captured.foreign is not None and captured.foreign.records:
        others, other_values = _search(captured.unattributed(), forbidden, repeated)
        names = {**names, **{replace(name, unattributed=True): count for name, count in others.items()}}
        values += [replace(found, unattributed=True) for found in other_values]
    if names or values:
        mask = _Mask(forbidden.names, forbidden.kinds, repeated)
        requests = [
            replace(request, document=mask.document(request.document)) for request in captured.requests
        ]
        telemetry = replace(captured, requests=requests).telemetry()
    return Screened(telemetry, names, (*stored, *values), repeated)


def mask_capture(wire: Mapping[str, Any], suite: ReplaySuite) -> dict[str, Any]:
    """Return a capture as it may be stored, judged and told: without what the contracts of its case forbid.

    The values of attributes that any contract of the suite forbids are masked as well. What stood under a forbidden name is
    masked wherever it is repeated, and where values were found is kept.
    """
    if "requests" not in wire:
        return dict(wire)
    case = suite.find_case(str(wire.get("case")), str(wire.get("checkpoint")))
    forbidden = forbidden_by(suite, case)
    if not (forbidden.names or forbidden.kinds or forbidden.elsewhere):
        return dict(wire)
    kinds = forbidden.kinds
    try:
        screened = screen(CapturedCase.from_wire(wire), forbidden)
        kinds = kinds if screened.values else ()
    except CorpusError:  # which judging says; what can be masked is masked all the same
        screened = Screened(TelemetryData())
    mask = _Mask(forbidden.names | forbidden.elsewhere, kinds, screened.repeated)
    requests = _masked_requests(wire["requests"], mask)
    foreign = wire.get("foreign")
    if foreign and foreign.get("records"):
        wire = {**wire, "foreign": {**foreign, "records": _masked_requests(foreign["records"], mask)}}
    driven = map_texts(wire["driven"], lambda text, _: mask.text(text))
    return {
        **wire,
        "driven": driven,
        "requests": requests,
        "masked": [asdict(found) for found in screened.values],
    }


def _masked_requests(requests: Iterable[Mapping[str, Any]], mask: _Mask) -> list[dict[str, Any]]:
    return [{**request, "document": mask.document(request["document"])} for request in requests]


def _rules(contract: Contract) -> Iterator[AttributeRules]:
    yield contract.attributes
    yield contract.resource
    if contract.scope is not None:
        yield contract.scope.attributes
    if isinstance(contract, SpanContract):
        yield from (event.attributes for event in contract.events.values())
        if contract.links is not None:
            yield contract.links.attributes


def _forbidden_names(rules: Iterable[AttributeRules]) -> frozenset[str]:
    return frozenset(name for part in rules for name, rule in part.items() if rule.forbidden)


def _kind(value: ForbiddenValue) -> ValueKind:
    if isinstance(value, ForbiddenPattern):
        shown = f"/{value.regex}/"
        return ValueKind(shown, f"what {shown} matches", partial(find_matches, value.regex))
    return ValueKind(value, PERSONAL[value].words, PERSONAL[value].find, is_local=True)


def _match(path: tuple[str, ...], names: frozenset[str]) -> int | None:
    """Return from which of the keys that lead to a value on a forbidden name is written, alone or as keys of maps; else None."""
    return next((first for first in range(len(path)) if ".".join(path[first:]) in names), None)


def _search(
    telemetry: TelemetryData, forbidden: Forbidden, repeated: Repeated
) -> tuple[Mapping[ForbiddenName, int], list[MaskedValues]]:
    """Return what is forbidden in telemetry, names with how often they are there and values; ``repeated`` gets what stood under the names."""
    finds = _Finds()
    texts = finds.texts
    for found in attribute_sets(telemetry):
        is_plain = all(value.type not in _NESTED for value in found.attributes.values())
        if is_plain and not forbidden.kinds and forbidden.names.isdisjoint(found.attributes):
            continue
        for key, value in found.attributes.items():
            if is_plain and key not in forbidden.names:
                texts += (
                    _Text(found.where, found.noun, (key,), text_of(value)),
                    _Text(found.where, found.noun, (key,), key, "name"),
                )
            else:
                _search_nested(found, key, value, forbidden.names, finds)
    repeated.keep(finds.secrets)
    if not forbidden.kinds:
        return finds.names, []
    texts += (_Text(one.where, one.noun, (), one.text) for one in loose_texts(telemetry))
    everything = "\0".join(text.content for text in texts)
    values: Counter[tuple[str, str]] = Counter()
    for kind in forbidden.kinds:
        if kind.is_local and not any(True for _ in kind.find(everything)):
            continue
        for text in texts:
            if count := sum(1 for _ in kind.find(text.content)):
                values[kind.name, text.place] += count
    mask = _Mask(forbidden.names, forbidden.kinds, repeated)
    return finds.names, [
        MaskedValues(kind, mask.text(place), count) for (kind, place), count in values.items()
    ]


class _Text(NamedTuple):
    """A text of a record: the names of the attributes that it stands in, and what it is there if it is no value."""

    where: str
    noun: str
    path: tuple[str, ...]
    content: str
    role: str = ""

    @property
    def place(self) -> str:
        place = " ".join(filter(None, (self.noun, ".".join(self.path))))
        return ": ".join(filter(None, (self.where, place, self.role)))


@dataclass(slots=True)
class _Finds:
    """What a search has found: forbidden names, and all texts that do not stand under one; ``secrets`` are those that do."""

    names: Counter[ForbiddenName] = field(default_factory=Counter)
    texts: list[_Text] = field(default_factory=list)
    secrets: dict[str, None] = field(default_factory=dict)


def _search_nested(
    found: AttributeSet, key: str, value: AttributeValue, forbidden: frozenset[str], finds: _Finds
) -> None:
    """Add what is in an attribute to what was found."""
    under: tuple[str, ...] | None = None
    for path, inner in values_within(value, (key,) if key else ()):
        if under is None or path[: len(under)] != under:
            first = _match(path, forbidden)
            under = None if first is None else path
            if first is not None:
                name = ".".join(path[first:])
                inside = f" in {'.'.join(path[:first])}" if first else ""
                finds.names[ForbiddenName(found.where, f"{found.noun} {name}{inside}", name)] += 1
        if under is not None:
            finds.secrets[text_of(inner)] = None
        else:
            finds.texts.append(_Text(found.where, found.noun, path, text_of(inner)))
            if path:
                finds.texts.append(_Text(found.where, found.noun, path, path[-1], "name"))


class _Mask:
    """Masks what is forbidden, in texts and in OTLP documents: values under ``names``, of ``kinds``, and what is ``repeated``."""

    def __init__(self, names: frozenset[str], kinds: Sequence[ValueKind], repeated: Repeated) -> None:
        self._names = names
        self._kinds = kinds
        self._repeated = repeated

    def text(self, text: str) -> str:
        for kind in self._kinds:
            text = mask_places(text, kind.find(text))
        return self._repeated.mask(text)

    def document(self, part: Any, path: tuple[str, ...] = ()) -> Any:
        """Return a copy of a part of a document; ``path`` are the names of the attributes that it stands in."""
        if isinstance(part, list):
            return [self.document(inner, path) for inner in part]
        if not isinstance(part, dict):
            return part
        value = part.get("value")
        if isinstance(part.get("key"), str) and isinstance(value, dict):
            inside = (*path, part["key"])
            if _match(inside, self._names) is not None:
                return {**part, "value": {key: _EMPTY[key] for key in value if key in _EMPTY}}
            return {**part, "key": self.text(part["key"]), "value": self.document(value, inside)}
        return {key: self._leaf(key, inner, path) for key, inner in part.items()}

    def _leaf(self, key: str, content: Any, path: tuple[str, ...]) -> Any:
        if key in _TEXTS and isinstance(content, str):
            return self.text(content)
        if key == "intValue":
            return content if self.text(str(content)) == str(content) else "0"
        if key == "bytesValue":
            decoded = decode_bytes(content)
            masked = None if decoded is None else self.text(decoded)
            return content if masked == decoded else base64.b64encode(str(masked).encode()).decode()
        return self.document(content, path)
