"""promtool's rule test files as pytest items: one for each entry of ``tests``, which passes where promtool's does.

They are tests of rules and no evidence of a rollout: no environment is asked, and the gate's table does not have them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from pytest_telemetry_gate.errors import SuiteError
from pytest_telemetry_gate.rules.rule_tests import RuleTest, RuleTestFile, load_rule_tests
from pytest_telemetry_gate.rules.run_tests import Mismatch, run_rule_test
from pytest_telemetry_gate.support.text import one_line

__all__ = ["RuleTestItem", "RuleTestsFile"]

_MOST_LINES = 20  # of what was expected, and of what came


class RuleMismatchError(Exception):
    """What is not as a rule test says."""

    def __init__(self, mismatches: Sequence[Mismatch]) -> None:
        self.mismatches = tuple(mismatches)
        super().__init__(f"{len(mismatches)} of its expectations do not hold")


class RuleTestsFile(pytest.File):
    """A rule test file."""

    def collect(self) -> Iterable[pytest.Item]:
        """Yield an item for each test; an error in the file or in a rule file is one line."""
        try:
            file = load_rule_tests(self.path, _shown(self.path, self.config))
        except SuiteError as error:
            raise self.CollectError(str(error)) from None
        names: dict[str, int] = {}
        for test in file.tests:
            name = one_line(test.name)
            names[name] = names.get(name, 0) + 1
            again = names[name]
            yield RuleTestItem.make(self, name if again == 1 else f"{name}-{again}", file, test)


class RuleTestItem(pytest.Item):
    """One entry of ``tests``."""

    file: RuleTestFile
    test: RuleTest

    @classmethod
    def make(cls, parent: RuleTestsFile, name: str, file: RuleTestFile, test: RuleTest) -> RuleTestItem:
        """Return the item of a test."""
        item: RuleTestItem = cls.from_parent(parent, name=name)
        item.file, item.test = file, test
        return item

    def runtest(self) -> None:
        """Run the test; raises RuleMismatchError where promtool would fail it."""
        mismatches = run_rule_test(self.file, self.test)
        if mismatches:
            raise RuleMismatchError(mismatches)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], *args: Any, **kwargs: Any) -> Any:
        """Show what was expected and what came, without a traceback."""
        if not isinstance(excinfo.value, RuleMismatchError):
            return super().repr_failure(excinfo, *args, **kwargs)
        shown = _shown(self.path, self.config)
        return "\n".join(line for one in excinfo.value.mismatches for line in _describe(one, shown))

    def reportinfo(self) -> tuple[Path, int, str]:
        """Return the file, the line and the name of the test."""
        return self.path, self.test.line - 1, self.name


def _describe(mismatch: Mismatch, shown: str) -> Iterator[str]:
    yield f"{shown}:{mismatch.line}: {one_line(mismatch.what)}"
    for title, lines in (("expected", mismatch.expected), ("got", mismatch.got)):
        for number, line in enumerate(lines[:_MOST_LINES]):
            yield f"  {title if number == 0 else '':<8}  {one_line(line)}"
        if len(lines) > _MOST_LINES:
            yield f"  {'':<8}  and {len(lines) - _MOST_LINES} more"


def _shown(path: Path, config: pytest.Config) -> str:
    here = config.invocation_params.dir
    return path.relative_to(here).as_posix() if path.is_relative_to(here) else str(path)
