"""The answer, key figures, what came nearest, who signed, and moments: the same words in every output."""

from __future__ import annotations

from dataclasses import replace

import pytest
from report_parts import HOUR, START, check, criterion, report, suite

from pytest_telemetry_gate.model.facts import Member, MemberFacts
from pytest_telemetry_gate.model.report import Approval, CheckpointReport, RollbackReport, SuiteReport
from pytest_telemetry_gate.model.told import Told
from pytest_telemetry_gate.model.verdict import Outcome
from pytest_telemetry_gate.reports.overview.answer import Word, find_answer
from pytest_telemetry_gate.reports.overview.faults import find_faults
from pytest_telemetry_gate.reports.overview.key_figures import list_key_figures
from pytest_telemetry_gate.reports.overview.moments import Clock, write_length
from pytest_telemetry_gate.reports.overview.nearest import find_nearest
from pytest_telemetry_gate.reports.overview.signatures import SignatureState, list_signatures, say_signed

ERROR, FAIL, INCONCLUSIVE, PENDING = Outcome.ERROR, Outcome.FAIL, Outcome.INCONCLUSIVE, Outcome.PENDING
DIGEST, OTHER = "sha256:" + "ab12" * 16, "sha256:" + "0" * 64


def answer(made):
    return find_answer(made, find_faults(made))


def with_gate(made, **fields):
    gate = replace(made.content.gate, **fields)
    return replace(made, content=replace(made.content, gate=gate))


@pytest.mark.parametrize(
    ("outcome", "word"),
    [
        (Outcome.PASS, Word.OPEN),
        (Outcome.WARN, Word.OPEN),
        (Outcome.WAIVED, Word.OPEN),
        (FAIL, Word.CLOSED),
        (ERROR, Word.CLOSED),
        (INCONCLUSIVE, Word.UNPROVEN),
    ],
)
def test_the_word_follows_the_gate(outcome, word):
    assert answer(report(suite(criterion("p95", check(outcome=outcome))))).word is word


def test_a_gate_that_nothing_proves_is_never_open():
    closed = with_gate(
        report(suite(criterion("p95", check()))), opens=False, outcome=INCONCLUSIVE, reason="1 of 9"
    )
    assert answer(closed).word is Word.UNPROVEN
    assert "1 of 9." in answer(closed).sentence
    assert answer(
        with_gate(report(), opens=False, outcome=INCONCLUSIVE, reason="nothing was judged")
    ).sentence == ("The gate itself stands in the way. No check was judged. Nothing was judged.")


def test_the_name_of_a_file_is_not_changed_at_the_beginning_of_a_sentence():
    closed = with_gate(
        report(), opens=False, outcome=INCONCLUSIVE, reason="step2.gate.yaml could not be collected"
    )
    assert answer(closed).sentence.endswith(" step2.gate.yaml could not be collected.")


def test_what_is_not_due_leaves_the_rollout_unfinished():
    assert (
        answer(report(suite(criterion("p95", check("12h"), check("24h", None, PENDING))))).word
        is Word.RUNNING
    )
    own = suite(criterion("p95", check("12h")))
    later = replace(own, checkpoints=(*own.checkpoints, CheckpointReport("48h", START + 48 * HOUR)))
    assert answer(report(later)).word is Word.RUNNING
    hourly = replace(
        own, checkpoints=(*own.checkpoints, CheckpointReport("13h", START + 13 * HOUR, named=False))
    )
    assert answer(report(hourly)).word is Word.OPEN


def test_the_sentence_counts_what_stands_in_the_way_of_what():
    told = Told.from_wire({"next_step": {"name": "Step 3"}})
    made = report(
        suite(
            criterion("a", check(outcome=FAIL, reason="a")),
            criterion("b", check(outcome=FAIL, reason="b")),
            criterion("c", check(outcome=INCONCLUSIVE, reason="c")),
            criterion("d", check(outcome=Outcome.WAIVED)),
            told=told,
        )
    )
    assert answer(made).sentence == (
        "2 faults and 1 inconclusive criterion stand in the way of Step 3. All 4 checks were judged, 1 waived."
    )


@pytest.mark.parametrize(
    ("rollback", "said"),
    [
        (RollbackReport(("incident",)), "Rollback plan (incident): not triggered."),
        (RollbackReport(("incident",), {"incident": "one at 3 h"}), "triggered by incident: one at 3 h."),
        (
            RollbackReport(("incident",), {}, {"incident": "nobody asked"}),
            "nobody can tell, incident: nobody asked.",
        ),
    ],
)
def test_the_rollback_plan_is_told(rollback, said):
    assert answer(report(suite(criterion("p95", check()), rollback=rollback))).sentence.endswith(said)


def signed(*approvals, roles=("QA lead", "DevOps lead")):
    return replace(report(suite(criterion("p95", check("48h")), roles=roles)), approvals=approvals)


def test_an_approval_holds_for_one_digest_and_the_last_checkpoint():
    late, early = START + 49 * HOUR, START + HOUR
    states = [
        (one.role, one.state, one.warning)
        for one in list_signatures(
            signed(
                Approval("QA lead", "Q", early, DIGEST),
                Approval("DevOps lead", "O", late, OTHER),
                Approval("Visitor", "V", late, DIGEST),
            )
        )
    ]
    assert states == [
        ("QA lead", SignatureState.APPROVED, "signed before the last checkpoint"),
        ("DevOps lead", SignatureState.ANOTHER, ""),
        ("Visitor", SignatureState.APPROVED, ""),
    ]


def test_the_answer_waits_for_signatures():
    one, two = (Approval(role, "X", START + 49 * HOUR, DIGEST) for role in ("QA lead", "DevOps lead"))
    assert answer(signed(one)).word is Word.UNSIGNED
    assert answer(signed(one, two)).word is Word.OPEN
    assert answer(signed(one, replace(two, digest=OTHER))).signed == "1 of 2 signed, 1 for another report"
    assert say_signed([]) == ""


def test_the_latest_approval_of_this_report_counts():
    older = Approval("QA lead", "A", START, DIGEST)
    newer = Approval("QA lead", "B", START + 1, OTHER)
    (state,) = list_signatures(signed(older, newer, roles=("QA lead",)))
    assert (state.state, state.approval) == (SignatureState.APPROVED, older)


def figures(*criteria, **fields):
    return {
        one.label: (one.value, one.note, one.outcome)
        for one in list_key_figures(report(suite(*criteria, **fields)))
    }


def test_key_figures_of_what_was_judged():
    members = MemberFacts(tuple(Member(f"c{n}", "", "48h", Outcome.PASS, "") for n in range(15)))
    found = figures(
        criterion("p95", check("24h"), check("48h", 95.0, FAIL)),
        criterion("v", check("0h", 1.0, variance=2.3), check("48h", 1.0, variance=1.9), tolerance=5.0),
        criterion("alerts", check("48h", 0.0), kind="alerts"),
        criterion("incidents", check("48h", 1.0, FAIL), kind="incidents"),
        criterion("lag", check("48h", 5.0, coverage=0.983), coverage=0.9),
        criterion("qa", check("48h", 100.0, members=members), kind="replay"),
    )
    assert found == {
        "criteria met": ("4 of 6", "6 of 8 checks", FAIL),
        "variance": ("+2.3 → +1.9 %", "±5 % tolerated", None),
        "alerts fired": ("0", "history complete", None),
        "incidents": ("1", "history complete", FAIL),
        "lowest coverage": ("98.3 %", "90 % wanted; none proven for p95, v", None),
        "replays passed": ("15 of 15", "at 48h", None),
        "rollout took": ("90 min", "", None),
    }


def test_a_count_that_nobody_knows_is_no_zero():
    found = figures(criterion("alerts", check("24h", 0.0), check("48h", None, INCONCLUSIVE), kind="alerts"))
    assert found["alerts fired"] == ("not known", "history incomplete", INCONCLUSIVE)


def test_what_came_nearest_is_compared_as_a_share_of_the_limit():
    made = report(
        suite(
            criterion("far", check(value=10.0, margin=80.0), expect="<= 90", unit="ms"),
            criterion(
                "near",
                check("12h", 89.0, margin=1.0),
                check("24h", 80.0, margin=10.0),
                expect="<= 90",
                unit="ms",
            ),
            criterion("exact", check(value=0.0), expect="== 0"),
            criterion("v", check(value=1.0, variance=-4.0), tolerance=5.0),
            criterion("failed", check(value=91.0, outcome=FAIL, margin=-1.0), expect="<= 90"),
        )
    )
    found = [(one.criterion, one.value, one.limit, one.room, one.checkpoint) for one in find_nearest(made)]
    assert found == [
        ("near", "89 ms", "≤ 90 ms", "1 ms (1 %)", "12h"),
        ("v", "-4.0 %", "±5 %", "1 pp (20 %)", "24h"),
        ("far", "10 ms", "≤ 90 ms", "80 ms (89 %)", "24h"),
    ]


def test_moments_are_in_the_zone_of_the_rollout_whatever_the_machine_s():
    clock = Clock(suite(criterion("p95", check())))
    assert clock.dated_zone(START) == "Wed 22 Jan 2025 14:00 PST"
    assert clock.span(START, START + 9 * 60) == "Wed 22 Jan 14:00 – 14:09"
    assert clock.span(START, START + 12 * HOUR) == "Wed 22 Jan 14:00 – Thu 23 Jan 02:00"
    assert Clock(SuiteReport("s", timezone="+05:30")).dated_zone(START) == "Thu 23 Jan 2025 03:30 UTC+05:30"
    assert Clock(SuiteReport("s")).dated_zone(START) == "Wed 22 Jan 2025 22:00 UTC"
    # Summer time begins within the rollout.
    spring = Clock(SuiteReport("s", timezone="America/Los_Angeles"))
    assert [spring.dated_zone(1_741_510_800.0 + hour * HOUR)[-9:] for hour in (0, 1)] == [
        "01:00 PST",
        "03:00 PDT",
    ]


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (0, "0 s"),
        (45, "45 s"),
        (180, "3 min"),
        (5400, "90 min"),
        (7200, "2 h"),
        (81_720, "22.7 h"),
        (57_900_000, "670 days"),
    ],
)
def test_lengths_have_one_unit(seconds, written):
    assert write_length(seconds) == written


@pytest.mark.parametrize("at", [float("nan"), -1e12, 1e15])
def test_absurd_moments_are_written_all_the_same(at):
    assert Clock(suite(criterion("p95", check()))).dated_zone(at)


def test_what_was_left_out_leaves_the_rollout_unfinished():
    made = report(suite(criterion("p95", check()), left_out=("cpu", "lag")))
    assert answer(made).word is Word.RUNNING
    assert "Left out: cpu, lag." in answer(made).sentence
