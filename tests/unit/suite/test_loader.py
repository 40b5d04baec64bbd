"""Suite files: what is wrong is one line with file and line; what is right becomes a suite."""

from __future__ import annotations

import pytest

from pytest_telemetry_gate.errors import SuiteError
from pytest_telemetry_gate.files.suites import load_suite
from pytest_telemetry_gate.plugin import builtin_hooks

KINDS = {kind.key: kind for kind in builtin_hooks.pytest_telemetry_gate_criteria()}
HEAD = """\
version: 1
suite: small
rollout: {start: 2025-01-22T14:00:00-08:00, end: 2025-01-22T15:30:00-08:00}
checkpoints: [12h]
"""
GROUP = "groups:\n  A:\n"
BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{before}'] * 9)}]\n"
    for before, name in zip("abcdefg", "bcdefgh", strict=True)
)


def load(tmp_path, text):
    path = tmp_path / "small.gate.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load_suite(path, KINDS, display_path="small.gate.yaml")


def criterion(text):
    return f"{HEAD}{GROUP}    - {{{text}}}\n"


WRONG = {
    "unknown key": (
        criterion("id: p95, query: up, exepct: '< 1'"),
        "7: criterion 'p95': unknown key 'exepct' (did you mean 'expect'?)",
    ),
    "another tool's key": (
        criterion("id: p95, query: up, treshold: 90"),
        "7: criterion 'p95': unknown key 'treshold' (did you mean 'expect'?)",
    ),
    "misspelt kind": (
        criterion("id: p95, qery: up"),
        "7: criterion 'p95': unknown key 'qery' (did you mean 'query'?)",
    ),
    "no kind": (
        criterion("id: p95"),
        f"7: criterion 'p95': needs exactly one of {', '.join(KINDS)}, has none",
    ),
    "two kinds": (
        criterion("id: p95, query: up, count: up"),
        f"7: criterion 'p95': needs exactly one of {', '.join(KINDS)}, has query and count",
    ),
    "unknown key at the top": (f"{HEAD}grups: {{}}\n", "5: unknown key 'grups' (did you mean 'groups'?)"),
    "unknown key inside": (
        criterion("id: p95, query: up, baseline: {offst: 7d}"),
        "7: criterion 'p95': baseline: unknown key 'offst' (did you mean 'offset'?)",
    ),
    "limit without operator": (
        criterion("id: p95, query: up, expect: 90"),
        "7: criterion 'p95': expect: 90 is not an operator (<, <=, >, >=, ==, !=) and a number such as '<= 90 ms', or a range such as '60 .. 90'",
    ),
    "limit with a unit of nothing": (
        criterion("id: p95, query: up, expect: '<= 90 ms'"),
        "7: criterion 'p95': the limit '<= 90 ms' has a unit, so the query needs `unit:`",
    ),
    "limit of another dimension": (
        criterion("id: p95, query: up, unit: B, expect: '<= 90 ms'"),
        "7: criterion 'p95': the units 'ms' of the limit and 'B' of the query do not measure the same",
    ),
    "tolerance without percent": (
        criterion("id: p95, query: up, tolerance: 5"),
        "7: criterion 'p95': tolerance: 5 is not a percentage such as '5%'",
    ),
    "id with a blank": (
        criterion("id: p 95, query: up"),
        "7: criterion 'p 95': id: 'p 95' is not a name of letters, digits, '_', '.' and '-'",
    ),
    "nothing to fail by": (
        criterion("id: a, query: up"),
        "7: criterion 'a': needs `expect` or `tolerance`: without a limit it could not fail",
    ),
    "a tolerance of nothing": (
        criterion("id: a, query: up, tolerance: 5%"),
        "7: criterion 'a': a tolerance needs a `baseline`, here or of the suite",
    ),
    "duplicate id": (
        f"{HEAD}{GROUP}    - {{id: a, query: up}}\n    - {{id: a, query: up}}\n",
        "8: duplicate criterion 'a' (first at line 7)",
    ),
    "duplicate key": (criterion("id: a, id: b, query: up"), "7: duplicate key 'id' (first at line 7)"),
    "unknown checkpoint": (
        criterion("id: a, query: up, checkpoints: [13h]"),
        "7: criterion 'a': unknown checkpoint '13h' (did you mean '12h'?)",
    ),
    "no baseline file": (
        criterion("id: a, query: up, baseline: {file: none.yaml}"),
        "7: there is no baseline file 'none.yaml'",
    ),
    "two baselines": (
        criterion("id: a, query: up, baseline: {offset: 7d, query: up}"),
        "7: criterion 'a': baseline: needs exactly one of file, offset, weeks, at, query, control and last, has offset and query",
    ),
    "unknown group in a ratio": (
        criterion("id: a, ratio: {of: [B]}, expect: '== 100%'"),
        "7: criterion 'a': unknown group 'B'; allowed: A",
    ),
    "trend of a query that has no variance": (
        criterion("id: b, query: up, expect: '> 0'}\n    - {id: a, trend: {of: b, better: lower}"),
        "criterion 'a': 'b' has no `baseline`, and so no variance that could be followed",
    ),
    "unknown criterion in a trend": (
        criterion("id: a, trend: {of: b, better: lower}"),
        "7: criterion 'a': unknown criterion 'b'",
    ),
    "waiver of nobody": (
        f"{criterion('id: p95, query: up, tolerance: 5%, baseline: 1')}waivers: [{{criterion: q95, reason: r, owner: o, until: 2025-02-01}}]\n",
        "8: unknown criterion 'q95' (did you mean 'p95'?)",
    ),
    "waiver without owner": (
        f"{criterion('id: p95, query: up, tolerance: 5%, baseline: 1')}waivers: [{{criterion: p95, reason: r, until: 2025-02-01}}]\n",
        "8: waivers[0]: needs 'owner'",
    ),
    "percentage points of no percentage": (
        criterion("id: p95, query: up, unit: ms, expect: '> 0', change: points"),
        "7: criterion 'p95': change: percentage points are of a ratio or %, and this has 'ms'",
    ),
    "percentage points of nothing": (
        criterion("id: p95, query: up, expect: '> 0', change: points"),
        "7: criterion 'p95': change: percentage points are of a ratio or %, and this has no unit",
    ),
    "another change": (
        criterion("id: p95, query: up, expect: '> 0', change: pp"),
        "7: criterion 'p95': change: 'pp' is not 'percent' or 'points'",
    ),
    "rollback of an unknown kind": (
        f"{criterion('id: a, query: up, tolerance: 5%, baseline: 1')}rollback:\n  when: [incident, fails at crit]\n",
        "9: rollback.when[1]: 'fails at crit' is no condition; allowed: fail at info, warn or crit; fail of ID, a criterion; incident; alert NAME",
    ),
    "rollback at an unknown level": (
        f"{criterion('id: a, query: up, tolerance: 5%, baseline: 1')}rollback: {{when: [fail at critical]}}\n",
        "8: rollback.when[0]: 'fail at critical': 'critical' is no level; allowed: info, warn, crit",
    ),
    "rollback of an unknown criterion": (
        f"{criterion('id: p95, query: up, tolerance: 5%, baseline: 1')}rollback: {{when: [fail of q95]}}\n",
        "8: rollback.when: 'fail of q95': unknown criterion 'q95' (did you mean 'p95'?)",
    ),
    "levels that fall": (
        f"{criterion('id: a, query: up')}levels: {{info: 5%, warn: 4%}}\n",
        "8: levels: levels must rise from info over warn to crit",
    ),
    "end before start": (
        criterion("id: a, query: up").replace("15:30", "13:30"),
        "3: rollout.end lies before rollout.start",
    ),
    "no zone": (
        criterion("id: a, query: up").replace("-08:00", ""),
        "3: rollout.start: '2025-01-22T14:00:00' has no zone: write '2025-01-22T14:00:00Z' or '2025-01-22T14:00:00-08:00'",
    ),
    "checkpoint at the start": (
        criterion("id: a, query: up").replace("[12h]", "[-1h]"),
        "4: checkpoint '-1h' is not after rollout.start",
    ),
    "series without an end": (
        criterion("id: a, query: up").replace("[12h]", "[{every: 1h}]"),
        "4: a series of checkpoints has `every` and `until`, and no `id` or `at`",
    ),
    "no groups": (HEAD, "1: needs 'groups'"),
    "another version": (
        criterion("id: a, query: up").replace("version: 1", "version: 2"),
        "1: version: 2 is not 1",
    ),
    "not YAML": (criterion("id: a, query: ["), "7: not YAML: "),
    "a tab": ("\tversion: 1\n", "1: not YAML: "),
    "empty": ("", "1: the file is empty"),
    "a list": ("- a\n", "1: the file must be a mapping of keys to values"),
    "two documents": ("a: 1\n---\nb: 2\n", "2: not YAML: "),
    "not UTF-8": (b"version: 1\nsuite: \xff\n", "2: not UTF-8: byte 0xff"),
    "an alias bomb": (BOMB, ": aliases that multiply beyond reason"),
    "an alias inside itself": ("a: &a [*a]\n", "1: nested too deeply, or an alias inside itself"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_one_line(tmp_path, name):
    text, message = WRONG[name]
    with pytest.raises(SuiteError) as caught:
        load(tmp_path, text)
    said = str(caught.value)
    assert said.startswith("small.gate.yaml:")
    assert "\n" not in said
    assert message in said


def test_scalars_are_text_unless_they_are_numbers(tmp_path):
    suite = load(
        tmp_path,
        criterion("id: no, query: up, title: 12h, expect: '> 0'").replace("suite: small", "suite: on"),
    )
    assert suite.suite == "on"
    ((only,),) = suite.groups.values()
    assert (only.id, only.title) == ("no", "12h")


def test_merge_keys_share_what_criteria_have_in_common(tmp_path):
    text = (
        HEAD
        + "groups:\n  A:\n    - &base {id: a, query: up, window: 1h, expect: '> 0'}\n    - {<<: *base, id: b}\n"
    )
    (first, second) = load(tmp_path, text).groups["A"]
    assert (first.id, second.id) == ("a", "b")
    assert first.window == second.window == 3600.0


def test_checkpoints_are_named_or_counted_off(tmp_path):
    entries = "[{id: 0h, at: +15m, window: 5m}, 12h, {id: end, at: 2025-01-24T14:00:00-08:00}, {every: 6h, until: 24h}]"
    suite = load(tmp_path, criterion("id: a, query: up, expect: '> 0'").replace("[12h]", entries))
    assert [(point.id, point.named) for point in suite.points] == [
        ("0h", True), ("6h", False), ("12h", True), ("18h", False), ("24h", False), ("end", True),
    ]  # fmt: skip
    assert suite.points[0].at - suite.rollout.start == 900


def test_a_million_checkpoints_are_a_typing_error(tmp_path):
    with pytest.raises(SuiteError, match="more than 10,000"):
        load(tmp_path, criterion("id: a, query: up").replace("[12h]", "[{every: 1s, until: 48h}]"))


def test_duration_and_trend_default_to_the_last_checkpoint(tmp_path):
    suite = load(
        tmp_path, criterion("id: a, duration: rollout, expect: '<= 90m'").replace("[12h]", "[12h, 24h]")
    )
    ((only,),) = suite.groups.values()
    assert [suite.applies(only, point) for point in suite.points] == [False, True]
