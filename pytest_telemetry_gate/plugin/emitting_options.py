"""The options of the ``telemetry-gate`` commands about what a system emits: capture and diff."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["add_emitting"]


def add_emitting(
    commands: Any, text: Callable[[str], str], run: Mapping[str, Callable[[argparse.Namespace], int]]
) -> None:
    """Add both commands; ``text`` reads a value, and ``run`` has the function that does each of them."""
    _add_capture(commands, text).set_defaults(command=run["capture"])
    _add_diff(commands, text).set_defaults(command=run["diff"])


def _add_capture(commands: Any, text: Callable[[str], str]) -> argparse.ArgumentParser:
    capturing: argparse.ArgumentParser = commands.add_parser(
        "capture",
        help="show what a command, or whoever exports to an address, emits; learn contracts from it",
        usage="telemetry-gate capture [--for 60s] [--quiet 1s] [--listen HOST:PORT] [--grpc HOST:PORT] [--save FILE] "
        "[--learn OUT [--replace]] [-- COMMAND ARGUMENT...]\n"
        "       telemetry-gate capture --from FILE... [--checkpoint NAME] [--only CASE] [--learn OUT [--replace]]",
    )
    capturing.add_argument(
        "argv", metavar="COMMAND", nargs="*", help="what to run; without it, traffic is waited for"
    )
    capturing.add_argument(
        "--from",
        metavar="FILE",
        dest="sources",
        action="append",
        default=[],
        type=text,
        help="a recording of replays, or a file of telemetry, instead of capturing; may be given several times",
    )
    capturing.add_argument(
        "--checkpoint", metavar="NAME", type=text, help="of a recording, the cases at this checkpoint alone"
    )
    capturing.add_argument(
        "--only",
        metavar="CASE",
        type=text,
        help="of a recording, this case alone, or those that 'parse-*' matches",
    )
    capturing.add_argument(
        "--listen",
        metavar="HOST:PORT",
        type=text,
        help="where OTLP/HTTP is received: 127.0.0.1:4318 if not said, for a command a free port",
    )
    capturing.add_argument("--grpc", metavar="HOST:PORT", type=text, help="where OTLP/gRPC is received too")
    capturing.add_argument(
        "--for",
        metavar="DURATION",
        dest="limit",
        type=text,
        help="how long at most, 60s if not said; a command that still runs then is ended",
    )
    capturing.add_argument(
        "--quiet",
        metavar="DURATION",
        type=text,
        help="how long nothing new must have come, 1s if not said, 5s where traffic is waited for",
    )
    capturing.add_argument(
        "--save", metavar="FILE", type=text, help="write what came as OTLP JSON Lines, for --from and `tree`"
    )
    capturing.add_argument(
        "--learn",
        metavar="OUT",
        type=text,
        help="write contracts of what came, to be reviewed; - prints them alone",
    )
    capturing.add_argument("--replace", action="store_true", help="OUT may be there already")
    return capturing


def _add_diff(commands: Any, text: Callable[[str], str]) -> argparse.ArgumentParser:
    comparing: argparse.ArgumentParser = commands.add_parser(
        "diff",
        help="say what one recording of replays, or one file of telemetry, emits otherwise than another",
        usage="telemetry-gate diff BEFORE AFTER [--fail-on KIND]... [--payload 10%%] [--checkpoint NAME] [--json FILE]",
    )
    comparing.add_argument("before", metavar="BEFORE", type=text, help="a recording, or a file of telemetry")
    comparing.add_argument("after", metavar="AFTER", type=text, help="the same of the next release")
    comparing.add_argument(
        "--fail-on",
        metavar="KIND",
        action="append",
        default=[],
        type=text,
        help="end with 1 where there is a difference of this kind, such as span-removed, or '*-removed', any",
    )
    comparing.add_argument(
        "--checkpoint", metavar="NAME", type=text, help="of recordings, the cases at this checkpoint alone"
    )
    comparing.add_argument(
        "--payload", metavar="SHARE", type=text, help="by how much sizes may differ, 10%% if not said"
    )
    comparing.add_argument("--json", metavar="FILE", type=text, help="write the differences as JSON too")
    return comparing
