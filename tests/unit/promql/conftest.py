"""Every test asks its questions of a small world of its own."""

from __future__ import annotations

import pytest
from unit.promql.world import World


@pytest.fixture
def world():
    return World
