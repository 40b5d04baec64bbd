"""What is no test here."""

from __future__ import annotations

collect_ignore = ["instrumented"]  # holds suites, which are for the projects of tests
