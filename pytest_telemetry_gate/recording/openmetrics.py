"""Import OpenMetrics text with timestamps, as ``promtool tsdb create-blocks-from openmetrics`` reads it."""

from __future__ import annotations

import gzip
import os
import re
import zlib
from array import array
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_telemetry_gate.errors import RecordingError
from pytest_telemetry_gate.promql import SeriesGroup
from pytest_telemetry_gate.recording.writer import RecordingWriter

__all__ = ["ImportSummary", "import_openmetrics"]

_TEXT = r'"(?:[^"\\]|\\.)*"'
_SAMPLE = re.compile(
    rf"((?:[a-zA-Z_:][a-zA-Z0-9_:]*|(?={{))(?:{{(?:[^\"}}]|{_TEXT})*}})?) (\S+)(?: (\S+))?(?: # .*)?"
)
# A label, or a text alone: the name of the metric, which since Prometheus 3.0 stands there if it needs quotes.
_LABEL = re.compile(rf"\s*(?:([a-zA-Z_][a-zA-Z0-9_]*|{_TEXT})=({_TEXT})|({_TEXT}))\s*(?:,|$)")
_COMMENT = re.compile(rf"# (TYPE|HELP|UNIT) ({_TEXT}|[^ ]+)(?: (.*))?")
_FAMILY = re.compile(rf"[a-zA-Z_:][a-zA-Z0-9_:]*|{_TEXT}")
_TYPES = frozenset(
    ("counter", "gauge", "histogram", "gaugehistogram", "summary", "info", "stateset", "unknown", "untyped")
)
_YEAR_10000 = 253_402_300_800_000  # in ms
_ESCAPES = {r"\\": "\\", r"\"": '"', r"\n": "\n"}


@dataclass(frozen=True, slots=True)
class ImportSummary:
    """What an import has brought in; times are seconds since the epoch."""

    series: int
    samples: int
    start: float
    end: float
    scrape_intervals: Mapping[str, float]


class _Samples:
    """The samples of one series as they come in: timestamps in ms and values."""

    __slots__ = ("labels", "line", "times", "values")

    def __init__(self, line: int, labels: dict[str, str]) -> None:
        self.line = line
        self.labels = labels
        self.times = array("q")
        self.values = array("d")


def import_openmetrics(
    path: Path,
    out: Path,
    *,
    region: str = "",
    recorded_at: float | None = None,
    events: Mapping[str, Mapping[str, Any]] | None = None,
    overwrite: bool = False,
    environment: str = "",
) -> ImportSummary:
    """Write a recording from a text file, plain or gzipped; the recording's clock is its last sample's time.

    ``events`` are those of the recording by kind, since the format has none; ``environment`` is the name of the one whose
    samples these are, without which no environment's can be recorded beside them. Where ``prometheus_build_info`` names a
    Prometheus 2, the recording has the semantics of that version, otherwise those of 3. The scrape interval of a job is the
    median spacing of its ``up``, which tells of lost scrapes too; else of its other series, best of those that no recording
    rule made. Raises RecordingError with file and line for text that promtool would refuse, and where the recording cannot be
    written.
    """
    # Before reading, which may take minutes; the writer looks again.
    if os.path.exists(out) and not overwrite:  # noqa: PTH110 - unlike Path, it takes a name that is too long
        message = f"{out}: the recording exists already"
        raise RecordingError(message)
    series, types = _read(path)
    if not series:
        message = f"{path}: no samples"
        raise RecordingError(message)
    groups: dict[bytes, list[tuple[dict[str, str], NDArray[np.int64], NDArray[np.float64]]]] = defaultdict(
        list
    )
    spacings: dict[str, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    semantics = "3"
    for samples in series:
        labels = samples.labels
        if labels["__name__"] == "prometheus_build_info" and labels.get("version", "").startswith("2."):
            semantics = "2"
        times, values = _sort(path, samples)
        groups[times.tobytes()].append((labels, times, values))
        if len(times) > 1:
            spacing = float(np.median(np.diff(times))) / 1000
            spacings[labels.get("job", "")][_rank(labels["__name__"])].append(spacing)
    start = min(int(members[0][1][0]) for members in groups.values()) / 1000
    end = max(int(members[0][1][-1]) for members in groups.values()) / 1000
    writer = RecordingWriter(
        recorded_at=end if recorded_at is None else recorded_at,
        source=f"OpenMetrics {path.name}",
        semantics=semantics,
        environment=environment,
    )
    for members in groups.values():
        values = np.column_stack([values for _, _, values in members])
        writer.add(
            SeriesGroup(tuple(labels for labels, _, _ in members), members[0][1], values), region=region
        )
    intervals = {job: float(np.median(ranked[min(ranked)])) for job, ranked in spacings.items()}
    for job, seconds in intervals.items():
        writer.interval(job, seconds, region=region)
    for family, known in types.items():
        writer.metadata(family, known, region=region)
    for kind, history in (events or {}).items():
        writer.events(kind, history, region=region)
    writer.write(out, overwrite=overwrite)
    count = sum(len(samples.times) for samples in series)
    return ImportSummary(len(series), count, start, end, intervals)


def _rank(name: str) -> int:
    """Return how well the samples of a metric tell when its job was scraped; the lower, the better."""
    return 0 if name == "up" else 2 if ":" in name else 1


def _read(path: Path) -> tuple[list[_Samples], Mapping[str, str]]:
    """Return the series, and the types of the families by name."""
    types: dict[str, str] = {}
    series: dict[str, _Samples] = {}
    by_labels: dict[frozenset[tuple[str, str]], _Samples] = {}  # labels may stand in any order
    ended = False
    number = 0
    for number, line in _lines(path):
        if ended:
            raise _error(path, number, "text after # EOF")
        if line.startswith("#"):
            ended = line == "# EOF"
            if not ended:
                types.update(_read_comment(path, number, line))
            continue
        match = _SAMPLE.fullmatch(line)
        if match is None:
            raise _error(path, number, f"not a sample: {line[:80]!r}")
        text, value, moment = match.groups()
        if moment is None:
            raise _error(path, number, "a sample without a timestamp cannot be recorded")
        samples = series.get(text)
        if samples is None:
            labels = _labels(path, number, text)
            samples = by_labels.setdefault(frozenset(labels.items()), _Samples(number, labels))
            series[text] = samples
        try:
            samples.times.append(round(_number(moment) * 1000))
            samples.values.append(_number(value))
        except (ValueError, OverflowError):
            problem = "a native histogram, which is not supported" if value[0] == "{" else "not a number"
            raise _error(path, number, f"{problem}: {value[:80]!r} at {moment!r}") from None
        if samples.times[-1] > _YEAR_10000:
            raise _error(path, number, f"{moment} is after the year 9999: timestamps are in seconds")
    if not ended:
        raise _error(path, max(number, 1), "truncated: the file does not end with # EOF")
    return list(by_labels.values()), types


def _number(text: str) -> float:
    if "_" in text:  # which Python reads, and promtool does not
        raise ValueError(text)
    return float(text)


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    number = 0
    try:
        with path.open("rb") as probe:
            packed = probe.read(2) == b"\x1f\x8b"
        with (gzip.open if packed else open)(path, "rt", encoding="utf-8", newline="\n") as stream:
            for number, line in enumerate(stream, 1):
                yield number, line.rstrip("\n")
    except (OSError, EOFError, zlib.error) as error:
        raise _error(
            path, number + 1, f"cannot be read: {getattr(error, 'strerror', None) or error}"
        ) from None
    except UnicodeDecodeError as error:
        raise _error(path, number + 1, f"not UTF-8: {error.reason}") from None


def _read_comment(path: Path, number: int, line: str) -> Mapping[str, str]:
    """Return the type of the family that a comment states, if it does."""
    match = _COMMENT.fullmatch(line)
    if match is None:
        raise _error(path, number, f"not OpenMetrics: {line[:80]!r}")
    key, family, rest = match.groups()
    if not _FAMILY.fullmatch(family):
        raise _error(path, number, f"not a metric name: {family[:80]!r}")
    if key != "TYPE" or rest is None:
        return {}
    if rest not in _TYPES:
        raise _error(path, number, f"unknown type {rest[:80]!r}; known: {', '.join(sorted(_TYPES))}")
    return {_unquote(family): rest}


def _labels(path: Path, number: int, text: str) -> dict[str, str]:
    """Return the labels of a sample, the name of its metric among them, wherever it stands."""
    name, brace, inside = text.partition("{")
    labels = {"__name__": name} if name else {}
    rest = inside.removesuffix("}") if brace else ""
    while rest.strip():
        match = _LABEL.match(rest)
        if match is None:
            raise _error(path, number, f"not a label: {rest[:80]!r}")
        label, value, quoted_name = match.groups()
        label, value = ("__name__", quoted_name) if label is None else (_unquote(label), value)
        if label in labels:
            named_twice = quoted_name is not None
            what = f"a second metric name {quoted_name[:80]}" if named_twice else f"duplicate label {label!r}"
            raise _error(path, number, what)
        labels[label] = _unquote(value)
        rest = rest[match.end() :]
    if not labels.get("__name__"):
        raise _error(path, number, f"a sample without a metric name: {text[:80]!r}")
    if "" in labels:
        raise _error(path, number, f"a label without a name: {text[:80]!r}")
    return {label: value for label, value in labels.items() if value}


def _unquote(text: str) -> str:
    """Return what a quoted text says; a name without quotes is what it is."""
    if text[0] != '"':
        return text
    inside = text[1:-1]
    return (
        re.sub(r"\\.", lambda escape: _ESCAPES.get(escape[0], escape[0]), inside)
        if "\\" in inside
        else inside
    )


def _sort(path: Path, samples: _Samples) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    times = np.frombuffer(samples.times, dtype=np.int64)
    values = np.frombuffer(samples.values, dtype=np.float64)
    if (np.diff(times) > 0).all():
        return times, values
    order = np.argsort(times, kind="stable")
    times, values = times[order], values[order]
    repeated = np.flatnonzero(np.diff(times) == 0)
    bits = values.view(np.uint64)
    if (bits[repeated] != bits[repeated + 1]).any():
        moment = int(times[repeated[bits[repeated] != bits[repeated + 1]][0]]) / 1000
        raise _error(path, samples.line, f"two different values at {moment} in the series that begins here")
    keep = np.concatenate(([True], np.diff(times) > 0))
    return times[keep], values[keep]


def _error(path: Path, number: int, message: str) -> RecordingError:
    return RecordingError(f"{path}:{number}: {message}")
