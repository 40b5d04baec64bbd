"""``async`` tests: the same questions and checks, awaited, under pytest-asyncio and under anyio's plugin with asyncio and trio."""

from __future__ import annotations

import threading
from textwrap import indent

import pytest
from projects import PASSING, Project, said

ASYNCIO = ("-p", "asyncio", "-o", "asyncio_default_fixture_loop_scope=function")
ANYIO = ("-p", "anyio")
PLUGINS = {"asyncio": ASYNCIO, "anyio-asyncio": ANYIO, "anyio-trio": ANYIO}
MARKS = {"asyncio": "pytest.mark.asyncio", "anyio-asyncio": "pytest.mark.anyio", "anyio-trio": "pytest.mark.anyio"}  # fmt: skip


@pytest.fixture(params=PLUGINS)
def plugin(request: pytest.FixtureRequest, project: Project) -> str:
    project.suite(PASSING)
    if request.param != "asyncio":
        backend = request.param.removeprefix("anyio-")
        project.file(
            "conftest.py", f"import pytest\n\n@pytest.fixture\ndef anyio_backend():\n    return {backend!r}\n"
        )
    return str(request.param)


def run(project: Project, plugin: str, *lines: str, arguments: tuple[str, ...] = ()) -> pytest.RunResult:
    body = indent("\n".join(lines), "    ")
    text = f"import pytest\n\n@{MARKS[plugin]}\n@pytest.mark.telemetry(checkpoint='2h')\nasync def test_it(telemetry):\n{body}\n"
    project.file("test_it.py", text)
    return project.run(*PLUGINS[plugin], *arguments)


def test_everything_can_be_awaited(project, plugin):
    result = run(
        project,
        plugin,
        "verdict = await telemetry.aio.check('cpu', '< 75', unit='%')",
        "assert str(verdict.outcome) == 'pass'",
        "assert await telemetry.aio.value('cpu') == 70",
        "assert len((await telemetry.aio.values('latency_ms')).labels) == 2",
        "assert (await telemetry.aio.range('cpu')).present.all()",
        "assert await telemetry.aio.alerts(team='telemetry') == []",
        "assert (await telemetry.aio.wait_until('cpu', '< 75')).value == 70",
        "assert await telemetry.aio.wait_until(lambda: telemetry.value('cpu')) == 70",
        "telemetry.check('cpu', '< 75', id='blocking')",
    )
    assert result.ret == 0, said(result)
    assert "3 checks: 3 pass" in said(result)


def test_checks_are_soft_and_fail_the_test_at_its_end(project, plugin):
    result = run(
        project, plugin, "await telemetry.aio.check('cpu', '> 75', id='soft')", "print('REACHED THE END')", arguments=("-s",)
    )  # fmt: skip
    assert result.ret == 1
    assert "REACHED THE END" in said(result)
    assert "soft[2h]  70 is outside" in said(result)
    assert "2 checks: 1 fail, 1 pass" in said(result)


def test_what_cannot_be_asked_is_raised_where_it_is_awaited(project, plugin):
    result = run(
        project,
        plugin,
        "with pytest.raises(Exception, match='no data'):",
        "    await telemetry.aio.value('nothing')",
        "with pytest.raises(Exception, match='nothing will change'):",
        "    await telemetry.aio.wait_until('cpu', '< 60')",
        "await telemetry.aio.check('cpu', '< 75')",
    )
    assert result.ret == 0, said(result)


def test_the_event_loop_goes_on_while_somebody_waits(project, plugin):
    """The system under test may run in the test's own loop: what is waited for happens there, or never."""
    sleep = "trio.sleep" if plugin == "anyio-trio" else "asyncio.sleep"
    together = (
        "async with trio.open_nursery() as nursery:",
        "    nursery.start_soon(system)",
        "    found = await telemetry.aio.wait_until(lambda: state, timeout='60s', every=0.01)",
    )
    tasks = (
        "task = asyncio.create_task(system())",
        "found = await telemetry.aio.wait_until(lambda: state, timeout='60s', every=0.01)",
        "await task",
    )
    result = run(
        project,
        plugin,
        f"import {sleep.partition('.')[0]}",
        "state = []",
        "async def system():",
        "    for _ in range(5):",
        f"        await {sleep}(0)",
        "    state.append('ready')",
        *(together if plugin == "anyio-trio" else tasks),
        "assert found == ['ready']",
        "await telemetry.aio.check('cpu', '< 75')",
    )
    assert result.ret == 0, said(result)


def test_checks_at_once_are_all_judged(project):
    project.suite(PASSING)
    result = run(
        project,
        "asyncio",
        "import asyncio",
        "checks = [telemetry.aio.check('cpu', f'< {limit}', id=f'c{limit}') for limit in range(71, 91)]",
        "verdicts = await asyncio.gather(*checks)",
        "assert [one.criterion for one in verdicts] == [f'c{limit}' for limit in range(71, 91)]",
        "assert len(telemetry.verdicts) == 20",
    )
    assert result.ret == 0, said(result)
    assert "21 checks: 21 pass" in said(result)


def test_who_gives_up_waiting_does_not_wait_for_the_thread(project):
    """What is left behind ends by itself: it sees that the test is over."""
    project.suite(PASSING)
    result = run(
        project,
        "asyncio",
        "import asyncio",
        "with pytest.raises(asyncio.TimeoutError):",
        "    await asyncio.wait_for(telemetry.aio.wait_until(lambda: False, timeout='1h', every='30m'), 0.01)",
        "await telemetry.aio.check('cpu', '< 75')",
    )
    assert result.ret == 0, said(result)


@pytest.mark.parametrize(
    "forgotten",
    [
        "telemetry.aio.check('cpu', '> 75')",
        "task = asyncio.create_task(telemetry.aio.wait_until(lambda: False, timeout='1h'))\nawait asyncio.sleep(0)",
    ],
)
def test_a_check_that_nobody_awaits_closes_the_gate(project, forgotten):
    project.suite(PASSING)
    lines = ("import asyncio", *forgotten.splitlines(), "telemetry.check('cpu', '< 75')")
    result = run(project, "asyncio", *lines, arguments=("-W", "ignore::RuntimeWarning"))
    result.assert_outcomes(passed=1, failed=1)
    assert "a call of telemetry.aio not awaited to the end: write `await telemetry.aio...`" in said(result)


def test_who_gives_up_a_check_has_no_verdict_and_no_pass(project):
    project.suite(PASSING)
    result = run(
        project,
        "asyncio",
        "import asyncio, threading",
        "telemetry._turn.acquire()",  # so that the check cannot end before it is given up
        "with pytest.raises(asyncio.TimeoutError):",
        "    await asyncio.wait_for(telemetry.aio.check('cpu', '> 75'), 0.01)",
        "telemetry._turn.release()",
    )
    for thread in threading.enumerate():
        if thread.name == "telemetry-gate":
            thread.join(10)  # it imports, while the end of this test looks at what is imported
    assert result.ret == 1
    assert "a call of telemetry.aio not awaited to the end" in said(result)


def test_a_check_in_the_teardown_of_an_async_fixture_closes_the_gate(project):
    project.suite(PASSING)
    project.file(
        "test_it.py",
        """\
        import pytest
        import pytest_asyncio

        @pytest_asyncio.fixture
        async def late(telemetry):
            yield
            await telemetry.aio.check('cpu', '< 75')

        @pytest.mark.asyncio
        @pytest.mark.telemetry(checkpoint='2h')
        async def test_it(telemetry, late):
            telemetry.check('cpu', '< 75')
        """,
    )
    result = project.run(*ASYNCIO)
    assert result.ret == 1
    assert "a check after its body cannot fail it" in said(result)


def test_without_a_plugin_for_async_tests_nothing_passes(project):
    project.suite(PASSING)
    project.file("test_it.py", "async def test_it(telemetry):\n    telemetry.check('cpu', '< 75')\n")
    result = project.run("-W", "ignore")
    assert result.ret == 1
    assert "test_it.py::test_it" in said(result)
