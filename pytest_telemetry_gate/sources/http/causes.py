"""The cause of a failed request in one short line: requests and urllib3 wrap the system's own words several times."""

from __future__ import annotations

import http.client
import socket
import ssl

__all__ = ["cause_of", "cut"]

_TLS_RECORDS = ("\x15\x03", "\x16\x03")  # an alert or a handshake, where a line of HTTP was expected
_MAX_LENGTH = 300  # characters of a server's or a library's own words
_TLS_HINTS = {
    "EOF": "closed during the handshake: does the server want cert_file and key_file?",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "the server wants cert_file and key_file",
    "TLSV1_ALERT_UNKNOWN_CA": "the server does not know the authority of cert_file",
    "WRONG_VERSION_NUMBER": "the server does not speak it: is the address http://?",
    "NO_CERTIFICATE_OR_CRL_FOUND": "no certificate in ca_file",
    "KEY_VALUES_MISMATCH": "key_file is not the key of cert_file",
}

_OTHER_AUTHORITY = "set tls_config: {ca_file: FILE} to the authority that has signed the server's certificate"
_OTHER_NAME = "tls_config: {server_name: NAME} says which name its certificate has"
# By what OpenSSL says of a certificate that it does not accept
_CERTIFICATE_HINTS = {
    "self-signed certificate": _OTHER_AUTHORITY,
    "self signed certificate": _OTHER_AUTHORITY,
    "unable to get local issuer": _OTHER_AUTHORITY,
    "unable to get issuer": _OTHER_AUTHORITY,
    "unable to verify the first": _OTHER_AUTHORITY,
    "is not valid for": _OTHER_NAME,
}


def cause_of(error: BaseException) -> str:
    """Return the innermost reason of a chain of wrapped exceptions, in the system's words."""
    chain = _chain(error)
    for inner in reversed(chain):
        if isinstance(inner, socket.gaierror):
            return f"the host's name cannot be resolved ({inner.strerror})"
        if isinstance(inner, http.client.BadStatusLine) and not isinstance(
            inner, http.client.RemoteDisconnected
        ):
            if str(inner).startswith(_TLS_RECORDS):
                return "the server speaks TLS: is the address https://?"
            return f"response is not HTTP: {cut(str(inner))}"
        if isinstance(inner, ssl.SSLCertVerificationError):
            return _explain_certificate(inner.verify_message or str(inner))
        if isinstance(inner, ssl.SSLEOFError):
            return _TLS_HINTS["EOF"]
        if isinstance(inner, ssl.SSLError) and inner.reason:
            return _TLS_HINTS.get(inner.reason, inner.reason.replace("_", " ").lower())
        if isinstance(inner, OSError) and inner.strerror:
            return inner.strerror[0].lower() + inner.strerror[1:]
    return cut(str(chain[-1])) or type(error).__name__


def _explain_certificate(message: str) -> str:
    """Return what OpenSSL says of a certificate, with the key of telemetry.yaml to set."""
    hint = next((hint for words, hint in _CERTIFICATE_HINTS.items() if words in message), "")
    return f"{message.rstrip('.')}: {hint}" if hint else message


def _chain(error: BaseException) -> list[BaseException]:
    """Return an exception and all that it wraps, the outermost first."""
    chain: list[BaseException] = []
    queue: list[object] = [error]
    while queue:
        inner = queue.pop(0)
        if isinstance(inner, BaseException) and inner not in chain:
            chain.append(inner)
            queue += [getattr(inner, "reason", None), *inner.args, inner.__cause__, inner.__context__]
    return chain


def cut(text: str) -> str:
    """Return a text on one line, its beginning alone where it is long."""
    line = " ".join(text.split())
    return line if len(line) <= _MAX_LENGTH else f"{line[:_MAX_LENGTH]}..."
