"""What a session needs of credentials that change: something to put on a request, and another one where it was refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias

import requests

__all__ = ["Credentials", "Sign"]

Sign: TypeAlias = Callable[[requests.PreparedRequest], requests.PreparedRequest]
"""Puts credentials on a request that is complete but for them, as requests' own ``AuthBase`` does."""


class Credentials(Protocol):
    """Credentials of one server that change with time or with each request. Safe to use from several threads."""

    def ready(self) -> Sign:
        """Return what signs a request now, fetched first where that is needed; raises SourceError where it cannot be."""

    def renew(self, refused: Sign) -> bool:
        """Forget what a server has refused with status 401; tell whether ``ready()`` can have another one."""
