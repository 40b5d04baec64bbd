"""The YAML of a Weaver registry: what its files define, as it is written; ``registry.py`` resolves it.

Read are both ways of writing, ``groups:`` and ``file_format: definition/2``. What Weaver's own check is for is not
checked again; what could not be understood is refused, since a rule that is not read would be kept by everything.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pytest_telemetry_gate.errors import SuiteError
from pytest_telemetry_gate.files.document import Document
from pytest_telemetry_gate.replay.conventions.facts import AttributeFacts
from pytest_telemetry_gate.support.places import Place

__all__ = ["AttributeUse", "Definitions", "GroupEntry", "registry_files"]

MANIFESTS = ("manifest.yaml", "registry_manifest.yaml")
_FORMATS = (None, "definition/1", "definition/2")
_LEVELS = ("required", "conditionally_required", "recommended", "opt_in")
_TYPES = {
    "string": "string", "int": "int", "double": "number", "boolean": "bool", "any": "",
    "string[]": "string[]", "int[]": "int[]", "double[]": "number[]", "boolean[]": "bool[]",
}  # fmt: skip
_TEMPLATE = re.compile(r"template\[(.*)\]")
_SIGNALS = ("span", "event", "metric", "metric_group", "entity", "resource", "scope", "attribute_group")


@dataclass(frozen=True, slots=True)
class AttributeUse:
    """That a group has an attribute, or all of another group where ``is_group``; ``level`` is empty where not said."""

    name: str
    level: str
    where: Place
    is_group: bool = False


@dataclass(frozen=True, slots=True)
class GroupEntry:
    """A group as it is written, with where; ``parent`` is the group that it extends or refines."""

    name: str
    signal: str
    document: Document
    where: Place
    about: Mapping[str, Any]
    uses: tuple[AttributeUse, ...]
    parent: str = ""
    deprecated: str = ""


@dataclass(slots=True)
class Definitions:
    """Everything that ``files`` of a registry define; ``far`` are dependencies that are no folders here."""

    attributes: dict[str, AttributeFacts] = field(default_factory=dict)
    templates: dict[str, AttributeFacts] = field(default_factory=dict)
    levels: dict[str, str] = field(default_factory=dict)
    groups: dict[tuple[str, str], GroupEntry] = field(default_factory=dict)
    far: list[str] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    _folders: set[Path] = field(default_factory=set)

    def read(self, path: Path, shown: str) -> None:
        """Add a registry: a folder with those that its manifest names as folders, or a file; raises SuiteError."""
        if path.resolve() in self._folders:
            return
        self._folders.add(path.resolve())
        found = [*registry_files(path)]
        if not any(file.name not in MANIFESTS for file in found):
            raise SuiteError(shown, 1, "a registry has YAML files, but here is none")
        self.files += found
        for file in found:
            document = Document(
                file, shown if file == path else f"{shown}/{file.relative_to(path).as_posix()}"
            )
            if file.name in MANIFESTS:
                self._read_manifest(document, path, shown)
            else:
                self._read_file(document)

    def _read_manifest(self, document: Document, folder: Path, shown: str) -> None:
        for index, entry in enumerate(_list(document, document.value, "dependencies", ())):
            place = entry.get("registry_path") if isinstance(entry, dict) else None
            if not isinstance(place, str):
                raise document.error(("dependencies", index), "a dependency needs a registry_path")
            near = _dependency_folder(folder, place)
            if near is None:
                self.far.append(place)
            else:
                self.read(near, f"{shown}/{place}")

    def _read_file(self, document: Document) -> None:
        raw = document.value
        if raw.get("file_format") not in _FORMATS:
            message = f"file_format: {raw['file_format']!r} is not read; read are groups and definition/2"
            raise document.error(("file_format",), message)
        for index, entry in enumerate(_list(document, raw, "groups", ())):
            self._read_group(document, entry, ("groups", index))
        for index, entry in enumerate(_list(document, raw, "attributes", ())):
            self._define(document, entry, ("attributes", index), str(entry.get("key") or ""))
        for key, signal, name in (
            ("spans", "span", "type"), ("events", "event", "name"), ("metrics", "metric", "name"),
            ("entities", "entity", "type"), ("attribute_groups", "attribute_group", "id"),
        ):  # fmt: skip
            for index, entry in enumerate(_list(document, raw, key, ())):
                self._add(document, entry, (key, index), signal, name=entry.get(name))
            refinements = f"{signal}_refinements"
            for index, entry in enumerate(_list(document, raw, refinements, ())):
                self._add(
                    document,
                    entry,
                    (refinements, index),
                    signal,
                    name=entry.get("id"),
                    parent=entry.get("ref"),
                )

    def _read_group(self, document: Document, entry: Mapping[str, Any], where: Place) -> None:
        signal = entry.get("type", "span")
        if signal not in _SIGNALS:
            raise document.error((*where, "type"), f"type: {signal!r} is not one of {', '.join(_SIGNALS)}")
        prefix = f"{entry['prefix']}." if entry.get("prefix") else ""
        for index, attribute in enumerate(_list(document, entry, "attributes", where)):
            if "id" in attribute:
                self._define(document, attribute, (*where, "attributes", index), f"{prefix}{attribute['id']}")
        signal = "entity" if signal == "resource" else signal
        self._add(
            document, entry, where, signal, name=entry.get("id"), parent=entry.get("extends"), prefix=prefix
        )

    def _define(self, document: Document, entry: Mapping[str, Any], where: Place, name: str) -> None:
        if not name:
            raise document.error(where, "an attribute needs a name: `id` in a group, `key` in definition/2")
        if name in self.attributes or name in self.templates:
            raise document.error(where, f"attribute {name!r} is defined twice")
        written = entry.get("type")
        deprecated = _deprecation(entry)
        if isinstance(written, dict):
            facts = _enum(document, written, (*where, "type"), name, deprecated)
            self.attributes[name] = facts
        else:
            template = _TEMPLATE.fullmatch(str(written))
            type_ = template[1] if template else str(written)
            if type_ not in _TYPES:
                message = f"attribute {name!r}: type: {written!r} is not one of {', '.join(_TYPES)}, template[...], members"
                raise document.error((*where, "type"), message)
            into = self.templates if template else self.attributes
            into[name] = AttributeFacts(type=_TYPES[type_], deprecated=deprecated)
        self.levels[name] = _level(document, entry, where)

    def _add(
        self,
        document: Document,
        entry: Mapping[str, Any],
        where: Place,
        signal: str,
        *,
        name: object,
        parent: object = "",
        prefix: str = "",
    ) -> None:
        if not isinstance(name, str) or not name:
            raise document.error(where, f"a {signal.replace('_', ' ')} needs a name")
        if (signal, name) in self.groups:
            raise document.error(where, f"{signal.replace('_', ' ')} {name!r} is defined twice")
        uses = [
            _use(document, attribute, (*where, key, index), prefix)
            for key in ("attributes", "identity", "description")
            for index, attribute in enumerate(_list(document, entry, key, where))
        ]
        self.groups[signal, name] = GroupEntry(
            name, signal, document, where, entry, tuple(uses), str(parent or ""), _deprecation(entry)
        )


def registry_files(path: Path) -> Iterator[Path]:
    """Yield the YAML files of a registry in the order of their names, its manifests first."""
    if not path.is_dir():
        yield path
        return
    files = [
        file
        for file in path.rglob("*.y*ml")
        if file.suffix in {".yaml", ".yml"}
        and not any(part.startswith(".") for part in file.relative_to(path).parts)
        and file.name != "schema-next.yaml"
    ]
    yield from sorted(files, key=lambda file: (file.name not in MANIFESTS, str(file)))


def _dependency_folder(folder: Path, place: str) -> Path | None:
    """Return where a dependency is, if it is a folder: as seen from the registry, or from the folder above it."""
    path, _, below = place.partition("[")
    if "://" in path or path.startswith("git@"):
        return None
    candidates = (base / path / below.rstrip("]") for base in (folder, folder.parent))
    return next((candidate for candidate in candidates if candidate.is_dir()), None)


def _use(document: Document, entry: Mapping[str, Any], where: Place, prefix: str) -> AttributeUse:
    if "ref_group" in entry:
        return AttributeUse(str(entry["ref_group"]), "", where, is_group=True)
    name = entry.get("ref") or (f"{prefix}{entry['id']}" if "id" in entry else None)
    if not isinstance(name, str):
        raise document.error(where, "an attribute of a group needs `ref`, `ref_group` or `id`")
    return AttributeUse(name, _level(document, entry, where), where)


def _enum(
    document: Document, written: Mapping[str, Any], where: Place, name: str, deprecated: str
) -> AttributeFacts:
    members = _list(document, written, "members", where)
    values = [member.get("value") for member in members]
    if not values or not all(isinstance(value, str | int) for value in values):
        raise document.error(where, f"attribute {name!r}: an enum needs members, each with a value")
    kinds: tuple[tuple[type, Callable[[Any], str]], ...] = (
        (bool, lambda _: "bool"), (int, lambda _: "int"), (str, lambda _: "string"),
    )  # fmt: skip
    types = {next(word(value) for kind, word in kinds if isinstance(value, kind)) for value in values}
    if len(types) > 1:
        raise document.error(where, f"attribute {name!r}: the values of an enum have one type")
    notes = {value: _deprecation(member) for value, member in zip(values, members, strict=True)}
    return AttributeFacts(
        type=types.pop(),
        values=tuple(dict.fromkeys(values)),
        is_open=written.get("allow_custom_values") is True,
        deprecated=deprecated,
        deprecated_values={value: note for value, note in notes.items() if note},
    )


def _level(document: Document, entry: Mapping[str, Any], where: Place) -> str:
    written = entry.get("requirement_level")
    level = next(iter(written), "") if isinstance(written, dict) else written
    if level is not None and level not in _LEVELS:
        message = f"requirement_level: {level!r} is not one of {', '.join(_LEVELS)}"
        raise document.error((*where, "requirement_level"), message)
    return str(level or "")


def _deprecation(entry: Mapping[str, Any]) -> str:
    """Return why something is deprecated; older registries have a text, newer ones a reason with a note."""
    written = entry.get("deprecated")
    if not written:
        return ""
    if not isinstance(written, dict):
        return " ".join(str(written).split()).rstrip(".")
    note = " ".join(str(written.get("note") or "").split()).rstrip(".")
    renamed = written.get("renamed_to")
    return f"renamed to {renamed}" if renamed else note or str(written.get("reason") or "deprecated")


def _list(document: Document, entry: Mapping[str, Any], key: str, where: Place) -> list[Any]:
    written = entry.get(key) or []
    if not isinstance(written, list) or not all(isinstance(item, dict) for item in written):
        raise document.error((*where, key), f"{key}: must be a list of mappings")
    return written
