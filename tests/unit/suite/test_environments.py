"""telemetry.yaml: environments, references to variables and files, and secrets that nothing shows."""

from __future__ import annotations

import jsonschema
import pytest

from pytest_telemetry_gate.errors import ConfigError
from pytest_telemetry_gate.files.environments import load_environment
from pytest_telemetry_gate.files.schemas import environments_schema
from pytest_telemetry_gate.model.environment import Deadline
from pytest_telemetry_gate.support.secrets import Secrets


@pytest.fixture
def load(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

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
            "telemetry.yaml:1: environment 'a': needs 'source'",
        ),
        ("environments: []\n", "telemetry.yaml:1: environments: must be a mapping of keys to values"),
        ("default: a\n", "telemetry.yaml:1: needs 'environments'"),
        (
            "environments: {a: {source: s, scrape_interval: often}}\n",
            "scrape_interval: 'often' is not a duration",
        ),
        (
            "environments: {a: {source: s, events: {alerts: {}}}}\n",
            "environment 'a': events.alerts: needs 'source'",
        ),
        (
            "environments: {a: {source: s, x: '${file:nothing}'}}\n",
            "${file:nothing} cannot be read: No such file",
        ),
        (
            "environments:\n  a:\n    source: s\n    scrape_interval: '${NOT_SET:-}'\n",
            "telemetry.yaml:4: environment 'a': scrape_interval: '' is not a duration",
        ),
        (
            "environments:\n  a:\n    source: s\n    scrape_interval: '${NOT_SET:-}'\n",
            " (${NOT_SET:-} is empty)",
        ),
        ("environments: {a: {source: s}, a: {source: t}}\n", "duplicate key 'a' (first at line 1)"),
        ("a: [\n", "not YAML"),
        ("version: 2\nenvironments: {a: {source: s}}\n", "telemetry.yaml:1: version: 2 is not 1"),
        ("\nversion: one\nenvironments: {a: {source: s}}\n", "telemetry.yaml:2: version: 'one' is not 1"),
        (
            "environments:\n  a:\n    source: s\n    concurrency: 0\n",
            "telemetry.yaml:4: environment 'a': concurrency: must be a positive integer",
        ),
        (
            "environments:\n  a:\n    source: s\n    concurrency: 1.5\n",
            "concurrency: must be a positive integer",
        ),
        (
            "environments:\n  a:\n    source: s\n    accept_warnings: 1\n",
            "telemetry.yaml:4: environment 'a': accept_warnings: must be true or false",
        ),
        (
            "environments:\n  a:\n    source: s\n    deadline: 0s\n",
            "telemetry.yaml:4: environment 'a': deadline: must be positive, not '0s'",
        ),
        (
            "environments:\n  a:\n    source: s\n    events:\n      alert: {source: s}\n",
            "telemetry.yaml:5: environment 'a': events: unknown key 'alert' (did you mean 'alerts'?)",
        ),
        (
            "environments:\n  a:\n    source: s\n    replay:\n      variables:\n        x: [1]\n",
            "telemetry.yaml:6: environment 'a': replay.variables.x: must be text, a number, true or false",
        ),
        (
            "environments:\n  a:\n    source: s\n    accept_warnings: 1\n    regions:\n      eu: {}\n",
            "telemetry.yaml:4: region 'eu': accept_warnings: must be true or false",
        ),
        (
            "environments:\n  a:\n    source: s\n    regions:\n      eu:\n        replay: {recording: 3}\n",
            "telemetry.yaml:6: region 'eu': replay.recording: must be text",
        ),
        (
            "environments:\n  a:\n    source: s\n    regions:\n      eu: [1]\n",
            "telemetry.yaml:5: environments.a.regions.eu: must be a mapping of keys to values",
        ),
        (
            "environments:\n  a:\n    source: s\n    regions:\n      'e u': {}\n",
            "telemetry.yaml:5: region 'e u': a name has letters, digits, '_', '.' and '-'",
        ),
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
    monkeypatch.setenv("HOST_NAME", "open-host")
    (tmp_path / "key").write_text("canary-two\n")
    environment = load(
        "environments:\n  a:\n    source: s\n    url: 'https://user:canary-three@host/'\n"
        "    authorization: {credentials: '${PROM_TOKEN}'}\n    basic_auth: {password: canary-four}\n"
        "    headers: {X: '${file:key}', Y: '${PLAIN}'}\n    proxy_url: 'https://${HOST_NAME}:9090'\n",
        "a",
    )
    text = "canary-one canary-two canary-three canary-four nothing-secret https://user:canary-three@host/"
    scrubbed = environment.scrub(text)
    assert "canary" not in scrubbed
    # A header's value is a secret whatever its name; the host of an address is none, where it comes from a variable too.
    assert "nothing-secret" not in scrubbed
    assert environment.scrub("https://open-host:9090/ at open-host") == "https://open-host:9090/ at open-host"
    assert "https://host/" in scrubbed
    assert "canary" not in repr(environment)


def test_a_login_is_taken_out_of_a_long_text_at_once():
    # a telemetry payload of one long word used to keep the pattern busy for minutes
    word = "x" * 600_000
    assert Secrets().scrub(f"{word}://user:secret@host/") == f"{word}://host/"


def test_a_version_is_optional_and_1(load):
    assert load("version: 1\nenvironments: {a: {source: s}}\n", "a").name == "a"


def test_an_option_is_located_where_it_is_written(load):
    environment = load(
        "environments:\n  a:\n    source: s\n    headers:\n      X: y\n    events:\n      alerts:\n"
        "        source: t\n        url: u\n    regions:\n      eu:\n        url: v\n      us: {}\n",
        "a",
    )
    eu = environment.regions["eu"]
    assert str(eu.error(("headers", "X"), "bad")) == "telemetry.yaml:5: bad"
    assert str(eu.error(("headers", "Y"), "bad")) == "telemetry.yaml:4: bad"
    assert str(eu.error(("url",), "bad")) == "telemetry.yaml:12: bad"
    assert str(eu.error(("elsewhere",), "bad")) == "telemetry.yaml:11: bad"
    assert str(eu.events["alerts"].error(("url",), "bad")) == "telemetry.yaml:9: bad"
    assert eu.events["alerts"].where == "telemetry.yaml:7"
    assert str(environment.regions["us"].error(("url",), "bad")) == "telemetry.yaml:13: bad"


def test_asking_for_the_time_that_is_left_does_not_start_the_clock(monkeypatch):
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    deadline = Deadline(60.0)
    assert deadline.remaining() == 60.0
    now = 150.0
    assert deadline.remaining() == 60.0
    deadline.start()
    now = 160.0
    deadline.start()
    assert deadline.remaining() == 50.0
    deadline.reset()
    assert deadline.remaining() == 60.0


def test_the_schema_accepts_what_is_read_and_refuses_what_is_misspelt():
    schema = environments_schema()
    assert schema["$id"] == "urn:pytest-telemetry-gate:telemetry:1"
    validator = jsonschema.Draft202012Validator(schema)
    prod = {
        "source": "prometheus", "url": "${URL}", "timeout": "30s", "deadline": "10m", "scrape_interval": "${INTERVAL}",
        "regions": {"us": {"source": "recording", "path": "a.zip"}, "eu": None},
        "events": {"alerts": {"source": "alertmanager", "url": "u"}},
        "replay": {"variables": {"a": 1, "b": True}, "capture": {}, "recording": "a.zip"},
        "reports": {
            "slack": {"webhook": "${HOOK}", "timeout": "5s"}, "upload": "gs://a/{suite}",
            "confluence": {"url": "${WIKI}", "page": 7, "token": "${TOKEN}"}, "webhook": {"url": "u", "send": "summary"},
        },
    }  # fmt: skip
    good = {
        "version": 1,
        "default": "prod",
        "environments": {"prod": prod, "bare": {"regions": None, "events": None, "reports": None}},
    }
    validator.validate(good)
    for change in (
        {"version": 2}, {"defaults": "a"}, {"environments": []}, {"environments": {"a": {"concurrency": 0}}},
        {"environments": {"a": {"events": {"alert": {"source": "s"}}}}},
        {"environments": {"a": {"regions": {"eu": {"accept_warnings": "yes"}}}}},
        {"environments": {"a": {"scrape_interval": "often"}}},
        {"environments": {"a": {"reports": {"slak": {}}}}}, {"environments": {"a": {"reports": {"slack": {}}}}},
        {"environments": {"a": {"reports": {"upload": 1}}}},
    ):  # fmt: skip
        assert not validator.is_valid({**good, **change}), change
