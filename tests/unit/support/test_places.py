import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_telemetry_gate.support.places import key_of, map_parts, map_texts, walk

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=12,
)
NESTED = {"a": [{"b": "x"}, "y"], "c": ("z", 1)}


def test_walk_yields_every_part_before_what_is_in_it():
    assert [place for place, _ in walk(NESTED)] == [
        (), ("a",), ("a", 0), ("a", 0, "b"), ("a", 1), ("c",), ("c", 0), ("c", 1),
    ]  # fmt: skip


def test_texts_are_changed_and_keys_are_not():
    assert map_texts(NESTED, lambda text, place: f"{text}{len(place)}") == {
        "a": [{"b": "x3"}, "y2"],
        "c": ["z2", 1],
    }


def test_what_takes_the_place_of_a_part_is_not_looked_into():
    def change(part, place):
        return {"b": "new", "in": [part]} if place == ("a", 0) else part

    assert map_parts(NESTED, change) == {"a": [{"b": "new", "in": [{"b": "x"}]}, "y"], "c": ["z", 1]}


@given(JSON)
def test_without_a_change_copies_are_equal(value):
    assert map_parts(value, lambda part, _: part) == value
    assert map_texts(value, lambda text, _: text) == value


@given(JSON)
def test_places_lead_to_their_parts(value):
    for place, part in walk(value):
        found = value
        for key in place:
            found = found[key]
        assert found is part


@pytest.mark.parametrize(
    ("place", "key"), [((), ""), (("a",), "a"), (("a", 0, 1), "a"), (("a", 0, "b"), "b"), ((0,), "")]
)
def test_the_key_of_a_list_counts_for_its_items(place, key):
    assert key_of(place) == key
