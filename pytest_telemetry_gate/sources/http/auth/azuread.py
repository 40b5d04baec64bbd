"""Tokens of Microsoft Entra, which was Azure Active Directory, by azure-identity.

https://learn.microsoft.com/python/api/azure-identity: whose client sends its requests itself.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

from pytest_telemetry_gate.errors import SourceError, UnreachableError
from pytest_telemetry_gate.sources.http.auth.access_tokens import AccessToken
from pytest_telemetry_gate.sources.http.causes import cut
from pytest_telemetry_gate.sources.own_keys import load_extra

if TYPE_CHECKING:
    from pytest_telemetry_gate.sources.http.auth.keys import AzureAD
    from pytest_telemetry_gate.sources.http.settings import HttpSettings
    from pytest_telemetry_gate.support.secrets import Secrets

__all__ = ["fetch_azure_token"]

_CONNECT = 10.0  # seconds
_AUTHORITY = "AZURE_AUTHORITY_HOST"  # azure-identity's variable for the address of another authority
_AUTHORITIES = {"AzureChina": "login.chinacloudapi.cn", "AzureGovernment": "login.microsoftonline.us"}


def fetch_azure_token(auth: AzureAD, settings: HttpSettings, secrets: Secrets) -> AccessToken:
    """Return a new token; raises SourceError in one line. ``settings`` say which proxy there is and how long it may take."""
    identity = load_extra("azure.identity", "azure")
    from azure.core.exceptions import AzureError, ServiceRequestError, ServiceResponseError

    try:
        # A credential keeps its token, so that a new token needs a new credential.
        with _credential(identity, auth, settings) as credential:
            token = credential.get_token(auth.scope)
    except (AzureError, ValueError) as error:
        kind = (
            UnreachableError if isinstance(error, ServiceRequestError | ServiceResponseError) else SourceError
        )
        message = f"azuread: no token: {cut(secrets.scrub(str(error)))}"
        raise kind(message) from None
    return AccessToken(token.token, token.expires_on - time.time())


def _credential(identity: Any, auth: AzureAD, settings: HttpSettings) -> Any:
    """Return azure-identity's credential of the kind that the settings name; it is asked once, by whoever has the time."""
    options: dict[str, Any] = {
        "connection_timeout": min(_CONNECT, settings.timeout),
        "read_timeout": settings.timeout,
        "retry_total": 0,
    }
    if settings.proxy_url:
        options["proxies"] = {"http": settings.proxy_url, "https": settings.proxy_url}
    if auth.kind == "managed_identity":
        return identity.ManagedIdentityCredential(client_id=auth.client_id or None, **options)
    if auth.cloud in _AUTHORITIES:
        options["authority"] = _AUTHORITIES[auth.cloud]
    # The public directory of authorities knows no other one, and is not asked of it.
    options["disable_instance_discovery"] = bool(os.environ.get(_AUTHORITY))
    match auth.kind:
        case "oauth":
            return identity.ClientSecretCredential(
                auth.tenant_id, auth.client_id, auth.client_secret, **options
            )
        case "workload_identity":
            file = {"token_file_path": auth.token_file_path} if auth.token_file_path else {}
            return identity.WorkloadIdentityCredential(
                tenant_id=auth.tenant_id, client_id=auth.client_id, **file, **options
            )
    tenant = {"workload_identity_tenant_id": auth.tenant_id} if auth.tenant_id else {}
    return identity.DefaultAzureCredential(**tenant, **options)
