"""Spans whose parent was not captured: what was exported is not the whole trace."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pytest_telemetry_gate.model.dossier import Finding
from pytest_telemetry_gate.model.verdict import Outcome
from pytest_telemetry_gate.replay.judge.findings import MISSING, find
from pytest_telemetry_gate.replay.judge.span_tree import SpanTree
from pytest_telemetry_gate.replay.otlp.records import SpanRecord

__all__ = ["judge_orphans"]

_KNOWS_PARENT, _PARENT_IS_REMOTE = 0x100, 0x200  # OTLP's flags of a span
_MAX_NAMES = 3  # of spans that a message lists


def judge_orphans(spans: Sequence[SpanRecord], *, is_own: bool) -> Iterator[Finding]:
    """Yield each parent that was not captured, with the spans below it.

    That fails where nobody but the case's own programs could have exported it: where the receiver is the case's own, and
    where a span says that its parent is of the same process. Else the parent may be of a service that exports elsewhere.
    """
    tree = SpanTree(spans)
    orphans: dict[tuple[str, str], list[SpanRecord]] = {}
    for span in spans:
        if span.parent_id and tree.parent(span) is None:
            orphans.setdefault((span.trace_id, span.parent_id), []).append(span)
    for (_, parent_id), below in orphans.items():
        local = any(span.flags & _KNOWS_PARENT and not span.flags & _PARENT_IS_REMOTE for span in below)
        names = [*dict.fromkeys(span.name for span in below)]
        more = ", ..." if len(names) > _MAX_NAMES else ""
        where = f"span {', '.join(names[:_MAX_NAMES])}{more}"
        reason = (
            "though it is of the same process"
            if local
            else "though nobody else exports to this receiver"
            if is_own
            else "which may be of a service that exports elsewhere"
        )
        level = Outcome.FAIL if local or is_own else Outcome.WARN
        message = f"{where}: the span above, {parent_id}, was not captured, {reason}"
        yield find("span.orphan", where, message, level=level, parent_id=parent_id, **MISSING)
