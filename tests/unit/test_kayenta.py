"""Kayenta's judge, which verdicts are compared with: what it flags."""

import numpy as np

from benchmarks.kayenta import flags


def test_it_flags_what_differs_at_all_unless_a_change_is_allowed() -> None:
    control = np.random.default_rng(1).normal(100, 1, (50, 60))
    experiment = np.random.default_rng(2).normal(100, 1, (50, 60))

    def share(change: float, allowed: float) -> float:
        return float(flags(experiment * change, control, [allowed])[0].mean())

    assert share(1.0, 0.0) <= 0.1  # 2 % are meant
    assert (share(1.02, 0.0), share(0.98, 0.0)) == (1.0, 1.0)
    assert (share(1.02, 0.05), share(0.98, 0.05)) == (0.0, 0.0)
    assert (share(1.07, 0.05), share(0.93, 0.05)) == (1.0, 1.0)
