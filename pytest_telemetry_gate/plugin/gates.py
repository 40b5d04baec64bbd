"""The gates of one pytest process: one for each environment in which something is judged."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pytest_telemetry_gate.gate.gate import Gate
from pytest_telemetry_gate.gate.registry import Registry
from pytest_telemetry_gate.model.environment import BY_DEFAULT, Environment
from pytest_telemetry_gate.plugin.environments import Environments
from pytest_telemetry_gate.plugin.options import Options
from pytest_telemetry_gate.plugin.roles import Role

__all__ = ["Gates"]

_ADVICE_LIVE = "--telemetry-wait waits until they are due"
_ADVICE_RECORDED = (
    "the rollout counts from the end of the recording: --telemetry-start=TIME says when it began"
)


class Gates:
    """Makes gates; ``registry`` gives what plugins registered."""

    def __init__(
        self, options: Options, role: Role, environments: Environments, registry: Callable[[], Registry]
    ) -> None:
        self._options = options
        self._role = role
        self._environments = environments
        self._registry = registry
        self._gates: dict[tuple[Path, str], Gate] = {}
        self._clocks: set[float] = set()
        self._warnings: dict[str, None] = {}
        self._starts: set[float] = set()
        self._advice: dict[str, None] = {}
        self._default_recordings: dict[str, None] = {}

    def of(self, environment: Environment) -> Gate:
        """Return the gate in which an environment is judged: one for the whole process."""
        key = (environment.path, environment.name)
        if key not in self._gates:
            folder = self._role.folder
            # Environments share regions' names and queries, but not their answers.
            digest = hashlib.sha256(str(environment.path / environment.name).encode()).hexdigest()
            self._gates[key] = Gate(
                environment,
                self._registry(),
                now=self._options.now,
                folder=None if folder is None else folder / digest,
                concurrency=self._options.concurrency,
                workers=self._role.processes,
                checkpoints=self._options.checkpoints,
                seed=self._options.seed,
                explain=self._options.explain,
                record=self._options.record is not None,
            )
        return self._gates[key]

    @property
    def all(self) -> list[Gate]:
        """The gates of all environments in which something was judged, here or by xdist's workers."""
        return list(self._gates.values())

    @property
    def clocks(self) -> set[float]:
        """The clocks of all regions that were judged, in seconds since the epoch."""
        return self._clocks.union(*(gate.clocks() for gate in self.all))

    @property
    def clock(self) -> float | None:
        """The clock that the run judged by, in seconds since the epoch; None where its regions had several."""
        clocks = self.clocks
        return clocks.pop() if len(clocks) == 1 else None

    @property
    def warnings(self) -> list[str]:
        """A line for each region whose server's clock is behind this machine's, and each suite that is long over."""
        lines = (line for gate in self.all for line in [*gate.clock_warnings(), *gate.past_warnings()])
        return list(dict.fromkeys([*self._warnings, *lines]))

    @property
    def starts(self) -> set[float]:
        """The starts of judged rollouts that count from ``now``, in seconds since the epoch."""
        return self._starts.union(*(gate.judged.starts for gate in self.all))

    @property
    def advice(self) -> list[str]:
        """What to do where rollouts that count from ``now`` have no checkpoint that is due."""
        counting = (gate.environment.recorded for gate in self.all if gate.judged.starts)
        lines = (_ADVICE_RECORDED if recorded else _ADVICE_LIVE for recorded in counting)
        return list(dict.fromkeys([*self._advice, *lines]))

    @property
    def default_recordings(self) -> list[str]:
        """The names of environments that were judged because they are the default, and are recordings."""
        environments = (gate.environment for gate in self.all)
        names = (one.name for one in environments if one.recorded and one.chosen_by == BY_DEFAULT)
        return list(dict.fromkeys([*self._default_recordings, *names]))

    def close(self) -> None:
        """Close whatever replays hold open."""
        for gate in self.all:
            gate.close()

    def to_wire(self) -> dict[str, Any]:
        """Return, as builtins, the clocks, what is to be said and, where the run is recorded, what was asked in each environment."""
        asked = [
            [str(gate.environment.path), gate.environment.name, gate.asked.to_wire()] for gate in self.all
        ]
        return {
            "clocks": sorted(self.clocks),
            "warnings": self.warnings,
            "starts": sorted(self.starts),
            "advice": self.advice,
            "default_recordings": self.default_recordings,
            "asked": asked if self._options.record else [],
        }

    def add(self, wire: Mapping[str, Any]) -> None:
        """Take over what a worker sent."""
        self._clocks.update(wire["clocks"])
        self._warnings.update(dict.fromkeys(wire["warnings"]))
        self._starts.update(wire["starts"])
        self._advice.update(dict.fromkeys(wire["advice"]))
        self._default_recordings.update(dict.fromkeys(wire["default_recordings"]))
        for path, name, asked in wire["asked"]:
            self.of(self._environments.load(Path(path), name)).asked.add(asked)
