"""Requests signed with AWS Signature Version 4, by botocore: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit, urlunsplit

from pytest_telemetry_gate.errors import SourceError
from pytest_telemetry_gate.sources.http.addresses import parameters_of
from pytest_telemetry_gate.sources.http.causes import cut
from pytest_telemetry_gate.sources.own_keys import load_extra

if TYPE_CHECKING:
    import requests

    from pytest_telemetry_gate.sources.http.auth.keys import SigV4
    from pytest_telemetry_gate.sources.http.credentials import Sign
    from pytest_telemetry_gate.support.secrets import Secrets

__all__ = ["Signer"]

_SERVICE = "aps"  # Amazon Managed Service for Prometheus
_SIGNED = ("Host", "Content-Type")  # beside those that the signature adds; proxies may change others
_SESSION_NAME = "pytest-telemetry-gate"
_CONNECT = 10.0  # seconds


class Signer:
    """Signs each request anew, with the keys of the settings or those that AWS' own files, variables and servers give.

    ``timeout`` is in seconds, for a request to AWS' token service, which is asked where a role is to be assumed.
    """

    def __init__(self, auth: SigV4, timeout: float, secrets: Secrets) -> None:
        self._auth = auth
        self._timeout = timeout
        self._secrets = secrets
        self._lock = threading.Lock()
        self._found: tuple[Any, str] | None = None

    def ready(self) -> Sign:
        """Return what signs with the keys that hold now; raises SourceError where there are none."""
        load_extra("botocore", "aws")
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            with self._lock:
                if self._found is None:
                    self._found = self._find()
                credentials, region = self._found
                keys = credentials.get_frozen_credentials()
        except (BotoCoreError, ClientError) as error:
            message = f"sigv4: {cut(self._secrets.scrub(str(error)))}"
            raise SourceError(message) from None
        self._secrets.keep(*filter(None, (keys.access_key, keys.secret_key, keys.token)))
        return _Signature(keys, region)

    def renew(self, refused: Sign) -> bool:
        """Tell that there is nothing to be had: botocore renews keys itself before they expire."""
        return False

    def _find(self) -> tuple[Any, str]:
        """Return botocore's credentials and the region."""
        from botocore.session import Session

        auth = self._auth
        session = Session(profile=auth.profile or None)
        region = auth.region or session.get_config_variable("region")
        if not region:
            message = "sigv4: no region: set sigv4: {region: ...}"
            raise SourceError(message)
        if auth.access_key:
            session.set_credentials(auth.access_key, auth.secret_key)
        credentials = session.get_credentials()
        if credentials is None:
            message = "sigv4: no AWS credentials in variables, files or on this machine: set access_key and secret_key, or profile"
            raise SourceError(message)
        return (self._assume(session, region) if auth.role_arn else credentials), region

    def _assume(self, session: Any, region: str) -> Any:
        """Return the credentials of the role, which are fetched when they are needed and again before they expire."""
        from botocore.config import Config
        from botocore.credentials import DeferredRefreshableCredentials, create_assume_role_refresher

        config = Config(
            connect_timeout=_CONNECT, read_timeout=self._timeout, retries={"total_max_attempts": 3}
        )
        client = session.create_client("sts", region_name=region, config=config)
        asked = {"RoleArn": self._auth.role_arn, "RoleSessionName": _SESSION_NAME}
        return DeferredRefreshableCredentials(create_assume_role_refresher(client, asked), "sts-assume-role")


class _Signature:
    """Signs a request as it is sent: its method, address, body and the headers that nobody changes on the way."""

    def __init__(self, keys: Any, region: str) -> None:
        self._keys = keys
        self._region = region

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest

        request.url = _spell_query(str(request.url))
        headers = {name: request.headers[name] for name in _SIGNED if name in request.headers}
        signed = AWSRequest(request.method, request.url, headers, request.body or b"")
        SigV4Auth(self._keys, _SERVICE, self._region).add_auth(signed)
        for name in ("Authorization", "X-Amz-Date", "X-Amz-Security-Token"):
            if name in signed.headers:
                request.headers[name] = signed.headers[name]
        return request


def _spell_query(url: str) -> str:
    """Return an address whose query is spelled as AWS spells it before it checks a signature: %20 for a blank, and in order."""
    parts = urlsplit(url)
    pairs = [(quote(name, safe="~"), quote(value, safe="~")) for name, value in parameters_of(parts.query)]
    return urlunsplit(parts._replace(query="&".join(f"{name}={value}" for name, value in sorted(pairs))))
