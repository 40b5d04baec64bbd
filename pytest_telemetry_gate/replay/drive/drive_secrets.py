"""The secrets that a replay suite's settings hold, by the rule of ``support/configured.py``."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from pytest_telemetry_gate.errors import DriveError
from pytest_telemetry_gate.replay.drive.context import DriveContext
from pytest_telemetry_gate.support.configured import (
    keep_arguments,
    keep_body,
    keep_configured,
    keep_variable,
)
from pytest_telemetry_gate.support.places import Place, map_texts
from pytest_telemetry_gate.support.secrets import Secrets
from pytest_telemetry_gate.support.variables import expand_references

__all__ = ["keep_settings"]

_PROGRAM: Place = ("argv", 0)


def keep_settings(secrets: Secrets, settings: Mapping[str, Any], context: DriveContext | None = None) -> None:
    """Remember what is secret of settings as a suite writes them, and the variables of the environment that they use.

    A variable that is not set yet is left: what starts the system may set it before anything is driven. With a
    ``context``, what earlier steps have given is a secret too where it stands in the place of one.
    """

    def expand(text: str, place: Place) -> str:
        def keep(name: str, value: str, before: str) -> None:
            keep_variable(secrets, name, value, before, ("path",) if place == _PROGRAM else place)

        with suppress(ValueError):
            text = expand_references(text, keep=keep)
        if context is not None:
            with suppress(DriveError):
                return context.expand(text)
        return text

    # What is expected of an answer is no secret, wherever it stands.
    expanded = map_texts({key: value for key, value in settings.items() if key != "expect"}, expand)
    keep_configured(secrets, expanded)
    argv, body = expanded.get("argv"), expanded.get("body")
    if isinstance(argv, list):
        keep_arguments(secrets, argv)
    if isinstance(body, str):
        keep_body(secrets, body)
