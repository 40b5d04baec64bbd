"""Drive the cases of a suite at a checkpoint and capture what comes of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, wait
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from pytest_telemetry_gate.errors import DriveError, TelemetryGateError
from pytest_telemetry_gate.replay.captured import CapturedCase, DriveResult
from pytest_telemetry_gate.replay.drive.context import DriveContext
from pytest_telemetry_gate.replay.drive.drivers import drive
from pytest_telemetry_gate.replay.drive.guarded import kill_started
from pytest_telemetry_gate.replay.lag import CounterWatch, poll_until_risen
from pytest_telemetry_gate.replay.receive.capture_place import CapturePlace, CaptureWait
from pytest_telemetry_gate.replay.receive.listeners import Listeners
from pytest_telemetry_gate.replay.suite.expectations import CounterExpectation
from pytest_telemetry_gate.replay.suite.model import ReplayCase, ReplaySuite
from pytest_telemetry_gate.support.secrets import Secrets
from pytest_telemetry_gate.support.threads import start_all_in_background

__all__ = ["LiveReplay"]

_MAX_PARALLEL = 16
_POLL = 0.1  # seconds between looks at a collector's file while cases are driven
_END = 1.0  # seconds that commands have to be gone where the session ends


@dataclass(slots=True)
class Drive:
    """One case that is driven: where its telemetry arrives, and how the drive went.

    ``ended`` is on the monotonic clock, ``started`` in seconds since the epoch.
    """

    case: ReplayCase
    place: CapturePlace
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
        self._captured: dict[tuple[str, str], CapturedCase] = {}  # and not yet asked for
        self._driven: set[tuple[str, str]] = set()
        self._last_rise: dict[str, float] = {}
        self._listeners = Listeners(suite)

    def open(self) -> None:
        """Start to listen now, where cases share a receiver: a service may export before anything is driven."""
        self._listeners.open(self.cases)

    def close(self) -> None:
        """Stop whatever listens."""
        self._listeners.close()

    def capture(self, case: ReplayCase) -> CapturedCase:
        """Return what a case captured, driven once; never raises for what goes wrong.

        Cases that are counted together are driven together, and so are those that trace ids keep apart.
        """
        key = case.id, case.checkpoint
        if key not in self._captured:
            group = self._group_of(case)
            try:
                captures = self._drive_together(group)
            except TelemetryGateError as error:
                captures = [self._failed(one, str(error)) for one in group]
            for captured in captures:
                self._captured[captured.case, captured.checkpoint] = captured
            self._driven |= self._captured.keys()
        return self._captured.pop(key)

    def _group_of(self, case: ReplayCase) -> list[ReplayCase]:
        """Return the cases that are driven at once with a case, itself among them."""
        if not (case.expect.is_batched or self._suite.is_kept_apart(case)):
            return [case]
        belongs = self._suite.is_kept_apart if not case.expect.is_batched else _is_batched
        others = [
            other
            for other in self.cases
            if other.checkpoint == case.checkpoint
            and (other.id, other.checkpoint) not in self._driven
            and other != case
            and belongs(other)
        ]
        return [case, *others]

    def _failed(self, case: ReplayCase, reason: str) -> CapturedCase:
        """Return the capture of a case that could not be driven or captured."""
        driven = DriveResult(case.drive.kind, error=reason, seed=self._seed)
        return CapturedCase(
            self._suite.name, case.id, case.checkpoint, driven, complete=False, at=time.time()
        )

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
            poll_until_risen(list(watches.values()), ended, partial(_pause, drives))
            self._last_rise.update(dict.fromkeys(watches, time.time()))
            give_up = ended + self._suite.file.capture.complete.timeout
            collect = partial(self._collect, watches=watches, give_up=give_up)
            if len(drives) == 1:
                return [collect(drives[0])]
            collecting = start_all_in_background(
                [partial(collect, driven) for driven in drives], self._suite.file.parallel
            )
            return [_result_of(one) for one in collecting]

    def _prepare(self, case: ReplayCase, stack: ExitStack) -> Drive:
        place = stack.enter_context(self._listeners.place_of(case))
        context = DriveContext(
            self._suite.name,
            case.id,
            case.checkpoint,
            self._suite.folder,
            self._seed,
            place.endpoint,
            self._region,
            announce=place.expect,
            grpc_endpoint=place.grpc_endpoint,
        )
        place.expect([context.trace_id])
        result = DriveResult(case.drive.kind, seed=self._seed)
        return Drive(case, place, context, self._secrets, time.time(), result)

    def _run(self, drives: Sequence[Drive]) -> None:
        stopped = threading.Event()
        running = start_all_in_background(
            [partial(prepared.run, stopped) for prepared in drives],
            _MAX_PARALLEL if _is_batched(drives[0].case) else self._suite.file.parallel,
        )
        try:
            while wait(running, _POLL).not_done:
                _poll(drives)
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
            place=drive_.place.name,
        )
        if driven.error or not case.expect.captures:
            return captured
        wait_ = CaptureWait(
            self._suite, case, driven, place=drive_.place.name, ended=drive_.ended, give_up=give_up
        )
        try:
            collected = drive_.place.collect(wait_)
        except TelemetryGateError as error:
            captured.driven = replace(driven, error=str(error))
            return captured
        captured.watched = round(time.monotonic() - drive_.ended, 3)
        captured.requests = [
            replace(arrival.request, arrival=round(arrival.at - drive_.ended, 3))
            for arrival in collected.arrivals
        ]
        latest = max((request.arrival or 0.0 for request in captured.requests), default=0.0)
        captured.complete, captured.linked = collected.complete, collected.linked
        captured.foreign, captured.gaps = collected.foreign, collected.gaps
        captured.read_back = collected.read_back
        captured.waited = max(0.0, latest) if collected.complete else captured.watched
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


def _is_batched(case: ReplayCase) -> bool:
    return case.expect.is_batched


def _result_of(future: Future[CapturedCase]) -> CapturedCase:
    """Wait in short steps, between which a signal is seen."""
    while not wait([future], _POLL).done:
        pass
    return future.result()


def _poll(drives: Sequence[Drive]) -> None:
    """Fetch what does not come by itself."""
    for driven in drives:
        driven.place.poll()


def _pause(drives: Sequence[Drive], seconds: float) -> None:
    """Sleep, after fetching what does not come by itself, so that it counts as arrived now and not later."""
    _poll(drives)
    time.sleep(seconds)
