"""What arrives where cases share a receiver, handed to the cases that it is about."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from typing import Any

from pytest_telemetry_gate.errors import CorpusError
from pytest_telemetry_gate.replay.captured import ExportRequest
from pytest_telemetry_gate.replay.otlp.protobuf import document_of
from pytest_telemetry_gate.replay.otlp.telemetry import read_document
from pytest_telemetry_gate.replay.receive.contents import (
    NO_TRACE,
    Contents,
    contents_of,
    contents_of_message,
    part_of,
)
from pytest_telemetry_gate.replay.receive.foreign import ForeignTraffic
from pytest_telemetry_gate.replay.receive.mailbox import Arrival, Mailbox

__all__ = ["CaseTraffic", "SharedTraffic"]

_MAX_NAMES = 5  # of spans of others that are told
_MAX_UNATTRIBUTED = 2**20  # bytes of log records without a trace id that are kept for a case
_MAX_METRICS = (
    32 * 2**20
)  # bytes of metrics, whoever exported them, that are kept for a case beside those it selects


class CaseTraffic:
    """What has arrived for one case; ``box`` gets a request each time it turns out to have something of the case.

    ``selects_metric`` tells by name which metrics it judges, None where it judges none, and ``wants_logs`` whether it judges
    log records or forbids something in them. Its own traces tell what is the case's, and so do those that link to them, which are ``linked``. A case without any trace
    cannot be told from others: ``takes_all``. ``is_whole`` is False where something of a linked trace came too early
    to be kept. ``others`` is in the end the number of traces that are nobody's, and ``other_names`` has names of their spans.
    """

    def __init__(self, *, selects_metric: Callable[[str], bool] | None, wants_logs: bool) -> None:
        self.selects_metric = selects_metric
        self.wants_logs = wants_logs
        self.box = Mailbox()
        self.own: set[str] = set()
        self.linked: dict[str, None] = {}
        self.takes_all = False
        self.is_whole = True
        self.others = 0
        self.other_names: list[str] = []
        self.unattributed: list[Arrival] = []
        self.unattributed_count = 0
        self._unattributed_size = self._metrics_size = 0

    @property
    def traces(self) -> Collection[str]:
        """All traces that are the case's."""
        return self.own | self.linked.keys()

    def note_unattributed(
        self, request: ExportRequest, at: float, document: dict[str, Any] | None, count: int, size: int
    ) -> None:
        """Note log records without a trace id, which may be anybody's; ``size`` is about their bytes."""
        self.unattributed_count += count
        if document is not None and self.wants_logs and self._unattributed_size + size <= _MAX_UNATTRIBUTED:
            self._unattributed_size += size
            part = part_of(document, (NO_TRACE,))
            self.unattributed.append(Arrival(replace(request, document=part), at))

    def metrics_of(self, document: dict[str, Any], size: int) -> Callable[[str], bool]:
        """Return which metrics of a document of so many bytes are kept, by name."""
        if not document.get("resourceMetrics") or self.selects_metric is None:
            return _none
        self._metrics_size += size
        return _all if self._metrics_size <= _MAX_METRICS else self.selects_metric


def _all(_: str) -> bool:
    return True


def _none(_: str) -> bool:
    return False


class SharedTraffic(Mailbox):
    """A mailbox that hands what it takes to cases: between ``begin`` and ``end`` of each.

    Traces of nobody are kept for a while, and small, since one may turn out later to link to a case's trace.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._cases: list[CaseTraffic] = []
        self._claims: dict[str, list[CaseTraffic]] = {}
        self._ended: set[str] = set()  # traces of earlier cases, which may still come
        self._number = 0
        self.foreign = ForeignTraffic()

    def begin(self, case: CaseTraffic) -> None:
        """Hand over to a case what arrives from now on."""
        with self._lock:
            if not self._cases:
                self.foreign.clear()
            self._cases.append(case)

    def end(self, case: CaseTraffic) -> None:
        """Hand over nothing more."""
        with self._lock:
            if case not in self._cases:
                return
            self._cases.remove(case)
            case.others, case.other_names = self.foreign.traces, self.foreign.names(_MAX_NAMES)
            self._ended |= case.own
            for trace in case.traces:
                self._claims[trace].remove(case)
                if not self._claims[trace]:
                    del self._claims[trace]
            if not self._cases:
                self.foreign.clear()

    def expect(self, case: CaseTraffic, traces: Sequence[str]) -> None:
        """Hand over what these traces have, also what came before; without any trace, everything."""
        with self._lock:
            if not traces and not case.takes_all:
                case.takes_all = True
                for kept in self.foreign.everything():
                    request = replace(kept.request, document=kept.unpack())
                    case.box.add(Arrival(request, kept.at, kept.number))
            case.own.update(traces)
            self._claim(case, [trace for trace in traces if case not in self._claims.get(trace, ())])

    def put(self, request: ExportRequest, message: Any = None) -> bool:
        """Take a request; False where it is about a case whose mailbox is full."""
        at = time.monotonic()
        with self._lock:
            if not self._cases:
                return True
            self._number += 1
            if request.trouble:
                return self._hand_to_all(request, at)
            contents = contents_of(request.document) if message is None else contents_of_message(message)
            if not contents.is_sound:
                try:
                    read_document(document_of(message))
                except CorpusError as error:
                    return self._hand_to_all(replace(request, trouble=f"cannot be read: {error}"), at)
            self._follow_links(contents)
            return self._sort(request, message, contents, at)

    def _sort(self, request: ExportRequest, message: Any, contents: Contents, at: float) -> bool:
        """Hand a request to those that it is about, and keep the rest of it."""
        unattributed = contents.counts.get(NO_TRACE, 0)
        concerned = list(self._concerned(contents))
        nobodys = [
            trace
            for trace in contents.counts
            if trace and trace not in self._claims and trace not in self._ended
        ]
        wanted = concerned or (unattributed and any(case.wants_logs for case in self._cases))
        document = request.document if message is None else document_of(message) if wanted else None
        if nobodys:
            self.foreign.keep(
                self._number, at, request, nobodys, contents, document=document, message=message
            )
        taken = True
        for case in concerned:
            taken &= self._hand(case, request, document or {}, contents, at)
        if unattributed:
            for case in self._cases:
                if not case.takes_all:
                    size = round(request.body * unattributed / sum(contents.counts.values()))
                    case.note_unattributed(request, at, document, unattributed, size)
        return taken

    def _concerned(self, contents: Contents) -> Iterator[CaseTraffic]:
        for case in self._cases:
            if (
                case.takes_all
                or (contents.has_metrics and case.selects_metric is not None)
                or any(case in self._claims.get(trace, ()) for trace in contents.counts)
            ):
                yield case

    def _hand(
        self,
        case: CaseTraffic,
        request: ExportRequest,
        document: dict[str, Any],
        contents: Contents,
        at: float,
    ) -> bool:
        share = 1.0
        if not case.takes_all:
            traces = case.traces
            document = part_of(document, traces, case.metrics_of(document, request.body))
            total = sum(contents.counts.values())
            own = sum(count for trace, count in contents.counts.items() if trace in traces)
            share = own / total if total else 1.0
        arrival = Arrival(replace(request, document=document), at, self._number)
        return case.box.add(arrival, size=round(request.body * share))

    def _hand_to_all(self, request: ExportRequest, at: float) -> bool:
        taken = [case.box.add(Arrival(request, at, self._number)) for case in self._cases]
        return all(taken)

    def _follow_links(self, contents: Contents) -> None:
        """Claim the traces whose spans link to what cases have claimed."""
        for source, targets in contents.links.items():
            for target in targets:
                self.foreign.link(source, target)
                for case in list(self._claims.get(target, ())):
                    if self._may_be_linked(case, source):
                        self._claim(case, [source])

    def _may_be_linked(self, case: CaseTraffic, trace: str) -> bool:
        is_claimed = case in self._claims.get(trace, ())
        return not (is_claimed or trace in self._ended or any(trace in other.own for other in self._cases))

    def _claim(self, case: CaseTraffic, traces: Sequence[str]) -> None:
        """Hand a case what came of some traces before, and of all that link to them in turn."""
        waiting = deque(traces)
        while waiting:
            trace = waiting.popleft()
            if case in self._claims.get(trace, ()):
                continue
            if trace not in case.own:
                case.linked[trace] = None
            case.is_whole &= not self.foreign.is_lost(trace)
            for arrival, document in self._earlier(trace):
                if part := part_of(document, (trace,)):
                    request = replace(arrival.request, document=part)
                    case.box.add(Arrival(request, arrival.at, arrival.number))
            self._claims.setdefault(trace, []).append(case)
            waiting.extend(
                source for source in self.foreign.sources_of(trace) if self._may_be_linked(case, source)
            )

    def _earlier(self, trace: str) -> list[tuple[Arrival, dict[str, Any]]]:
        """Return what came of a trace before, wherever it is."""
        claimed = [
            (arrival, arrival.request.document)
            for other in self._claims.get(trace, ())[:1]
            for arrival in other.box.since(0)
        ]
        kept = [
            (Arrival(kept.request, kept.at, kept.number), kept.unpack())
            for kept in self.foreign.release(trace)
        ]
        return claimed or kept
