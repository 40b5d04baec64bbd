"""The pytest side of a gate: what one pytest process knows of options, environments, denominators and verdicts."""

from __future__ import annotations

import hashlib
import time
from collections import defaultdict
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from pytest_telemetry_gate.criteria.judge import judge
from pytest_telemetry_gate.errors import ConfigError
from pytest_telemetry_gate.files.environments import load_environment
from pytest_telemetry_gate.files.suites import load_suite
from pytest_telemetry_gate.gate.asker import GateSession
from pytest_telemetry_gate.gate.registry import Registry, merged
from pytest_telemetry_gate.gate.waiting import countdown, wait_until
from pytest_telemetry_gate.model.check import Check
from pytest_telemetry_gate.model.environment import Environment
from pytest_telemetry_gate.model.outcome import GateOutcome, gate_outcome
from pytest_telemetry_gate.model.questions import CaptureQuestion
from pytest_telemetry_gate.model.suite import Suite
from pytest_telemetry_gate.model.verdict import Outcome, Verdict
from pytest_telemetry_gate.plugin import builtin_hooks, options
from pytest_telemetry_gate.plugin.shared_folder import shared_folder
from pytest_telemetry_gate.reports import junit, status, terminal
from pytest_telemetry_gate.reports.explain import explanation

__all__ = ["CHECK", "ENVIRONMENT", "NOT_CHOSEN", "VERDICTS", "GateRun"]

_WIRE = "telemetry_verdicts"  # on test reports: builtins, so that they cross to xdist's controller
_OUTCOMES = frozenset({"passed", "failed", "skipped"})  # pytest's own; plugins that rerun tests add theirs
_EXPLAINED = "telemetry_explained"  # on test reports too: lines
_COUNTS = "telemetry_counts"  # in xdist's workeroutput
_CONCURRENCY = 16
_PIPED_COUNTDOWN = 300.0  # seconds between the lines of a countdown that cannot be rewritten
NOT_CHOSEN = "not-chosen"  # where a test looks whose every point the options leave out
CHECK: pytest.StashKey[Check] = pytest.StashKey()
ENVIRONMENT: pytest.StashKey[Environment] = pytest.StashKey()
VERDICTS: pytest.StashKey[list[Verdict]] = pytest.StashKey()
EXPLANATIONS: pytest.StashKey[list[str]] = pytest.StashKey()
_CONCLUDED: pytest.StashKey[list[Verdict]] = pytest.StashKey()  # the same, when the test's body is over


class GateRun:
    """One per process and pytest session, made when the first telemetry item or option needs it.

    ``collected`` counts the checks and tests that the chosen checkpoints and regions have, ``selected`` those that
    were left by ``-k`` and the like: the denominator of the gate's outcome.
    """

    def __init__(self, config: pytest.Config) -> None:
        config.pluginmanager.register(builtin_hooks, "telemetry_gate_builtin")
        self.config = config
        self.verdicts: list[Verdict] = []
        self.collected = 0
        self.selected = 0
        self.left_out = 0
        self.explained: list[str] = []
        self.problem: ConfigError | None = None
        self._environments: dict[Path, Environment] = {}
        self._sessions: dict[Path, GateSession] = {}
        self._registry: Registry | None = None
        self._clocks: set[float] = set()
        self._suites: dict[Path, Suite] = {}
        self._summarised = False
        self._files: dict[Path, int] = {}
        options.refuse_empty(config)
        self.now = options.moment(config, "--telemetry-now")
        self._concurrency = options.whole_number(config, "--telemetry-concurrency") or _CONCURRENCY
        self._deadline = options.duration(config, "--telemetry-deadline")
        self._patience = options.duration(config, "--telemetry-wait")
        self.seed = options.seed(config, "" if self.worker is None else self.worker["testrunuid"])

    @property
    def worker(self) -> Mapping[str, Any] | None:
        """What xdist's controller told this process, or None where it is no worker."""
        return getattr(self.config, "workerinput", None)

    @property
    def strict(self) -> bool:
        """Whether a warning closes the gate."""
        return bool(self.config.getoption("--telemetry-strict"))

    @property
    def registry(self) -> Registry:
        """What plugins have registered; raises ConfigError where two claim one name."""
        if self._registry is None:
            hook = self.config.hook
            kinds = ({kind.key: kind for kind in kinds} for kinds in hook.pytest_telemetry_gate_criteria())
            self._registry = Registry(
                sources=merged("source", hook.pytest_telemetry_gate_sources()),
                event_sources=merged("event source", hook.pytest_telemetry_gate_event_sources()),
                criteria=merged("criterion", kinds),
            )
        return self._registry

    def environment(self, near: Path, name: str | None = None) -> Environment:
        """Return the environment for a file: from the nearest telemetry.yaml, chosen by name, option or default.

        Raises ConfigError where there is no such file or no such environment.
        """
        path = self._config_file(near)
        return self._loaded(path, name or self.config.getoption("--telemetry-env"))

    def _loaded(self, path: Path, name: str | None) -> Environment:
        key = path / (name or "")
        if key not in self._environments:
            self._environments[key] = load_environment(path, name, deadline=self._deadline)
        return self._environments[key]

    @property
    def clock(self) -> float | None:
        """The clock that the run judged by, in seconds since the epoch; None where its regions had several."""
        clocks = self.clocks
        return clocks.pop() if len(clocks) == 1 else None

    @property
    def clocks(self) -> set[float]:
        """The clocks of all regions, in seconds since the epoch."""
        return self._clocks.union(*(session.clocks() for session in self._sessions.values()))

    def suite(self, path: Path) -> Suite:
        """Return a suite file's content, read once; raises SuiteError."""
        if path not in self._suites:
            self._suites[path] = load_suite(path, self.registry.criteria, display_path=self.shown(path))
        return self._suites[path]

    def shown(self, path: Path) -> str:
        """Return a path as the user would write it: relative to where pytest was called, if it is below that."""
        here = self.config.invocation_params.dir
        return path.relative_to(here).as_posix() if path.is_relative_to(here) else str(path)

    def session(self, environment: Environment) -> GateSession:
        """Return the session in which an environment is judged: one for the whole process."""
        key = environment.path / environment.name
        if key not in self._sessions:
            folder = self._shared_folder()
            # Environments share regions' names and queries, but not their answers.
            spool = None if folder is None else folder / hashlib.sha256(str(key).encode()).hexdigest()
            self._sessions[key] = GateSession(
                environment,
                self.registry,
                now=self.now,
                spool=spool,
                concurrency=self._concurrency,
                workers=self._workers,
                checkpoints=self.config.getoption("--telemetry-checkpoint"),
                seed=self.seed,
            )
        return self._sessions[key]

    @property
    def sessions(self) -> list[GateSession]:
        """The sessions of all environments in which something was judged, here or by xdist workers."""
        return list(self._sessions.values())

    def take(self, report: pytest.TestReport) -> None:
        """Keep the verdicts that a report carries and tell those who want to know.

        A test that was skipped without a verdict is taken as one that was not selected; attempts that another
        plugin runs again, told by an outcome of its own, decide nothing.
        """
        if report.outcome not in _OUTCOMES:
            return
        if report.skipped and not getattr(report, _WIRE, ()):
            self.left_out += 1
        self.explained += getattr(report, _EXPLAINED, [])
        for wire in getattr(report, _WIRE, ()):
            verdict = Verdict.from_wire(wire)
            self.verdicts.append(verdict)
            self.config.hook.pytest_telemetry_gate_verdict(verdict=verdict, config=self.config)

    def judge(self, item: pytest.Item, check: Check, environment: Environment) -> Verdict:
        """Judge a check for an item, which carries the verdict, and its explanation where that is asked for."""
        gate = self.session(environment)
        answers = gate.answers(check)
        verdict = judge(check, answers)
        self.keep(item, verdict)
        if verdict.outcome is not Outcome.PENDING and self.config.getoption("--telemetry-record"):
            gate.inquiry.note_check(check)
        if self.config.getoption("--telemetry-explain"):
            item.stash.setdefault(EXPLANATIONS, []).extend(explanation(check, answers, verdict))
        gate.release(check)
        return verdict

    def keep(self, item: pytest.Item, verdict: Verdict) -> None:
        """Have an item carry a verdict."""
        item.stash.setdefault(VERDICTS, []).append(verdict)

    def count(self, path: Path, checks: int) -> None:
        """Take note of how many checks a suite file has; a file that is collected twice counts once."""
        self._files[path] = checks

    def outcome(self) -> GateOutcome:
        """Return the outcome of the gate from the verdicts so far."""
        return gate_outcome(
            self.verdicts,
            selected=self.selected - self.left_out,
            collected=self.collected,
            strict=self.strict,
            partial=bool(self.config.getoption("--telemetry-partial")),
            asked=self.config.getoption("--telemetry-checkpoint"),
        )

    @property
    def is_gate(self) -> bool:
        """Whether this session is a gate: something telemetric was selected, or asked for by an option."""
        options = ("--telemetry-env", "--telemetry-checkpoint", "--telemetry-region")
        return bool(self.selected or self.verdicts) or any(self.config.getoption(one) for one in options)

    def must_fail(self, session: pytest.Session) -> bool:
        """Tell whether the session has to fail although no test of it did."""
        if self.worker is not None or session.testsfailed or self.config.getoption("--collect-only"):
            return False
        return self.is_gate and not self.outcome().opens

    def take_counts(self, counts: Mapping[str, Any]) -> None:
        """Take over what an xdist worker counted; every worker counts the same."""
        self.collected = max(self.collected, counts["collected"])
        self.selected = max(self.selected, counts["selected"])
        self._clocks.update(counts["clocks"])
        for path, name, wire in counts["inquiries"]:
            self.session(self._loaded(Path(path), name)).inquiry.take(wire)

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(
        self, collector: pytest.Collector
    ) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        """Count the checks of a suite file that somebody, such as ``--lf``, reports as collected without looking."""
        report = yield
        count = getattr(collector, "count", None)
        if report.passed and count is not None and collector.path not in self._files:
            count()
        return report

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Take the denominator before anybody deselects, but without tests that belong to other checkpoints."""
        if self.problem is not None:
            raise pytest.UsageError(str(self.problem))
        elsewhere = [item for item in items if is_elsewhere(item)]
        if elsewhere:
            items[:] = [item for item in items if not is_elsewhere(item)]
            self.config.hook.pytest_deselected(items=elsewhere)
        self.collected = sum(self._files.values()) + sum(uses_telemetry(item) for item in items)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Take what was left by deselection, and have live sources asked about it while pytest goes on."""
        self.selected = sum(map(is_telemetric, session.items))
        if self.config.getoption("--collect-only") or session.testsfailed:
            return
        checks: dict[GateSession, list[Check]] = defaultdict(list)
        for item in session.items:
            if CHECK in item.stash:
                checks[self.session(item.stash[ENVIRONMENT])].append(item.stash[CHECK])
        self._want_captures(session, checks)
        if self._patience is not None:
            self._wait(checks, self._patience)
        for gate, own in checks.items():
            gate.prefetch(own)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Forget what an earlier attempt at the same item has decided, as plugins that rerun tests expect."""
        if item.stash.get(VERDICTS, None) is not None:
            del item.stash[VERDICTS]
            item.stash[EXPLANATIONS] = []
            item.stash[_CONCLUDED] = []
            item.user_properties[:] = [one for one in item.user_properties if not junit.is_property(one[0])]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, None, None]:
        """Conclude a test from its verdicts after its body has run, so that checks in it are soft."""
        try:
            yield
        finally:
            verdicts = item.stash[_CONCLUDED] = item.stash.get(VERDICTS, [])
            if self.config.getoption("--telemetry-junit-properties") == "all":
                item.user_properties.extend(junit.properties_of(verdicts))
        conclude(verdicts, strict=self.strict)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Put the verdicts of an item on its report, as builtins; subtests, which report earlier, have none."""
        report = yield
        verdicts = item.stash.get(_CONCLUDED, [])
        if call.when == "call" and verdicts:
            setattr(report, _WIRE, [verdict.to_wire() for verdict in verdicts])
            setattr(report, _EXPLAINED, item.stash.get(EXPLANATIONS, []))
            if report.skipped:
                path, line, _ = item.reportinfo()
                report.longrepr = (str(path), (line or 0) + 1, verdicts[-1].reason)
        elif report.skipped and is_telemetric(item):
            setattr(report, _WIRE, [])
        return report

    def pytest_report_teststatus(
        self, report: pytest.CollectReport | pytest.TestReport
    ) -> tuple[str, str, str | tuple[str, Mapping[str, bool]]] | None:
        """Say the verdict and its figures where pytest would say PASSED or FAILED."""
        wires = getattr(report, _WIRE, None)
        if not wires or report.outcome not in _OUTCOMES:
            return None
        verdicts = [Verdict.from_wire(wire) for wire in wires]
        return status.status(verdicts, strict=self.strict, brief=self._summarised)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Write the tables and the line with the gate's outcome."""
        # What follows is pytest's own short summary, where the figures would only repeat the table's.
        self._summarised = True
        if self.is_gate and not self.config.getoption("--collect-only"):
            verbosity = self.config.get_verbosity()
            terminal.write_explained(terminalreporter, self.explained)
            terminal.write(
                terminalreporter, self.verdicts, self.outcome(), verbosity=verbosity, now=self.clock
            )

    def pytest_sessionfinish(self) -> None:
        """Tell xdist's controller the denominator."""
        output = getattr(self.config, "workeroutput", None)
        if output is not None:
            output[_COUNTS] = {
                "collected": self.collected,
                "selected": self.selected,
                "clocks": sorted(self.clocks),
                "inquiries": self._inquiries() if self.config.getoption("--telemetry-record") else [],
            }

    def _want_captures(self, session: pytest.Session, checks: Mapping[GateSession, Sequence[Check]]) -> None:
        """Say which cases of replays will be asked for, by their own items and by criteria about them."""
        wanted: dict[GateSession, list[CaptureQuestion]] = defaultdict(list)
        for gate, own in checks.items():
            asked = (question for check in own for question in check.questions())
            wanted[gate] += [one for one in asked if isinstance(one, CaptureQuestion)]
        for item in session.items:
            question = getattr(item, "question", None)
            if isinstance(question, CaptureQuestion):
                wanted[self.session(item.stash[ENVIRONMENT])].append(question)
        for gate, questions in wanted.items():
            if questions:
                from pytest_telemetry_gate.plugin.replay_items import ReplayRun

                ReplayRun.of(self.config, self)
                gate.replays.want(questions)

    def _wait(self, checks: Mapping[GateSession, Sequence[Check]], patience: float) -> None:
        """Wait until the next checkpoint that is selected is due, unless that is longer than the user wants."""
        for gate, own in checks.items():
            gate.open(region for check in own for region in check.regions)
        due: dict[float, list[str]] = defaultdict(list)
        for gate, own in checks.items():
            for check in own:
                if (moment := gate.waits_for(check)) is not None and check.checkpoint.id not in due[moment]:
                    due[moment].append(check.checkpoint.id)
        moment = min((moment for moment, names in due.items() if names), default=0.0)
        left = moment - time.time()
        if left <= 0:
            return
        reporter: Any = None if self.worker else self.config.pluginmanager.get_plugin("terminalreporter")
        quiet = reporter is None or self.config.get_verbosity() < 0
        if left > patience:
            if not quiet:
                late = (
                    f"not {countdown(moment, time.time(), due[moment])}, longer than --telemetry-wait allows"
                )
                reporter.write_line(late, yellow=True)
            return
        rewritten = not quiet and reporter.isatty

        def tell(now: float) -> None:
            line = countdown(moment, now, due[moment])
            if rewritten:
                reporter.rewrite(line, erase=True)
            elif not quiet:
                reporter.write_line(line)

        wait_until(moment, tell, every=1.0 if rewritten else _PIPED_COUNTDOWN)
        if rewritten:
            reporter.write_line("")
        for gate in checks:
            gate.restart()

    @property
    def _workers(self) -> int:
        """How many processes judge this run."""
        return 1 if self.worker is None else int(self.worker["workercount"])

    def _inquiries(self) -> list[tuple[str, str, Mapping[str, Any]]]:
        environments = ((session, session.environment) for session in self.sessions)
        return [(str(one.path), one.name, session.inquiry.to_wire()) for session, one in environments]

    def _config_file(self, near: Path) -> Path:
        ini = self.config.getini("telemetry_config")
        root = self.config.rootpath
        if ini:
            return root / str(ini)
        folders = [near, *near.parents]
        inside = [folder for folder in folders if folder == root or root in folder.parents]
        found = (folder / "telemetry.yaml" for folder in inside or folders[:1])
        return next((path for path in found if path.is_file()), (inside or folders)[-1] / "telemetry.yaml")

    def _shared_folder(self) -> Path | None:
        """Return the folder that all workers of this run share; a process alone needs none."""
        if self.worker is None:
            return None
        return shared_folder(self.worker["testrunuid"])


def uses_telemetry(item: pytest.Item) -> bool:
    """Tell whether an item is a hand-written test with the ``telemetry`` fixture."""
    return "telemetry_point" in getattr(item, "fixturenames", ())


def is_telemetric(item: pytest.Item) -> bool:
    """Tell whether an item is judged by the gate: a check, a case of a replay, or a hand-written test."""
    return hasattr(item, "decide") or uses_telemetry(item)


def is_elsewhere(item: pytest.Item) -> bool:
    """Tell whether a hand-written test names only checkpoints or regions that the options leave out."""
    params = getattr(getattr(item, "callspec", None), "params", {})
    return params.get("telemetry_point") == NOT_CHOSEN


def conclude(verdicts: list[Verdict], *, strict: bool) -> None:
    """Fail or skip the running test where its verdicts ask for that."""
    __tracebackhide__ = True
    closed = [one for one in verdicts if not one.outcome.lets_through(strict=strict)]
    if closed:
        pytest.fail(junit.failure_text(closed), pytrace=False)
    if verdicts and all(one.outcome in {Outcome.PENDING, Outcome.WAIVED} for one in verdicts):
        pytest.skip("; ".join(dict.fromkeys(one.reason for one in verdicts)))
