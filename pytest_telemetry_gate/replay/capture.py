"""Drive the cases of a suite at a checkpoint and capture what comes of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack, suppress
from dataclasses import replace
from typing import Any

from pytest_telemetry_gate.errors import CorpusError, DriveError, TelemetryGateError
from pytest_telemetry_gate.replay.captured import CapturedCase, CounterLag, DriveResult, ExportRequest
from pytest_telemetry_gate.replay.drive.drivers import DriveContext, drive, resolved
from pytest_telemetry_gate.replay.judge.contracts import Tree, amount, selected
from pytest_telemetry_gate.replay.lag import CounterWatch, follow
from pytest_telemetry_gate.replay.receive.mailbox import Mailbox
from pytest_telemetry_gate.replay.receive.receiver import Receiver, address
from pytest_telemetry_gate.replay.receive.tail import Tail
from pytest_telemetry_gate.replay.suite.expectations import CounterExpectation
from pytest_telemetry_gate.replay.suite.model import ReplayCase, ReplaySuite

__all__ = ["LiveReplay"]

_OWN = frozenset({"cli", "python"})  # what these export comes to a receiver of their own
_AT_ONCE = 16
_POLL = 0.1  # seconds between looks at a collector's file while cases are driven


class LiveReplay:
    """Captures the cases of one suite; ``close()`` stops its receivers.

    ``source`` gives the metrics of the region, and raises TelemetryGateError where there are none. ``seed`` makes all
    ids. Of cases that are counted together, those among ``cases`` are driven.
    """

    def __init__(
        self,
        suite: ReplaySuite,
        source: Callable[[], Any],
        seed: int,
        cases: Sequence[ReplayCase],
        region: str = "",
    ) -> None:
        self._suite = suite
        self._region = region
        self._source = source
        self._seed = seed
        self.cases = cases
        self._batched: dict[tuple[str, str], CapturedCase] = {}
        self._quiet: dict[str, float] = {}
        self._mailbox: Mailbox | None = None
        self._tail: Tail | None = None
        self._stack = ExitStack()

    def close(self) -> None:
        """Stop whatever listens."""
        self._stack.close()
        self._mailbox = None

    def capture(self, case: ReplayCase) -> CapturedCase:
        """Drive a case, or take its share of a batch that was driven together; never raises for what goes wrong."""
        try:
            if not _together(case):
                return self._driven([case])[0]
            if (case.id, case.checkpoint) not in self._batched:
                batch = [
                    one
                    for one in self.cases
                    if one.checkpoint == case.checkpoint
                    and _together(one)
                    and (one.id, one.checkpoint) not in self._batched
                ]
                for one, captured in zip(batch, self._driven(batch), strict=True):
                    self._batched[one.id, one.checkpoint] = captured
            return self._batched[case.id, case.checkpoint]
        except TelemetryGateError as error:
            driven = DriveResult(case.drive.kind, error=str(error), seed=self._seed)
            return CapturedCase(
                self._suite.name, case.id, case.checkpoint, driven, complete=False, at=time.time()
            )

    def _driven(self, cases: Sequence[ReplayCase]) -> list[CapturedCase]:
        watches = self._watches(cases)
        unprovable = next((watch.lag for watch in watches.values() if watch.lag.error), None)
        if unprovable is not None:
            # Nothing is driven for a budget that could not be proven.
            message = f"metric {unprovable.selector}: {unprovable.error}"
            raise DriveError(message)
        with ExitStack() as stack:
            boxes = [self._box(case, stack) for case in cases]
            first = [len(box) for box, _ in boxes]
            contexts = [
                self._context(case, endpoint) for case, (_, endpoint) in zip(cases, boxes, strict=True)
            ]
            started = time.time()
            driven = self._at_once(cases, contexts)
            ended = max(moment for _, moment in driven)
            follow(list(watches.values()), ended, self._pause)
            for selector in watches:
                self._quiet[selector] = time.time()
            give_up = ended + self._suite.file.capture.complete.timeout
            return [
                self._captured(case, *one, box, number, watches=watches, started=started, give_up=give_up)
                for case, one, (box, _), number in zip(cases, driven, boxes, first, strict=True)
            ]

    def _at_once(
        self, cases: Sequence[ReplayCase], contexts: Sequence[DriveContext]
    ) -> list[tuple[DriveResult, float]]:
        """Drive cases, and return how each went and when it ended, on the monotonic clock."""
        with ThreadPoolExecutor(min(_AT_ONCE, len(cases))) as pool:
            driven = [pool.submit(_drive, *pair) for pair in zip(cases, contexts, strict=True)]
            while wait(driven, _POLL).not_done:
                self._poll()
        return [one.result() for one in driven]

    def _captured(
        self,
        case: ReplayCase,
        driven: DriveResult,
        ended: float,
        box: Mailbox,
        first: int,
        *,
        watches: Mapping[str, CounterWatch],
        started: float,
        give_up: float,
    ) -> CapturedCase:
        captured = CapturedCase(
            self._suite.name,
            case.id,
            case.checkpoint,
            driven,
            lags=[_kept(watches[one.selector].lag) for one in case.expect.counters],
            at=started,
        )
        if driven.error or not case.expect.captures:
            return captured
        # Absence shows only when all the time is over.
        absence = any(self._suite.count(one).max == 0 for one in case.expect.contracts)
        requests, enough = box.collect(
            first,
            lambda found: not absence and self._matched(case, driven, found),
            timeout=max(0.0, give_up - time.monotonic()),
            quiet=self._suite.file.capture.complete.quiet,
            poll=self._poll,
        )
        captured.requests = [
            replace(
                one,
                arrival=round(box.arrived(number) - ended, 3),
                document=one.document
                if case.drive.kind in _OWN
                else _of_traces(one.document, driven.trace_ids),
            )
            for number, one in enumerate(requests, first)
            if _concerns(one, case, driven)
        ]
        arrivals = [one.arrival or 0.0 for one in captured.requests]
        captured.waited = max([0.0, *arrivals]) if enough else time.monotonic() - ended
        captured.complete = enough or (absence and self._matched(case, driven, requests))
        return captured

    def _matched(self, case: ReplayCase, driven: DriveResult, found: Sequence[ExportRequest]) -> bool:
        """Tell whether every required selector is matched and no parent is outstanding."""
        if not any(_concerns(one, case, driven) for one in found):
            return False
        try:
            telemetry = CapturedCase(
                self._suite.name, case.id, case.checkpoint, driven, requests=list(found)
            ).telemetry()
        except CorpusError:
            return True
        wanting = []
        for expected in case.expect.contracts:
            contract = self._suite.contracts[expected.contract]
            wanting.append(amount(contract, selected(contract, telemetry)) >= self._suite.count(expected).min)
        if case.expect.tree is not None:
            wanting.append(bool(telemetry.spans))
        tree = Tree(telemetry.spans)
        whole = all(not span.parent_id or tree.parent(span) is not None for span in telemetry.spans)
        return all(wanting) and whole

    def _watches(self, cases: Sequence[ReplayCase]) -> dict[str, CounterWatch]:
        """Return a watch for every counter that some cases expect to rise, its baseline read."""
        wanted: dict[str, tuple[CounterExpectation, float]] = {}
        for case in cases:
            for expectation in case.expect.counters:
                if expectation.selector not in wanted:
                    rise = (
                        expectation.delta
                        if expectation.isolation == "label"
                        else sum(_share(other, expectation) for other in cases)
                    )
                    wanted[expectation.selector] = expectation, float(rise)
        if not wanted:
            return {}
        source = self._source()
        watches = {
            selector: CounterWatch(source, expectation, rise, self._quiet.get(selector, 0.0))
            for selector, (expectation, rise) in wanted.items()
        }
        with ThreadPoolExecutor(min(_AT_ONCE, len(watches))) as pool:
            list(pool.map(CounterWatch.begin, watches.values()))
        return watches

    def _box(self, case: ReplayCase, stack: ExitStack) -> tuple[Mailbox, str]:
        """Return where a case's telemetry arrives, and the address to tell who exports it."""
        otlp = self._suite.file.capture.otlp
        if case.drive.kind in _OWN:
            maximum = otlp.max_body if otlp is not None else 64 * 2**20
            receiver = stack.enter_context(Receiver(max_body=maximum))
            return receiver.mailbox, receiver.endpoint
        if not case.expect.captures:
            return Mailbox(), ""
        return self._shared()

    def _shared(self) -> tuple[Mailbox, str]:
        if self._mailbox is not None:
            return self._mailbox, ""
        capture = self._suite.file.capture
        if capture.otlp is None and capture.otlp_file is None:
            message = (
                f"{self._suite.path}: cases driven by http and otlp need `capture:` with otlp or otlp_file"
            )
            raise DriveError(message)
        mailbox = Mailbox()
        with ExitStack() as stack:  # what listens already does not stay when the next one cannot
            if capture.otlp is not None:
                maximum = capture.otlp.max_body
                if capture.otlp.http is not None:
                    host, port = address(resolved(capture.otlp.http))
                    stack.enter_context(Receiver(host, port, max_body=maximum, mailbox=mailbox))
                if capture.otlp.grpc is not None:
                    from pytest_telemetry_gate.replay.receive.grpc import GrpcReceiver

                    host, port = address(resolved(capture.otlp.grpc))
                    stack.enter_context(GrpcReceiver(host, port, max_body=maximum, mailbox=mailbox))
            self._stack.push(stack.pop_all())
        if capture.otlp_file is not None:
            self._tail = Tail(self._suite.folder / resolved(capture.otlp_file), mailbox)
        self._mailbox = mailbox
        return mailbox, ""

    def _poll(self) -> None:
        if self._tail is not None:
            self._tail.poll()

    def _pause(self, seconds: float) -> None:
        self._poll()  # what a collector writes meanwhile has arrived now, and not when it is looked for
        time.sleep(seconds)

    def open(self) -> None:
        """Start to listen now, where cases share a receiver: a service may export before anything is driven.

        Where that cannot be, each case that needs it says so, and no other one.
        """
        if any(case.drive.kind not in _OWN and case.expect.captures for case in self.cases):
            with suppress(DriveError):
                self._shared()

    def _context(self, case: ReplayCase, endpoint: str) -> DriveContext:
        return DriveContext(
            self._suite.name,
            case.id,
            case.checkpoint,
            self._suite.folder,
            self._seed,
            endpoint,
            self._region,
        )


def _drive(case: ReplayCase, context: DriveContext) -> tuple[DriveResult, float]:
    started = time.monotonic()
    driven = drive(case, context)
    return driven, started + driven.seconds


def _together(case: ReplayCase) -> bool:
    """Tell whether a case is driven together with others: whatever it counts is counted in a batch or by a label."""
    counters = case.expect.counters
    return bool(counters) and all(one.isolation != "serial" for one in counters)


def _share(case: ReplayCase, expectation: CounterExpectation) -> int:
    """Return by how much a case makes a counter rise that another one looks at, perhaps by fewer labels."""
    labels = expectation.match.items()
    return max(
        (
            one.delta
            for one in case.expect.counters
            if one.counter == expectation.counter and labels <= one.match.items()
        ),
        default=0,
    )


def _kept(lag: CounterLag) -> CounterLag:
    return CounterLag(**{name: getattr(lag, name) for name in CounterLag.__slots__})


def _concerns(request: ExportRequest, case: ReplayCase, driven: DriveResult) -> bool:
    """Tell whether a request is about a case: its trace, or pushed metrics it judges, where others export too."""
    if request.trouble or not driven.trace_ids or case.drive.kind in _OWN:
        return True
    if request.signal == "metrics":
        return len(case.expect.metrics) > len(case.expect.counters)
    own = set(driven.trace_ids)
    return any(trace in own for trace in _traces(request.document))


def _of_traces(part: Any, own: Collection[str]) -> Any:
    """Return a document without others' spans and log records, which may share its request and are none of ours."""
    if isinstance(part, list):
        return [_of_traces(one, own) for one in part]
    if not isinstance(part, dict):
        return part
    return {
        key: [one for one in value if _trace_of(one) in {None, *own}]
        if key in {"spans", "logRecords"} and isinstance(value, list)
        else _of_traces(value, own)
        for key, value in part.items()
    }


def _trace_of(item: Any) -> str | None:
    found = item.get("traceId") if isinstance(item, dict) else None
    return found.lower() if isinstance(found, str) else None


def _traces(part: Any) -> Iterable[str]:
    if isinstance(part, dict):
        for key, value in part.items():
            if key == "traceId" and isinstance(value, str):
                yield value.lower()
            elif isinstance(value, dict | list):
                yield from _traces(value)
    elif isinstance(part, list):
        for value in part:
            yield from _traces(value)
