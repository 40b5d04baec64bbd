"""Personal data of known kinds in texts: where it stands, and the text without it.

Texts come from outside and may be large, so every search takes time in proportion to the length of a text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import NamedTuple

from pytest_telemetry_gate.support.secrets import MASK

__all__ = ["PERSONAL", "Place", "mask_personal", "mask_places"]

Place = tuple[int, int]
"""The positions of the first character and of the one after the last."""
_AT = re.compile(r"@|%40|\\u0040|&#64;", re.IGNORECASE)
_LONGEST = 64  # characters before the @ of an address, by RFC 5321
_LOCAL = re.compile(r"[\w.+'-]*\w\Z")
_DOMAIN = re.compile(r"(?:[\w-]{1,63}\.){1,8}[^\W\d_]{2,63}(?![\w@])")
_CUT_DOMAIN = re.compile(r"[\w.-]{0,64}?(?=\.\.\.|…)")
_CARD = re.compile(r"(?<![\w.-])[2-6](?:[ -]?[0-9]){11,18}(?!\w|[.-][0-9])")
_IPV4 = re.compile(r"(?<![\w.])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?!\w|\.[0-9])")
_JWT = re.compile(r"(?<![\w-])eyJ[\w-]{4,}(?:\.[\w-]*){2,4}")
_NUMBERS = re.compile(  # that card networks give out: prefix, and how many digits there are in all
    r"4(?:[0-9]{12}|[0-9]{15}|[0-9]{18})"
    r"|(?:5[1-5][0-9]{2}|2(?:22[1-9]|2[3-9][0-9]|[3-6][0-9]{2}|7[01][0-9]|720))[0-9]{12}"
    r"|3[47][0-9]{13}"
    r"|3(?:0[0-59]|[689][0-9])[0-9]{11,16}"
    r"|35(?:2[89]|[3-8][0-9])[0-9]{12,15}"
    r"|(?:6011|64[4-9][0-9]|65[0-9]{2}|62[0-9]{2})[0-9]{12,15}"
    r"|(?:50|5[6-9]|6[0-9])[0-9]{10,17}"
)
_NOBODYS = "git"  # git@github.com:owner/name is an address of a repository
_LOOPBACK = re.compile(r"127\.[0-9.]+|0\.0\.0\.0")


class Kind(NamedTuple):
    """A kind of personal data: what people call one of it, and what finds it in a text."""

    words: str
    find: Callable[[str], Iterator[Place]]


def _find_emails(text: str, domain: re.Pattern[str] = _DOMAIN) -> Iterator[Place]:
    done = 0
    for at in _AT.finditer(text):
        after = domain.match(text, at.end())
        local = after and _LOCAL.search(text, max(done, at.start() - _LONGEST), at.start())
        if after and local and local[0] != _NOBODYS:
            # A dot or a hyphen that stands before an address is none of it.
            yield local.start() + len(local[0]) - len(local[0].lstrip(".-'")), after.end()
            done = after.end()


def _find_cards(text: str) -> Iterator[Place]:
    for match in _CARD.finditer(text):
        digits = re.sub(r"[ -]", "", match[0])
        # The check digit of ISO/IEC 7812-1
        total = sum(map(int, digits[::-2])) + sum(sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
        if _NUMBERS.fullmatch(digits) and total % 10 == 0:
            yield match.span()


def _find_ipv4(text: str) -> Iterator[Place]:
    for match in _IPV4.finditer(text):
        if all(int(part) <= 255 for part in match[0].split(".")):
            yield match.span()


def _find_jwt(text: str) -> Iterator[Place]:
    yield from (match.span() for match in _JWT.finditer(text))


PERSONAL = {
    "email": Kind("an email address", _find_emails),
    "card": Kind("the number of a card", _find_cards),
    "ipv4": Kind("an IPv4 address", _find_ipv4),
    "jwt": Kind("a JSON Web Token", _find_jwt),
}
"""The kinds by name."""


def mask_personal(text: str, public: Collection[str] = ()) -> str:
    """Return a text for people without personal data of any kind, nor the beginning of an address that was cut.

    Loopback addresses are nobody's; what stands in one of the ``public`` texts is left as well.
    """
    for kind in PERSONAL.values():
        text = mask_places(text, (place for place in kind.find(text) if not _is_public(text, place, public)))
    if "..." in text or "…" in text:
        text = mask_places(text, _find_emails(text, _CUT_DOMAIN))
    return text


def _is_public(text: str, place: Place, public: Collection[str]) -> bool:
    found = text[slice(*place)]
    return _LOOPBACK.fullmatch(found) is not None or any(found in known for known in public)


def mask_places(text: str, places: Iterable[Place]) -> str:
    """Return a text with a mask in the place of what stands at some places, which are in order and do not overlap."""
    pieces, done = [], 0
    for start, end in places:
        pieces += [text[done:start], MASK]
        done = end
    return "".join([*pieces, text[done:]]) if pieces else text
