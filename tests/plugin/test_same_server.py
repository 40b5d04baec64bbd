"""Two regions that lead to one server are refused where files are collected, before anybody is asked."""

from __future__ import annotations

import pytest
from projects import Project

SHARED = "http://prometheus.example.net"
SAME = "criterion 'load': regions 'eu' and 'us' ask the same server the same question"
PLAIN = "- {id: load, query: load, expect: '> 0'}\n"
TOLD = "- {id: told, query: 'load{region=\"$region\"}', expect: '> 0'}\n"
ALERTS = "- {id: quiet, alerts: {match: {team: telemetry}}, expect: '== 0'}\n"


@pytest.fixture
def world(pytester: pytest.Pytester) -> Project:
    return Project(pytester)


def regions(world: Project, eu: str, us: str, shared: str = f"url: '{SHARED}'") -> None:
    world.file(
        "telemetry.yaml",
        f"default: a\nenvironments:\n  a:\n    source: prometheus\n    {shared}\n    regions:\n      eu: {{{eu}}}\n      us: {{{us}}}\n",
    )


def collected(world: Project, *arguments: str) -> pytest.RunResult:
    return world.run("--collect-only", "-q", *arguments)


@pytest.mark.parametrize(
    ("eu", "us"),
    [
        ("", ""),
        ("url: 'HTTP://Prometheus.example.net:80/'", ""),
        ("timeout: 5s", "timeout: 6s"),
        ("headers: {User-Agent: eu}", "headers: {User-Agent: us}"),
        ("headers: {X-Scope-OrgID: all}", "headers: {x-scope-orgid: all}"),
        (f"url: '{SHARED}?a=1&b=2'", f"url: '{SHARED}?b=2'\n, params: {{a: 1}}"),
        ("events: {alerts: {source: alertmanager, url: 'http://a.example.net'}}",) * 2,
        ("events: {incidents: {source: jsonl, path: a.jsonl}}",) * 2,
    ],
)
def test_regions_that_nothing_tells_apart_are_a_usage_error(world: Project, eu: str, us: str):
    world.suite(PLAIN)
    regions(world, eu, us.replace("\n", ""))
    result = world.run()
    assert result.ret == 4
    assert f"small.gate.yaml:8: {SAME} (telemetry.yaml:" in result.stderr.str()
    assert "give each a url, headers, params or credentials of its own, or use $region" in result.stderr.str()
    assert "Traceback" not in result.stdout.str() + result.stderr.str()


@pytest.mark.parametrize(
    ("eu", "us"),
    [
        ("url: 'http://eu.example.net'", ""),
        ("headers: {X-Scope-OrgID: eu}", "headers: {X-Scope-OrgID: us}"),
        ("params: {cluster: eu}", "params: {cluster: us}"),
        (f"url: '{SHARED}?cluster=eu'", f"url: '{SHARED}?cluster=us'"),
        ("basic_auth: {username: eu, password: x}", "basic_auth: {username: us, password: x}"),
        ("events: {alerts: {source: alertmanager, url: 'http://a.example.net'}}", ""),
        (
            "events: {incidents: {source: jsonl, path: a.jsonl}}",
            "events: {incidents: {source: jsonl, path: b.jsonl}}",
        ),
    ],
)
def test_regions_with_something_of_their_own_are_two(world: Project, eu: str, us: str):
    world.suite(PLAIN)
    regions(world, eu, us)
    assert collected(world).ret == 0


@pytest.mark.parametrize(
    ("criteria", "refused"),
    [
        (TOLD, ""),
        (PLAIN, "load"),
        (TOLD + PLAIN, "load"),
        ("- {id: both, query: 'load{region=\"${region}\"}', baseline: {offset: 1h}, tolerance: 5%}\n", ""),
        ("- {id: n, count: 'errors_total', expect: '== 0'}\n", "n"),
        ("- {id: n, count: 'errors_total{region=\"$region\"}', expect: '== 0'}\n", ""),
        ("- {id: up, query: load, up: 'up{region=\"$region\"}', expect: '> 0'}\n", "up"),
        ("- {id: sum, query: load, combine: sum, expect: '> 0'}\n", "sum"),
        ("- {id: sum, query: 'load{region=\"$region\"}', combine: sum, expect: '> 0'}\n", ""),
        ("- {id: note, query: 'load # $region', expect: '> 0'}\n", "note"),
        (
            '- {id: named, query: \'label_replace(load, "region", "$region", "", "")\', expect: \'> 0\'}\n',
            "named",
        ),
        ("- {id: part, query: 'load{region=\"$region\"} / on () sum(all)', expect: '> 0'}\n", ""),
        ("- {id: one, query: vector(1), expect: '> 0'}\n", ""),
        (ALERTS, "quiet"),
        (TOLD + ALERTS, ""),
        ("- {id: r, duration: rollout, expect: '< 3h'}\n", ""),
    ],
)
def test_what_tells_regions_apart_on_one_server_is_region_in_the_query(
    world: Project, criteria: str, refused: str
):
    world.suite(criteria)
    regions(world, "", "")
    result = collected(world)
    if refused:
        assert result.ret == 4
        assert f"criterion {refused!r}: regions 'eu' and 'us' ask the same server" in result.stderr.str()
    else:
        assert result.ret == 0, result.stderr.str()


def test_of_many_regions_a_few_are_named(world: Project):
    world.suite(PLAIN)
    names = ", ".join(f"r{number}: {{}}" for number in range(7))
    world.file(
        "telemetry.yaml",
        f"default: a\nenvironments:\n  a: {{source: prometheus, url: '{SHARED}', regions: {{{names}}}}}\n",
    )
    assert "regions 'r0', 'r1', 'r2', 'r3' and 3 more ask" in world.run().stderr.str()


def test_settings_that_cannot_be_used_are_refused_as_such(world: Project):
    world.suite(PLAIN)
    regions(world, "", "url: 'not an address'")
    result = collected(world)
    assert result.ret == 4
    assert SAME not in result.stderr.str()
    assert "url: not an address" in result.stderr.str()


def test_one_region_alone_is_no_twin(world: Project):
    world.suite(PLAIN)
    world.file("telemetry.yaml", f"default: a\nenvironments:\n  a: {{source: prometheus, url: '{SHARED}'}}\n")
    assert collected(world).ret == 0


def test_workers_say_it_too(world: Project):
    world.suite(PLAIN)
    regions(world, "", "")
    world.file("test_beside.py", "def test_it(): pass\n")
    result = world.run("-n2")
    assert result.ret == 4
    assert SAME in result.stderr.str()
    assert result.parseoutcomes() == {"failed": 1}  # the gate's own test case


def test_a_source_of_a_plugin_may_go_by_the_name_of_a_region(world: Project):
    world.suite(PLAIN)
    world.file(
        "conftest.py",
        """\
        from pytest_telemetry_gate.testing import MemoryGate

        def pytest_telemetry_gate_sources():
            return {"mine": lambda settings: None}
        """,
    )
    world.file(
        "telemetry.yaml", "default: a\nenvironments:\n  a: {source: mine, regions: {eu: {}, us: {}}}\n"
    )
    assert collected(world).ret == 0
