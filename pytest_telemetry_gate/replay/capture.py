"""Drive the cases of a suite at a checkpoint and capture what comes of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import wait
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from pytest_telemetry_gate.errors import DriveError, TelemetryGateError
from pytest_telemetry_gate.replay.captured import OWN_RECEIVER, CapturedCase, DriveResult, ExportRequest
from pytest_telemetry_gate.replay.drive.drivers import DriveContext, drive
from pytest_telemetry_gate.replay.drive.guarded import kill_started
from pytest_telemetry_gate.replay.lag import CounterWatch, poll_until_risen
from pytest_telemetry_gate.replay.receive.completeness import Completeness, concerns
from pytest_telemetry_gate.replay.receive.listeners import Listeners
from pytest_telemetry_gate.replay.receive.mailbox import Mailbox
from pytest_telemetry_gate.replay.suite.expectations import CounterExpectation
from pytest_telemetry_gate.replay.suite.model import ReplayCase, ReplaySuite
from pytest_telemetry_gate.support.places import Place, map_parts
from pytest_telemetry_gate.support.secrets import Secrets
from pytest_telemetry_gate.support.threads import start_all_in_background

__all__ = ["LiveReplay"]

_MAX_PARALLEL = 16
_POLL = 0.1  # seconds between looks at a collector's file while cases are driven
_END = 1.0  # seconds that commands have to be gone where the session ends


@dataclass(slots=True)
class Drive:
    """One case that is driven: where its telemetry arrives, from request number ``first`` on, and how the drive went.

    ``ended`` is on the monotonic clock, ``started`` in seconds since the epoch.
    """

    case: ReplayCase
    box: Mailbox
    first: int
    context: DriveContext
    secrets: Secrets
    started: float
    result: DriveResult
    ended: float = 0.0

    def run(self, stopped: threading.Event) -> None:
        """Drive the case; a command ends when ``stopped`` is set."""
        began = time.monotonic()
        self.result = drive(self.case, self.context, self.secrets, stopped)
        self.ended = began + self.result.seconds


class LiveReplay:
    """Captures the cases of one suite; ``close()`` stops its receivers.

    ``source`` gives the metrics of the region, and raises TelemetryGateError where there are none. ``seed`` makes all
    ids. Of cases that are counted together, those among ``cases`` are driven. ``secrets`` remember what drives are given.
    """

    def __init__(
        self,
        suite: ReplaySuite,
        source: Callable[[], Any],
        seed: int,
        cases: Sequence[ReplayCase],
        *,
        secrets: Secrets,
        region: str = "",
    ) -> None:
        self.cases = cases
        self._suite = suite
        self._region = region
        self._source = source
        self._seed = seed
        self._secrets = secrets
        self._batched: dict[tuple[str, str], CapturedCase] = {}
        self._last_rise: dict[str, float] = {}
        self._listeners = Listeners(suite)

    def open(self) -> None:
        """Start to listen now, where cases share a receiver: a service may export before anything is driven."""
        if any(case.drive.kind not in OWN_RECEIVER and case.expect.captures for case in self.cases):
            self._listeners.open()

    def close(self) -> None:
        """Stop whatever listens."""
        self._listeners.close()

    def capture(self, case: ReplayCase) -> CapturedCase:
        """Drive a case, or take its share of a batch that was driven together; never raises for what goes wrong."""
        key = case.id, case.checkpoint
        try:
            if not case.expect.is_batched:
                return self._drive_together([case])[0]
            if key not in self._batched:
                batch = [other for other in self.cases if self._belongs_to_batch(other, case)]
                for other, captured in zip(batch, self._drive_together(batch), strict=True):
                    self._batched[other.id, other.checkpoint] = captured
            return self._batched[key]
        except TelemetryGateError as error:
            driven = DriveResult(case.drive.kind, error=str(error), seed=self._seed)
            return CapturedCase(self._suite.name, *key, driven, complete=False, at=time.time())

    def _belongs_to_batch(self, other: ReplayCase, case: ReplayCase) -> bool:
        fresh = (other.id, other.checkpoint) not in self._batched
        return other.checkpoint == case.checkpoint and other.expect.is_batched and fresh

    def _drive_together(self, cases: Sequence[ReplayCase]) -> list[CapturedCase]:
        """Drive cases at once, and return what each captured."""
        watches = self._watches(cases)
        unprovable = next((watch.lag for watch in watches.values() if watch.lag.error), None)
        if unprovable is not None:
            # No case is driven if its budget could not be proven.
            message = f"metric {unprovable.selector}: {unprovable.error}"
            raise DriveError(message)
        with ExitStack() as stack:
            drives = [self._prepare(case, stack) for case in cases]
            self._run(drives)
            ended = max(driven.ended for driven in drives)
            poll_until_risen(list(watches.values()), ended, self._listeners.pause)
            self._last_rise.update(dict.fromkeys(watches, time.time()))
            give_up = ended + self._suite.file.capture.complete.timeout
            captured = [self._collect(driven, watches, give_up) for driven in drives]
            self._listeners.forget()
            return captured

    def _prepare(self, case: ReplayCase, stack: ExitStack) -> Drive:
        box, endpoint = self._listeners.mailbox_of(case, stack)
        context = DriveContext(
            self._suite.name,
            case.id,
            case.checkpoint,
            self._suite.folder,
            self._seed,
            endpoint,
            self._region,
        )
        result = DriveResult(case.drive.kind, seed=self._seed)
        return Drive(case, box, len(box), context, self._secrets, time.time(), result)

    def _run(self, drives: Sequence[Drive]) -> None:
        stopped = threading.Event()
        running = start_all_in_background(
            [partial(prepared.run, stopped) for prepared in drives], _MAX_PARALLEL
        )
        try:
            while wait(running, _POLL).not_done:
                self._listeners.poll()
        except BaseException:
            # An interrupt, or a plugin's limit for the time of a test: whatever was started ends now. Requests that
            # are under way are left to their threads.
            stopped.set()
            kill_started()
            wait(running, _END)
            raise
        for future in running:
            future.result()

    def _collect(self, drive_: Drive, watches: Mapping[str, CounterWatch], give_up: float) -> CapturedCase:
        """Return what a case captured; waits for its requests until ``give_up``, on the monotonic clock."""
        case, driven = drive_.case, drive_.result
        captured = CapturedCase(
            self._suite.name,
            case.id,
            case.checkpoint,
            driven,
            lags=[
                replace(watches[counter.selector].lag, delta=counter.delta)
                for counter in case.expect.counters
            ],
            at=drive_.started,
        )
        if driven.error or not case.expect.captures:
            return captured
        completeness = Completeness(self._suite, case, driven)
        # Absence can be told only when all the time is over.
        absence = any(self._suite.required_count(expected).max == 0 for expected in case.expect.contracts)

        def enough(arrivals: Sequence[Any]) -> bool:
            completeness.add(arrivals)
            return completeness.is_complete and not absence

        arrivals, is_enough = drive_.box.collect(
            drive_.first,
            enough,
            timeout=max(0.0, give_up - time.monotonic()),
            quiet=self._suite.file.capture.complete.quiet,
            poll=self._listeners.poll,
        )
        captured.requests = [
            _own_request(arrival.request, arrival.at - drive_.ended, case, driven)
            for arrival in arrivals
            if concerns(arrival, case, driven)
        ]
        latest = max((request.arrival or 0.0 for request in captured.requests), default=0.0)
        captured.waited = max(0.0, latest) if is_enough else time.monotonic() - drive_.ended
        captured.complete = is_enough or (absence and completeness.is_complete)
        return captured

    def _watches(self, cases: Sequence[ReplayCase]) -> dict[str, CounterWatch]:
        """Return a watch for every counter that some cases expect to rise, its baseline read."""
        expected: dict[str, tuple[CounterExpectation, float]] = {}
        for case in cases:
            for expectation in case.expect.counters:
                if expectation.selector not in expected:
                    rise = (
                        expectation.delta
                        if expectation.isolation == "label"
                        else sum(other.expect.share_of(expectation) for other in cases)
                    )
                    expected[expectation.selector] = expectation, float(rise)
        if not expected:
            return {}
        source = self._source()
        watches = {
            selector: CounterWatch(source, expectation, rise, self._last_rise.get(selector, 0.0))
            for selector, (expectation, rise) in expected.items()
        }
        beginning = [partial(CounterWatch.begin, watch) for watch in watches.values()]
        for begun in start_all_in_background(beginning, _MAX_PARALLEL):
            begun.result()
        return watches


def _own_request(
    request: ExportRequest, arrival: float, case: ReplayCase, driven: DriveResult
) -> ExportRequest:
    """Return a request as a case keeps it: when it came, and without what others put into it."""
    document = request.document
    if case.drive.kind not in OWN_RECEIVER:
        document = _of_traces(document, driven.trace_ids)
    return replace(request, arrival=round(arrival, 3), document=document)


def _of_traces(document: dict[str, Any], own_ids: Collection[str]) -> dict[str, Any]:
    """Return a document without others' spans and log records, which may share its request."""

    def keep_own(part: Any, place: Place) -> Any:
        if isinstance(part, list) and place[-1] in {"spans", "logRecords"}:
            return [item for item in part if _trace_id(item) in {None, *own_ids}]
        return part

    return dict(map_parts(document, keep_own))


def _trace_id(item: Any) -> str | None:
    trace_id = item.get("traceId") if isinstance(item, dict) else None
    return trace_id.lower() if isinstance(trace_id, str) else None
