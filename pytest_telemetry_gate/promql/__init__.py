"""PromQL evaluated in the process, with Prometheus' own semantics."""

from pytest_telemetry_gate.errors import PromQLError
from pytest_telemetry_gate.promql import ast
from pytest_telemetry_gate.promql.engine import Engine
from pytest_telemetry_gate.promql.labels import Matcher
from pytest_telemetry_gate.promql.limits import Limits
from pytest_telemetry_gate.promql.parser import parse
from pytest_telemetry_gate.promql.result import Matrix, Scalar, Vector
from pytest_telemetry_gate.promql.storage import MemoryStorage, SeriesGroup, Storage

__all__ = [
    "Engine",
    "Limits",
    "Matcher",
    "Matrix",
    "MemoryStorage",
    "PromQLError",
    "Scalar",
    "SeriesGroup",
    "Storage",
    "Vector",
    "ast",
    "parse",
]
