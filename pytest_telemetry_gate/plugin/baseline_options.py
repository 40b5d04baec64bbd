"""The options of ``telemetry-gate baseline write``."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from pytest_telemetry_gate.plugin.baselines import BaselineRequest

__all__ = ["add_baseline_options", "read_baseline_request"]

_OPTIONS = {
    "--telemetry-env": ("NAME", "the environment of the telemetry.yaml that is nearest to the suite"),
    "--recording": ("FILE", "measure in this recording instead, whatever telemetry.yaml says"),
    "--telemetry-start": (
        "TIME",
        "when the rollout began or will begin, instead of the suite's rollout.start",
    ),
    "--end": ("TIME", "when the window ends: the start of the rollout, or now, if not said"),
    "--window": ("DURATION", "how long it is: that of the criterion but at least 24h if not said"),
    "--reference": (
        "REFERENCE",
        "number, 7d, 4w: what values are compared with, that with the least error if not said",
    ),
    "--author": ("TEXT", "who measures: git's user.name if not said"),
    "--expires": ("DAY", "the day or the time from when on it is stale"),
    "--build": ("TEXT", "what runs there now"),
    "--output": ("FILE", "the file: that of the suite if it names one, else baselines/NAME.yaml beside it"),
}


def add_baseline_options(
    parser: argparse.ArgumentParser, text: Callable[[str], str]
) -> argparse.ArgumentParser:
    """Add ``write`` and its options to the parser of ``baseline``, and return it; ``text`` reads a value."""
    actions = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    writing = actions.add_parser(
        "write",
        help="measure what suites judge, before their rollout, into a baseline file",
        usage="telemetry-gate baseline write NAME SUITE... --reason TEXT [options]",
    )
    writing.add_argument("name", metavar="NAME", type=text, help="what the baseline is called")
    writing.add_argument("suites", metavar="SUITE", nargs="+", type=text, help="a *.gate.yaml file")
    writing.add_argument("--reason", metavar="TEXT", type=text, required=True, help="why it is measured")
    for option, (metavar, told) in _OPTIONS.items():
        writing.add_argument(option, metavar=metavar, type=text, help=told)
    writing.add_argument(
        "--telemetry-set",
        metavar="NAME=VALUE",
        type=_assignment,
        action="append",
        default=[],
        help="the value of a variable of the suite; repeatable",
    )
    writing.add_argument("--replace", action="store_true", help="write a file anew that is there already")
    return writing


def read_baseline_request(chosen: argparse.Namespace) -> BaselineRequest:
    """Return what the options ask for."""
    return BaselineRequest(
        chosen.name,
        chosen.suites,
        chosen.reason,
        environment=chosen.telemetry_env,
        recording=chosen.recording,
        start=chosen.telemetry_start,
        end=chosen.end,
        window=chosen.window,
        reference=chosen.reference,
        author=chosen.author,
        expires=chosen.expires,
        build=chosen.build or "",
        output=chosen.output,
        replace=chosen.replace,
        variables=dict(chosen.telemetry_set),
    )


def _assignment(text: str) -> tuple[str, str]:
    """Return the name and the value of ``NAME=VALUE``."""
    name, equals, value = text.partition("=")
    if not name or not equals:
        message = f"{text!r} is not NAME=VALUE"
        raise argparse.ArgumentTypeError(message)
    return name, value
