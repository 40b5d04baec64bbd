import logging

import pytest

from pytest_telemetry_gate.support.configured import keep_variable
from pytest_telemetry_gate.support.log_records import mask_logs
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
