"""What must never be shown: one collection for each environment, in which everybody who reads a secret puts it."""

from __future__ import annotations

import json
import logging
import os
import re
import weakref
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

__all__ = ["MASK", "Secrets", "is_secret_name", "scrubbed"]

MASK = "**********"
_NAME = re.compile(
    r"pass(?:$|w|phrase)|pwd|token|secret|credentials|api[-_]?key|auth(?:$|[-_]|oriz)|bearer|cookie|signature",
    re.IGNORECASE,
)
_FOLDERS = frozenset({"PWD", "OLDPWD"})  # POSIX' names of folders, not passwords
_SHORTEST = 4  # characters; scrubbing shorter values would shred every text
_LOGIN = re.compile(r"(://)[^/@\s]+@")
_LOGGERS = ("urllib3.connectionpool", "urllib3.connection")  # tell whole addresses at level DEBUG


def is_secret_name(name: str) -> bool:
    """Tell whether a key or variable of this name holds something that must not be shown."""
    return bool(_NAME.search(name)) and not name.endswith("_file")


class Secrets:
    """Remembers texts and takes them out of others, in every form in which a server or a library could repeat them."""

    def __init__(self) -> None:
        self._longest_first: tuple[str, ...] = ()
        _known.add(self)
        for name in _LOGGERS:
            logging.getLogger(name).addFilter(_masked)

    @classmethod
    def of_environment(cls) -> Secrets:
        """Return what environment variables with secret names hold."""
        found = cls()
        found.keep_named({name: value for name, value in os.environ.items() if name not in _FOLDERS})
        return found

    def keep(self, *texts: str) -> None:
        """Remember secrets; those of less than four characters cannot be told from other text."""
        for text in texts:
            forms = {
                text,
                quote(text),
                quote(text, safe=""),
                quote_plus(text),
                json.dumps(text)[1:-1],
                repr(text)[1:-1],
            }
            known = {one for one in forms if len(one) >= _SHORTEST}.union(self._longest_first)
            # The longest first, so that none is taken apart by another that is part of it.
            self._longest_first = tuple(sorted(known, key=len, reverse=True))

    def keep_named(self, given: Mapping[str, str]) -> None:
        """Remember the values of variables or headers whose names say that they are secret, with and without a scheme."""
        for name, value in given.items():
            if is_secret_name(name):
                self.keep(value, *value.split()[1:])

    def scrub(self, text: str) -> str:
        """Return a text without any of them, and without the logins of addresses."""
        for secret in self._longest_first:
            text = text.replace(secret, MASK)
        return _LOGIN.sub(r"\1", text)


def scrubbed(wire: Any, scrub: Callable[[str], str]) -> Any:
    """Return builtins with every text in them scrubbed."""
    if isinstance(wire, dict):
        return {key: scrubbed(inner, scrub) for key, inner in wire.items()}
    if isinstance(wire, list | tuple):
        return [scrubbed(inner, scrub) for inner in wire]
    return scrub(wire) if isinstance(wire, str) else wire


_known: weakref.WeakSet[Secrets] = weakref.WeakSet()


def _masked(record: logging.LogRecord) -> bool:
    """Take secrets out of a record of a library that does not know what is one."""
    text = shown = record.getMessage()
    for secrets in list(_known):
        shown = secrets.scrub(shown)
    if shown != text:
        record.msg, record.args = shown, ()
    return True
