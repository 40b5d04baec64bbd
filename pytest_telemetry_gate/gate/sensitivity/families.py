"""What a metric counts or measures: by the metadata where there are any, else by the name that convention gives it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from enum import Enum

__all__ = ["MetricKind", "families", "kind_of", "sibling"]

_ENDINGS = ("_bucket", "_sum", "_count")
_SEVERAL = frozenset({"histogram", "summary"})


class MetricKind(Enum):
    """What a series is, as far as a fault has to know it."""

    GAUGE = "gauge"
    COUNTER = "counter"
    BUCKET = "bucket"
    SUM = "sum"
    COUNT = "count"


def kind_of(metric: str, names: Collection[str], types: Mapping[str, str]) -> MetricKind:
    """Return what a metric is; ``names`` are all that are known, ``types`` the metadata by family."""
    family, ending = _split(metric)
    alone = ending == "_bucket" and metric not in types  # nothing else is called so
    if ending and (alone or types.get(family) in _SEVERAL or _has_siblings(family, names)):
        return {"_bucket": MetricKind.BUCKET, "_sum": MetricKind.SUM, "_count": MetricKind.COUNT}[ending]
    known = types.get(metric, types.get(metric.removesuffix("_total"), ""))
    counts = known == "counter" or (not known and metric.endswith("_total"))
    return MetricKind.COUNTER if counts else MetricKind.GAUGE


def families(
    metrics: Iterable[str], names: Collection[str], types: Mapping[str, str]
) -> list[frozenset[str]]:
    """Return metrics together with those of the same histogram or summary, each family once."""
    found: dict[str, set[str]] = {}
    for metric in metrics:
        kind = kind_of(metric, names, types)
        plain = kind in {MetricKind.GAUGE, MetricKind.COUNTER}
        found.setdefault(metric if plain else _split(metric)[0], set()).add(metric)
    return [frozenset(members) for members in found.values()]


def sibling(metric: str, ending: str) -> str:
    """Return another metric of the same histogram: of ``size_sum`` with ``_count``, ``size_count``."""
    return _split(metric)[0] + ending


def _split(metric: str) -> tuple[str, str]:
    ending = next((one for one in _ENDINGS if metric.endswith(one) and metric != one), "")
    return metric.removesuffix(ending), ending


def _has_siblings(family: str, names: Collection[str]) -> bool:
    return sum(family + ending in names for ending in _ENDINGS) > 1
