"""A server that gives out OAuth 2.0 access tokens for client credentials, and one that only takes those it gave out.

RFC 6749: 4.4 (the grant), 2.3.1 (how the client says who it is), 5.1 and 5.2 (answers and errors); RFC 6750 for the other.
"""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from urllib.parse import parse_qs, unquote_plus

import websites

CLIENT, SECRET = "gate", "kanari client:secret/+%"
JSON = {"Content-Type": "application/json"}
Answer = websites.Answer


def refuse(status: int, error: str, **more: str) -> Answer:
    return status, JSON, json.dumps({"error": error, **more}).encode()


@dataclass
class TokenServer:
    """What it gives out and takes; tests change it while it serves."""

    expires_in: object = 3600
    takes: tuple[str, ...] = ("header", "body")
    instead: Callable[[websites.Asked], Answer | None] | None = None
    valid: set[str] = field(default_factory=set)
    given: list[str] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=itertools.count)
    url: str = ""
    site: websites.Website = field(default_factory=websites.Website)

    def revoke(self) -> None:
        """Take none of the tokens that were given out so far."""
        self.valid.clear()

    def answer(self, asked: websites.Asked) -> Answer | None:
        return self.give(asked) if asked.path.startswith("/token") else self.serve(asked)

    def give(self, asked: websites.Asked) -> Answer | None:
        if self.instead is not None:
            return self.instead(asked)
        fields = {name: values[0] for name, values in parse_qs(asked.body.decode()).items()}
        if fields.get("grant_type") != "client_credentials":
            return refuse(400, "unsupported_grant_type")
        way, who = "body", (fields.get("client_id"), fields.get("client_secret"))
        if basic := asked.headers.get("Authorization"):
            name, _, secret = base64.b64decode(basic.removeprefix("Basic ")).decode().partition(":")
            way, who = "header", (unquote_plus(name), unquote_plus(secret))
        if way not in self.takes or who != (CLIENT, SECRET):
            return refuse(401, "invalid_client", error_description=f"no such client {who}")
        token = f"kanari-token-{next(self.numbers)}"
        self.valid.add(token)
        self.given.append(token)
        content = {"access_token": token, "token_type": "Bearer", "expires_in": self.expires_in}
        return 200, JSON, json.dumps(content).encode()

    def serve(self, asked: websites.Asked) -> Answer:
        token = asked.headers.get("Authorization", "").removeprefix("Bearer ")
        if token not in self.valid:
            return refuse(401, "invalid_token", error_description=f"{token} is not known here")
        return 200, JSON, b'{"status": "success", "data": {"resultType": "vector", "result": []}}'

    def asked_at(self, path: str) -> list[websites.Asked]:
        return [asked for asked in self.site.asked if asked.path.startswith(path)]


@contextlib.contextmanager
def serving(**options: object) -> Iterator[TokenServer]:
    """Serve tokens at ``/token`` and, for those, everything else, until the context ends."""
    server = TokenServer(**options)  # type: ignore[arg-type]
    with websites.serving(server.answer) as server.site:
        server.url = server.site.url
        yield server
