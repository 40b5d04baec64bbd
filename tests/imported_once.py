"""Imports all of the package and what it uses, for tests that run pytest in their own process.

pytester forgets what a run inside has imported; what was imported before need not be imported anew for each test.
And some cannot be: a second `requests` would have the cookies of two imports of http.cookiejar, which `http` names.
"""

from __future__ import annotations

import importlib
import pkgutil

import filelock  # noqa: F401
import google.protobuf.json_format  # noqa: F401
import numpy.ma  # noqa: F401
import requests  # noqa: F401
import scipy.special  # noqa: F401
import xdist.dsession
import xdist.remote
import xdist.scheduler
import xdist.workermanage  # noqa: F401

import pytest_telemetry_gate
from pytest_telemetry_gate.plugin import builtin_hooks
from pytest_telemetry_gate.replay.otlp import protobuf

for _module in pkgutil.walk_packages(pytest_telemetry_gate.__path__, "pytest_telemetry_gate."):
    importlib.import_module(_module.name)
builtin_hooks.pytest_telemetry_gate_criteria()
for _signal in protobuf.SIGNALS:
    protobuf.message_class(_signal)
