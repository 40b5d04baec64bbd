"""Alerts and incidents: how many, what proves that no more happened, each of them, and how near the alerts were."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from pytest_telemetry_gate.model.events import Episode, Rule
from pytest_telemetry_gate.model.facts import EventFacts
from pytest_telemetry_gate.model.verdict import Level, Outcome, Verdict, say_tolerance, worsening
from pytest_telemetry_gate.reports.overview.moments import write_length
from pytest_telemetry_gate.reports.overview.tables.sheet import (
    EVENTS,
    Entry,
    Sheet,
    say_figure,
    say_status,
    say_title,
)
from pytest_telemetry_gate.reports.overview.tables.table import (
    EMPTY,
    Cell,
    Table,
    code_cell,
    figure_cell,
    make_table,
    text_cell,
)
from pytest_telemetry_gate.reports.overview.tables.variance import find_largest
from pytest_telemetry_gate.support.numbers import format_change

__all__ = ["tabulate_episodes", "tabulate_events", "tabulate_thresholds"]

_EPISODES = 50
_GROUPS = 3  # rule groups that a proof names
_WORD = re.compile(r"[A-Za-z_:][\w:]*")
_COMPARED = re.compile(r"[<>]=?\s*(-?\d+(?:\.\d+)?)\s*$")


def tabulate_events(sheet: Sheet) -> Table:
    """Return the alerts and incidents that were counted, each with what proves that no more happened."""

    def draw(entry: Entry) -> Iterator[list[Cell]]:
        row = entry.row
        yield [
            say_title(entry),
            say_figure(row, row.last),
            text_cell(_say_proof(entry)),
            say_status(row),
        ]

    columns = ("What", "Region", "Count", "Proof", "Status")
    return make_table("Alerts and incidents", columns, sheet.draw(_counted(sheet), draw))


def _counted(sheet: Sheet) -> list[Entry]:
    return [entry for entry in sheet.entries if entry.criterion.kind in EVENTS]


def _say_proof(entry: Entry) -> str:
    verdict, facts = entry.row.last, entry.last.events
    if facts is None or verdict.outcome.undecided or not verdict.outcome.judged:
        return verdict.reason
    groups = [
        f"rule group {evaluation.group.rpartition(';')[2]}: longest pause {write_length(evaluation.longest_gap)}"
        f" of {write_length(evaluation.allowed_gap)} allowed, {_say_failures(evaluation.failures)}"
        for evaluation in facts.evaluations
    ]
    parts = groups[:_GROUPS]
    if len(groups) > _GROUPS:
        parts.append(f"and {len(groups) - _GROUPS} more groups")
    if not groups and verdict.outcome.good:
        parts.append(
            "history complete" if entry.criterion.kind == "incidents" else "the suite's own `proof:`"
        )
    if facts.silences:
        parts.append(f"{len(facts.silences)} silences")
    return "; ".join(parts)


def _say_failures(failures: float | None) -> str:
    return "failures not counted" if failures is None else f"{failures:g} failures"


def tabulate_episodes(sheet: Sheet) -> Table:
    """Return every alert and incident by its start; those from before the rollout, which do not count, say so."""
    found = {
        (_identify(episode), entry.region): (episode, entry.region, carried)
        for entry in _counted(sheet)
        for facts in (entry.last.events or EventFacts(),)
        for episodes, carried in ((facts.episodes, False), (facts.carried_in, True))
        for episode in episodes
    }
    episodes = sorted(found.values(), key=lambda one: (one[0].start, one[0].name, one[1]))
    rows = [_draw_episode(sheet, *one) for one in episodes[:_EPISODES]]
    rest = len(episodes) - len(rows)
    columns = ("What", "Region", "Severity", "From", "Until", "Lasted", "Counted")
    return make_table("Episodes", columns, rows, [f"and {rest} more"] if rest else [])


def _identify(episode: Episode) -> tuple[object, ...]:
    return episode.kind, episode.name, episode.start, tuple(sorted(episode.labels.items()))


def _draw_episode(sheet: Sheet, episode: Episode, region: str, carried: bool) -> list[Cell]:
    clock = sheet.clock
    labels = ", ".join(
        f"{name}={value}" for name, value in sorted(episode.labels.items()) if name != "alertname"
    )
    kind = "" if episode.kind in {"alert", episode.name} else f" ({episode.kind})"
    return [
        text_cell(episode.name + kind, note=labels),
        text_cell(region),
        text_cell(episode.labels.get("severity", "")),
        text_cell(clock.day_time(episode.start)),
        text_cell("not over" if episode.end is None else clock.day_time(episode.end)),
        figure_cell("" if episode.end is None else write_length(episode.end - episode.start)),
        text_cell("no, from before" if carried else ""),
    ]


def tabulate_thresholds(sheet: Sheet) -> Table:
    """Return the levels of every variance with the alerting rule at each, and how near the variance came.

    A rule belongs to a level where it reads a metric of the variance's query and compares with the level.
    """

    def draw(entry: Entry) -> Iterator[list[Cell]]:
        criterion = entry.criterion
        for level, threshold in sorted(criterion.levels.items(), key=lambda pair: pair[1]):
            rule = _find_rule(rules, entry.row.last, threshold)
            yield [
                say_title(entry),
                text_cell(level.upper()),
                text_cell(say_tolerance(threshold, criterion.variance_unit, criterion.better)),
                EMPTY if rule is None else code_cell(rule.alert, note=rule.expr),
                _say_seen(sheet, entry, level, threshold),
                text_cell("" if rule is None else _say_fired(sheet, entry.region, rule)),
            ]

    rules = {
        (rule.alert, rule.group): rule
        for entry in _counted(sheet)
        if entry.last.events is not None
        for rule in entry.last.events.rules
    }
    wanted = [entry for entry in sheet.entries if entry.row.last.tolerance is not None]
    rows = sheet.draw(wanted, draw)
    titles = {row[0].text for row in rows}
    columns = ("Variance", "Region", "Level", "Threshold", "Rule", "Largest variance seen", "Fired")
    shown = rows if len(titles) > 1 else [(EMPTY, *row[1:]) for row in rows]
    return make_table("Alert thresholds", columns, shown)


def _say_seen(sheet: Sheet, entry: Entry, level: str, threshold: float) -> Cell:
    largest = find_largest(entry)
    if largest is None:
        return EMPTY
    reached = worsening(largest.variance, entry.criterion.better) >= threshold
    shown = format_change(largest.variance, entry.criterion.variance_unit)
    alarming = reached and level != Level.INFO
    return figure_cell(
        f"{shown} at {sheet.clock.after_start(largest.at)}", Outcome.WARN if alarming else None
    )


def _find_rule(rules: Mapping[tuple[str, str], Rule], verdict: Verdict, threshold: float) -> Rule | None:
    metrics = _find_metrics(verdict.query)
    for rule in rules.values():
        compared = _COMPARED.search(rule.expr)
        if compared and abs(float(compared[1])) == threshold and metrics & _find_metrics(rule.expr):
            return rule
    return None


def _find_metrics(expression: str) -> set[str]:
    """Return the words of an expression that may be names of metrics: those with an underscore in them."""
    return {word for word in _WORD.findall(expression) if "_" in word}


def _say_fired(sheet: Sheet, region: str, rule: Rule) -> str:
    """Return how often a rule fired, as far as the criteria about alerts in that region know."""
    known = [
        entry
        for entry in _counted(sheet)
        if entry.region in {"", region}
        and entry.last.events is not None
        and not entry.row.last.outcome.undecided
        if (rule.alert, rule.group) in {(one.alert, one.group) for one in entry.last.events.rules}
    ]
    if not known:
        return ""
    times = len({_identify(episode) for entry in known for episode in _episodes(entry, rule.alert)})
    return {0: "no", 1: "once"}.get(times, f"{times} times")


def _episodes(entry: Entry, alert: str) -> Iterable[Episode]:
    facts = entry.last.events or EventFacts()
    return (episode for episode in (*facts.episodes, *facts.carried_in) if episode.name == alert)
