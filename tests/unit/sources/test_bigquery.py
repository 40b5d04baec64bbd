"""What BigQuery is asked and answers: what a query may cost, who asks, and every refusal in one line."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import websites
from bigquery_server import JSON, PROJECT, BigQuery, RefusedError, refusal, running
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from pytest_telemetry_gate.errors import SourceError, UnreachableError
from pytest_telemetry_gate.model.environment import Deadline, Origin, RegionSettings
from pytest_telemetry_gate.model.query_sources import Readings, SourceQuery
from pytest_telemetry_gate.sources.bigquery.source import BigQuery as Source
from pytest_telemetry_gate.support.configured import keep_configured
from pytest_telemetry_gate.support.secrets import Secrets

END = 1737583200  # 2025-01-22T22:00:00Z
HOUR = 3600
RUNS = "`acme.telemetry.runs` WHERE done > @start AND done <= @end"
COUNT = f"SELECT count(*) FROM {RUNS}"


@pytest.fixture
def server() -> Iterator[BigQuery]:
    """A BigQuery with a run a minute, of two hosts in turn: its number of minutes before END is how long it took."""
    moments = [datetime.fromtimestamp(END, UTC) - timedelta(minutes=number) for number in range(180)]
    held = BigQuery()
    held.fill(
        "runs",
        "done TIMESTAMPTZ, host VARCHAR, took DOUBLE",
        [(moment, "ab"[number % 2], float(number)) for number, moment in enumerate(moments)],
    )
    with running(held):
        yield held
        held.ended.set()


def settings_of(*, folder: Path = Path(), deadline: float = 60.0, **options: Any) -> RegionSettings:
    named = {"project": PROJECT, **options}
    secrets = Secrets()
    keep_configured(secrets, named)
    origin = Origin("telemetry.yaml", {(): 3})
    return RegionSettings(
        "", "bigquery", named, {}, origin, folder, deadline=Deadline(deadline), secrets=secrets
    )


def read(server: BigQuery, text: str, *, window: int = HOUR, **options: Any) -> Readings:
    query = SourceQuery(text, END - window, END, {"host": "a", "least": "10"})
    assert Source.dialect.check(query) == ""
    return Source(settings_of(url=server.url, **options)).read(query)


def refused(act: Callable[[], object], kind: type[SourceError] = SourceError) -> str:
    with pytest.raises(SourceError) as error:
        act()
    assert type(error.value) is kind
    line = str(error.value)
    assert "\n" not in line
    assert "kanari" not in line
    return line


def found(readings: Readings) -> dict[str, float]:
    return {
        labels.get("host", ""): value for labels, value in zip(readings.labels, readings.values, strict=True)
    }


def runs(server: BigQuery) -> list[dict[str, Any]]:
    """The jobs that were no dry runs: what cost something."""
    return [job for job in server.jobs if not job.get("dryRun")]


def test_a_row_is_a_value_of_the_window(server: BigQuery):
    assert found(read(server, COUNT)) == {"": 60}
    assert found(read(server, f"SELECT MAX(took) FROM {RUNS}", window=7 * 60)) == {"": 6}
    columns = "host, AVG(took) AS value, SAFE_DIVIDE(COUNT(*), 30) AS coverage, 'ms' AS unit"
    readings = read(server, f"SELECT {columns} FROM {RUNS} GROUP BY host")
    assert found(readings) == {"a": 29, "b": 30}
    assert (readings.coverage, readings.unit, readings.doubt) == (1.0, "ms", "")
    assert readings.note.endswith("; 12 MB processed")


def test_parameters_are_bound_and_never_part_of_the_text(server: BigQuery):
    assert found(read(server, f"{COUNT} AND host = @host AND took >= CAST(@least AS FLOAT64)")) == {"": 25}
    assert found(read(server, f"{COUNT} AND host <> '@host' -- @nobody")) == {"": 60}
    assert found(read(server, "SELECT @end_epoch - @start_epoch AS value;")) == {"": HOUR}
    sent = server.jobs[0]["query"]["queryParameters"]
    assert [(one["name"], one["parameterType"]["type"]) for one in sent] == [
        ("start", "TIMESTAMP"),
        ("end", "TIMESTAMP"),
        ("host", "STRING"),
        ("least", "STRING"),
    ]


def test_a_query_is_a_dry_run_before_it_is_a_job_with_limits(server: BigQuery):
    read(server, COUNT, timeout="20s", maximum_bytes_billed="20 MB", location="EU")
    dry, job = server.jobs
    assert (dry["dryRun"], job["dryRun"]) == (True, False)
    assert dry["query"]["query"] == job["query"]["query"] == COUNT
    assert job["query"]["maximumBytesBilled"] == "20000000"
    assert job["query"]["useLegacySql"] is False
    assert 0 < int(job["jobTimeoutMs"]) <= 20_000
    assert job["labels"] == {"created_by": "pytest-telemetry-gate"}


def test_nothing_is_billed_above_the_limit(server: BigQuery):
    said = refused(lambda: read(server, COUNT, maximum_bytes_billed="10MB"))
    assert said.endswith("would read 12 MB, more than maximum_bytes_billed, 10 MB: not asked")
    server.processed = 10**9 + 1
    assert "would read 1 GB, more than maximum_bytes_billed, 1 GB" in refused(lambda: read(server, COUNT))
    assert runs(server) == []


def test_bytes_that_nobody_tells_are_refused(server: BigQuery):
    server.change = lambda path, answer: {**answer, "statistics": {"query": {"statementType": "SELECT"}}}
    assert "would read an unknown number of bytes" in refused(lambda: read(server, COUNT))
    server.change = lambda path, answer: {**answer, "statistics": {}}
    assert "what it is, BigQuery does not say" in refused(lambda: read(server, COUNT))
    assert runs(server) == []


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("DELETE FROM acme.telemetry.runs WHERE done < @end", "DELETE"),
        ("INSERT INTO acme.telemetry.runs SELECT @end, 'a', 1", "INSERT"),
        ("CREATE TABLE acme.telemetry.a AS SELECT @end AS b", "CREATE_TABLE_AS_SELECT"),
        ("DROP TABLE acme.telemetry.runs", "DROP_TABLE"),
    ],
)
def test_what_bigquery_does_not_call_a_select_is_not_run(server: BigQuery, text: str, kind: str):
    asked = Source(settings_of(url=server.url))
    said = refused(lambda: asked.read(SourceQuery(text, END - HOUR, END)))
    assert said.endswith(f": {kind} is no query that only reads")
    assert runs(server) == []


def test_no_rows_and_null_are_no_data(server: BigQuery):
    assert read(server, f"SELECT took FROM {RUNS} AND took < 0").values == ()
    assert read(server, f"SELECT AVG(took) FROM {RUNS} AND took < 0").doubt.endswith(" is NULL")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (f"SELECT MIN(took), MAX(took) FROM {RUNS}", "2 columns can be the value"),
        (f"SELECT took FROM {RUNS}", "60 rows have the same labels (none)"),
        (f"SELECT MAX(host) AS value FROM {RUNS}", "column value holds str where a number has to be"),
        ("SELECT CAST('inf' AS FLOAT64) AS value, @end AS a", "not finite"),
        (f"SELECT tok FROM {RUNS}", "invalidQuery: Unrecognized name: tok at [1:8]"),
        (f"{COUNT} AND", "invalidQuery: Syntax error: Unexpected end of script at [1:"),
        ("SELECT 1 FROM nowhere.a WHERE b < @end", "notFound: Not found: Table acme:nowhere.a was not found in location US: are project"),
    ],
)  # fmt: skip
def test_what_is_no_rollup_is_one_line(server: BigQuery, text: str, reason: str):
    said = refused(lambda: read(server, text))
    assert reason in said
    assert said.startswith(f"bigquery acme at {server.url}: ")


def test_numbers_of_every_type_are_values(server: BigQuery):
    for written, value in (("7", 7), ("CAST(0.25 AS NUMERIC)", 0.25), ("0.1", 0.1), ("-1e300", -1e300)):
        assert read(server, f"SELECT {written} AS value, @end AS at").values == (value,)


def test_rows_come_in_pages_and_all_of_them(server: BigQuery):
    server.page = 7
    text = f"SELECT done AS at, took FROM {RUNS} ORDER BY done"
    readings = read(server, text)
    assert sorted(readings.values) == list(range(60))
    assert sum("/queries/" in path for _, path in server.asked) == 9


def test_pages_that_end_early_are_no_answer(server: BigQuery):
    server.page = 7
    server.change = lambda path, answer: {key: answer[key] for key in answer if key != "pageToken"}
    assert "BigQuery counts 60 rows, and gave 7" in refused(
        lambda: read(server, f"SELECT took, done AS at FROM {RUNS}")
    )


def test_pages_without_end_end(server: BigQuery):
    server.page = 7
    server.change = lambda path, answer: {**answer, "pageToken": "0"} if "rows" in answer else answer
    text = f"SELECT took, done AS at FROM {RUNS}"
    assert "BigQuery counts 60 rows, and gave 61 or more" in refused(lambda: read(server, text))


def test_a_million_rows_are_refused_without_reading_them(server: BigQuery):
    text = "SELECT a.took AS value FROM telemetry.runs a, telemetry.runs b WHERE @end > a.done"
    said = refused(lambda: read(server, text))
    assert said.endswith("32220 rows, more than 10000: a rollup has one for each set of labels")
    assert sum("/queries/" in path for _, path in server.asked) == 1


def test_a_job_that_does_not_end_is_left_in_time(server: BigQuery):
    server.ended.clear()
    assert refused(lambda: read(server, COUNT, timeout="300ms"), UnreachableError).endswith(
        "no answer within 0.3s"
    )
    assert "no answer within 0." in refused(lambda: read(server, COUNT, deadline=0.3), UnreachableError)


def test_the_deadline_of_the_gate_holds(server: BigQuery):
    said = refused(lambda: read(server, COUNT, deadline=0.0), UnreachableError)
    assert said.endswith("not asked: the gate's deadline of 0s has passed")
    assert server.asked == []


@pytest.mark.parametrize(
    ("reason", "kind", "words"),
    [
        (
            "accessDenied",
            SourceError,
            "accessDenied: so it is: the account needs the roles BigQuery Job User",
        ),
        ("authError", SourceError, "authError: so it is: the credentials are wrong or have expired"),
        ("notFound", SourceError, "notFound: so it is: are project, dataset, table and `location` right?"),
        ("rateLimitExceeded", UnreachableError, "rateLimitExceeded: so it is"),
        ("quotaExceeded", UnreachableError, "quotaExceeded: so it is"),
        ("backendError", UnreachableError, "backendError: so it is"),
    ],
)
def test_a_refusal_says_bigquerys_own_words(
    server: BigQuery, reason: str, kind: type[SourceError], words: str
):
    server.replies = [refusal(reason, "so it is")] * 3
    assert words in refused(lambda: read(server, COUNT), kind)
    assert runs(server) == []


@pytest.mark.parametrize(
    ("failure", "kind", "words"),
    [
        (RefusedError("invalidQuery", "Division by zero"), SourceError, "invalidQuery: Division by zero"),
        (RefusedError("rateLimitExceeded", "too many"), UnreachableError, "rateLimitExceeded: too many"),
        (RefusedError("stopped", "Job execution was cancelled: Job timed out"), UnreachableError, "no answer within 30s: Job execution"),
    ],
)  # fmt: skip
def test_a_job_that_fails_is_not_run_again(
    server: BigQuery, failure: RefusedError, kind: type[SourceError], words: str
):
    server.failure = failure
    assert words in refused(lambda: read(server, COUNT), kind)
    assert len(runs(server)) == 1


def test_too_many_requests_are_tried_again_as_the_server_says(server: BigQuery):
    limited = (429, {**JSON, "Retry-After": "0"}, refusal("rateLimitExceeded", "slowly")[2])
    server.replies = [limited]
    assert found(read(server, COUNT)) == {"": 60}
    server.replies = [limited] * 9
    assert "rateLimitExceeded: slowly" in refused(lambda: read(server, COUNT), UnreachableError)
    assert len(server.replies) == 6  # three attempts, and no more
    server.replies = [(429, {**JSON, "Retry-After": "3600"}, limited[2])]
    assert "rateLimitExceeded: slowly" in refused(lambda: read(server, COUNT), UnreachableError)


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        ((200, {"Content-Type": "text/html"}, b"<html>Sign in</html>"), "response is text/html, not JSON"),
        ((200, JSON, b""), "response is empty"),
        ((403, {"Content-Type": "text/html"}, b"<html>no</html>"), "HTTP 403"),
        ((404, JSON, b"[]"), "HTTP 404"),
        ((302, {"Location": "http://elsewhere/"}, b""), "redirects to http://elsewhere/"),
    ],
)
def test_what_is_no_answer_of_the_api_is_one_line(server: BigQuery, reply: websites.Answer, words: str):
    server.replies = [reply]
    assert words in refused(lambda: read(server, COUNT))


@pytest.mark.parametrize("answer", [[], {}, {"rows": 7}, {"status": "DONE", "jobReference": 3}])
def test_json_of_another_form_is_one_line(server: BigQuery, answer: Any):
    server.replies = [(200, JSON, json.dumps(answer).encode())]
    refused(lambda: read(server, COUNT))


def test_a_server_that_is_not_there_is_unreachable():
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    asked = Source(settings_of(url=f"http://127.0.0.1:{port}"))
    assert "refused" in refused(asked.probe, UnreachableError)


def test_a_probe_is_a_dry_run_alone(server: BigQuery):
    Source(settings_of(url=server.url)).probe()
    assert [job["dryRun"] for job in server.jobs] == [True]
    other = Source(settings_of(url=server.url, project="others"))
    assert "accessDenied: Access Denied: Project others" in refused(other.probe)


class Tokens:
    """A token server for service accounts (RFC 7523) that gives ``answer``."""

    answer: websites.Answer = (
        200,
        JSON,
        b'{"access_token": "kanari-token", "expires_in": 3600, "token_type": "Bearer"}',
    )

    def __call__(self, asked: websites.Asked) -> websites.Answer:
        assert b"grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer" in asked.body
        return self.answer


@pytest.fixture(scope="module")
def private_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(*form).decode()


def write_key(folder: Path, token_url: str, private_key: str) -> None:
    account = {
        "type": "service_account",
        "project_id": PROJECT,
        "private_key_id": "1",
        "private_key": private_key,
        "client_email": "gate@acme.iam.gserviceaccount.com",
        "token_uri": token_url,
    }
    (folder / "key.json").write_text(json.dumps(account))


def test_a_service_account_gets_one_token_for_all_queries(server: BigQuery, tmp_path: Path, private_key: str):
    server.token = "kanari-token"
    with websites.serving(Tokens()) as site:
        write_key(tmp_path, site.url, private_key)
        settings = settings_of(folder=tmp_path, url=server.url, credentials_file="key.json")
        asked = Source(settings)
        for _ in range(2):
            assert found(asked.read(SourceQuery(COUNT, END - HOUR, END))) == {"": 60}
        assert len(site.asked) == 1
        assert "kanari" not in settings.secrets.scrub("Bearer kanari-token")
        server.token = "another"  # it was taken back
        assert "the credentials are wrong or have expired" in refused(asked.probe)


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        ((400, JSON, b'{"error": "invalid_grant", "error_description": "Invalid JWT Signature."}'), SourceError, "google: no token: invalid_grant: Invalid JWT Signature."),
        ((403, {}, b"<html>no</html>"), SourceError, "google: no token: "),
        (None, UnreachableError, "google: no token: "),
    ],
)  # fmt: skip
def test_a_token_that_is_not_given_is_one_line(
    tmp_path: Path, private_key: str, answer: Any, kind: type[SourceError], words: str
):
    tokens = Tokens()
    tokens.answer = answer
    with websites.serving(tokens) as site:
        write_key(tmp_path, site.url, private_key)
        asked = Source(settings_of(folder=tmp_path, url="http://127.0.0.1:1", credentials_file="key.json"))
        assert words in refused(asked.probe, kind)


def test_the_token_of_a_setting_is_presented(server: BigQuery):
    server.token = "kanari-token"
    given = {"authorization": {"credentials": "kanari-token"}}
    assert found(read(server, COUNT, **given)) == {"": 60}
    server.token = "another"
    assert "the credentials are wrong or have expired" in refused(lambda: read(server, COUNT, **given))


def test_without_a_file_the_credentials_of_the_machine_are_used(
    server: BigQuery, tmp_path: Path, private_key: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("pytest_telemetry_gate.sources.bigquery.settings._URL", server.url)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "key.json"))
    asked = Source(settings_of())
    assert "google: no token: File " in refused(asked.probe)
    server.token = "kanari-token"
    with websites.serving(Tokens()) as site:
        write_key(tmp_path, site.url, private_key)
        asked.probe()


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"project": None}, "telemetry.yaml:3: source bigquery needs `project`"),
        ({"projet": "a"}, "unknown key 'projet' (did you mean 'project'?)"),
        ({"maximum_bytes_billed": "lots"}, "maximum_bytes_billed: 'lots' is not a size such as '1GB'"),
        ({"maximum_bytes_billed": 0}, "maximum_bytes_billed: 0 is not a size"),
        ({"maximum_bytes_billed": True}, "maximum_bytes_billed: True is not a size"),
        ({"maximum_bytes_billed": "5s"}, "maximum_bytes_billed: '5s' is not a size"),
        ({"timeout": "soon"}, "timeout: "),
        ({"url": "bigquery.example.net"}, "url: not an address"),
        ({"url": "http://a/?key=kanari"}, "url: must have no parameters: write them as `params`"),
        ({"credentials_file": "gone.json"}, "credentials_file: there is no file gone.json"),
        ({"credentials_file": "good.json", "authorization": {"credentials": "kanari"}}, "at most one of credentials_file and authorization"),
    ],
)  # fmt: skip
def test_settings_that_cannot_be_used_are_told_with_their_line(
    options: dict[str, Any], reason: str, tmp_path: Path
):
    (tmp_path / "good.json").write_text('{"type": "service_account"}')
    settings = settings_of(folder=tmp_path, **options)
    assert reason in refused(lambda: Source.read_settings(settings))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("DELETE FROM a WHERE b < @end", "DELETE is no query"),
        ("SELECT 1 FROM a WHERE b < @end; DROP TABLE a", "several statements"),
        ("SELECT '''it''s; @nobody''' FROM a WHERE b < @end AND c = \"a;\" # ; @nobody", ""),
        (r"SELECT 'it\'s; @nobody', r'\d' FROM a WHERE b < @end", ""),
        ("SELECT @@time_zone FROM a WHERE b < @end", ""),
        ("SELECT 'open FROM a WHERE b < @end", "' is never closed"),
        ("SELECT 1 FROM a WHERE b < @edn", "unknown parameter @edn (did you mean 'end'?)"),
        ("SELECT 1 FROM a WHERE b < :end", "has neither @end nor @end_epoch"),
        ("SELECT 1 FROM a WHERE b < @end AND c = '$host'", "$host is not replaced in SQL: write @host, without quotes"),
    ],
)  # fmt: skip
def test_a_query_is_checked_without_a_network(text: str, reason: str):
    said = Source.dialect.check(SourceQuery(text, 0.0, 1.0, {"host": "a"}))
    assert reason in said
    assert bool(said) is bool(reason)
