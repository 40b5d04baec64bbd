import json
import logging
from urllib.parse import quote

import pytest

from pytest_telemetry_gate.support.configured import keep_arguments, keep_body, keep_configured, keep_variable
from pytest_telemetry_gate.support.log_records import mask_logs
from pytest_telemetry_gate.support.ordinary_values import is_ordinary
from pytest_telemetry_gate.support.secrets import MASK, Secrets
from pytest_telemetry_gate.support.variables import expand_references


@pytest.fixture
def urllib3_logs(caplog):
    caplog.set_level(logging.DEBUG, "urllib3.connectionpool")
    return caplog


def test_a_collection_changes_no_logger_before_it_is_told_to(urllib3_logs):
    logger = logging.getLogger("urllib3.connectionpool")
    filters = list(logger.filters)
    secrets = Secrets()
    secrets.keep("canary-in-logs")
    assert logger.filters == filters
    logger.debug("before: %s", "canary-in-logs")
    mask_logs(secrets)
    mask_logs(secrets)
    logger.debug("after: %s", "canary-in-logs")
    assert urllib3_logs.messages == ["before: canary-in-logs", f"after: {MASK}"]


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("${SET}", "value"),
        ("a${SET:-other}b", "avalueb"),
        ("${EMPTY:-other}", "other"),
        ("${MISSING:-}", ""),
        ("$SET ${1x", "$SET ${1x"),
    ],
)
def test_references_to_the_environment(text, expanded):
    assert expand_references(text, environ={"SET": "value", "EMPTY": ""}) == expanded


@pytest.mark.parametrize(("name", "what"), [("MISSING", "not set"), ("EMPTY", "empty")])
def test_a_reference_without_a_value_names_the_remedy(name, what):
    with pytest.raises(ValueError, match=f"^environment variable {name} is {what}; ") as caught:
        expand_references(f"${{{name}}}", environ={"EMPTY": ""})
    assert str(caught.value).endswith(f"${{{name}:-DEFAULT}} gives a default")


def test_files_and_dollars_are_only_expanded_where_there_is_a_folder(tmp_path):
    (tmp_path / "file").write_text("content\n\n")
    assert expand_references("$$A ${file:file}", environ={}, folder=tmp_path) == "$A content\n"
    assert expand_references("$$A ${file:file}", environ={}) == "$$A ${file:file}"


def test_secrets_remember_what_is_expanded(tmp_path):
    (tmp_path / "file").write_text("canary-file")
    secrets = Secrets()
    environ = {"TOKEN": "canary-token", "PLAIN": "plain-text"}

    def keep(name, value, before):
        keep_variable(secrets, name, value, before, ("path",))

    text = expand_references("${TOKEN} ${PLAIN} ${file:file}", environ=environ, folder=tmp_path, keep=keep)
    assert secrets.scrub(text) == f"{MASK} plain-text {MASK}"


@pytest.mark.parametrize(
    "value",
    ["true", "9090", "30s", "1h30m", "v2.51.0", "10.0.0.1", "application/json; charset=utf-8", "gzip, deflate", "telemetry", "eu",
     "prod-eu-west-1", "us2", "Prometheus", "admin", "json", "*/*"],
)  # fmt: skip
def test_what_everybody_knows_is_no_secret(value):
    secrets = Secrets()
    secrets.keep_values(value)
    assert secrets.scrub(f"a {value} b") == f"a {value} b"
    assert is_ordinary(value)


@pytest.mark.parametrize(
    "value",
    [
        "team-rocket",
        "swordfish",
        "a7x9q",
        "secret",
        "12345678",
        "kanari agent/5.0",
        "prod-x7f3a",
        "Ünïcode-wörd",
        "a'b\"c\\d",
        "x&=+% y",
    ],
)
def test_other_values_are_masked_in_every_spelling(value):
    secrets = Secrets()
    secrets.keep_values(value)
    for text in (
        value,
        repr(value),
        repr(repr(value)),
        json.dumps({"a": value}),
        json.dumps(json.dumps(value)),
        quote(value, safe=""),
    ):
        assert value[1:-1] not in secrets.scrub(f"before {text} after")
        assert MASK in secrets.scrub(f"before {text} after")
    assert secrets.scrub_credentials(f"a {value} b") == f"a {value} b"


def test_short_values_are_masked_as_whole_words_only():
    secrets = Secrets()
    secrets.keep_values("euro", "west4")
    secrets.keep("pass", "1234")
    text = "passed in europe-west4a at 12345 of western euros, team-euro, euro.example, test_pass"
    assert secrets.scrub(text) == text
    assert secrets.scrub("euro, west4: pass 1234.") == f"{MASK}, {MASK}: {MASK} {MASK}."


def test_public_words_are_no_secrets_but_credentials_stay():
    secrets = Secrets()
    secrets.keep_values("team-rocket")
    secrets.keep("team-blue")
    secrets.publish(["team-rocket", "team-blue"])
    assert secrets.scrub("team-rocket team-blue") == f"team-rocket {MASK}"


def test_a_recording_keeps_what_queries_ask_for():
    secrets = Secrets()
    secrets.keep_values("parser-blue", "team-rocket")
    secrets.keep("swordfish")
    scrub = secrets.scrub_beside(['up{job="parser-blue"}'])
    assert scrub("parser-blue team-rocket swordfish http://a:b@c") == f"parser-blue {MASK} {MASK} http://c"
    assert secrets.scrub("parser-blue") == MASK


@pytest.mark.parametrize("places", [3, 5, 9, 20])
def test_what_a_cut_leaves_of_a_secret_is_masked(places):
    secret = "hunter2-swordfish-2026"
    secrets = Secrets()
    secrets.keep(secret)
    for cut in ("...", "…", " ... 1,234 characters ... "):
        shown = secrets.scrub(f"x = 'aaa {secret[:places]}{cut}{secret[-places:]} bbb'")
        assert (secret[:places] in shown) == (places < 4)
        assert (secret[-places:] in shown) == (places < 4)
        assert shown.startswith("x = 'aaa ")
        assert shown.endswith(" bbb'")


def test_each_line_of_a_secret_is_one():
    secrets = Secrets()
    secrets.keep("-----BEGIN KEY-----\nabcdefgh\nijklmnop\n")
    assert secrets.scrub("line 2: abcdefgh, ijklmnop") == f"line 2: {MASK}, {MASK}"


def test_exceptions_in_logs_are_masked_too(caplog):
    secrets = Secrets()
    secrets.keep("canary-in-logs")
    mask_logs(secrets)
    try:
        raise ValueError("canary-in-logs")
    except ValueError:
        logging.getLogger("anybody").exception("with %(a)s", {"a": "canary-in-logs"}, stack_info=True)
    assert "canary" not in caplog.text.replace("test_secrets", "").replace('"canary-in-logs"', "")
    assert f"ValueError: {MASK}" in caplog.text


def test_a_message_that_cannot_be_formatted_is_left_to_its_handler(caplog):
    secrets = Secrets()
    secrets.keep("canary-in-logs")
    mask_logs(secrets)
    with pytest.raises(TypeError):
        logging.getLogger("anybody").error("%d", "canary")


@pytest.mark.parametrize(
    ("settings", "masked", "shown"),
    [
        ({"headers": {"X-Anything": "rocket-1"}}, ["rocket-1"], []),
        ({"headers": {"Authorization": "Bearer abcdefgh"}}, ["abcdefgh"], ["Bearer"]),
        ({"headers": {"Authorization": "Basic " + "dXNlcm5hbWU6c3dvcmRmaXNo"}}, ["swordfish", "username"], []),
        ({"params": {"flavour": "rocket-1", "dedup": True, "step": 15}}, ["rocket-1"], ["True", "15"]),
        ({"basic_auth": {"username": "user-1", "password": 12345678}}, ["user-1", "12345678"], []),
        ({"url": "https://user-1:word-1@host-1:9090/a?x=rocket-1"}, ["user-1", "word-1", "rocket-1"], ["host-1", "9090"]),
        ({"url": "https://host-1/ab12cd34ef56gh78ij90kl"}, ["ab12cd34ef56gh78ij90kl"], ["host-1"]),
        ({"tls_config": {"ca_file": "folder-1/ca-1.pem", "server_name": "host-1"}}, [], ["folder-1/ca-1.pem", "host-1"]),
        ({"basic_auth": {"password_file": "file-1"}}, [], ["file-1"]),
        ({"events": {"incidents": {"source": "theirs", "token": "rocket-1", "services": ["parser-1"]}}}, ["rocket-1"], ["parser-1"]),
    ],
    ids=str,
)  # fmt: skip
def test_the_place_decides_what_is_a_secret(settings, masked, shown):
    secrets = Secrets()
    keep_configured(secrets, settings)
    for text in masked:
        assert secrets.scrub(f"a {text} b") == f"a {MASK} b"
    for text in shown:
        assert secrets.scrub(f"a {text} b") == f"a {text} b"


@pytest.mark.parametrize(
    ("text", "key", "is_secret"),
    [
        ("${VALUE}", "headers", True),
        ("${VALUE}", "body", True),
        ("a ${VALUE}", "argv", True),
        ("https://host/${VALUE}/a", "url", True),
        ("https://host?a=${VALUE}", "url", True),
        ("https://${VALUE}.example.net/a", "url", False),
        ("${VALUE}/a", "url", False),
        ("${VALUE}", "path", False),
        ("${VALUE}", "ca_file", False),
        ("${MY_TOKEN}", "path", True),
        ("https://${MY_TOKEN}.example.net", "url", True),
    ],
)
def test_a_variable_is_a_secret_but_where_it_says_a_place(text, key, is_secret):
    secrets = Secrets()

    def keep(name, value, before):
        keep_variable(secrets, name, value, before, (key,))

    expand_references(text, environ={"VALUE": "rocket-1", "MY_TOKEN": "rocket-1"}, keep=keep)
    assert (secrets.scrub("rocket-1") == MASK) == is_secret


@pytest.mark.parametrize(
    "value", ["https://host-1/x", "/usr/bin/tool", "./tool", "host-1:9090", "prometheus.example.net"]
)
def test_an_address_in_a_variable_is_shown(value):
    secrets = Secrets()
    keep_variable(secrets, "TARGET", value, "", ("argv", 1))
    assert secrets.scrub(f"a {value} b") == f"a {value} b"


@pytest.mark.parametrize(
    "arguments",
    [
        ["--token=rocket-1"],
        ["--password", "rocket-1"],
        ["-H", "X-Api-Key: rocket-1"],
        ["https://a:rocket-1@b"],
    ],
)
def test_options_of_commands_are_secrets_by_their_name(arguments):
    secrets = Secrets()
    keep_arguments(secrets, arguments)
    assert secrets.scrub("a rocket-1 b") == f"a {MASK} b"


@pytest.mark.parametrize("body", ['{"a": [{"password": "rocket-1"}]}', "a=b&api_key=rocket-1"])
def test_bodies_hold_secrets_by_name(body):
    secrets = Secrets()
    keep_body(secrets, body)
    assert secrets.scrub("a rocket-1 b") == f"a {MASK} b"
