"""telemetry.yaml: environments, references to variables and files, and secrets that nothing shows."""

from __future__ import annotations

import pytest

from pytest_telemetry_gate.errors import ConfigError
from pytest_telemetry_gate.files.environments import load_environment
from pytest_telemetry_gate.support.secrets import Secrets


@pytest.fixture
def load(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TELEMETRY_ENV", raising=False)

    def load(text, name=None):
        path = tmp_path / "telemetry.yaml"
        path.write_text(text, encoding="utf-8")
        return load_environment(path, name)

    return load


TWO = 'default: a\nenvironments:\n  a: {source: recording, path: a.zip}\n  b:\n    source: recording\n    path: "${NOT_SET_ANYWHERE}"\n'


def test_only_the_chosen_environment_is_expanded(load):
    assert load(TWO).name == "a"
    with pytest.raises(
        ConfigError, match=r"^telemetry\.yaml:6: environment variable NOT_SET_ANYWHERE is not set"
    ):
        load(TWO, "b")


def test_references_are_expanded_in_scalars_after_parsing(load, tmp_path, monkeypatch):
    monkeypatch.setenv("WHERE", "x: [1]")
    (tmp_path / "token").write_text("s3cret-token\n")
    environment = load(
        "environments:\n  a:\n    source: s\n    url: 'http://${WHERE}/${PORT:-9090}/$$HOME'\n"
        "    headers: {X: '${file:token}'}\n    list: ['${WHERE}']\n",
        "a",
    )
    (region,) = environment.regions.values()
    assert region.options["url"] == "http://x: [1]/9090/$HOME"
    assert region.options["headers"] == {"X": "s3cret-token"}
    assert region.options["list"] == ["x: [1]"]


def test_regions_override_what_they_share(load):
    environment = load(
        "environments:\n  a:\n    source: s\n    url: u\n    timeout: 30s\n"
        "    regions: {us: {url: v}, eu: {timeout: 5s}, ap: }\n",
        "a",
    )
    assert {name: region.options for name, region in environment.regions.items()} == {
        "us": {"url": "v", "timeout": "30s"},
        "eu": {"url": "u", "timeout": "5s"},
        "ap": {"url": "u", "timeout": "30s"},
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("enviroments: {}\n", "telemetry.yaml:1: unknown key 'enviroments' (did you mean 'environments'?)"),
        (
            "environments: {a: {path: x}}\n",
            "telemetry.yaml:1: environments.a needs `source:`, such as recording",
        ),
        ("environments: []\n", "telemetry.yaml:1: environments must be a mapping"),
        ("default: a\n", "environments must be a mapping"),
        (
            "environments: {a: {source: s, scrape_interval: often}}\n",
            "scrape_interval: 'often' is not a duration",
        ),
        ("environments: {a: {source: s, events: {alerts: {}}}}\n", "events.alerts needs `source:`"),
        (
            "environments: {a: {source: s, x: '${file:nothing}'}}\n",
            "${file:nothing} cannot be read: No such file",
        ),
        ("environments: {a: {source: s}, a: {source: t}}\n", "duplicate key 'a' (first in line 1)"),
        ("a: [\n", "not YAML"),
    ],
)
def test_what_is_wrong_is_one_line(load, text, message):
    with pytest.raises(ConfigError) as caught:
        load(text, "a")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_environment_lists_the_known_ones(load, monkeypatch):
    with pytest.raises(
        ConfigError, match="--telemetry-env: unknown environment 'c'; known environments: a, b"
    ):
        load(TWO, "c")
    monkeypatch.setenv("TELEMETRY_ENV", "d")
    with pytest.raises(
        ConfigError, match=r"\$TELEMETRY_ENV: unknown environment 'd'; known environments: a, b"
    ):
        load(TWO)
    monkeypatch.delenv("TELEMETRY_ENV")
    with pytest.raises(ConfigError, match="no environment chosen and no `default:`; known environments: a"):
        load("environments: {a: {source: s}}\n")


def test_secrets_are_scrubbed_and_not_in_any_repr(load, tmp_path, monkeypatch):
    monkeypatch.setenv("PROM_TOKEN", "canary-one")
    monkeypatch.setenv("PLAIN", "nothing-secret")
    (tmp_path / "key").write_text("canary-two\n")
    environment = load(
        "environments:\n  a:\n    source: s\n    url: 'https://user:canary-three@host/'\n"
        "    authorization: {credentials: '${PROM_TOKEN}'}\n    basic_auth: {password: canary-four}\n"
        "    headers: {X: '${file:key}', Y: '${PLAIN}'}\n",
        "a",
    )
    text = "canary-one canary-two canary-three canary-four nothing-secret https://user:canary-three@host/"
    scrubbed = environment.scrub(text)
    assert "canary" not in scrubbed
    assert "nothing-secret" in scrubbed
    assert "https://host/" in scrubbed
    assert "canary" not in repr(environment)


def test_a_login_is_taken_out_of_a_long_text_at_once():
    # a telemetry payload of one long word used to keep the pattern busy for minutes
    word = "x" * 600_000
    assert Secrets().scrub(f"{word}://user:secret@host/") == f"{word}://host/"
