"""A real Prometheus behind the engine's own interface, so that both are asked and compared alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_telemetry_gate.promql import Matrix, PromQLError, Scalar, Vector

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from servers import Server

REFUSALS = frozenset({"bad_data", "execution"})


@dataclass(frozen=True)
class ServerEngine:
    """Answers of a running server as the engine's result types; its refusals as PromQLError."""

    server: Server

    def instant(self, promql: str, time: float) -> Scalar | Vector | Matrix | str:
        """Return the answer of an instant query."""
        data = _data(self.server.query(promql, time))
        result = data["result"]
        match data["resultType"]:
            case "scalar":
                return Scalar(float(result[1]), time)
            case "string":
                return str(result[1])
            case "vector":
                values = np.array([float(series["value"][1]) for series in result])
                return Vector([series["metric"] for series in result], values, time)
            case _:
                return _matrix(result, sorted({stamp for series in result for stamp, _ in series["values"]}))

    def range(self, promql: str, start: float, end: float, step: float) -> Matrix:
        """Return the answer of a range query on the full grid of its steps."""
        result = _data(self.server.query_range(promql, start, end, step))["result"]
        count = (round(end * 1000) - round(start * 1000)) // round(step * 1000) + 1
        return _matrix(result, [start + index * step for index in range(count)])


def _data(answer: Mapping[str, Any]) -> Any:
    if answer["status"] == "success":
        return answer["data"]
    if answer["errorType"] in REFUSALS:
        raise PromQLError(answer["error"])
    raise RuntimeError(f"the server failed: {answer}")


def _matrix(result: Sequence[Mapping[str, Any]], times: Sequence[float]) -> Matrix:
    columns = {round(time * 1000): column for column, time in enumerate(times)}
    values = np.full((len(result), len(times)), np.nan)
    present = np.zeros((len(result), len(times)), np.bool_)
    for row, series in enumerate(result):
        for stamp, value in series["values"]:
            column = columns[round(float(stamp) * 1000)]
            values[row, column] = float(value)
            present[row, column] = True
    return Matrix([series["metric"] for series in result], np.array(times, float), values, present)


def openmetrics(samples: Iterable[tuple[Mapping[str, str], int, float]]) -> str:
    """Return OpenMetrics text of samples (labels, milliseconds, value), grouped by metric as promtool wants it.

    promtool truncates seconds times 1000, so milliseconds must be multiples of 125 to arrive unchanged; and its
    lexer takes no blank between labels.
    """
    lines: dict[str, list[str]] = {}
    for labels, time, value in samples:
        if time % 125:
            raise ValueError(f"{time} ms would not survive promtool")
        name = labels["__name__"]
        pairs = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items() if key != "__name__")
        lines.setdefault(name, []).append(f"{name}{{{pairs}}} {_number(value)} {time / 1000}")
    return "".join(f"{line}\n" for name in sorted(lines) for line in lines[name]) + "# EOF\n"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    return {"nan": "NaN", "inf": "+Inf", "-inf": "-Inf"}.get(repr(value), repr(value))
