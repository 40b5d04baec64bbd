"""Criteria over all regions: one verdict of several, the spread between them, and regions that are missing."""

from __future__ import annotations

import gates
import pytest
import region_worlds
from region_worlds import LOAD, SPREAD


@pytest.fixture
def world(bare):
    region_worlds.write(bare)
    return bare


def judged(world, criteria, *arguments):
    world.suite(criteria)
    return world.judged(*arguments)


@pytest.mark.parametrize(
    ("keys", "verdict", "told"),
    [
        ("expect: '<= 55', combine: all}", "fail", "region us: 60 % is outside the limit <= 55 %"),
        ("expect: '<= 60', combine: all}", "pass", "region us: 60 % is inside <= 60 %"),
        ("expect: '<= 55', combine: any}", "pass", "region eu: 50 % is inside <= 55 %"),
        ("expect: '<= 45', combine: any}", "fail", "region eu: 50 % is outside"),
        ("expect: '<= 110', combine: sum}", "pass", "110 % is inside <= 110 %; sum of eu 50 %, us 60 %"),
        ("expect: '< 110', combine: sum}", "fail", "110 % is outside"),
        ("expect: '>= 60', combine: max}", "pass", "region us: 60 % is inside"),
        ("expect: '>= 61', combine: max}", "fail", "region us: 60 % is outside"),
        ("tolerance: 5%, combine: all}", "fail", "region us: 60 % is +10.0 pp against 50 %"),
    ],
)
def test_one_verdict_over_the_regions(world, keys, verdict, told):
    found = judged(world, LOAD + keys)
    assert list(found) == ["load[all-2h]"]
    assert found["load[all-2h]"][0] == verdict
    assert told in found["load[all-2h]"][1]


MISSING = {
    "gone": ("{id: c, query: load, expect: '> 0', ", "error", "nowhere.telemetry.zip"),
    "two": ("{id: c, query: eu_only, expect: '> 0', ", "inconclusive", "region us: no data"),
}


@pytest.mark.parametrize("combine", ["all", "any", "sum", "max"])
@pytest.mark.parametrize("environment", MISSING)
def test_a_region_that_cannot_tell_never_passes(world, combine, environment):
    criterion, verdict, told = MISSING[environment]
    found = judged(world, f"- {criterion}combine: {combine}}}", f"--telemetry-env={environment}")
    assert found["c[all-2h]"][0] == verdict
    assert told in found["c[all-2h]"][1]


def test_the_baseline_of_a_sum(world):
    stated = "- {id: c, query: load, unit: '%', combine: sum, tolerance: 5%, baseline: 108}"
    assert judged(world, stated)["c[all-2h]"] == (
        "pass",
        "+2.0 pp against 108 % (baseline), within ±5 pp; sum of eu 50 %, us 60 %",
    )
    asked = "- {id: c, query: load, unit: requests, combine: sum, tolerance: 5%, baseline: {offset: 30m}}"
    verdict, reason = judged(world, asked)["c[all-2h]"]
    assert verdict == "pass"
    assert "+0.0 % against 110 requests" in reason


@pytest.mark.parametrize(
    ("limit", "verdict"), [("20 pp", "pass"), ("20", "pass"), ("19.9 pp", "fail"), ("0 .. 25 pp", "pass")]
)
def test_the_spread_of_a_variance(world, limit, verdict):
    criteria = SPREAD.replace('"<= LIMIT"', f'"{limit}"' if ".." in limit else f'"<= {limit}"')
    found = judged(world, criteria)
    assert set(found) == {"load[eu-2h]", "load[us-2h]", "apart[all-2h]"}
    assert found["apart[all-2h]"][0] == verdict
    assert found["apart[all-2h]"][1].endswith("; eu +0.0 %, us +20.0 %")


@pytest.mark.parametrize(
    ("environment", "name", "verdict", "told"),
    [
        ("one", "apart[2h]", "inconclusive", "a spread needs at least two regions"),
        ("gone", "apart[all-2h]", "error", "nowhere.telemetry.zip"),
    ],
)
def test_a_spread_without_regions_never_passes(world, environment, name, verdict, told):
    found = judged(world, SPREAD.replace("LIMIT", "99 pp"), f"--telemetry-env={environment}")
    assert found[name][0] == verdict
    assert told in found[name][1]


def test_what_has_no_spread_is_an_error_of_the_file(world):
    world.suite(SPREAD.replace("tolerance", "combine: sum, tolerance").replace("LIMIT", "1 pp"))
    result = world.run()
    assert result.ret == 2
    result.stdout.fnmatch_lines(
        ["small.gate.yaml:10: criterion 'apart': criterion 'load' is judged over all regions at once*"]
    )


def test_a_region_cannot_be_called_as_all_of_them_are(world):
    world.suite(LOAD + "expect: '> 0', combine: all}")
    result = world.run("--telemetry-env=all")
    assert result.ret == 2
    result.stdout.fnmatch_lines(["small.gate.yaml:*: criterion 'load': a region is called 'all'*"])


def test_ratios_count_what_is_judged_over_all_regions(world):
    criteria = """
groups:
  Parser:
    - {id: load, query: load, expect: '> 0'}
    - {id: total, query: load, expect: '> 1000', combine: sum}
  Derived:
    - {id: share, ratio: {of: [Parser]}, expect: '== 100%'}
"""
    found = judged(world, criteria)
    assert found["share[eu-2h]"][0] == "fail"
    assert "1 of 2 checks; not: total fail" in found["share[eu-2h]"][1]


def test_choosing_regions(world):
    criteria = LOAD + "expect: '> 0', combine: all}\n- {id: each, query: load, expect: '> 0'}\n"
    assert set(judged(world, criteria, "--telemetry-region=eu")) == {"each[eu-2h]"}
    assert set(judged(world, criteria, "--telemetry-region=all")) == {"load[all-2h]"}
    every = ("--telemetry-region=us", "--telemetry-region=eu")
    assert set(judged(world, criteria, *every)) == {"each[eu-2h]", "each[us-2h]", "load[all-2h]"}


@pytest.mark.parametrize("workers", [(), ("-n1",)])
def test_what_the_choice_of_regions_leaves_out_is_said(world, workers):
    world.suite(
        f"{LOAD}expect: '<= 60', combine: all}}\n- {{id: each, query: load, unit: '%', expect: '< 70'}}\n"
    )
    result = world.run("--telemetry-region=eu", *workers)
    assert result.ret == 0
    assert "1 check: 1 pass; left out by --telemetry-region: load" in result.outlines[-1]
    assert "left out" not in world.run("--telemetry-region=eu", "--telemetry-region=us").outlines[-1]


def test_a_test_looks_at_one_region(world):
    world.suite("- {id: each, query: load, expect: '> 0'}")
    world.file("test_it.py", "def test_it(telemetry): telemetry.check('load', '> 0', combine='all')\n")
    result = world.run()
    assert result.ret == 1
    assert "a test looks at one region" in result.stdout.str()


def test_a_recording_without_regions_is_not_taken_for_each_of_them(world):
    world.recording([gates.UP, gates.series("load", 50)], name="plain.telemetry.zip")
    world.suite("- {id: load, query: load, expect: '> 0'}")
    shared = "default: a\nenvironments:\n  a: {source: recording, path: plain.telemetry.zip, regions: {eu: {}, us: {}}}\n"
    world.file("telemetry.yaml", shared)
    result = world.run()
    assert result.ret == 1
    told = "telemetry.yaml:3: plain.telemetry.zip has no regions: give region 'eu' a path of its own"
    assert told in " ".join(result.stdout.str().split())
    own = shared.replace("path: plain.telemetry.zip, ", "").replace("{}", "{path: plain.telemetry.zip}")
    world.file("telemetry.yaml", own)
    result = world.run()
    assert result.ret == 4
    told = (
        "small.gate.yaml:8: criterion 'load': regions 'eu' and 'us' ask the same recording the same question "
        "(telemetry.yaml:3), so one would be judged for all: give each a recording of its own, or use $region"
    )
    assert told in result.stderr.str()


def test_a_region_whose_recording_ends_early_is_not_waiting_for_its_data(world):
    """Another region of the same environment shows that the time has come."""
    for region, end in (("us", gates.END + 3600), ("eu", gates.START + 3000)):
        data = [gates.series("load", 50, gates.grid(end=end))]
        world.recording(data, name=f"{region}.telemetry.zip", recorded_at=end)
    regions = ", ".join(f"{region}: {{path: {region}.telemetry.zip}}" for region in ("eu", "us"))
    world.file(
        "telemetry.yaml", f"default: a\nenvironments:\n  a: {{source: recording, regions: {{{regions}}}}}\n"
    )
    world.suite(
        "- {id: load, query: 'avg_over_time(load[30m])', expect: '> 0'}", gates.HEAD.replace("[2h]", "[90m]")
    )
    found = world.judged()
    assert found["load[us-90m]"][0] == "pass"
    assert found["load[eu-90m]"][0] == "inconclusive"
