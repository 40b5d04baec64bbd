"""Kayenta's judge, NetflixACAJudge, written anew from what its documentation and its source say that it does.

Spinnaker's Kayenta, docs/canary-config.md and the classes NetflixACAJudge and MannWhitneyClassifier (Apache 2.0), read in 2026: the
two-sided 98 % confidence interval of the shift between control and experiment, by the Mann-Whitney U test as R's ``wilcox.test``
computes it without exact probabilities; "High" where its lower bound is above a quarter of the Hodges-Lehmann estimate, "Low"
where its upper bound is below a quarter of it, negative. ``effectSize.allowedIncrease`` and ``allowedDecrease`` (1 unless told)
also demand that the ratio of the means has reached them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pytest_telemetry_gate.stats.quantiles import normal

__all__ = ["flags"]

_CONFIDENCE = 0.98
_SHARE = 0.25  # of the Hodges-Lehmann estimate

Floats = NDArray[np.float64]


def flags(experiment: Floats, control: Floats, allowed: Sequence[float]) -> list[NDArray[np.bool_]]:
    """Tell for each row of points (rows, points) whether the judge calls it High or Low.

    ``allowed`` are changes of the mean that are let through, as shares (0.05 for 1.05 and 0.95): an answer for each.
    """
    size = experiment.shape[1] * control.shape[1]
    shifts = (experiment[:, :, None] - control[:, None, :]).reshape(len(experiment), size)
    deviation = np.sqrt(size * (experiment.shape[1] + control.shape[1] + 1) / 12)
    # 0.5 is the correction for continuity.
    rank = int(np.clip(np.floor(size / 2 - normal(_CONFIDENCE) * deviation - 0.5), 0, size // 2))
    middle = size // 2
    ordered = np.partition(shifts, sorted({rank, middle, size - 1 - rank}), axis=1)
    lower, estimate, upper = ordered[:, rank], ordered[:, middle], ordered[:, size - 1 - rank]
    ratio = experiment.mean(axis=1) / control.mean(axis=1)
    bound = _SHARE * np.abs(estimate)
    return [
        ((lower > bound) & (ratio >= 1 + change)) | ((upper < -bound) & (ratio <= 1 - change))
        for change in allowed
    ]
