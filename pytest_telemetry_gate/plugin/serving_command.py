"""``telemetry-gate serve``: a recording at an address where dashboards ask a Prometheus."""

from __future__ import annotations

import argparse
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pytest_telemetry_gate.errors import ConfigError
from pytest_telemetry_gate.recording import Recording
from pytest_telemetry_gate.serving.http_server import serve_by_engine

__all__ = ["add_serving"]

_LISTEN = "127.0.0.1:9090"


def add_serving(commands: Any, text: Callable[[str], str]) -> None:
    """Add ``serve`` and its options to the commands; ``text`` reads a value."""
    serving = commands.add_parser(
        "serve", help="answer Prometheus' HTTP API from a recording until interrupted"
    )
    serving.add_argument("recording", metavar="RECORDING", type=text, help="a *.telemetry.zip file")
    serving.add_argument(
        "--listen", metavar="HOST:PORT", type=text, default=_LISTEN, help=f"where ({_LISTEN}; port 0: any)"
    )
    serving.add_argument("--region", metavar="NAME", default="", help="which of several regions")
    serving.set_defaults(command=_serve)


def _serve(chosen: argparse.Namespace) -> None:
    host, _, port = chosen.listen.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or int(port) > 0xFFFF:
        message = f"--listen: {chosen.listen!r} is not HOST:PORT, such as {_LISTEN}"
        raise ConfigError(message)
    recording = Recording.open(Path(chosen.recording))
    region = chosen.region or (recording.regions[0] if len(recording.regions) == 1 else "")
    recording.storage(region)  # raises for a region that it does not have
    with serve_by_engine(recording, region, host.strip("[]"), int(port)) as url:
        sys.stdout.write(
            f"{recording.path.name} at {url}, as PromQL of Prometheus {recording.semantics}; Ctrl-C ends it\n"
        )
        sys.stdout.flush()
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            sys.stdout.write("\n")
