"""A part of a YAML document that is read by keys: what it is not is an error at its line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NoReturn

from pytest_telemetry_gate.files.document import Document
from pytest_telemetry_gate.support.places import Key

__all__ = ["Part"]


@dataclass(frozen=True, slots=True)
class Part:
    """A value in a document, and the place where it stands; None where there is nothing at that place."""

    document: Document
    where: tuple[Key, ...]
    value: Any

    def get(self, *keys: Key) -> Part:
        """Return a part of it, whose value is None where there is no such part; raises SuiteError for what has no parts."""
        value, where = self.value, self.where
        for key in keys:
            if value is not None and not isinstance(value, dict if isinstance(key, str) else list):
                kind = "a mapping of keys to values" if isinstance(key, str) else "a list"
                raise self.document.error(where, f"must be {kind}")
            here = value or ({} if isinstance(key, str) else [])
            value = (
                here.get(key) if isinstance(here, dict) else here[int(key)] if int(key) < len(here) else None
            )
            where = (*where, key)
        return Part(self.document, where, value)

    def text(self, *keys: Key) -> str:
        """Return a text in it, empty where there is none."""
        found = self.get(*keys)
        if found.value is None:
            return ""
        if isinstance(found.value, dict | list):
            found.fail("must be text")
        return str(found.value)

    def items(self, *keys: Key) -> list[Part]:
        """Return the items of a list in it."""
        found = self.get(*keys)
        if found.value is None:
            return []
        if not isinstance(found.value, list):
            found.fail("must be a list")
        return [found.get(index) for index in range(len(found.value))]

    def fail(self, message: str) -> NoReturn:
        """Raise SuiteError at this part."""
        raise self.document.error(self.where, message)
