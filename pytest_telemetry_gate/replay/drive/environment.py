"""The environment of a driven command: what it inherits, what is kept from it, and what is set for it.

https://opentelemetry.io/docs/specs/otel/protocol/exporter/ has the settings that go before the general endpoint,
https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/ those that switch exports off.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from pytest_telemetry_gate.replay.captured import MARKS
from pytest_telemetry_gate.replay.drive.context import DriveContext
from pytest_telemetry_gate.replay.drive.propagation import carried_by_environment, names_of_variables

__all__ = ["CommandEnvironment", "command_environment", "why_silent"]

# What would take the telemetry of a command elsewhere, change it on its way, or keep it from being exported at all.
_ELSEWHERE = re.compile(
    r"OTEL_EXPORTER_\w+"
    r"|OTEL_\w+_(ENDPOINT|PROTOCOL|EXPORTER)"
    r"|OTEL_TRACES_SAMPLER(_ARG)?"
    r"|OTEL_(SDK_DISABLED|PROPAGATORS)"
    r"|OTEL_(EXPERIMENTAL_)?CONFIG_FILE"
    r"|OTEL_PYTHON_(TRACER|METER|LOGGER)_PROVIDER"
)
_PROXY = re.compile(r"(https?|all|grpc)_proxy", re.IGNORECASE)
_DIRECT = ("no_proxy", "NO_PROXY")
_TRACES = names_of_variables()
_ATTRIBUTES = "OTEL_RESOURCE_ATTRIBUTES"


@dataclass(frozen=True, slots=True)
class CommandEnvironment:
    """The variables of a command, the names of those that are set for it, and of those that it does not inherit."""

    variables: Mapping[str, str]
    given: tuple[str, ...]
    kept_back: tuple[str, ...]

    def describe(self) -> list[str]:
        """Say what is set for the command, what else it finds of OpenTelemetry's, and what it does not inherit.

        Values are told of what is set here alone: others may be credentials.
        """
        told = [name for name in self.given if name not in _DIRECT]
        lines = ["set for the command: " + " ".join(f"{name}={self.variables[name]}" for name in told)]
        further = sorted(name for name in self.variables if name.startswith("OTEL_") and name not in told)
        if further:
            lines.append(f"it also finds {', '.join(further)}")
        if self.kept_back:
            lines.append(f"not inherited, since telemetry would go elsewhere: {', '.join(self.kept_back)}")
        return lines


def why_silent(variables: Mapping[str, str]) -> str:
    """Return which of OpenTelemetry's variables keeps telemetry from being exported by OTLP, or nothing."""
    if variables.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return "OTEL_SDK_DISABLED=true switches the SDK off"
    sampler = variables.get("OTEL_TRACES_SAMPLER", "")
    if sampler.endswith("always_off"):
        return f"OTEL_TRACES_SAMPLER={sampler} drops spans"
    for name in ("OTEL_TRACES_EXPORTER", "OTEL_METRICS_EXPORTER", "OTEL_LOGS_EXPORTER"):
        exporters = variables.get(name, "")
        if exporters and "otlp" not in exporters:
            return f"{name}={exporters} exports nothing by OTLP"
    return ""


def command_environment(
    inherited: Mapping[str, str], own: Mapping[str, str], context: DriveContext, protocol: str
) -> CommandEnvironment:
    """Return the variables of a command: those of this process but for what would take its telemetry elsewhere.

    What the case sets itself (``own``) is set as it says, but for the general endpoint and the trace, which are the
    receiver's and the case's. Where no receiver is ours, since the trace is read back, the case says where to export to. Marks
    that tell suite and case are added to its resource attributes.
    """
    kept_back = {
        name for name in inherited if name in _TRACES or _ELSEWHERE.fullmatch(name) or _PROXY.fullmatch(name)
    }
    found = {name: value for name, value in inherited.items() if name not in kept_back} | dict(own)
    marks = f"{MARKS}suite={context.suite},{MARKS}case={context.case}"
    given = {_ATTRIBUTES: ",".join(filter(None, (found.get(_ATTRIBUTES, ""), marks)))}
    given["OTEL_EXPORTER_OTLP_PROTOCOL"] = protocol
    endpoint = context.endpoint_for(protocol)
    if endpoint:
        given["OTEL_EXPORTER_OTLP_ENDPOINT"] = endpoint
        # A proxy of the case's own is for what it calls, not for the receiver.
        host = urlsplit(endpoint).hostname or ""
        given |= {name: _with_host(found.get(name, ""), host) for name in _DIRECT}
    given |= carried_by_environment(context.headers)
    return CommandEnvironment(
        found | given, tuple(given), tuple(sorted(kept_back - found.keys() - given.keys()))
    )


def _with_host(direct: str, host: str) -> str:
    """Return a list of hosts that are reached without a proxy, with one more; ``*`` are all of them."""
    return direct if direct.strip() == "*" else ",".join(filter(None, (direct, host)))
