"""Traces of others that arrive where cases capture: kept small, and only while one may still turn out to be linked."""

from __future__ import annotations

import json
import zlib
from collections import deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from typing import Any

from pytest_telemetry_gate.replay.captured import ExportRequest
from pytest_telemetry_gate.replay.otlp.protobuf import document_of, message_class
from pytest_telemetry_gate.replay.receive.contents import Contents, part_of

__all__ = ["ForeignTraffic", "KeptRequest"]

_MAX_KEPT = 64 * 2**20  # bytes, compressed
_MAX_TRACES = 100_000  # of which anything is remembered


@dataclass(frozen=True, slots=True)
class KeptRequest:
    """A request, without its document, and when it came as which; ``packed`` is what foreign traces have of it."""

    number: int
    at: float
    request: ExportRequest
    traces: tuple[str, ...]
    packed: bytes
    is_message: bool

    def unpack(self) -> dict[str, Any]:
        """Return the document again."""
        content = zlib.decompress(self.packed)
        if self.is_message:
            return document_of(message_class(self.request.signal).FromString(content))
        return dict(json.loads(content))


class ForeignTraffic:
    """What no case has claimed yet: the requests that came last, and more shortly which traces there were.

    Beyond 64 MiB of compressed requests the oldest are dropped; ``lost`` tells of which traces that was.
    """

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget everything: whatever comes from now on cannot belong to what came before."""
        self._requests: deque[KeptRequest] = deque()
        self._by_trace: dict[str, deque[KeptRequest]] = {}
        self._size = 0
        self._names: dict[str, str] = {}  # by trace, that of its first span
        self._uncounted = 0
        self._sources: dict[str, set[str]] = {}  # by the trace that they link to
        self._lost: dict[str, None] = {}

    @property
    def traces(self) -> int:
        """How many traces came that no case has claimed."""
        return len(self._names) + self._uncounted

    def names(self, most: int) -> list[str]:
        """Return the names of spans of these traces, as many as asked for."""
        found: dict[str, None] = {}
        for name in self._names.values():
            if len(found) == most:
                break
            if name:
                found[name] = None
        return list(found)

    def keep(
        self,
        number: int,
        at: float,
        request: ExportRequest,
        traces: Collection[str],
        contents: Contents,
        *,
        document: dict[str, Any] | None,
        message: Any = None,
    ) -> None:
        """Keep what some traces have of a request, whose content comes as a document or as a message."""
        if document is None:
            content = message.SerializeToString()
        else:
            content = json.dumps(part_of(document, traces), separators=(",", ":")).encode()
        packed = zlib.compress(content, 1)
        emptied = replace(request, document={})
        kept = KeptRequest(number, at, emptied, tuple(traces), packed, is_message=document is None)
        self._requests.append(kept)
        self._size += len(packed)
        for trace in traces:
            self._by_trace.setdefault(trace, deque()).append(kept)
            self._count(trace, contents.names.get(trace, ""))
        while self._size > _MAX_KEPT and self._requests:
            self._drop(self._requests.popleft())

    def link(self, source: str, target: str) -> None:
        """Note that a span of one trace links to another trace."""
        if target in self._sources or len(self._sources) < _MAX_TRACES:
            self._sources.setdefault(target, set()).add(source)

    def sources_of(self, target: str) -> Collection[str]:
        """Return the traces that link to one."""
        return self._sources.get(target, ())

    def release(self, trace: str) -> Iterator[KeptRequest]:
        """Yield the requests that have something of a trace, which counts as foreign no longer."""
        self._names.pop(trace, None)
        yield from list(self._by_trace.get(trace, ()))

    def everything(self) -> Iterator[KeptRequest]:
        """Yield all requests that are kept."""
        yield from list(self._requests)

    def is_lost(self, trace: str) -> bool:
        """Tell whether something of a trace was dropped; of too many traces that is not known of each."""
        return trace in self._lost or len(self._lost) >= _MAX_TRACES

    def _count(self, trace: str, name: str) -> None:
        if trace in self._names:
            self._names[trace] = self._names[trace] or name
        elif len(self._names) < _MAX_TRACES:
            self._names[trace] = name
        else:
            self._uncounted += 1

    def _drop(self, kept: KeptRequest) -> None:
        self._size -= len(kept.packed)
        for trace in kept.traces:
            self._by_trace[trace].popleft()  # the oldest of all is the oldest of each
            if not self._by_trace[trace]:
                del self._by_trace[trace]
            if len(self._lost) < _MAX_TRACES:
                self._lost[trace] = None
