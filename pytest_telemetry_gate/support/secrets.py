"""What must never be shown: one collection for each environment, to which every reader of a secret adds it."""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, quote_plus

from pytest_telemetry_gate.support.ordinary_values import is_ordinary
from pytest_telemetry_gate.support.places import map_texts

__all__ = ["MASK", "Secrets", "is_secret_name", "is_secret_parameter", "looks_like_credential", "scrub_texts"]

MASK = "**********"
_NAME = re.compile(
    r"pass(?:$|w|phrase)|pwd|token|secret|credentials|(?:api|app|application|access|private)[-_]?key|auth(?:$|[-_]|oriz)|bearer|cookie|signature",
    re.IGNORECASE,
)
_PARAMETER = re.compile(r"(?:key|sig|code|sid|jwt|session|ticket|hmac|sas)$", re.IGNORECASE)
_CREDENTIAL = re.compile(
    r"(?=.*[0-9])(?=.*[A-Za-z])[A-Za-z0-9+/=_.~-]{20,}"
)  # as no cluster or zone is called
_FOLDERS = frozenset({"PWD", "OLDPWD"})  # POSIX' names of folders, not passwords
_SHORTEST = 4  # characters; scrubbing shorter values would shred every text
_SHORT = 8  # characters; what is shorter is masked as a whole word only
_LOGIN = re.compile(r"(://)[^/@\s]+@")
_CUT = re.compile(r" ?(?:\.\.\.|…) ?")  # where somebody has left out the middle of a text
_WHOLE_WORD = r"(?<![\w-])(?<!\w\.){}(?![\w-])(?!\.\w)"


def is_secret_name(name: str) -> bool:
    """Tell whether a key or variable of this name holds something that must not be shown."""
    return bool(_NAME.search(name)) and not name.endswith("_file")


def is_secret_parameter(name: str, value: str) -> bool:
    """Tell whether a parameter of an address must not be shown: by its name, or because it looks like a credential."""
    return is_secret_name(name) or bool(_PARAMETER.search(name)) or looks_like_credential(value)


def looks_like_credential(value: str) -> bool:
    """Tell whether a value is long and mixed as no name of a cluster or zone is."""
    return bool(_CREDENTIAL.fullmatch(value))


class _Forms(NamedTuple):
    """Texts to mask: ``anywhere``, the longest first so that none is broken up by another that is part of it, or as ``words``.

    ``whole`` are the secrets as they are written, of which a part may be left where a text was cut.
    """

    anywhere: tuple[str, ...] = ()
    words: re.Pattern[str] | None = None
    whole: tuple[str, ...] = ()

    def mask(self, text: str) -> str:
        """Return a text without any of them."""
        for form in self.anywhere:
            if form in text:
                text = text.replace(form, MASK)
        if self.words is not None:
            text = self.words.sub(MASK, text)
        if self.whole and ("..." in text or "…" in text):
            text = self._mask_parts(text)
        return text

    def _mask_parts(self, text: str) -> str:
        """Mask what a cut has left of a secret: its beginning before the cut, its end after it."""
        done, pieces = 0, []
        for cut in _CUT.finditer(text):
            if cut.start() < done:
                continue
            before, after = text[done : cut.start()], text[cut.end() :]
            begun = max((_common(before, secret) for secret in self.whole), default=0)
            ended = max((_common(after[::-1], secret[::-1]) for secret in self.whole), default=0)
            pieces += [before[: len(before) - begun], MASK if begun else "", cut[0], MASK if ended else ""]
            done = cut.end() + ended
        return "".join([*pieces, text[done:]])


def _common(text: str, secret: str) -> int:
    """Return how many characters at the end of a text are the beginning of a secret; 0 where it could be by chance."""
    longest = min(len(text), len(secret))
    return next((n for n in range(longest, _SHORTEST - 1, -1) if text.endswith(secret[:n])), 0)


class Secrets:
    """Remembers texts and masks them in others, in every form in which a server or a library could repeat them.

    Credentials are masked everywhere. Values are what may be a secret by its place in the configuration, such as a header
    of any name: they are masked where text leaves the program, unless they are ordinary or public.
    """

    def __init__(self) -> None:
        self._credentials: dict[str, None] = {}
        self._values: dict[str, None] = {}
        self._public: set[str] = set()
        self._forms: dict[bool, _Forms] = {True: _Forms(), False: _Forms()}
        self._lock = threading.Lock()  # drives run at once and add what they are given

    def keep(self, *texts: str) -> None:
        """Remember credentials; those of less than four characters cannot be told from other text."""
        self._add(self._credentials, texts)

    def keep_values(self, *texts: str) -> None:
        """Remember configured values, which are secrets unless they are ordinary or public."""
        self._add(self._values, texts)

    def publish(self, words: Iterable[str]) -> None:
        """Take note of words that are no secrets as values, such as names of regions and what suites ask for."""
        with self._lock:
            self._public.update(words)
            self._forms = self._make_forms()

    def keep_named(self, values: Mapping[str, str]) -> None:
        """Remember the values of variables or headers with secret names, with and without a scheme."""
        for name, value in values.items():
            if is_secret_name(name):
                self.keep(value, *value.split()[1:])

    def keep_environment(self) -> None:
        """Remember the values of environment variables with secret names, which drives pass on."""
        self.keep_named({name: value for name, value in os.environ.items() if name not in _FOLDERS})

    @property
    def any(self) -> bool:
        """Whether there is anything to mask."""
        return bool(self._credentials or self._values)

    def scrub(self, text: str) -> str:
        """Return a text for people or files: without any secret, and without the logins of addresses."""
        return self._scrub(text, with_values=True)

    def scrub_credentials(self, text: str) -> str:
        """Return a text that is judged: without credentials and logins. A label may well be what a header says too."""
        return self._scrub(text, with_values=False)

    def scrub_beside(self, asked: Iterable[str]) -> Callable[[str], str]:
        """Return what scrubs texts for a recording: as ``scrub()``, but for values that queries ask for by name.

        Without them in its labels nothing of it could be found again.
        """
        queries = tuple(asked)
        values = [text for text in self._secret_values() if not any(text in query for query in queries)]
        forms = _forms(self._credentials, values)
        return lambda text: _without_logins(forms.mask(text))

    def _scrub(self, text: str, *, with_values: bool) -> str:
        return _without_logins(self._forms[with_values].mask(text))

    def _add(self, kept: dict[str, None], texts: Iterable[str]) -> None:
        new = [line for text in texts for line in _lines(text) if line not in kept]
        if new:
            with self._lock:
                kept.update(dict.fromkeys(new))
                self._forms = self._make_forms()

    def _make_forms(self) -> dict[bool, _Forms]:
        return {
            False: _forms(self._credentials, ()),
            True: _forms(self._credentials, self._secret_values()),
        }

    def _secret_values(self) -> list[str]:
        return [text for text in self._values if not is_ordinary(text) and text not in self._public]


def _without_logins(text: str) -> str:
    return _LOGIN.sub(r"\1", text) if "://" in text else text


def _lines(text: str) -> Iterator[str]:
    """Yield a secret, and each line of one that has several."""
    lines = text.splitlines()
    for line in [text, *lines] if len(lines) > 1 else [text]:
        if len(line.strip()) >= _SHORTEST:
            yield line


def _forms(credentials: Iterable[str], values: Iterable[str]) -> _Forms:
    anywhere: set[str] = set()
    words: set[str] = set()
    whole = [*credentials, *values]
    for text in credentials:
        short = len(text) < _SHORT and (text.isalpha() or text.isdigit())
        (words if short else anywhere).update(_spellings(text))
    for text in values:
        short = len(text) < _SHORT or text.isalpha() or text.isdigit()
        (words if short else anywhere).update(_spellings(text))
    pattern = "|".join(map(re.escape, sorted(words, key=len, reverse=True)))
    return _Forms(
        tuple(sorted(anywhere, key=len, reverse=True)),
        re.compile(_WHOLE_WORD.format(f"(?:{pattern})")) if words else None,
        tuple(text for text in whole if len(text) >= _SHORT),
    )


def _spellings(text: str) -> set[str]:
    """Return the ways in which a text is repeated: as it is, in an address, in JSON, as Python shows it, twice over."""
    found = {text}
    for _ in range(2):
        for spelling in tuple(found):
            shown = repr(spelling)[1:-1]
            found |= {
                shown,
                shown.replace("'", "\\'"),
                ascii(spelling)[1:-1],
                json.dumps(spelling)[1:-1],
                json.dumps(spelling, ensure_ascii=False)[1:-1],
            }
    quoted = {quote(text), quote(text, safe=""), quote_plus(text)}
    found |= quoted | {re.sub("%..", lambda match: match[0].lower(), one) for one in quoted}
    return {spelling for spelling in found if len(spelling) >= _SHORTEST}


def scrub_texts(wire: Any, scrub: Callable[[str], str]) -> Any:
    """Return builtins with every text in them scrubbed."""
    return map_texts(wire, lambda text, _: scrub(text))
