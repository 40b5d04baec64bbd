"""What must never be shown: one collection for each environment, to which every reader of a secret adds it."""

from __future__ import annotations

import json
import logging
import os
import re
import threading
import weakref
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus, urlsplit

from pytest_telemetry_gate.support.places import map_texts

__all__ = ["MASK", "Secrets", "is_secret_name", "is_secret_parameter", "scrub_texts"]

MASK = "**********"
_NAME = re.compile(
    r"pass(?:$|w|phrase)|pwd|token|secret|credentials|api[-_]?key|auth(?:$|[-_]|oriz)|bearer|cookie|signature",
    re.IGNORECASE,
)
_PARAMETER = re.compile(r"(?:key|sig|code|sid|jwt|session|ticket|hmac|sas)$", re.IGNORECASE)
_CREDENTIAL = re.compile(
    r"(?=.*[0-9])(?=.*[A-Za-z])[A-Za-z0-9+/=_.~-]{20,}"
)  # as no cluster or zone is called
_FOLDERS = frozenset({"PWD", "OLDPWD"})  # POSIX' names of folders, not passwords
_SHORTEST = 4  # characters; scrubbing shorter values would shred every text
_LOGIN = re.compile(r"(://)[^/@\s]+@")
_LOGGERS = ("urllib3.connectionpool", "urllib3.connection")  # write whole addresses at level DEBUG


def is_secret_name(name: str) -> bool:
    """Tell whether a key or variable of this name holds something that must not be shown."""
    return bool(_NAME.search(name)) and not name.endswith("_file")


def is_secret_parameter(name: str, value: str) -> bool:
    """Tell whether a parameter of an address must not be shown: by its name, or because it looks like a credential."""
    return is_secret_name(name) or bool(_PARAMETER.search(name) or _CREDENTIAL.fullmatch(value))


class Secrets:
    """Remembers texts and masks them in others, in every form in which a server or a library could repeat them."""

    def __init__(self) -> None:
        self._longest_first: tuple[str, ...] = ()
        self._lock = threading.Lock()  # drives run at once and add what they are given

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
            with self._lock:
                all_forms = {form for form in forms if len(form) >= _SHORTEST}.union(self._longest_first)
                # The longest first, so that no secret is broken up by another that is part of it.
                self._longest_first = tuple(sorted(all_forms, key=len, reverse=True))

    def keep_named(self, values: Mapping[str, str]) -> None:
        """Remember the values of variables or headers with secret names, with and without a scheme."""
        for name, value in values.items():
            if is_secret_name(name):
                self.keep(value, *value.split()[1:])

    def keep_parameters(self, address: str) -> None:
        """Remember the secret parameters of an address, as they are written there and as a server reads them."""
        try:
            query = urlsplit(address).query
        except ValueError:
            return  # no address; whoever wants one has a better message
        for part in re.split("[&;]", query):
            for name, value in parse_qsl(part):
                if is_secret_parameter(name, value):
                    self.keep(value, part.partition("=")[2])

    def keep_environment(self) -> None:
        """Remember the values of environment variables with secret names, which drives pass on."""
        self.keep_named({name: value for name, value in os.environ.items() if name not in _FOLDERS})

    def scrub(self, text: str) -> str:
        """Return a text without any of them, and without the logins of addresses."""
        for secret in self._longest_first:
            text = text.replace(secret, MASK)
        return _LOGIN.sub(r"\1", text) if "://" in text else text

    def mask_logs(self) -> None:
        """Mask these secrets also in what urllib3 logs, for as long as this collection exists.

        Adds a filter to urllib3's loggers, which are global. To be called before requests are sent with these secrets;
        calling it again changes nothing.
        """
        _masked_in_logs.add(self)
        for name in _LOGGERS:
            logging.getLogger(name).addFilter(_mask_record)


def scrub_texts(wire: Any, scrub: Callable[[str], str]) -> Any:
    """Return builtins with every text in them scrubbed."""
    return map_texts(wire, lambda text, _: scrub(text))


_masked_in_logs: weakref.WeakSet[Secrets] = weakref.WeakSet()


def _mask_record(record: logging.LogRecord) -> bool:
    """Mask secrets in a record of a library that does not know what is secret."""
    text = shown = record.getMessage()
    for secrets in list(_masked_in_logs):
        shown = secrets.scrub(shown)
    if shown != text:
        record.msg, record.args = shown, ()
    return True
