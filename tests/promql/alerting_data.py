"""Series that alerting rules find something in: made from the metrics, matchers and labels that the rules name."""

from __future__ import annotations

import itertools
import random
import re
from collections import defaultdict
from pathlib import Path
from typing import TypeAlias

from pytest_telemetry_gate.promql import ast, parse
from pytest_telemetry_gate.promql.labels import Matcher

__all__ = ["BEGIN", "END", "RULES", "alerting_series"]

BEGIN, END, INTERVAL = 1_700_000_000, 1_700_003_000, 15
BOUNDS = ("0.1", "0.5", "1", "60", "604800", "+Inf")
RULES = [
    line
    for line in (Path(__file__).parent / "alerting_rules.txt").read_text("utf-8").splitlines()
    if not line.startswith("#")
]
Series: TypeAlias = tuple[dict[str, str], list[int], list[float]]


def alerting_series() -> list[Series]:
    """Return two instances of every metric that the rules name, for each value that a matcher asks for."""
    wanted: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    common: set[str] = set()
    for rule in RULES:
        for node in ast.walk(parse(rule)):
            if isinstance(node, ast.VectorSelector):
                labels = wanted[node.name]
                for matcher in node.matchers:
                    if matcher.name != "__name__":
                        labels[matcher.name] |= _values(matcher)
            elif isinstance(node, ast.Aggregate):
                common.update(node.labels)
            elif isinstance(node, ast.Binary):
                common.update({*node.matching, *node.include})
    common -= {"le", "__name__"}
    return [series for name in sorted(wanted) for series in _metric(name, wanted[name], sorted(common))]


def _values(matcher: Matcher) -> set[str]:
    """Return texts that satisfy a matcher, or that it must tell from others."""
    if matcher.op == "=":
        return {matcher.value} - {""}
    others = {"some"} if matcher.op.startswith("!") else set()
    if matcher.op == "!=":
        return {matcher.value, *others} - {""}
    texts = {
        re.sub(r"[.^$()]", "", re.sub(r"\.\.", "00", re.sub(r"\.[*+]", "x", part)))
        for part in matcher.value.split("|")
    }
    return (texts | others) - {""}


def _metric(name: str, labels: dict[str, set[str]], common: list[str]) -> list[Series]:
    choices = {label: sorted(texts) or ["some"] for label, texts in labels.items()}
    if name.endswith("_bucket"):
        choices["le"] = list(BOUNDS)
    made = []
    for instance in ("0", "1"):
        shared = {label: f"{label}-{instance}" for label in common if label not in choices}
        for texts in itertools.product(*choices.values()):
            own = {"__name__": name, **shared, **dict(zip(choices, texts, strict=True))}
            made.append(_samples(own, random.Random(repr(sorted(own.items())))))
    return made


def _samples(labels: dict[str, str], chance: random.Random) -> Series:
    name = labels["__name__"]
    times = list(range(BEGIN * 1000 + chance.randrange(INTERVAL) * 1000, END * 1000, INTERVAL * 1000))
    if re.search(
        r"(_time|_timestamp|_created|last_seen|expiry|optimeDate|_message_timestamp|_start_time)", name
    ):
        values = [
            BEGIN - chance.choice((10, 50_000)) + place // 100 * chance.choice((0, 900))
            for place in range(len(times))
        ]
    elif re.search(r"_(total|sum|count|bucket|processed)$", name) or "rate(" + name in "".join(RULES):
        speed = chance.choice((0, 1, 30))
        scale = 1 + BOUNDS.index(labels["le"]) if "le" in labels else 1
        steps = (scale * speed * chance.choice((0.5, 1, 4)) for _ in times)
        values = list(itertools.accumulate(steps))
        if chance.randrange(4) == 0 and "le" not in labels:
            half = len(values) // 2
            values[half:] = [value - values[half] for value in values[half:]]
    else:
        level = chance.choice((0.0, 1.0, 1.0, 2.0, 95.0, 1e6))
        values = [level if chance.randrange(8) else chance.choice((0.0, 1.0, level / 2)) for _ in times]
    return labels, times, [float(value) for value in values]
