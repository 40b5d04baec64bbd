"""Canaries in every place of telemetry.yaml, before servers that send everything back: nobody ever reads one."""

from __future__ import annotations

import base64
import os
import re
import signal
import stat
import tempfile
import zipfile
from pathlib import Path
from urllib.parse import quote

import faults
import pytest
import servers
from children import PATIENCE, started, until
from regions import LiveProject

from pytest_telemetry_gate.files.environments import load_environment
from pytest_telemetry_gate.sources.prometheus import PrometheusSource

LOUD = ("-vv", "--tb=long", "-l", "--full-trace", "--log-level=DEBUG", "-rA", "--telemetry-explain", "-s")
ODD = "kanari/with:odd@signs% \"'é"
PLACES: dict[str, dict[str, object]] = {
    "login": {"url": "http://user:kanari-login@HOST"},
    "encoded-login": {"url": f"http://us%20er:{quote(ODD, safe='')}@HOST"},
    "password": {"basic_auth": {"username": "user", "password": "kanari password"}},
    "password-file": {"basic_auth": {"username": "user", "password_file": "secret"}},
    "credentials": {"authorization": {"credentials": "kanari-credentials"}},
    "credentials-file": {"authorization": {"type": "Token", "credentials_file": "secret"}},
    "authorization": {"headers": {"Authorization": "Bearer kanari-bearer"}},
    "cookie": {"headers": {"Cookie": "session=kanari-cookie; theme=dark"}},
    "api-key": {"headers": {"X-Api-Key": "kanari-api-key"}},
    "auth-header": {"headers": {"X-Auth": "kanari-auth"}},
    "params": {"params": {"api_key": "kanari key&=+", "token": "kanari-token"}},
    "variable": {"params": {"of": "${KANARI_TOKEN}"}, "headers": {"X-Of": "${KANARI_PASS}"}},
    "file": {"params": {"of": "${file:secret}"}},
    "url-query": {"url": "http://HOST?cluster=prod&sig=kanari%2Fsig%2Bnature&access_key=kanari-access"},
    "json": {"headers": {"X-Token": 'kanari "quoted" \\ back'}},
}
BY_HAND = """
    import logging
    import pytest

    pytestmark = pytest.mark.telemetry(region=["encoded-login", "params"])

    def test_asking(telemetry, telemetry_environment):
        logging.getLogger().debug("%r", telemetry_environment)
        environment, regions = repr(telemetry_environment), telemetry_environment.regions
        settings = [repr(one) for one in regions.values()]
        telemetry.value("cpu")

    def test_checking(telemetry):
        verdict = telemetry.check("cpu", "> 0")
        assert verdict.value == 1

    def test_series(telemetry):
        telemetry.check("sum by (echo) (cpu)", "> 0")
        telemetry.range("cpu")
"""


@pytest.fixture
def canaries(project: LiveProject, monkeypatch: pytest.MonkeyPatch) -> LiveProject:
    monkeypatch.setenv("KANARI_TOKEN", "kanari-variable")
    monkeypatch.setenv("KANARI_PASS", "kanari-pass")
    project.file("secret", "kanari-file\n")
    project.file("test_by_hand.py", BY_HAND)
    project.suite(
        "- {id: cpu, query: cpu, expect: '< 75'}\n- {id: alerts, alerts: {match: {team: x}}, expect: '== 0'}\n"
    )
    return project


def written(project: LiveProject) -> str:
    """Return all that a run has written for people or machines, with the forms of basic authentication decoded."""
    texts = [project.result.stdout.str(), project.result.stderr.str()]
    texts += [path.read_text(errors="replace") for path in project.path.glob("*.xml")]
    return "\n".join(texts)


def leaks(text: str) -> set[str]:
    """Return what is around each canary that can be read."""
    # Found first and shown then: a pattern with what is before it would be tried at each of millions of places.
    found = re.finditer(r"(?i)kanari", text)
    return {text[max(one.start() - 60, 0) : one.end() + 30] for one in found}


def at(place: dict[str, object], url: str) -> dict[str, object]:
    """Return the region's settings with the server's address in them."""
    login = str(place.get("url", "HOST"))
    host = url.removeprefix("http://")
    return {**place, "url": login.replace("HOST", host) if "url" in place else url}


@pytest.mark.parametrize("fault", ["", "late-echo", "echo-beside"])
def test_a_recording_holds_no_secret(canaries: LiveProject, faulty: faults.FaultServer, fault: str):
    url = faulty.url(fault) if fault else faulty.url()
    canaries.regions({name: at(place, url) for name, place in PLACES.items()}, accept_warnings=True)
    canaries.verdicts("-vv", "--telemetry-record=a.telemetry.zip")
    assert leaks(written(canaries)) == set()
    assert "telemetry recording: a.telemetry.zip: " in canaries.result.stdout.str()
    path = canaries.path / "a.telemetry.zip"
    if path.exists():
        with zipfile.ZipFile(path) as archive:
            assert (
                leaks("\n".join(archive.read(name).decode(errors="replace") for name in archive.namelist()))
                == set()
            )
    assert path.exists() or fault


def test_no_settings_show_themselves(canaries: LiveProject, faulty: faults.FaultServer, tmp_path: Path):
    canaries.file("kanari-key.pem", "kanari")
    tls = {"tls_config": {"key_file": "kanari-key.pem", "cert_file": "kanari-key.pem"}}
    proxy = {"proxy_url": "http://user:kanari-proxy@127.0.0.1:1"}
    places = {**PLACES, "tls": tls, "proxy": proxy}
    canaries.regions({name: at(place, faulty.url()) for name, place in places.items()})
    environment = load_environment(canaries.path / "telemetry.yaml")
    for settings in environment.regions.values():
        source = PrometheusSource(settings)
        shown = [environment, settings, source, source._transport, vars(source), source._transport._settings]
        assert "kanari" not in "".join(map(repr, shown)).lower()


def test_a_proxy_does_not_tell_its_password(canaries: LiveProject, faulty: faults.FaultServer):
    nobody = servers.NOBODY.removeprefix("http://")
    regions = {
        "gone": {"url": faulty.url(), "proxy_url": f"http://user:kanari-proxy@{nobody}"},
        "echoing": {"url": faulty.url(), "proxy_url": f"http://user:kanari-proxy@127.0.0.1:{faulty.port}"},
        "odd": {"url": faulty.url(), "proxy_url": "kanari://user:kanari-proxy@nowhere"},
    }
    canaries.regions(regions)
    canaries.verdicts(*LOUD, "--junitxml=junit.xml")
    text = written(canaries)
    assert leaks(text) == set()
    assert base64.b64encode(b"user:kanari-proxy").decode() not in text


WAITING = """
    from pathlib import Path

    from pytest_telemetry_gate.gate.shared_answers import SharedAnswers

    get = SharedAnswers.get

    def get_and_say_so(self, question, *patience):
        if patience and hasattr(question, "promql"):  # a check's; the server answers everything else
            Path("waiting").touch()
        return get(self, question, *patience)

    SharedAnswers.get = get_and_say_so
"""


def test_an_interrupt_shows_no_settings(canaries: LiveProject, faulty: faults.FaultServer):
    """Every frame of pytest is shown with its variables, while a check waits for a request that hangs."""
    canaries.regions(
        {name: at(place, faulty.url("late-hang")) for name, place in PLACES.items()}, timeout="60s"
    )
    canaries.file("conftest.py", WAITING)
    with started(canaries.path, *LOUD) as process:
        until(lambda: process.poll() is not None or (canaries.path / "waiting").exists())
        os.kill(process.pid, signal.SIGINT)
        output, _ = process.communicate(timeout=PATIENCE)
    assert "KeyboardInterrupt" in output
    assert "self = <pytest_telemetry_gate.gate.asker.Asker" in output, "the variables are shown"
    assert leaks(output) == set()


def test_the_spool_is_nobody_elses_and_goes_with_the_run(
    canaries: LiveProject, faulty: faults.FaultServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)  # where this process remembers another one
    modes = tmp_path / "modes"
    canaries.file(
        "test_modes.py",
        f"""
        from pathlib import Path
        import tempfile

        def test_modes():
            folders = [one for one in Path(tempfile.gettempdir()).rglob("*") if one.is_dir() and "pytest-telemetry" in str(one)]
            lines = [f"{{one.stat().st_mode & 0o777:o}}" for one in folders]
            Path({str(modes)!r}).write_text("\\n".join(lines))
        """,
    )
    canaries.regions({"eu": faulty.url()})
    canaries.verdicts("-n2", "--dist=each")
    assert set(modes.read_text().split()) == {f"{stat.S_IRWXU:o}"}
    assert [one for one in tmp_path.iterdir() if one.name.startswith("pytest-telemetry")] == []
