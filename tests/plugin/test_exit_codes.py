"""The exit code follows the gate's outcome: nothing that was not judged lets it open."""

from __future__ import annotations

import pytest
from conftest import FAILING, HEAD, PASSING, TWO
