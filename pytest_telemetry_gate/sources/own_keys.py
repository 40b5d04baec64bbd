"""Keys of telemetry.yaml that a source reads itself, as what talks to its system is a library with settings of its own."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pytest_telemetry_gate.errors import SourceError
from pytest_telemetry_gate.support.durations import parse_duration
from pytest_telemetry_gate.support.suggestions import suggest

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.environment import RegionSettings

__all__ = ["load_extra", "read_seconds", "read_text", "read_texts", "refuse_unknown"]


def load_extra(module: str, extra: str) -> Any:
    """Return a module that an extra of the package brings; raises SourceError, with what to install, where it is missing."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        message = f"needs the package {error.name}: pip install 'pytest-telemetry-gate[{extra}]'"
        raise SourceError(message) from None


def refuse_unknown(settings: RegionSettings, known: Sequence[str]) -> None:
    """Raise SourceError at the first option that is not a key of the source."""
    for key in settings.options:
        if key not in known:
            hint = suggest(key, known)
            raise settings.error((key,), f"unknown key {key!r} of source {settings.source}{hint}")


def read_text(settings: RegionSettings, key: str, *, default: str | None = None, secret: bool = False) -> str:
    """Return an option that is one line of text; raises SourceError at its line where it is missing or something else.

    A ``secret`` is not repeated in messages, and goes into a header, so that it has to be ASCII.
    """
    value = settings.options.get(key, default)
    if value is None:
        raise settings.error((key,), f"source {settings.source} needs `{key}`")
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or (value != default and not value.strip()):
        raise settings.error((key,), f"{key}: must be a text that is not empty")
    if not value.isprintable() or (secret and not value.isascii()):
        raise settings.error((key,), f"{key}: not one line of {'ASCII' if secret else 'text'}")
    return value.strip()


def read_texts(settings: RegionSettings, key: str) -> tuple[str, ...]:
    """Return an option that is a list of texts, or one text; empty where it is not told; raises SourceError at its line."""
    value = settings.options.get(key)
    if value is None:
        return ()
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not texts or not all(isinstance(t, str) and t.strip() for t in texts):
        raise settings.error((key,), f"{key}: must be a list of texts")
    return tuple(text.strip() for text in texts)


def read_seconds(settings: RegionSettings, key: str, default: float) -> float:
    """Return an option that is a duration, in seconds; raises SourceError at its line."""
    value = settings.options.get(key)
    if value is None:
        return default
    try:
        seconds = parse_duration(str(value))
    except ValueError as error:
        raise settings.error((key,), f"{key}: {error}") from None
    if seconds <= 0:
        raise settings.error((key,), f"{key}: must be more than 0, not {value!r}")
    return seconds
