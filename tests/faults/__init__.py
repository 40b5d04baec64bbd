"""A server that misbehaves on request, on loopback: whatever a Prometheus, or what stands before it, can do wrong.

The first part of a path says what is done, so that one server has an address for each fault: below ``/hang`` every
request hangs, below ``/late-hang`` only a suite's queries do, not those that probe a server.
Everything else is answered by a healthy server: a real one, or the embedded engine over series in memory.
"""

from __future__ import annotations

from faults.exchange import LONGEST, Asked, Exchange
from faults.healthy import EngineServer, engine, relay
from faults.kinds import FAULTS, beside, fine, refused, reset, told
from faults.server import LATE, FaultServer, serving
from faults.shapes import SHAPES, data, one

__all__ = [
    "FAULTS", "LATE", "LONGEST", "SHAPES", "Asked", "EngineServer", "Exchange", "FaultServer", "beside", "data", "engine", "fine",
    "one", "refused", "relay", "reset", "serving", "told",
]  # fmt: skip
