"""The trace backends that can be asked for a trace by its id: Jaeger, Tempo, and any address that answers OTLP JSON.

Jaeger: https://www.jaegertracing.io/docs/latest/apis/ (``/api/v3/traces/ID``, and ``/api/traces/ID`` of its user
interface); Tempo: https://grafana.com/docs/tempo/latest/api_docs/ (``/api/v2/traces/ID`` and ``/api/traces/ID``).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from pytest_telemetry_gate.errors import CorpusError
from pytest_telemetry_gate.replay.drive.client import UNVERIFIED, find_certificates, open_session
from pytest_telemetry_gate.replay.drive.context import resolve
from pytest_telemetry_gate.replay.otlp.corpus import telemetry_of
from pytest_telemetry_gate.replay.otlp.formats import otlp_documents
from pytest_telemetry_gate.replay.otlp.jaeger import from_jaeger
from pytest_telemetry_gate.replay.otlp.tempo import from_tempo
from pytest_telemetry_gate.replay.receive.backends.answers import (
    TraceAnswer,
    explain_refusal,
    ids_in,
    read_values,
)
from pytest_telemetry_gate.replay.suite.backends import (
    BackendSettings,
    JaegerSettings,
    OtlpJsonSettings,
    TempoSettings,
)
from pytest_telemetry_gate.sources.http.addresses import shown_url
from pytest_telemetry_gate.sources.http.session import HttpError, Reply, UnsentError
from pytest_telemetry_gate.support.text import one_line

__all__ = ["TraceBackend", "make_backend"]

_MAX_ANSWER = 64 * 2**20  # bytes of one trace
_CONNECTIONS = 4


class TraceBackend(ABC):
    """One server that is asked for traces; safe to use from several threads."""

    name: ClassVar[str]

    def __init__(self, settings: BackendSettings, folder: Path) -> None:
        """Read the settings, with what they name of the environment and of a folder; raises DriveError."""
        self.timeout = settings.timeout  # seconds
        self._root = resolve(settings.url)
        headers = {"Accept": "application/json", **self._headers(settings)}
        certificates = find_certificates(settings.tls_config, folder)
        self.warning = UNVERIFIED if certificates.insecure else ""
        self._session = open_session(self._root, headers, certificates, connections=_CONNECTIONS)

    @property
    def shown(self) -> str:
        """The backend for people: its name, and its address without login and query."""
        return f"{self.name} at {shown_url(self._root)}"

    def ask(self, trace_id: str, seconds: float) -> TraceAnswer:
        """Ask for a trace, for so many seconds at most; never raises for what the server does."""
        try:
            reply = self._session.send(
                "GET",
                self._address(trace_id),
                params=self._parameters,
                timeout=min(self.timeout, seconds),
                keep=_MAX_ANSWER + 1,
            )
        except UnsentError as error:
            # Not the library's own message, which may hold parts of a secret.
            return TraceAnswer("refused", f"cannot be asked: {error.kind}", is_final=True)
        except HttpError as error:
            return TraceAnswer("refused", one_line(str(error)))
        return explain_refusal(reply) or self._read(reply, trace_id)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def _headers(self, settings: BackendSettings) -> dict[str, str]:
        return {name: resolve(value) for name, value in settings.headers.items()}

    @property
    def _parameters(self) -> Mapping[str, str]:
        """Return what is asked for beside the id."""
        return {}

    @abstractmethod
    def _address(self, trace_id: str) -> str:
        """Return the address of a trace."""

    @abstractmethod
    def _documents(self, value: dict[str, Any]) -> Sequence[dict[str, Any]]:
        """Return one JSON object of an answer as OTLP; raises CorpusError."""

    def _checked(self, value: Any) -> Any:
        """Return one JSON value of an answer; raises CorpusError where it is of no kind that the backend answers."""
        if not isinstance(value, dict):
            message = f"answers JSON that is no object but {type(value).__name__}"
            raise CorpusError(message)
        return value

    def _partial(self, value: dict[str, Any]) -> str:
        """Return why the backend itself says that the trace is not whole."""
        return ""

    def _hint(self) -> str:
        """Return what may be wrong where something else answers."""
        return ""

    def _read(self, reply: Reply, trace_id: str) -> TraceAnswer:
        size = len(reply.content)
        if size > _MAX_ANSWER:
            words = f"its answer is larger than {_MAX_ANSWER // 2**20} MiB"
            return TraceAnswer("refused", words, size=size, is_final=True)
        try:
            values = read_values(reply)
            documents = [document for value in values for document in self._documents(self._checked(value))]
            telemetry = telemetry_of(documents)
        except CorpusError as error:
            return TraceAnswer("refused", f"{one_line(str(error))}{self._hint()}", size=size)
        found = ids_in(telemetry)
        others = found - {trace_id}
        if others:
            words = f"answers with another trace: {min(others)}"
            return TraceAnswer("refused", words, size=size)
        partial = next(filter(None, (self._partial(one) for one in values if isinstance(one, dict))), "")
        if partial:
            return TraceAnswer("partial", one_line(partial), documents, size)
        if telemetry.is_empty:
            return TraceAnswer("absent", f"HTTP {reply.status_code}: an answer without spans", size=size)
        return TraceAnswer("found", "", documents, size)


class _JaegerV3(TraceBackend):
    """Jaeger's API v3: OTLP in ``result``, one after the other where it is streamed, or ``error``."""

    name = "Jaeger"

    @property
    def _parameters(self) -> Mapping[str, str]:
        # As they were stored: without it Jaeger moves spans in time where it takes clocks for skewed.
        return {"raw_traces": "true"}

    def _address(self, trace_id: str) -> str:
        return f"{self._root.rstrip('/')}/api/v3/traces/{trace_id}"

    def _documents(self, value: dict[str, Any]) -> Sequence[dict[str, Any]]:
        _raise_error(value.get("error"), "message")
        result = value.get("result", value)
        return [from_tempo(result)] if isinstance(result, dict) and "resourceSpans" in result else []

    def _hint(self) -> str:
        return "; a Jaeger without API v3 needs `api: v1`"


class _JaegerV1(TraceBackend):
    """The API of Jaeger's user interface: ``data`` with at most one trace, and ``errors``."""

    name = "Jaeger"

    @property
    def _parameters(self) -> Mapping[str, str]:
        return {"raw": "true"}

    def _address(self, trace_id: str) -> str:
        return f"{self._root.rstrip('/')}/api/traces/{trace_id}"

    def _documents(self, value: dict[str, Any]) -> Sequence[dict[str, Any]]:
        if value.get("data"):
            return [from_jaeger({**value, "errors": None})]
        _raise_error(value.get("errors"), "msg")
        return []

    def _partial(self, value: dict[str, Any]) -> str:
        return _words_of(value.get("errors"), "msg")


class _Tempo(TraceBackend):
    """Both versions of Tempo's API; v2 has the trace in ``trace``, and says in ``status`` where it is partial."""

    name = "Tempo"

    def __init__(self, settings: TempoSettings, folder: Path) -> None:
        self._path = "/api/v2/traces" if settings.api == "v2" else "/api/traces"
        super().__init__(settings, folder)

    def _headers(self, settings: BackendSettings) -> dict[str, str]:
        headers = super()._headers(settings)
        if isinstance(settings, TempoSettings) and settings.tenant:
            headers["X-Scope-OrgID"] = resolve(settings.tenant)
        return headers

    def _address(self, trace_id: str) -> str:
        return f"{self._root.rstrip('/')}{self._path}/{trace_id}"

    def _documents(self, value: dict[str, Any]) -> Sequence[dict[str, Any]]:
        trace = value.get("trace", value)
        has_spans = isinstance(trace, dict) and ("batches" in trace or "resourceSpans" in trace)
        return [from_tempo({"trace": trace})] if has_spans else []

    def _partial(self, value: dict[str, Any]) -> str:
        # By name or by number, as protobuf's JSON may have an enum.
        is_partial = str(value.get("status")) in {"PARTIAL", "1"}
        return str(value.get("message") or "it does not say why") if is_partial else ""


class _OtlpJson(TraceBackend):
    """An address with ``$trace_id`` in it; what it answers is OTLP JSON, or another format that is read."""

    name = "the backend"

    def _address(self, trace_id: str) -> str:
        return self._root.replace("$trace_id", trace_id)

    def _checked(self, value: Any) -> Any:
        return value  # a list as well, as Zipkin answers one

    def _documents(self, value: dict[str, Any]) -> Sequence[dict[str, Any]]:
        return otlp_documents(value)


def make_backend(settings: BackendSettings, folder: Path) -> TraceBackend:
    """Return what asks the backend of some settings, whose paths count from a folder; raises DriveError."""
    match settings:
        case JaegerSettings(api="v3"):
            return _JaegerV3(settings, folder)
        case JaegerSettings():
            return _JaegerV1(settings, folder)
        case TempoSettings():
            return _Tempo(settings, folder)
        case OtlpJsonSettings():
            return _OtlpJson(settings, folder)
    raise TypeError(settings)


def _raise_error(error: Any, key: str) -> None:
    if error:
        message = f"answers an error: {_words_of(error, key)}"
        raise CorpusError(message)


def _words_of(error: Any, key: str) -> str:
    """Return the message of an error, or of the first of several; nothing where there is none."""
    first = error[0] if isinstance(error, list) and error else error
    return str(first.get(key) if isinstance(first, dict) else first) if first else ""
