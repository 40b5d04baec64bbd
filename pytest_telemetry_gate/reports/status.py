"""What pytest shows for a test with verdicts: its category in the counts, a letter, and a word with figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pytest_telemetry_gate.model.dossier import Dossier
from pytest_telemetry_gate.model.verdict import Outcome, Verdict, worst_verdict
from pytest_telemetry_gate.support import text
from pytest_telemetry_gate.support.numbers import format_against, format_interval

__all__ = ["format_figures", "report_status"]

_WORD = 80  # columns; the failure itself says the whole reason
_LETTERS = {
    Outcome.PASS: ("passed", "."),
    Outcome.WARN: ("warned", "w"),
    Outcome.WAIVED: ("skipped", "s"),
    Outcome.PENDING: ("skipped", "s"),
    Outcome.INCONCLUSIVE: ("failed", "F"),
    Outcome.FAIL: ("failed", "F"),
    Outcome.ERROR: ("failed", "F"),
}


def report_status(
    dossiers: Sequence[Dossier], *, strict: bool = False, brief: bool = False
) -> tuple[str, str, str | tuple[str, Mapping[str, bool]]]:
    """Return category, letter and word for ``pytest_report_teststatus``, from one or more verdicts of a test.

    The worst verdict decides; with ``strict`` a warning is a failure. ``brief`` leaves the figures out of the
    word, as pytest's short summary writes the failure behind it. A word without colours has those of its category.
    """
    verdicts = [dossier.verdict for dossier in dossiers]
    decided = worst_verdict(verdicts)
    category, letter = _LETTERS[decided.outcome]
    word = decided.outcome.upper()
    if decided.informational and decided.outcome.judged:
        word += " (informational)"
        category, letter = _LETTERS[decided.outcome] if decided.outcome is Outcome.PASS else ("informed", "i")
    if not brief:
        word += f" {text.clip(format_figures(decided), _WORD)}"
    if len(verdicts) > 1 and not brief:
        count = sum(verdict.outcome is decided.outcome for verdict in verdicts)
        word += f" ({count} of {len(verdicts)} checks)"
    if category == "informed":
        return category, letter, (word, {"yellow": True})
    if decided.outcome is not Outcome.WARN:
        return category, letter, word
    return ("failed", "F", word) if strict else (category, letter, (word, {"yellow": True}))


def format_figures(verdict: Verdict) -> str:
    """Return the figures of a verdict in few words, ``84.5 ms (<= 90 ms)``; its reason where it has none."""
    unit = verdict.unit
    if verdict.outcome.undecided or verdict.outcome in {Outcome.PENDING, Outcome.WAIVED}:
        return text.one_line(text.plain(text.strip_passwords(verdict.reason)))
    parts = []
    if verdict.value is not None:
        limit = verdict.value_limit
        figure = "absent" if verdict.absent else format_against(verdict.value, limit, unit)
        parts.append(figure + (f" ({limit})" if limit else ""))
    if verdict.variance is not None:
        tolerance = f" ({verdict.tolerance_text})" if verdict.tolerance is not None else ""
        parts.append(
            format_interval(verdict.variance, verdict.variance_half, verdict.variance_unit) + tolerance
        )
    return text.plain(", ".join(parts) or text.strip_passwords(verdict.reason))
