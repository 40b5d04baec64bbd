"""What to write for keys of telemetry.yaml that other tools have elsewhere, and how keys that hold others look."""

__all__ = ["EXAMPLES", "KEYS_ELSEWHERE"]

# Where the keys belong that other tools have beside `url`
KEYS_ELSEWHERE = {
    **dict.fromkeys(("bearer_token", "token", "api_key", "credentials"), "authorization: {credentials: ...}"),
    **dict.fromkeys(("bearer_token_file", "credentials_file"), "authorization: {credentials_file: ...}"),
    **dict.fromkeys(("username", "user", "password", "auth"), "basic_auth: {username: ..., password: ...}"),
    **dict.fromkeys(("ca_file", "ca", "cafile", "verify"), "tls_config: {ca_file: ...}"),
    **dict.fromkeys(("cert_file", "key_file", "cert", "key"), "tls_config: {cert_file: ..., key_file: ...}"),
    **dict.fromkeys(("insecure", "insecure_skip_verify"), "tls_config: {insecure_skip_verify: true}"),
    **dict.fromkeys(("org_id", "tenant", "X-Scope-OrgID"), "headers: {X-Scope-OrgID: ...}"),
    **dict.fromkeys(
        ("client_id", "client_secret", "token_url"),
        "oauth2: {client_id: ..., client_secret: ..., token_url: ...}",
    ),
    **dict.fromkeys(
        ("access_key", "secret_key", "role_arn", "aws"),
        "sigv4: {region: ..., access_key: ..., secret_key: ...}",
    ),
    "google_iam": "google: {credentials_file: ...}",
    "azure": "azuread: {managed_identity: {client_id: ...}}",
    "http_headers": "headers: {NAME: VALUE}",
}
EXAMPLES = {
    "authorization": "{credentials: TOKEN}",
    "basic_auth": "{username: NAME, password: PASSWORD}",
    "tls_config": "{ca_file: FILE}",
    "oauth2": "{client_id: ID, client_secret: SECRET, token_url: ADDRESS}",
    "sigv4": "{region: REGION}",
    "google": "{credentials_file: FILE}",
    "azuread": "{managed_identity: {}}",
    "managed_identity": "{client_id: ID}",
    "headers": "{X-Scope-OrgID: TENANT}",
    "params": "{dedup: true}",
}
