"""Configured values that are no secret although they stand where secrets may stand: everybody knows them.

Masking ``true``, ``30s`` or ``prometheus`` wherever they occur would hide nothing and make every text unreadable.
"""

from __future__ import annotations

import re

__all__ = ["is_ordinary", "is_place"]

_WORDS = frozenset(
    """
    absent admin alertmanager alerts all baseline case cases counter coverage digest due evidence figure floor gauge histogram interval margin quantile ratio reason
    seed series step sum target tolerance trend unit variance verdict waiver
    anonymous api app application auto br central check checkpoint checkpoints checks
    close cluster cors cortex criterion default deflate dev developer development disabled east enabled environment
    error errors external fail failed failure false gate global grafana graph group guest gzip health http https
    identity inconclusive info instance internal job json keep-alive label labels latest limit local localhost logs
    main master max-age metric metrics mimir monitoring name no no-cache no-store none north northeast northwest
    null off offline on online opentelemetry otel otlp parser pass passed pending pipeline plugin preprod proceed
    prod production prometheus promql public pytest python query read readonly region replay report root sandbox
    server service skipped source south southeast southwest stage staging suite system team telemetry tenant test
    tester testing tests thanos trace traces true utc value version victoriametrics waived warn warned warning west
    window write yaml yes zone
    """.split()  # noqa: SIM905 - a list of a hundred words is unreadable otherwise
)
_SHAPE = re.compile(
    r"[-+]?\d{1,5}(?:\.\d{1,5})?%?"  # a number, a port
    r"|(?:\d{1,5}(?:ms|[smhdwy]))+"  # a duration
    r"|v?\d{1,4}(?:\.\d{1,4}){1,3}"  # a version, an IPv4 address
    r"|(?:application|audio|font|image|multipart|text|video|\*)/[\w.+*-]+(?:\s*;\s*[\w-]+=[\w.-]+)*"
    r"|[a-z]{1,2}\d{0,2}",  # eu, us2, as parts of names
    re.IGNORECASE,
)
_PLACE = re.compile(
    r"[a-z][a-z0-9+.-]*://.*"  # an address, whose own secrets are looked at one by one
    r"|(?:[A-Za-z]:)?\.{0,2}[/\\].*|~.*"  # a path
    r"|[\w.-]+:\d{1,5}"  # a host with a port
    r"|localhost|(?:[a-z0-9-]+\.)+(?:com|net|org|io|dev|local|internal|svc|cluster|example|test)\.?",
    re.IGNORECASE | re.DOTALL,
)


def is_ordinary(value: str) -> bool:
    """Tell whether a value is one that everybody knows: a usual word, a number, a duration, a media type.

    So are lists of these, and names that are made of nothing else, such as ``prod-eu-west-1``.
    """
    return all(
        _is_known(part) or all(map(_is_known, re.split(r"[-_.]", part)))
        for part in (part.strip() for part in value.split(","))
    )


def _is_known(part: str) -> bool:
    return not part or part.lower() in _WORDS or bool(_SHAPE.fullmatch(part))


def is_place(value: str) -> bool:
    """Tell whether a value is an address, a path or a host: what people need to read, and no secret as a whole."""
    return bool(_PLACE.fullmatch(value))
