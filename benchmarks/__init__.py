"""Benchmarks: ratios against a named reference in the same run, never a timed test in the suite."""
