from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from pytest_telemetry_gate.model.verdict import Level, Outcome
from pytest_telemetry_gate.model.wire import from_wire, to_wire


@dataclass(frozen=True, slots=True)
class Point:
    x: float
    y: float = 0.0
    derived: float = field(init=False, default=1.0)


def test_keys_that_nobody_knows_are_ignored():
    assert from_wire(Point, {"x": 1.0, "z": 3.0, "": None}) == Point(1.0)


def test_a_field_that_is_computed_is_not_read():
    assert from_wire(Point, {"x": 1.0, "derived": 9.0}).derived == 1.0


def test_a_field_without_a_default_must_be_there():
    with pytest.raises(TypeError, match="'x'"):
        from_wire(Point, {"y": 1.0})


@pytest.mark.parametrize("other", [3, None])
def test_what_is_no_mapping_is_a_type_error(other):
    with pytest.raises(TypeError):
        from_wire(Point, other)


@pytest.mark.parametrize("other", [["x"], "x"])
def test_a_list_or_text_with_the_name_of_a_field_is_a_type_error(other):
    with pytest.raises(TypeError):
        from_wire(Point, other)


@dataclass
class Path:
    points: list[Point] = field(default_factory=list)


def test_a_list_of_dataclasses_is_read_as_deep_as_it_goes():
    path = Path([Point(1.0), Point(2.0, 3.0)])
    assert to_wire(path) == {"points": [{"x": 1.0}, {"x": 2.0, "y": 3.0}]}
    assert from_wire(Path, {"points": [{"x": 1.0, "later": 1}, {"x": 2.0, "y": 3.0}]}) == path


@dataclass(frozen=True)
class Own:
    """It reads its own form."""

    text: str

    @classmethod
    def from_wire(cls, wire):
        return cls(f"own {wire}")


@dataclass(frozen=True)
class Several:
    outcome: Outcome
    level: Level | None
    own: Own
    points: Mapping[str, Point]
    pair: tuple[Outcome, float]


def test_what_is_read_back_has_the_types_that_were_written():
    """A text is equal to the outcome of its name, but is none."""
    wire = {
        "outcome": "fail",
        "level": "warn",
        "own": "form",
        "points": {"a": {"x": 1.0}},
        "pair": ["pass", 2.0],
    }
    found = from_wire(Several, wire)
    assert (type(found.outcome), type(found.level), type(found.pair[0])) == (Outcome, Level, Outcome)
    assert (found.own, found.points, found.pair[1]) == (Own("own form"), {"a": Point(1.0)}, 2.0)
    assert from_wire(Several, {**wire, "level": None}).level is None
    with pytest.raises(ValueError, match="'good' is not a valid Outcome"):
        from_wire(Several, {**wire, "outcome": "good"})
