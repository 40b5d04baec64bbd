"""``telemetry_server`` and ``telemetry_server_factory`` in tests, and ``telemetry-gate serve``."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.request

import pytest
from children import PATIENCE
from gates import START
from projects import PASSING, said, two_regions

ASK = f"""\
import json
import urllib.request

def ask(server, promql):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({{}}))
    with opener.open(f"{{server.url}}/api/v1/query?query={{promql}}&time={START}") as reply:
        return json.load(reply)["data"]["result"]
"""


def test_a_recording_is_asked_as_a_prometheus(project):
    project.suite(PASSING)
    project.file("ask.py", ASK)
    project.file(
        "test_it.py",
        """\
        from ask import ask

        URLS = []

        def test_it(telemetry_server):
            (series,) = ask(telemetry_server, "cpu")
            assert series["value"][1] == "70"
            assert telemetry_server.by == "engine"
            URLS.append(telemetry_server.url)

        def test_again(telemetry_server):
            assert URLS == [telemetry_server.url]
        """,
    )
    result = project.run()
    result.assert_outcomes(passed=3)
    assert result.ret == 0, said(result)


def test_a_fixture_of_a_session_serves_any_recording(project):
    project.file("ask.py", ASK)
    project.file(
        "test_it.py",
        """\
        import pytest
        from ask import ask

        @pytest.fixture(scope="session")
        def prometheus(telemetry_server_factory):
            return telemetry_server_factory("small.telemetry.zip", by="engine")

        def test_it(prometheus, telemetry_server_factory):
            assert ask(prometheus, "cpu")
            assert telemetry_server_factory("small.telemetry.zip", by="engine") is prometheus

        def test_wrong(telemetry_server_factory):
            with pytest.raises(Exception, match="no region 'mars'"):
                telemetry_server_factory("small.telemetry.zip", "mars")
            with pytest.raises(Exception, match="none.telemetry.zip"):
                telemetry_server_factory("none.telemetry.zip")
        """,
    )
    (project.path / "telemetry.yaml").unlink()  # which it does not need
    result = project.run()
    result.assert_outcomes(passed=2)


def test_each_region_has_a_server_of_its_own(bare):
    two_regions(bare)
    bare.file("ask.py", ASK)
    bare.file(
        "test_it.py",
        """\
        from ask import ask

        def test_it(telemetry, telemetry_server):
            (series,) = ask(telemetry_server, "cpu")
            assert series["value"][1] == {"eu": "70", "us": "80"}[telemetry.region]
            telemetry.check(measured=float(series["value"][1]), expect="< 90")
        """,
    )
    result = bare.run()
    result.assert_outcomes(passed=2)
    assert result.ret == 0, said(result)


@pytest.mark.parametrize(
    "config", ["default: live\nenvironments: {live: {source: prometheus, url: 'http://127.0.0.1:1'}}\n"]
)
def test_a_live_environment_has_nothing_to_serve(bare, config):
    bare.file("telemetry.yaml", config)
    bare.file("test_it.py", "def test_it(telemetry_server):\n    pass\n")
    result = bare.run()
    assert result.ret == 1
    assert "Traceback" not in said(result)


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT")
def test_the_command_serves_until_it_is_interrupted(project):
    command = [
        sys.executable,
        "-m",
        "pytest_telemetry_gate.plugin.cli",
        "serve",
        "small.telemetry.zip",
        "--listen=127.0.0.1:0",
    ]
    code = "import sys; from pytest_telemetry_gate.plugin.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", code, *command[3:]]
    process = subprocess.Popen(
        command, cwd=project.path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("small.telemetry.zip at http://127.0.0.1:"), line
        url = line.split(" at ")[1].split(",")[0]
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"{url}/api/v1/query?query=cpu&time={START}", timeout=PATIENCE) as reply:
            assert json.load(reply)["data"]["result"][0]["value"][1] == "70"
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
        process.communicate()
    assert (process.returncode, rest.strip()) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["none.zip"], "none.zip"),
        (
            ["small.telemetry.zip", "--listen=9090"],
            "--listen: '9090' is not HOST:PORT, such as 127.0.0.1:9090",
        ),
        (["small.telemetry.zip", "--listen=127.0.0.1:99999"], "is not HOST:PORT"),
        (["small.telemetry.zip", "--region=mars"], "no region 'mars'"),
        (["telemetry.yaml"], "telemetry.yaml"),
    ],
)
def test_a_mistake_of_the_command_is_one_line(project, monkeypatch, capsys, arguments, told):
    from pytest_telemetry_gate.plugin.cli import main

    monkeypatch.chdir(project.path)
    assert main(["serve", *arguments]) == 4
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("ERROR: ")
    assert told in line
