"""A message that is about a region begins with it, once."""

from __future__ import annotations

from pytest_telemetry_gate.support.text import name_region, say_region


def test_a_message_names_its_region_once():
    assert say_region("eu", "no data") == "region eu: no data"
    assert say_region("eu", say_region("eu", "no data")) == "region eu: no data"
    assert say_region("eu", "region us: no data") == "region eu: region us: no data"
    assert say_region("eu", "regional data") == "region eu: regional data"


def test_a_region_without_a_name_is_not_named():
    assert name_region("") == ""
    assert say_region("", "no data") == "no data"
