"""How the suites of a bundle were judged, as a member of it: what telemetry.yaml and the command line said, without secrets.

It names recordings alone: whatever was live is judged again from what the run recorded.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pytest_telemetry_gate.bundle.archive import Unpacked, read_json
from pytest_telemetry_gate.errors import BundleError
from pytest_telemetry_gate.files.rollouts import SuiteSettings
from pytest_telemetry_gate.model.environment import (
    DEFAULT_INTERVAL,
    RECORDING,
    Environment,
    Origin,
    RegionSettings,
    ReplaySettings,
)
from pytest_telemetry_gate.model.wire import from_wire, to_wire
from pytest_telemetry_gate.support.secrets import Secrets
from pytest_telemetry_gate.support.text import one_line

__all__ = ["JUDGED", "JudgedRegion", "JudgedRun", "JudgedSuite"]

JUDGED = "judged.json"
_FORMAT = 1


class _NoSecrets(Secrets):
    """Remembers nothing: a bundle holds no secret, and those of the machine it is verified on must not change a word of it."""

    def keep(self, *texts: str) -> None:
        """Forget them."""

    def keep_values(self, *texts: str) -> None:
        """Forget them."""


@dataclass(frozen=True, slots=True)
class JudgedRegion:
    """The recordings of a region, as members, and the variables of its replays.

    ``own`` says that the region names its recording itself; ``replays`` is the recording of captures, if it is another.
    """

    recording: str = ""
    own: bool = False
    replays: str = ""
    variables: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class JudgedSuite:
    """A suite file in one environment: ``member`` is the file, ``shown`` its path as the report has it.

    ``start``, ``end`` and ``told`` (variables) are those of the command line, ``now`` is what that means in the suite
    (seconds since the epoch), and ``references`` are the variables of the process that the file names.
    """

    member: str
    shown: str
    environment: str
    regions: Mapping[str, JudgedRegion]
    scrape_interval: float = DEFAULT_INTERVAL
    start: str | None = None
    end: str | None = None
    now: float = 0.0
    told: Mapping[str, str] = field(default_factory=dict)
    references: Mapping[str, str] = field(default_factory=dict)

    def settings(self) -> SuiteSettings:
        """Return what goes before the keys of the file."""
        return SuiteSettings(self.start, self.end, self.told, lambda: self.now, environ=self.references)

    def environment_in(self, bundle: Unpacked) -> Environment:
        """Return the environment with the recordings of an unpacked bundle; raises BundleError where one is missing."""
        origin, secrets = Origin(JUDGED), _NoSecrets()
        regions = {}
        for name, region in self.regions.items():
            replays = bundle.path(region.replays) if region.replays else None
            regions[name] = RegionSettings(
                name=name,
                source=RECORDING,
                options={"path": str(bundle.path(region.recording))},
                events={},
                origin=origin,
                folder=bundle.folder,
                secrets=secrets,
                own=frozenset({"path"} if region.own else ()),
                replay=ReplaySettings(region.variables, None, replays, self.told, origin),
            )
        path = bundle.folder / JUDGED
        return Environment(self.environment, path, regions, self.scrape_interval, secrets=secrets)


@dataclass(frozen=True, slots=True)
class JudgedRun:
    """All suites of a bundle."""

    suites: tuple[JudgedSuite, ...] = ()

    def to_bytes(self) -> bytes:
        """Return the content of the member."""
        return json.dumps({"format": _FORMAT, **to_wire(self)}, indent=1, sort_keys=True).encode() + b"\n"

    @classmethod
    def read(cls, bundle: Unpacked) -> JudgedRun:
        """Read the member of a bundle; raises BundleError."""
        wire = read_json(bundle.path(JUDGED), JUDGED)
        if not isinstance(wire, dict) or wire.get("format") != _FORMAT:
            message = f"{JUDGED}: its format is not {_FORMAT}"
            raise BundleError(message)
        try:
            return from_wire(cls, wire)
        except (TypeError, ValueError, AttributeError, KeyError) as error:
            message = f"{JUDGED}: cannot be read: {one_line(str(error))}"
            raise BundleError(message) from None


def is_replay(path: Path | str) -> bool:
    """Tell whether a suite file is one of replays."""
    return str(path).endswith((".replay.yaml", ".replay.yml"))
