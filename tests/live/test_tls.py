"""TLS, client certificates and proxies, with a certificate authority of our own."""

from __future__ import annotations

import contextlib
import datetime as dt
import re
import selectors
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import faults
import pytest
import servers
import trustme
from gates import UP, series
from regions import LiveProject

UNTRUSTED = (
    "TLS: unable to get local issuer certificate: set tls_config: {ca_file: FILE} to the authority that has signed "
    "the server's certificate"
)
PASS = ("pass", "70 % is inside < 75 %")


class Authority:
    """A certificate authority, its servers and its clients."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ca, self.other = trustme.CA(), trustme.CA()
        self.file("ca.pem", self.ca.cert_pem)
        self.file("other.pem", self.other.cert_pem)
        for name, authority in (("client", self.ca), ("stranger", self.other)):
            issued = authority.issue_cert(f"{name}@example.net")
            self.file(f"{name}.pem", issued.cert_chain_pems[0])
            self.file(f"{name}.key", issued.private_key_pem)
            self.file(f"{name}.both", issued.private_key_and_cert_chain_pem)

    def file(self, name: str, blob: trustme.Blob) -> str:
        path = self.folder / name
        blob.write_to_path(str(path))
        return str(path)

    def __getitem__(self, name: str) -> str:
        return str(self.folder / name)

    def context(self, *names: str, clients: bool = False, expired: bool = False) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        past = dt.datetime(2020, 1, 1, tzinfo=dt.UTC) if expired else None
        self.ca.issue_cert(*names, not_after=past).configure_cert(context)
        if clients:
            context.verify_mode = ssl.CERT_REQUIRED
            self.ca.configure_trust(context)
        return context


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def secure(authority: Authority) -> Iterator[dict[str, faults.FaultServer]]:
    healthy = faults.engine([UP, series("cpu", 70)])
    old = authority.context("127.0.0.1")
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    contexts = {
        "right": authority.context("127.0.0.1"),
        "named": authority.context("prometheus.example.net"),
        "expired": authority.context("127.0.0.1", expired=True),
        "mutual": authority.context("127.0.0.1", clients=True),
        "old": old,
        "plain": None,
    }
    with contextlib.ExitStack() as stack:
        yield {name: stack.enter_context(faults.serving(healthy, tls)) for name, tls in contexts.items()}


def test_certificates_are_checked_as_telemetry_yaml_says(
    project: LiveProject, authority: Authority, secure: dict[str, faults.FaultServer]
):
    trust = {"ca_file": authority["ca.pem"]}
    client = {**trust, "cert_file": authority["client.pem"], "key_file": authority["client.key"]}
    cases: dict[str, tuple[str, dict[str, object], str]] = {
        "ca": ("right", trust, ""),
        "no-ca": ("right", {}, UNTRUSTED),
        "wrong-ca": (
            "right",
            {"ca_file": authority["other.pem"]},
            UNTRUSTED,
        ),
        "insecure": ("right", {"insecure_skip_verify": True}, ""),
        "insecure-name": ("named", {"insecure_skip_verify": True}, ""),
        "wrong-name": (
            "named",
            trust,
            "TLS: *not valid for '127.0.0.1': tls_config: {server_name: NAME} says which name its certificate has",
        ),
        "server-name": ("named", {**trust, "server_name": "prometheus.example.net"}, ""),
        "other-name": (
            "right",
            {**trust, "server_name": "prometheus.example.net"},
            "TLS: *prometheus.example.net*",
        ),
        "expired": ("expired", trust, "TLS: certificate has expired"),
        "expired-insecure": ("expired", {"insecure_skip_verify": True}, ""),
        "mutual": ("mutual", client, ""),
        "mutual-both": ("mutual", {**trust, "cert_file": authority["client.both"]}, ""),
        "no-client": ("mutual", trust, "TLS: *server want* cert_file and key_file*"),
        "stranger": (
            "mutual",
            {**trust, "cert_file": authority["stranger.both"]},
            "TLS: *server *cert_file*",
        ),
        "wrong-key": (
            "mutual",
            {**client, "key_file": authority["stranger.key"]},
            "TLS: key_file is not the key of cert_file",
        ),
        "no-pem": ("right", {"ca_file": "telemetry.yaml"}, "TLS: no certificate in ca_file"),
        "min-12": ("old", {**trust, "min_version": "TLS12"}, ""),
        "min-13": ("old", {**trust, "min_version": "TLS13"}, "TLS: *"),
        "http-name": ("plain", {"server_name": "prometheus.example.net"}, ""),
    }
    project.suite()
    regions: dict[str, dict[str, object]] = {
        name: {"url": secure[to].url(), "tls_config": keys, "params": {"region": name}}
        for name, (to, keys, _) in cases.items()
    }
    regions["https-of-http"] = {"url": secure["plain"].url().replace("http:", "https:")}
    regions["http-of-https"] = {"url": secure["right"].url().replace("https:", "http:")}
    project.regions(regions)
    found = project.verdicts("-W", "error")
    for name, (to, _, told) in cases.items():
        address = f"{secure[to].url()}/api/v1/query"
        if not told:
            assert found[f"{name}-cpu"] == PASS, name
            continue
        verdict, line = found[f"{name}-cpu"]
        assert verdict == "error", name
        start = f"region {name}: {address}: "
        assert line.startswith(start), line
        assert like(line.removeprefix(start), told), line
    assert found["https-of-http-cpu"][0] == found["http-of-https-cpu"][0] == "error"
    assert found["https-of-http-cpu"][1].endswith(
        "TLS: the server does not speak it: is the address http://?"
    )
    assert "Warning" not in project.result.stdout.str() + project.result.stderr.str()
    assert str(authority.folder) not in "".join(line for _, line in found.values())


@contextlib.contextmanager
def proxying(asked: list[str]) -> Iterator[str]:
    """Run a small proxy: it forwards plain requests and tunnels the others."""
    listening = socket.create_server(("127.0.0.1", 0))
    closing = threading.Event()

    def carry(client: socket.socket) -> None:
        with client, contextlib.suppress(OSError, ValueError):
            client.settimeout(10)
            head = b""
            while b"\r\n\r\n" not in head:
                part = client.recv(4096)
                if not part:
                    return
                head += part
            asked.append(head.decode())
            line, _, rest = head.partition(b"\r\n")
            method, target, version = line.split(b" ")
            if method == b"CONNECT":
                host, _, port = target.decode().partition(":")
            else:
                host, _, port = target.decode().removeprefix("http://").partition("/")[0].partition(":")
            with socket.create_connection((host, int(port)), 5) as server:
                if method == b"CONNECT":
                    client.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
                else:
                    path = target.split(b"/", 3)[3]
                    server.sendall(b"%s /%s %s\r\nConnection: close\r\n%s" % (method, path, version, rest))
                # Not select(), which refuses descriptors from 1024 on, as a long session of tests may have them.
                with selectors.DefaultSelector() as both:
                    both.register(client, selectors.EVENT_READ, server)
                    both.register(server, selectors.EVENT_READ, client)
                    while not closing.is_set():
                        for key, _ in both.select(0.1):
                            data = key.fileobj.recv(65536)
                            if not data:
                                return
                            key.data.sendall(data)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listening.accept()
                threading.Thread(target=carry, args=(client,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://user:pr0xy-pass@127.0.0.1:{listening.getsockname()[1]}"
    finally:
        closing.set()
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()


def test_a_proxy_is_used_where_telemetry_yaml_says_so_and_nowhere_else(
    project: LiveProject,
    authority: Authority,
    secure: dict[str, faults.FaultServer],
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setenv("HOME", str(project.path))
    monkeypatch.setenv("NETRC", str(project.file("netrc", "machine 127.0.0.1 login netrc password n3trc\n")))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", authority["other.pem"])
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    trust = {"ca_file": authority["ca.pem"]}
    named = {**trust, "server_name": "prometheus.example.net"}
    asked: list[str] = []
    project.suite()
    with proxying(asked) as proxy:
        for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy"):
            monkeypatch.setenv(name, servers.NOBODY)
        regions = {
            "direct": {"url": secure["plain"].url()},
            "secure": {"url": secure["right"].url(), "tls_config": trust},
        }
        project.regions(regions)
        assert set(project.verdicts().values()) == {PASS}
        assert asked == []
        headers = str([dict(one.headers) for server in secure.values() for one in server.asked])
        assert "Authorization" not in headers
        project.regions(
            {
                "proxied": {"url": secure["plain"].url(), "proxy_url": proxy},
                "tunnelled": {"url": secure["right"].url(), "tls_config": trust, "proxy_url": proxy},
                "named": {"url": secure["named"].url(), "tls_config": named, "proxy_url": proxy},
                "strict": {
                    "url": secure["old"].url(), "tls_config": {**trust, "min_version": "TLS13"}, "proxy_url": proxy,
                },
                "from-environment": {"url": secure["plain"].url(), "proxy_from_environment": True},
            },
            basic_auth={"username": "gate", "password": "g4te-pass"},
        )  # fmt: skip
        found = project.verdicts()
        assert [found[f"{name}-cpu"] for name in ("proxied", "tunnelled", "named")] == [PASS] * 3
        assert "TLS" in found["strict-cpu"][1]
        assert "proxy" in found["from-environment-cpu"][1] or "refused" in found["from-environment-cpu"][1]
        assert {line.split(" ")[0] for line in asked} == {"GET", "POST", "CONNECT"}
        assert not any("g4te" in head for head in asked if head.startswith("CONNECT"))
        monkeypatch.setenv("http_proxy", proxy)
        asked.clear()
        project.regions(
            {"from-environment": {"url": secure["plain"].url(), "proxy_from_environment": True}},
            basic_auth={"username": "gate", "password": "g4te-pass"},
        )
        for server in secure.values():
            server.forget()
        assert set(project.verdicts().values()) == {PASS}
        assert asked
        sent = {one.headers.get("Authorization") for one in secure["plain"].asked}
        assert sent == {"Basic Z2F0ZTpnNHRlLXBhc3M="}, "~/.netrc does not go before telemetry.yaml"


def like(text: str, pattern: str) -> bool:
    """Tell whether a text is of a pattern in which ``*`` stands for anything, and nothing else is special."""
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), text) is not None
