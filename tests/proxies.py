"""What stands before a server in real life: proxies in front of an address, each until its context ends."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator

import faults
import servers

PLACE = "prom"


@contextlib.contextmanager
def read_only(address: str, *, status: int = 405, longest: int | None = None) -> Iterator[faults.FaultServer]:
    """Pass GET on and refuse every other method with a status; ``url(PLACE)`` is where it listens.

    A request whose path and query have more than ``longest`` characters is refused as nginx does.
    """

    def pass_on(exchange: faults.Exchange) -> None:
        asked = exchange.asked
        if asked.method != "GET":
            exchange.answer(status, "read only", "text/plain", {"Allow": "GET"})
        elif longest is not None and sum(map(len, asked.fields.values())) > longest:
            exchange.answer(414, "<html>414 Request-URI Too Large</html>", "text/html")
        else:
            faults.fine(exchange)

    with faults.serving(faults.relay(address)) as server:
        server.faults[PLACE] = pass_on
        yield server


@contextlib.contextmanager
def tenants(addresses: dict[str, str]) -> Iterator[faults.FaultServer]:
    """Pass requests on to the server of the tenant that ``X-Scope-OrgID`` names, as Mimir and Cortex have tenants."""
    relays = {name: faults.relay(address) for name, address in addresses.items()}

    def pass_on(exchange: faults.Exchange) -> None:
        relay = relays.get(exchange.asked.headers.get("X-Scope-OrgID", ""))
        if relay is None:
            exchange.answer(401, "no org id", "text/plain")
        else:
            status, body = relay(exchange.asked)
            exchange.answer(status, body)

    with faults.serving(faults.relay(next(iter(addresses.values())))) as server:
        server.faults[PLACE] = pass_on
        yield server


@contextlib.contextmanager
def dying(server: servers.Server, *, after: int, of: str) -> Iterator[faults.FaultServer]:
    """Pass requests on to a server, kill it when it has answered so many queries that contain a text, and reset the rest."""
    queries = itertools.count(1)

    def pass_on(exchange: faults.Exchange) -> None:
        if of in exchange.asked.query and next(queries) > after:
            server.process.kill()
            server.process.wait()
        if server.process.poll() is None:
            faults.fine(exchange)
        else:
            faults.reset(exchange)

    with faults.serving(faults.relay(server.url)) as proxy:
        proxy.faults[PLACE] = pass_on
        yield proxy
