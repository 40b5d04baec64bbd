"""A channel of Slack, read page by page with Slack's own SDK, whose requests are tried again here within the gate's deadline.

https://docs.slack.dev/reference/methods/conversations.history
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pytest_telemetry_gate.errors import SourceError, UnreachableError
from pytest_telemetry_gate.sources.event_clocks import MOST_SKEW, clock_ahead, say_skew
from pytest_telemetry_gate.sources.own_keys import load_extra
from pytest_telemetry_gate.support.durations import format_short_duration, format_time

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.environment import Deadline

__all__ = ["Channel"]

_PAGE = 200  # messages: what Slack recommends, and no more than 999
_MOST = 50_000  # messages that are read of one window
_TRIES = 4  # of one request
_WAIT = 5.0  # seconds before the next, where the server does not say it
_TOO_MANY = 429
_REMEDIES = {
    "account_inactive": "the token's user or workspace was deactivated",
    "channel_not_found": "there is no such channel, or the app may not see it: invite the app, and give its id",
    "invalid_auth": "the token is wrong",
    "is_archived": "the channel is archived",
    "missing_scope": "give the app the scopes channels:history and channels:read, or groups: for a private channel",
    "no_permission": "the app may not read the channel",
    "not_authed": "the token is missing",
    "not_in_channel": "invite the app to the channel",
    "token_expired": "the token has expired",
    "token_revoked": "the token was revoked",
}


class Channel:
    """Reads messages of one channel; ``doubt`` says what is missing of them, if anything is. Raises SourceError."""

    def __init__(
        self, token: str, channel: str, url: str, *, timeout: float, deadline: Deadline, where: str
    ) -> None:
        sdk = load_extra("slack_sdk", "slack")
        self._client = sdk.WebClient(token=token, base_url=url, timeout=1, retry_handlers=[])
        self._channel = channel
        self._timeout = timeout
        self._deadline = deadline
        self._where = where
        self._count = 0
        self.doubt = ""

    def require_readable(self, start: float) -> None:
        """Raise SourceError for a channel that cannot be read; one that is younger than ``start`` (seconds) is doubtful."""
        answer = self._ask(lambda: self._client.conversations_info(channel=self._channel), "its description")
        about = {} if answer is None else answer.get("channel")
        created = about.get("created") if isinstance(about, dict) else None
        if isinstance(created, int | float) and created > start:
            self._note(
                f"the channel was created at {format_time(float(created))}: what was before is elsewhere"
            )

    def messages(self, start: float, end: float) -> Iterator[Mapping[str, Any]]:
        """Yield the messages from start to end, in seconds, without replies that stand in threads alone."""
        span = f"messages from {format_time(start)} to {format_time(end)}"
        yield from self._pages(
            lambda cursor: self._client.conversations_history(
                channel=self._channel,
                oldest=f"{start:.6f}",
                latest=f"{end:.6f}",
                inclusive=True,
                limit=_PAGE,
                cursor=cursor,
            ),
            span,
        )

    def replies(self, thread: str, start: float, end: float) -> Iterator[Mapping[str, Any]]:
        """Yield the messages of a thread from start to end, in seconds."""
        yield from self._pages(
            lambda cursor: self._client.conversations_replies(
                channel=self._channel,
                ts=thread,
                oldest=f"{start:.6f}",
                latest=f"{end:.6f}",
                inclusive=True,
                limit=_PAGE,
                cursor=cursor,
            ),
            f"replies of {thread}",
        )

    def _pages(self, request: Callable[[str | None], Any], span: str) -> Iterator[Mapping[str, Any]]:
        cursor: str | None = None
        while True:
            answer = self._ask(lambda cursor=cursor: request(cursor), span)  # type: ignore[misc]
            if answer is None:
                return
            messages = answer.get("messages")
            if not isinstance(messages, list) or not all(isinstance(one, dict) for one in messages):
                raise self._error("the answer has no list of messages")
            yield from messages
            self._count += len(messages)
            if answer.get("is_limited"):
                self._note(f"the workspace's plan hides older messages: some {span} may be among them")
            if not answer.get("has_more"):
                return
            metadata = answer.get("response_metadata")
            following = metadata.get("next_cursor") if isinstance(metadata, dict) else None
            if not following or following == cursor:
                self._note(f"Slack says that there are more {span}, and not where")
                return
            if self._count > _MOST:
                self._note(f"more than {_MOST:,} messages")
                return
            cursor = str(following)

    def _ask(self, request: Callable[[], Any], span: str) -> Mapping[str, Any] | None:
        """Return an answer; None, with a doubt, where the rate limit left it out."""
        from slack_sdk.errors import SlackApiError, SlackClientError

        self._deadline.start()
        waited = 0.0
        for number in range(1, _TRIES + 1):
            remaining = self._deadline.remaining()
            if remaining <= 0:
                raise self._error(f"no time is left of the deadline for {span}", unreachable=True)
            self._client.timeout = max(1, round(min(self._timeout, remaining)))
            wait = _WAIT
            try:
                answer = request()
            except SlackApiError as error:
                response = error.response
                status = getattr(response, "status_code", 0)
                if status == _TOO_MANY or _mapping(response).get("error") == "ratelimited":
                    wait = _retry_after(response)
                    if number < _TRIES and wait < self._deadline.remaining():
                        time.sleep(wait)
                        waited += wait
                        continue
                    told = f"asked {number} times, waited {format_short_duration(round(waited))}"
                    self._note(
                        f"Slack's rate limit left out {span} ({told}; it wants a wait of {wait:.0f} s)"
                    )
                    return None
                raise self._refusal(response) from None
            except (SlackClientError, OSError, ValueError) as error:
                if number < _TRIES and wait < self._deadline.remaining():
                    time.sleep(wait)
                    continue
                raise self._error(f"cannot be reached: {error}", unreachable=True) from None
            self._note_clock(answer)
            return _mapping(answer)
        return None

    def _note_clock(self, answer: Any) -> None:
        headers = {
            str(name).lower(): value for name, value in (getattr(answer, "headers", None) or {}).items()
        }
        date = headers.get("date")
        ahead = clock_ahead(date[0] if isinstance(date, list) else date)
        if abs(ahead) > MOST_SKEW:
            self._note(say_skew("Slack", ahead))

    def _note(self, doubt: str) -> None:
        self.doubt = self.doubt or doubt

    def _refusal(self, response: Any) -> SourceError:
        answer = _mapping(response)
        code = str(answer.get("error") or f"HTTP {getattr(response, 'status_code', '?')}")
        needed = f" (needed: {answer['needed']})" if answer.get("needed") else ""
        remedy = _REMEDIES.get(code, "")
        is_down = not answer.get("error")
        return self._error(": ".join(filter(None, (f"{code}{needed}", remedy))), unreachable=is_down)

    def _error(self, message: str, *, unreachable: bool = False) -> SourceError:
        kind = UnreachableError if unreachable else SourceError
        return kind(f"{self._where}slack channel {self._channel}: {message}")


def _retry_after(response: Any) -> float:
    headers = {str(name).lower(): value for name, value in (getattr(response, "headers", None) or {}).items()}
    told = headers.get("retry-after")
    try:
        return max(0.0, float(told[0] if isinstance(told, list) else told))  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return _WAIT


def _mapping(response: Any) -> Mapping[str, Any]:
    data = getattr(response, "data", response)
    return data if isinstance(data, dict) else {}
