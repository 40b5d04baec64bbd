"""``telemetry-gate``: the console script for work outside of test sessions.

It starts no pytest session, but knows the kinds of criteria that installed plugins register. Only
``pytest --telemetry-schema`` knows those of a ``conftest.py``.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import NoReturn

from pytest_telemetry_gate.errors import FOREIGN_ERRORS, ConfigError, TelemetryGateError, describe
from pytest_telemetry_gate.gate.builtin import EVENT_SOURCES, SOURCES, builtin_criteria
from pytest_telemetry_gate.gate.registry import Registry
from pytest_telemetry_gate.model.check import Criterion
from pytest_telemetry_gate.plugin.commands import import_file, print_schema
from pytest_telemetry_gate.support.text import one_line, strip_passwords

__all__ = ["main"]

_USAGE_ERROR = 4  # pytest's exit code for a mistake of the user
_PACKAGE = "pytest-telemetry-gate"
_HOOK = "pytest_telemetry_gate_criteria"


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """End with the exit code that pytest has for a mistake on the command line."""
        self.print_usage(sys.stderr)
        self.exit(_USAGE_ERROR, f"ERROR: {_clean(message)}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says and return the exit code: 0, 4 for a user's mistake, 1 for a broken output."""
    chosen = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], None] = chosen.command
    try:
        command(chosen)
        sys.stdout.flush()
    except TelemetryGateError as error:
        sys.stderr.write(f"ERROR: {_clean(str(error))}\n")
        return _USAGE_ERROR
    except OSError as error:
        # Otherwise Python would write the rest again when it ends, and fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            sys.stderr.write(f"ERROR: the output cannot be written: {error.strerror}\n")
        return 1
    return 0


def _clean(message: str) -> str:
    """Return a message on one line, with nothing in it that a terminal or a CI system would obey, and without logins."""
    return one_line(strip_passwords(message))


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="telemetry-gate", description="Work with recordings and schemas of telemetry gates."
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    importing = commands.add_parser(
        "import",
        help="import OpenMetrics text into a new recording",
        usage="telemetry-gate import FILE --recording OUT [--environment NAME]",
    )
    importing.add_argument(
        "file", metavar="FILE", type=_not_empty, help="OpenMetrics text, which may be compressed"
    )
    importing.add_argument(
        "--recording", metavar="OUT", type=_not_empty, required=True, help="the recording to write"
    )
    importing.add_argument(
        "--environment",
        metavar="NAME",
        type=_not_empty,
        help="whose samples these are, so that --telemetry-record may add those of the same environment",
    )
    importing.set_defaults(command=_import)
    schema = commands.add_parser(
        "schema", help="print the JSON Schema of *.gate.yaml, *.replay.yaml or telemetry.yaml"
    )
    schema.add_argument("kind", nargs="?", choices=("gate", "replay", "telemetry"), default="gate")
    schema.set_defaults(command=_schema)
    return parser


def _not_empty(text: str) -> str:
    """Return a value as it is; refuse an empty one, which an unset variable of a pipeline leaves."""
    if not text:
        message = "is empty"
        raise argparse.ArgumentTypeError(message)
    return text


def _import(chosen: argparse.Namespace) -> None:
    import_file(chosen.file, chosen.recording, folder=Path.cwd(), environment=chosen.environment or "")


def _schema(chosen: argparse.Namespace) -> None:
    groups = [builtin_criteria(), *_installed_criteria()]
    print_schema(chosen.kind, Registry.from_hooks([SOURCES], [EVENT_SOURCES], groups).criteria)


def _installed_criteria() -> Iterator[Sequence[type[Criterion]]]:
    """Yield the kinds of criteria that installed pytest plugins register; raises ConfigError where one fails."""
    for plugin in entry_points(group="pytest11"):
        if not _extends_this_package(plugin):
            continue
        try:
            hook = getattr(plugin.load(), _HOOK, None)
            if hook is not None:
                yield tuple(hook())
        except FOREIGN_ERRORS as error:
            message = f"plugin {plugin.name}: {_HOOK} failed: {describe(error)}"
            raise ConfigError(message) from error


def _extends_this_package(plugin: EntryPoint) -> bool:
    """Return whether a plugin's distribution requires this package; others are not even imported."""
    required = (plugin.dist.requires if plugin.dist is not None else None) or ()
    return any(_is_this_package(requirement) for requirement in required)


def _is_this_package(requirement: str) -> bool:
    """Return whether a requirement such as ``pytest-telemetry-gate[replay]>=1`` names this package."""
    name = requirement.strip().lower().replace("_", "-").replace(".", "-")
    return (
        name.startswith(_PACKAGE)
        and not name[len(_PACKAGE) :][:1].isalnum()
        and name[len(_PACKAGE) :][:1] != "-"
    )
