"""A channel of Slack, read page by page with Slack's own SDK.

https://docs.slack.dev/reference/methods/conversations.history
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pytest_telemetry_gate.errors import SourceError
from pytest_telemetry_gate.sources.event_clocks import MOST_SKEW, clock_ahead, say_skew
from pytest_telemetry_gate.sources.http.limits import RateLimitedError
from pytest_telemetry_gate.sources.http.transport import Transport
from pytest_telemetry_gate.sources.own_keys import load_extra
from pytest_telemetry_gate.support.durations import format_time

if TYPE_CHECKING:
    from pytest_telemetry_gate.sources.slack.client import HouseClient

__all__ = ["Channel"]

_PAGE = 200  # messages: what Slack recommends, and no more than 999
_MOST = 50_000  # messages that are read of one window
_MOST_PAGES = 1_000  # of one window, threads included
_FEW = 15  # messages of a page, and one page a minute, for apps that are sold outside of Slack's Marketplace
_EXCERPT = 200  # characters of what Slack says
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

    def __init__(self, channel: str, url: str, transport: Transport, where: str) -> None:
        self._client = _connect(url, transport)
        self._transport = transport
        self._channel = channel
        self._where = where
        self._count = self._pages_read = 0
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
            if self._count > _MOST or self._pages_read >= _MOST_PAGES:
                self._note(f"more than {_MOST:,} messages, or {_MOST_PAGES:,} pages of them")
                return
            answer = self._ask(lambda cursor=cursor: request(cursor), span)  # type: ignore[misc]
            self._pages_read += 1
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
            cursor = str(following)

    def _ask(self, request: Callable[[], Any], span: str) -> Mapping[str, Any] | None:
        """Return an answer; None, with a doubt, where the rate limit left it out."""
        from slack_sdk.errors import SlackApiError

        try:
            answer = request()
        except RateLimitedError as error:
            is_few = 0 < self._count <= _FEW * self._pages_read
            few = (
                f": apps that are sold outside of its Marketplace get {_FEW} messages a minute"
                if is_few
                else ""
            )
            self._note(f"Slack's rate limit ({error}) left out {span}{few}")
            return None
        except SourceError as error:
            raise type(error)(f"{self._where}slack channel {self._channel}: {error}") from None
        except SlackApiError as error:
            raise self._refusal(_mapping(error.response)) from None
        self._note_clock(answer)
        return _mapping(answer)

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

    def _refusal(self, answer: Mapping[str, Any]) -> SourceError:
        code = str(answer.get("error") or "no error told")[:_EXCERPT]
        needed = f" (needed: {str(answer['needed'])[:_EXCERPT]})" if answer.get("needed") else ""
        remedy = _REMEDIES.get(code, "")
        return self._error(": ".join(filter(None, (f"{code}{needed}", remedy))))

    def _error(self, message: str) -> SourceError:
        return SourceError(self._transport.scrub(f"{self._where}slack channel {self._channel}: {message}"))


def _connect(url: str, transport: Transport) -> HouseClient:
    load_extra("slack_sdk", "slack")
    from pytest_telemetry_gate.sources.slack.client import HouseClient

    return HouseClient(url, transport)


def _mapping(response: Any) -> Mapping[str, Any]:
    data = getattr(response, "data", response)
    return data if isinstance(data, dict) else {}
