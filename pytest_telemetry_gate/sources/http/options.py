"""The options of a server in telemetry.yaml, each read as what it has to be; what cannot be used is an error with its line."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from pytest_telemetry_gate.sources.http.key_hints import EXAMPLES
from pytest_telemetry_gate.support.configured import keep_configured
from pytest_telemetry_gate.support.suggestions import suggest

if TYPE_CHECKING:
    from pytest_telemetry_gate.errors import SourceError
    from pytest_telemetry_gate.model.environment import RegionSettings

__all__ = ["Options"]


class Options:
    """The options of a region, or those below one of its keys; ``at`` are the keys that lead to them.

    Every method raises SourceError, at the line of an option that cannot be used, without showing its value.
    """

    def __init__(self, settings: RegionSettings, values: Mapping[str, Any], at: tuple[str, ...] = ()) -> None:
        self.settings = settings
        self.values = values
        self.at = at

    def __contains__(self, key: str) -> bool:
        return self.values.get(key) is not None

    def error(self, key: str, message: str) -> SourceError:
        """Return an error about one of the options."""
        place = (*self.at, key)
        return self.settings.error(place, f"{'.'.join(place)}: {message}")

    def lack(self, message: str) -> SourceError:
        """Return an error about what is missing among the options."""
        return self.settings.error(self.at, f"{'.'.join(self.at)}: needs {message}")

    def below(self, key: str, allowed: Collection[str] | None = None) -> Options:
        """Return the options that an option holds, none where it is not there; others than ``allowed`` are refused."""
        value = self.values.get(key)
        if value is None:
            value = {}
        if not isinstance(value, dict):
            example = f", such as {EXAMPLES[key]}" if key in EXAMPLES else ""
            raise self.error(key, f"must be a mapping of keys to values{example}")
        for name in value:
            if allowed is not None and name not in allowed:
                place = (*self.at, key)
                message = f"{'.'.join(place)}: unknown key {name!r}{suggest(name, allowed)}"
                raise self.settings.error((*place, name), message)
        return Options(self.settings, value, (*self.at, key))

    def text(self, key: str, default: str | None = None) -> str:
        """Return a text; without a ``default`` it has to be there."""
        value = self.values.get(key, default)
        if value is None:
            raise self.lack(key)
        if not isinstance(value, str | int | float) or isinstance(value, bool):
            raise self.error(key, "must be text")
        return str(value)

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of texts, empty where it is not there."""
        value = self.values.get(key)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(text, str) and text.strip() for text in value):
            raise self.error(key, "must be a list of texts")
        return tuple(value)

    def pairs(self, key: str) -> Mapping[str, str]:
        """Return the texts that an option holds, by their names; numbers and flags are written as servers expect them."""
        return {str(name): _scalar(value) for name, value in self.below(key).values.items()}

    def flag(self, key: str) -> bool:
        """Return whether an option is set."""
        value = self.values.get(key)
        if value not in (None, True, False):
            raise self.error(key, "must be true or false")
        return bool(value)

    def file(self, key: str) -> str:
        """Return the path of a file, which has to be there; an empty text where the option is not."""
        if self.values.get(key) is None:
            return ""
        path = self.settings.resolve(self.text(key))
        if not path.is_file():
            raise self.error(key, f"there is no file {self.values[key]}")
        return str(path)

    def line(self, key: str, text: str | None = None) -> str:
        """Return a text that a header can carry: the option's, or one that was read from what it names."""
        text = self.text(key) if text is None else text
        if not text or not text.isprintable() or not text.isascii():
            raise self.error(key, "empty, or not one line of ASCII")
        return text

    def secret(self, key: str) -> str:
        """Return the value of ``key``, or the content of the file that ``key_file`` names: one of them has to be there."""
        of_file = f"{key}_file"
        if (of_file in self) == (key in self):
            raise self.lack(f"one of {key} and {of_file}")
        if key in self:
            return self.line(key)
        file = self.text(of_file)
        try:
            text = self.settings.resolve(file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "not UTF-8 text"
            raise self.error(of_file, f"{file} cannot be read: {reason}") from None
        keep_configured(self.settings.secrets, text, (*self.at, key))
        return self.line(of_file, text)


def _scalar(value: object) -> str:
    """Write a scalar of YAML as servers expect it: ``true``, not ``True``."""
    return str(value).lower() if isinstance(value, bool) else str(value)
