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
from pytest_telemetry_gate.plugin.approving import APPROVALS_FILE, approve_report, verify_file
from pytest_telemetry_gate.plugin.baseline_options import add_baseline_options, read_baseline_request
from pytest_telemetry_gate.plugin.baselines import write_baseline
from pytest_telemetry_gate.plugin.commands import import_file, import_openslo, print_schema
from pytest_telemetry_gate.plugin.emitting import CaptureRequest, run_capture, run_diff
from pytest_telemetry_gate.plugin.emitting_options import add_emitting
from pytest_telemetry_gate.plugin.looking_back import run_backtest, run_plan, run_sensitivity
from pytest_telemetry_gate.plugin.looking_back_options import add_looking_back
from pytest_telemetry_gate.plugin.rendering import render_reports, split_paths
from pytest_telemetry_gate.plugin.serving_command import add_serving
from pytest_telemetry_gate.support.text import one_line, strip_passwords

__all__ = ["main"]

_USAGE_ERROR = 4  # pytest's exit code for a mistake of the user
_PACKAGE = "pytest-telemetry-gate"
_HOOK = "pytest_telemetry_gate_criteria"
_OPENSLO = "openslo"  # what is imported, in the place of a file


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """End with the exit code that pytest has for a mistake on the command line."""
        self.print_usage(sys.stderr)
        self.exit(_USAGE_ERROR, f"ERROR: {_clean(message)}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says and return the exit code: 0, 4 for a user's mistake, 1 for a broken output.

    A bundle that does not hold gives 1 as well.
    """
    chosen = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int | None] = chosen.command
    try:
        status = command(chosen)
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
    return status or 0


def _clean(message: str) -> str:
    """Return a message on one line, with nothing in it that a terminal or a CI system would obey, and without logins."""
    return one_line(strip_passwords(message))


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="telemetry-gate", description="Work with recordings, bundles and schemas of telemetry gates."
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    importing = commands.add_parser(
        "import",
        help="import OpenMetrics text into a new recording, or OpenSLO documents as criteria",
        usage="telemetry-gate import FILE --recording OUT [--environment NAME]\n"
        "       telemetry-gate import openslo FILE [FILE ...] [--output OUT]",
    )
    importing.add_argument(
        "file",
        metavar="FILE",
        nargs="+",
        type=_not_empty,
        help="OpenMetrics text, which may be compressed; after the word openslo, OpenSLO documents",
    )
    importing.add_argument("--recording", metavar="OUT", type=_not_empty, help="the recording to write")
    importing.add_argument(
        "--output", metavar="OUT", type=_not_empty, help="where criteria are written, stdout if not said"
    )
    importing.add_argument(
        "--environment",
        metavar="NAME",
        type=_not_empty,
        help="whose samples these are, so that --telemetry-record may add those of the same environment",
    )
    importing.set_defaults(command=lambda chosen: _import(chosen, importing))
    schema = commands.add_parser(
        "schema",
        help="print the JSON Schema of *.gate.yaml, *.replay.yaml, telemetry.yaml, a baseline file or a report",
    )
    kinds = ("gate", "replay", "telemetry", "baseline", "report")
    schema.add_argument("kind", nargs="?", choices=kinds, default="gate")
    schema.set_defaults(command=_schema)
    reporting = commands.add_parser(
        "report",
        help="write a report anew from its JSON, or one report from those of several jobs",
        usage="telemetry-gate report FROM.json [FROM.json ...] OUT [OUT ...] [--out FILE] [--against FILE] [--approvals FILE]",
    )
    reporting.add_argument(
        "paths",
        metavar="PATH",
        nargs="+",
        type=_not_empty,
        help="the JSON of reports, then what to write: .html, .md, .txt (OpenMetrics), .json after one of these",
    )
    reporting.add_argument(
        "--out", metavar="FILE", type=_not_empty, action="append", default=[], help="write this file too"
    )
    reporting.add_argument(
        "--against", metavar="FILE", type=_not_empty, help="say what changed since this report"
    )
    reporting.add_argument("--approvals", metavar="FILE", type=_not_empty, help="who signed which report")
    reporting.set_defaults(command=_report)
    verifying = commands.add_parser("verify", help="judge an evidence bundle again, and say what still holds")
    verifying.add_argument("bundle", metavar="BUNDLE", type=_not_empty, help="what --telemetry-bundle wrote")
    verifying.add_argument(
        "--approvals", metavar="FILE", type=_not_empty, help="who has signed since the bundle was written"
    )
    verifying.set_defaults(command=_verify)
    approving = commands.add_parser("approve", help="sign a report: write an entry into the approvals file")
    approving.add_argument("report", metavar="REPORT", type=_not_empty, help="the JSON of the report")
    approving.add_argument(
        "--role", required=True, type=_not_empty, help="as what you sign, one of the suite's `approvals`"
    )
    approving.add_argument("--name", required=True, type=_not_empty, help="who you are")
    approving.add_argument("--note", default="", metavar="TEXT", help="what is to be said of it")
    approving.add_argument(
        "--approvals",
        metavar="FILE",
        type=_not_empty,
        help="the file, approvals.yaml beside the report if not said",
    )
    approving.set_defaults(command=_approve)
    add_looking_back(
        commands, _not_empty, {"backtest": _backtest, "sensitivity": _sensitivity, "plan": _plan}
    )
    measuring = commands.add_parser("baseline", help="measure before a rollout, and write a baseline file")
    add_baseline_options(measuring, _not_empty).set_defaults(command=_write_baseline)
    add_serving(commands, _not_empty)
    add_emitting(commands, _not_empty, {"capture": _capture, "diff": _diff})
    return parser


def _not_empty(text: str) -> str:
    """Return a value as it is; refuse an empty one, which an unset variable of a pipeline leaves."""
    if not text:
        message = "is empty"
        raise argparse.ArgumentTypeError(message)
    return text


def _import(chosen: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    first, *others = chosen.file
    if first == _OPENSLO and chosen.recording is None:
        if not others or chosen.environment is not None:
            parser.error("openslo is followed by the files, and has no option but --output")
        return import_openslo(others, chosen.output or "")
    if chosen.recording is None:
        parser.error("the following arguments are required: --recording")
    if others or chosen.output is not None:
        parser.error(
            "one FILE becomes one --recording; several FILES and --output are those of `import openslo`"
        )
    import_file(first, chosen.recording, folder=Path.cwd(), environment=chosen.environment or "")
    return 0


def _schema(chosen: argparse.Namespace) -> None:
    print_schema(chosen.kind, _registry().criteria)


def _report(chosen: argparse.Namespace) -> int:
    sources, outputs = split_paths(chosen.paths)
    return render_reports(
        sources,
        [*outputs, *chosen.out],
        Path.cwd(),
        against=chosen.against,
        approvals=chosen.approvals,
    )


def _verify(chosen: argparse.Namespace) -> int:
    approvals = None if chosen.approvals is None else Path(chosen.approvals)
    return verify_file(Path(chosen.bundle), _registry(), approvals)


def _approve(chosen: argparse.Namespace) -> None:
    report = Path(chosen.report)
    approvals = Path(chosen.approvals) if chosen.approvals else report.with_name(APPROVALS_FILE)
    approve_report(report, approvals, role=chosen.role, name=chosen.name, note=chosen.note)


def _backtest(chosen: argparse.Namespace) -> None:
    run_backtest(
        chosen.suites,
        _registry(),
        environment=chosen.environment,
        recordings=chosen.recordings,
        every=chosen.every,
        start=chosen.start,
        until=chosen.until,
        json_file=chosen.json,
    )


def _sensitivity(chosen: argparse.Namespace) -> None:
    run_sensitivity(
        chosen.suites,
        _registry,
        environment=chosen.environment,
        recordings=chosen.recordings,
        only=chosen.only,
        faults=chosen.faults,
        region=chosen.region,
        onset=chosen.onset,
        json_file=chosen.json,
    )


def _write_baseline(chosen: argparse.Namespace) -> int:
    return write_baseline(read_baseline_request(chosen), _registry())


def _plan(chosen: argparse.Namespace) -> int:
    return run_plan(
        chosen.suites,
        _registry(),
        environment=chosen.environment,
        recordings=chosen.recordings,
        end=chosen.end,
        json_file=chosen.json,
    )


def _capture(chosen: argparse.Namespace) -> int:
    return run_capture(
        CaptureRequest(
            argv=chosen.argv,
            sources=chosen.sources,
            listen=chosen.listen,
            grpc=chosen.grpc,
            limit=chosen.limit,
            quiet=chosen.quiet,
            save=chosen.save,
            learn=chosen.learn,
            checkpoint=chosen.checkpoint,
            only=chosen.only,
            replace=chosen.replace,
        )
    )


def _diff(chosen: argparse.Namespace) -> int:
    return run_diff(
        chosen.before,
        chosen.after,
        fail_on=chosen.fail_on,
        payload=chosen.payload,
        checkpoint=chosen.checkpoint,
        json_file=chosen.json,
    )


def _registry() -> Registry:
    """Return what this package and installed plugins register; raises ConfigError where a plugin fails."""
    groups = [builtin_criteria(), *_installed_criteria()]
    return Registry.from_hooks([SOURCES], [EVENT_SOURCES], groups)


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
