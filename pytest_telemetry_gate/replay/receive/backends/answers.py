"""What a trace backend answers about one trace, and its own words where it answers something else."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pytest_telemetry_gate.errors import CorpusError
from pytest_telemetry_gate.replay.otlp.telemetry import TelemetryData
from pytest_telemetry_gate.sources.http.addresses import shown_url
from pytest_telemetry_gate.sources.http.hints import explain_redirect
from pytest_telemetry_gate.support.json_text import JsonTextError, read_json, read_json_values
from pytest_telemetry_gate.support.text import one_line, strip_passwords

if TYPE_CHECKING:
    from pytest_telemetry_gate.sources.http.session import Reply

__all__ = ["TraceAnswer", "explain_refusal", "ids_in", "own_words", "read_values"]

_MAX_WORDS = 300  # characters of what a server says
_MAX_PAGE = 2**16  # bytes of a page that are searched for its title
_TITLE = re.compile(r"<title[^>]*>(.*?)</title", re.IGNORECASE | re.DOTALL)
# What may be otherwise at the next question, of the refusals that a client is to blame for.
_TRANSIENT = frozenset({408, 409, 423, 425, 429})


@dataclass(frozen=True, slots=True)
class TraceAnswer:
    """What a backend answered about one trace.

    ``documents`` are OTLP. ``words`` are the backend's own: why it has nothing (``absent``), why it says that there is
    more (``partial``), or why it does not answer (``refused``). ``is_final`` says that another question would be
    answered the same; ``pause`` is in seconds that the server wants to be left alone, ``size`` in bytes of the body.
    """

    state: Literal["found", "absent", "partial", "refused"]
    words: str = ""
    documents: Sequence[dict[str, Any]] = ()
    size: int = 0
    is_final: bool = False
    pause: float = 0.0


def explain_refusal(reply: Reply) -> TraceAnswer | None:
    """Return what a reply that is no success says: that there is no such trace, or a refusal; None for a success."""
    pause = reply.retry_after or 0.0
    if reply.redirect:
        target = f"{shown_url(reply.redirect)}{explain_redirect(reply.redirect)}"
        words = f"redirects to {target}, which is not followed so that credentials stay here"
        return TraceAnswer("refused", one_line(words), is_final=True)
    if reply.ok and reply.status_code != 204:
        return None
    said = own_words(reply)
    words = f"HTTP {reply.status_code}{f': {said}' if said else ''}"
    if reply.status_code in {204, 404}:
        return TraceAnswer("absent", words, pause=pause)
    is_final = reply.status_code < 500 and reply.status_code not in _TRANSIENT
    return TraceAnswer("refused", words, is_final=is_final, pause=pause)


def own_words(reply: Reply) -> str:
    """Return what a server says of itself, one line that is safe to print: its error, its text, or its page's title."""
    text = reply.content[:_MAX_PAGE].decode("utf-8", "replace")
    if text.lstrip().startswith("<"):
        match = _TITLE.search(text)
        text = f"the page {' '.join(match[1].split())!r}" if match else "a page"
    else:
        with suppress(JsonTextError):
            text = _error_of(read_json(text)) or text
    words = one_line(strip_passwords(text))
    return words if len(words) <= _MAX_WORDS else f"{words[:_MAX_WORDS]}..."


def read_values(reply: Reply) -> list[Any]:
    """Return the JSON values of a body, which may stand one after the other, as a streamed answer has them.

    Raises CorpusError where there is anything else.
    """
    kind = reply.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    try:
        values = [value for _, value in read_json_values(reply.content.decode("utf-8"))]
    except (JsonTextError, UnicodeDecodeError) as error:
        is_page = reply.content.lstrip().startswith(b"<")
        reason = f"not JSON: {own_words(reply)}" if is_page else getattr(error, "reason", error)
        message = f"answers {kind or 'something'}: {reason}"
        raise CorpusError(message) from None
    return values


def ids_in(telemetry: TelemetryData) -> set[str]:
    """Return the ids of the traces that spans and log records belong to."""
    ids = {span.trace_id for span in telemetry.spans} | {log.trace_id for log in telemetry.logs}
    return ids - {""}


def _error_of(answer: Any) -> str:
    """Return the message of an error: Jaeger's ``{error: {message}}`` and ``{errors: [{msg}]}``, or one that is flat."""
    if not isinstance(answer, Mapping):
        return ""
    errors = answer.get("errors")
    found = answer.get("error") or (errors[0] if isinstance(errors, list) and errors else answer)
    if isinstance(found, Mapping):
        found = next((found[key] for key in ("message", "msg") if found.get(key)), "")
    return found if isinstance(found, str) else ""
