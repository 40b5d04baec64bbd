"""Services that are driven by TLS: whom the drive trusts, and who it says it is."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from test_corpus import document
from test_drive_variables import context, load
from websites import Website, serving

from pytest_telemetry_gate.replay.captured import CapturedCase, DriveResult
from pytest_telemetry_gate.replay.drive.drivers import drive
from pytest_telemetry_gate.replay.judge.cases import judge_case
from pytest_telemetry_gate.support.secrets import Secrets


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def site(authority: trustme.CA) -> Iterator[Website]:
    """A service that asks every client for a certificate of the same authority."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "shop.example.net").configure_cert(tls)
    authority.configure_trust(tls)
    tls.verify_mode = ssl.CERT_REQUIRED
    with serving(lambda _: (200, {}, b"{}"), tls=tls) as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path, authority: trustme.CA) -> Path:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    client = authority.issue_cert("qa@example.net")
    client.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "client.pem"))
    client.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    client.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "stranger.pem"))
    (tmp_path / "c.jsonl").write_text(json.dumps(document()))
    return tmp_path


def driven(folder: Path, site: Website, tls: str, kind: str = "http: {url: $target") -> DriveResult:
    case = load(folder, f"{{{kind}, tls_config: {{{tls}}}}}}}", site.url).cases[0]
    return drive(case, context(folder), Secrets())


@pytest.mark.parametrize(
    "tls",
    [
        "ca_file: ca.pem, cert_file: client.pem",
        "ca_file: ca.pem, cert_file: cert.pem, key_file: key.pem",
        "ca_file: ca.pem, cert_file: client.pem, server_name: shop.example.net",
    ],
)
def test_who_is_trusted_and_known_is_driven(folder: Path, site: Website, tls: str) -> None:
    assert driven(folder, site, tls).code == 200
    otlp = "otlp: {url: $target, from: c.jsonl, timeout: 5s"
    assert driven(folder, site, tls, otlp).code == 200


@pytest.mark.parametrize(
    ("tls", "reason"),
    [
        ("cert_file: client.pem", "TLS: "),
        ("ca_file: stranger.pem, cert_file: client.pem", "TLS: "),
        ("ca_file: ca.pem, cert_file: client.pem, server_name: other.example.net", "TLS: "),
        ("ca_file: ca.pem", ""),  # without a certificate of its own; the server just hangs up
        ("ca_file: nowhere.pem", "nowhere.pem: cannot be read: No such file or directory"),
        ("ca_file: key.pem", ""),
        ("ca_file: ca.pem, cert_file: c.jsonl", ""),
    ],
)
def test_nobody_else_is(folder: Path, site: Website, tls: str, reason: str) -> None:
    before = len(site.asked)
    result = driven(folder, site, tls)
    assert reason in result.error
    assert result.error
    assert result.code is None
    assert len(site.asked) == before


def test_a_certificate_that_nobody_verified_is_a_warning_of_the_verdict(folder: Path, site: Website) -> None:
    result = driven(folder, site, "cert_file: client.pem, insecure_skip_verify: true")
    assert (result.code, result.error) == (200, "")
    suite = load(folder, "{http: {url: x}}")
    verdict = judge_case(suite, suite.cases[0], CapturedCase("v", "one", "24h", result)).verdict
    assert any("the certificate of the server was not verified" in warning for warning in verdict.warnings)
