"""Turn exceptions into pytest's own errors: each is one line, without any secret."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

import pytest

from pytest_telemetry_gate.errors import describe
from pytest_telemetry_gate.support.text import one_line

__all__ = ["Exits"]


class Exits:
    """Makes pytest's errors of exceptions; ``scrub`` takes the secrets out of a text."""

    def __init__(self, scrub: Callable[[str], str]) -> None:
        self._scrub = scrub

    def line(self, error: BaseException) -> str:
        """Return what people are shown of an exception."""
        return one_line(self._scrub(describe(error)))

    def usage_error(self, error: BaseException) -> pytest.UsageError:
        """Return the error that ends the session with pytest's exit code 4."""
        return pytest.UsageError(self.line(error))

    def collect_error(self, error: BaseException, file: str = "") -> pytest.Collector.CollectError:
        """Return the error of a file that cannot be collected; ``file`` goes before a message that names no file."""
        return pytest.Collector.CollectError(f"{file}: {self.line(error)}" if file else self.line(error))

    def fail_test(self, error: BaseException) -> NoReturn:
        """Fail the test that is being set up or run, without a traceback."""
        __tracebackhide__ = True
        raise pytest.fail.Exception(self.line(error), pytrace=False) from None
