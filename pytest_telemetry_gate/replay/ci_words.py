"""The words that CI systems have for what became of a stage, and which of three things each of them means."""

from __future__ import annotations

import re
from enum import IntEnum

__all__ = ["KNOWN_WORDS", "StageState", "read_state"]


class StageState(IntEnum):
    """What became of one attempt at a stage; where a log says several of these, the largest counts."""

    OPEN = 0
    SKIPPED = 1
    RAN = 2


# Of GitHub Actions, GitLab, Jenkins, Azure Pipelines, CircleCI, Buildkite, Bitbucket, Travis, Drone, Argo, and of
# OpenTelemetry's attribute cicd.pipeline.task.run.result. A stage that was cut off has not done its work, so it counts as
# one that did not run.
_WORDS = {
    StageState.RAN: """
        success successful succeeded succeeded_with_issues succeededwithissues partially_succeeded partiallysucceeded
        pass passed ok failure failed fail error errored unstable broken fixed retried warning warnings
        timed_out timedout timeout infrastructure_fail infrastructure_failure
        waiting_failed blocked_failed unblocked_failed
        """,
    StageState.SKIPPED: """
        skip skipped neutral cancel cancelled canceled cancellation abort aborted abandoned ignored disabled omit omitted
        excluded bypassed stopped halted killed terminated expired declined unblocked
        not_run notrun not_executed not_built notbuilt blocked manual stale action_required startup_failure unauthorized
        """,
    StageState.OPEN: """
        pending queued running in_progress inprogress waiting waiting_for_resource requested created scheduled preparing
        on_hold started received paused paused_pending_input not_running limited limiting incomplete assigned accepted
        cancelling canceling failing timing_out
        """,
}
_STATES = {word: state for state, words in _WORDS.items() for word in words.split()} | {"": StageState.OPEN}
KNOWN_WORDS = "success, failure, timed_out, skipped, cancelled, neutral, in_progress and the like"


def read_state(result: object) -> StageState | None:
    """Return what a word for a result means, however it is written, or None where nobody knows; null has not ended."""
    return _STATES.get("" if result is None else re.sub(r"[\s-]+", "_", str(result).strip().lower()))
