"""The options of the ``telemetry-gate`` commands that judge suites over their past: backtest, sensitivity, plan."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["add_looking_back"]


def add_looking_back(
    commands: Any, text: Callable[[str], str], run: Mapping[str, Callable[[argparse.Namespace], int | None]]
) -> None:
    """Add the three commands; ``text`` reads a value, and ``run`` has the function that does each of them."""
    _add_backtest(commands, text).set_defaults(command=run["backtest"])
    _add_sensitivity(commands, text).set_defaults(command=run["sensitivity"])
    _add_plan(commands, text).set_defaults(command=run["plan"])


def _add_backtest(commands: Any, text: Callable[[str], str]) -> argparse.ArgumentParser:
    testing: argparse.ArgumentParser = commands.add_parser(
        "backtest",
        help="judge suites at every hour of their past, or over past rollouts",
        usage="telemetry-gate backtest SUITE... [--telemetry-env NAME | --recording FILE[@START]...] [--every 1h] "
        "[--from TIME] [--until TIME] [--json FILE]",
    )
    _add_past(testing, text)
    testing.add_argument(
        "--every",
        metavar="DURATION",
        type=text,
        help="how long from moment to moment, 1h if not said; several recordings are judged at the suite's checkpoints",
    )
    testing.add_argument(
        "--from", metavar="TIME", dest="start", type=text, help="the first moment, such as now-7d"
    )
    testing.add_argument("--until", metavar="TIME", type=text, help="the last moment")
    return testing


def _add_sensitivity(commands: Any, text: Callable[[str], str]) -> argparse.ArgumentParser:
    seeing: argparse.ArgumentParser = commands.add_parser(
        "sensitivity",
        help="say which faults suites would notice in a recording, and how large they must be",
        usage="telemetry-gate sensitivity SUITE... [--telemetry-env NAME | --recording FILE[@START]] [--only CRITERION] "
        "[--fault NAME] [--region NAME] [--onset DURATION] [--json FILE]",
    )
    _add_past(seeing, text)
    seeing.add_argument(
        "--only",
        metavar="CRITERION",
        type=text,
        action="append",
        default=[],
        help="only this criterion; may be given several times",
    )
    seeing.add_argument(
        "--fault",
        metavar="NAME",
        dest="faults",
        type=text,
        action="append",
        default=[],
        help="only this fault; may be given several times",
    )
    seeing.add_argument(
        "--region", metavar="NAME", type=text, help="the region with the faults, the first if not said"
    )
    seeing.add_argument(
        "--onset",
        metavar="DURATION",
        type=text,
        help="when faults begin, after the start of the rollout",
    )
    return seeing


def _add_plan(commands: Any, text: Callable[[str], str]) -> argparse.ArgumentParser:
    planning: argparse.ArgumentParser = commands.add_parser(
        "plan",
        help="say before a rollout how small a change suites will notice, and what to change of them",
        usage="telemetry-gate plan SUITE... [--telemetry-env NAME | --recording FILE[@START]...] [--end TIME] [--json FILE]",
    )
    _add_past(planning, text)
    planning.add_argument(
        "--end",
        metavar="TIME",
        type=text,
        help="when the past ends that is looked at: the start of the rollout, or now, if not said",
    )
    return planning


def _add_past(command: argparse.ArgumentParser, text: Callable[[str], str]) -> None:
    """Add what says which suites are judged over which past."""
    command.add_argument("suites", metavar="SUITE", nargs="+", type=text, help="a *.gate.yaml file")
    command.add_argument(
        "--telemetry-env",
        metavar="NAME",
        dest="environment",
        type=text,
        help="the environment of the telemetry.yaml that is nearest to the suite",
    )
    command.add_argument(
        "--recording",
        metavar="FILE[@START]",
        dest="recordings",
        type=text,
        action="append",
        default=[],
        help="judge this recording instead, whatever telemetry.yaml says; START is when its rollout began, if not at the suite's",
    )
    command.add_argument("--json", metavar="FILE", type=text, help="write what was found as JSON too")
