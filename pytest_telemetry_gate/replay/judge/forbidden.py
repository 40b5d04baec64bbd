"""What is forbidden in what a case captured, wherever it stands, by kind and place; and messages that do not repeat it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from pytest_telemetry_gate.model.dossier import Finding
from pytest_telemetry_gate.model.verdict import Outcome
from pytest_telemetry_gate.replay.judge.findings import find
from pytest_telemetry_gate.replay.masking import Forbidden, Repeated, Screened
from pytest_telemetry_gate.support.personal import PERSONAL, mask_personal
from pytest_telemetry_gate.support.places import map_texts, walk

__all__ = ["Teller", "judge_forbidden"]


def judge_forbidden(screened: Screened, forbidden: Forbidden) -> Iterator[Finding]:
    """Yield every forbidden name and value with its place, never what it is.

    A value that was masked when it was captured, and that nobody forbids any more, leaves the case undecided: its contracts
    would be judged on another text.
    """
    for found, count in screened.names.items():
        message = f"{found.where}: {found.place}: forbidden, but it is there{_times(found.where, count)}"
        yield _finding(
            "attribute.forbidden",
            found.where,
            message,
            unattributed=found.unattributed,
            attribute=found.name,
            place=found.place,
            count=count,
        )
    kinds = {kind.name: kind for kind in forbidden.kinds}
    for values in screened.values:
        where = values.place.split(": ", 1)[0]
        told: dict[str, Any] = {"kind": values.kind, "count": values.count}
        if values.kind in kinds:
            message = (
                f"{values.place}: {kinds[values.kind].words}, which is forbidden{_times(where, values.count)}"
            )
            yield _finding("value.forbidden", where, message, unattributed=values.unattributed, **told)
        else:
            words = PERSONAL[values.kind].words if values.kind in PERSONAL else f"what {values.kind} matches"
            message = f"{values.place}: {words} was masked when it was captured, and no contract of the case forbids it now; drive it again"
            yield find("value.masked", where, message, level=Outcome.INCONCLUSIVE, **told)


def _finding(identity: str, where: str, message: str, *, unattributed: bool, **context: Any) -> Finding:
    if not unattributed:
        return find(identity, where, message, **context)
    message += "; it has no trace id, so it may be the case's"
    return find(identity, where, message, level=Outcome.INCONCLUSIVE, **context)


class Teller:
    """Writes for people what is known of a case: without personal data but what is ``public``, nor what is ``repeated``."""

    def __init__(self, repeated: Repeated, public: object) -> None:
        self._repeated = repeated
        self._public = {part for _, part in walk(public) if isinstance(part, str)}

    def text(self, text: str) -> str:
        """Return a text without what must not be told."""
        return self._repeated.mask(mask_personal(text, self._public))

    def parts(self, parts: Mapping[str, Any]) -> dict[str, Any]:
        """Return builtins without what must not be told in any text."""
        return dict(map_texts(dict(parts), lambda text, _: self.text(text)))

    def finding(self, finding: Finding) -> Finding:
        """Return a finding without what must not be told."""
        where, message = self.text(finding.where), self.text(finding.message)
        return replace(finding, where=where, message=message, context=self.parts(finding.context))


def _times(where: str, count: int) -> str:
    """Return how often something is there; of a metric, which is exported again and again, that says nothing."""
    return f", {count} times" if count > 1 and not where.startswith("metric ") else ""
