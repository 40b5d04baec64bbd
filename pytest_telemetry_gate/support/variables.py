"""Variables in texts: ``$name`` in suites and replays, and references such as ``${VAR}`` to the world outside."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from pytest_telemetry_gate.support.suggestions import suggest_nearest

__all__ = ["ReferencedText", "empty_references", "expand", "expand_references"]


_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)\})", re.ASCII)
_NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_MANY_DIGITS = 300  # of which Python makes no integer
_ENVIRONMENT = r"\{(?P<name>\w+)(?::-(?P<default>[^}]*))?\}"
_REFERENCE = re.compile(rf"\${_ENVIRONMENT}", re.ASCII)
_REFERENCE_OR_FILE = re.compile(rf"\$(?:(?P<dollar>\$)|{_ENVIRONMENT}|\{{file:(?P<file>[^}}]+)\}})", re.ASCII)
_WITH_EMPTY_DEFAULT = re.compile(r"\$\{(\w+):-\}", re.ASCII)


class ReferencedText(str):
    """A text that came from outside of the file, where a number cannot be written as one."""

    __slots__ = ()

    def number(self) -> int | float | str:
        """Return the number that the text writes as YAML does, else the text."""
        if not _NUMBER.fullmatch(self):
            return str(self)
        return int(self) if self.lstrip("+-").isdigit() and len(self) < _MANY_DIGITS else float(self)


def expand(text: str, values: dict[str, str]) -> str:
    """Replace ``$name`` and ``${name}`` by their values; ``$1`` stays, as label_replace needs it.

    Raises ValueError for a name that has no value, listing those that have.
    """

    def value(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        if name[0].isdigit():
            return match[0]
        if name not in values:
            known = ", ".join(f"${variable}" for variable in sorted(values))
            hint = suggest_nearest(f"${name}", (f"${variable}" for variable in values))
            message = f"unknown variable ${name}{hint}; known: {known}"
            raise ValueError(message)
        return values[name]

    return _VARIABLE.sub(value, text)


def expand_references(
    text: str,
    *,
    environ: Mapping[str, str] | None = None,
    folder: Path | None = None,
    keep: Callable[[str, str, str], None] | None = None,
    stays: Collection[str] | None = None,
) -> str:
    """Replace ``${VAR}`` and ``${VAR:-default}`` by environment variables.

    With a ``folder``, ``${file:PATH}`` stands for a file's text without the last line break, ``PATH`` counting from
    there, and ``$$`` for a dollar. With ``stays``, ``${name}`` stays for each of its names and for names that begin with
    ``__``, and ``$$`` is a dollar before ``{`` alone, since PromQL has dollars of its own. ``keep`` is told of every value
    that comes from outside: its name (``file:PATH`` of a file), the value, and the text before it. Raises ValueError for
    a variable that is not set and has no default, and for a file that cannot be read.
    """
    environ = os.environ if environ is None else environ

    expanded, end = "", 0
    for match in (_REFERENCE if folder is None else _REFERENCE_OR_FILE).finditer(text):
        expanded += text[end : match.start()]
        end = match.end()
        groups = match.groupdict()
        if groups.get("dollar"):
            expanded += "$" if stays is None or text.startswith("{", end) else match[0]
            continue
        file, name = groups.get("file"), groups["name"]
        if (
            stays is not None
            and name
            and groups["default"] is None
            and (name in stays or name.startswith("__"))
        ):
            expanded += match[0]
            continue
        content = _content(folder, file) if folder is not None and file else environ.get(name, "")
        if content and keep is not None:
            keep(f"file:{file}" if file else name, content, expanded)
        if not content and not file and groups["default"] is None:
            state = "empty" if name in environ else "not set"
            message = f"environment variable {name} is {state}; ${{{name}:-DEFAULT}} gives a default"
            raise ValueError(message)
        expanded += content or groups["default"] or ""
    return expanded + text[end:]


def empty_references(text: str) -> list[str]:
    """Return the references ``${VAR:-}`` of a text that stand for nothing, because their variable is empty or not set."""
    return [match[0] for match in _WITH_EMPTY_DEFAULT.finditer(text) if not os.environ.get(match[1])]


def _content(folder: Path, file: str) -> str:
    try:
        return (folder / file).read_text(encoding="utf-8").removesuffix("\n").removesuffix("\r")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        message = f"${{file:{file}}} cannot be read: {reason}"
        raise ValueError(message) from None
