"""The event source ``slack``: the messages of a channel."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from pytest_telemetry_gate.errors import SourceError
from pytest_telemetry_gate.model.events import Events
from pytest_telemetry_gate.model.sources import EventSource
from pytest_telemetry_gate.model.systems import System, Tested
from pytest_telemetry_gate.sources.episodes import unite_episodes
from pytest_telemetry_gate.sources.http.settings import HttpSettings
from pytest_telemetry_gate.sources.http.tokens import with_token
from pytest_telemetry_gate.sources.http.transport import Transport
from pytest_telemetry_gate.sources.own_keys import load_extra, read_seconds, read_text
from pytest_telemetry_gate.sources.slack.channel import Channel
from pytest_telemetry_gate.sources.slack.messages import BOTS, Choice, is_reply, read_message, time_of
from pytest_telemetry_gate.support.durations import format_time
from pytest_telemetry_gate.support.text import name_region

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from pytest_telemetry_gate.model.environment import RegionSettings

__all__ = ["Slack"]

_KEYS = ("token", "channel", "threads", "bots", "match", "retention")
_URL = "https://slack.com/api"
_ID = re.compile(r"[CGD][A-Z0-9]{2,}")
_RETENTION = (
    90 * 86_400.0
)  # seconds: what a workspace on a free plan shows, and no answer is documented to say so
_REACH = 7 * 86_400.0  # seconds before a window in which a thread may have begun that has replies in it


@dataclass(frozen=True, slots=True)
class SlackSettings:
    """How Slack is reached, which messages of which channel count, and for how many seconds they are kept."""

    http: HttpSettings
    channel: str
    choice: Choice
    retention: float


class Slack(EventSource):
    """Reads the messages of one channel."""

    system: ClassVar[System] = System(
        title="Slack",
        tested=Tested.FAKE,
        against="a server on loopback that answers as the published methods say, by Slack's own SDK",
        unproven="messages that were deleted before they were read; that whoever writes the messages was at work; replies of "
        "threads that are older than a week",
        extra="slack",
    )

    def __init__(self, settings: RegionSettings) -> None:
        self._own = self.read_settings(settings)
        self._where = name_region(settings.name)
        self._transport = Transport(self._own.http, settings.deadline, settings.secrets)
        self.description = f"slack channel {self._own.channel}"

    @classmethod
    def from_settings(cls, settings: RegionSettings, source: object) -> Slack:
        """Read the settings; raises SourceError where they are wrong or the SDK is not installed."""
        load_extra("slack_sdk", "slack")
        return cls(settings)

    @staticmethod
    def read_settings(settings: RegionSettings) -> SlackSettings:
        """Return what is read of which channel; raises SourceError at the line of a setting that cannot be used."""
        http = HttpSettings.from_settings(replace(settings, options={"url": _URL, **settings.options}), _KEYS)
        if http.basic_auth:
            raise settings.error(("basic_auth",), "Slack takes no basic_auth: set token")
        http = with_token(settings, http)
        if not http.authorization:
            raise settings.error(("token",), "source slack needs `token`, of a bot or a user")
        channel = read_text(settings, "channel")
        if not _ID.fullmatch(channel):
            raise settings.error(
                ("channel",),
                f"channel: {channel!r} is no id such as C0123ABCD, which the channel's details in Slack show",
            )
        bots = settings.options.get("bots", BOTS[0])
        if bots not in BOTS:
            raise settings.error(("bots",), f"bots: {bots!r} is not one of {', '.join(BOTS)}")
        threads = settings.options.get("threads", False)
        if not isinstance(threads, bool):
            raise settings.error(("threads",), f"threads: {threads!r} is not true or false")
        pattern = None
        if "match" in settings.options:
            import re2

            text = read_text(settings, "match")
            try:
                pattern = re2.compile(text)
            except re2.error as error:
                raise settings.error(("match",), f"match: {text!r} is no regex of RE2: {error}") from None
        retention = read_seconds(settings, "retention", _RETENTION)
        return SlackSettings(http, channel, Choice(threads, bots, pattern), retention)

    def events(self, kind: str, start: float, end: float) -> Events:
        """Return the messages that were sent from start to end, in seconds; they are incidents of the kind ``message``."""
        if kind != "incidents":
            message = f"{self._where}{self.description} has no {kind}: it knows messages, as `incidents: {{kind: message}}`"
            raise SourceError(message)
        own = self._own
        channel = Channel(own.channel, own.http.url, self._transport, self._where)
        channel.require_readable(start)
        read = self._read_threads(channel, start, end) if own.choice.threads else channel.messages(start, end)
        told = [
            (str(message.get("ts")), read_message(message))
            for message in read
            if own.choice.has(message) and start <= time_of(message) <= end
        ]
        doubt = channel.doubt or self._doubt_age(start)
        return Events(
            start,
            end,
            complete=not doubt,
            episodes=unite_episodes(told, start, end),
            reason=doubt,
            kinds=("message",),
        )

    def _doubt_age(self, start: float) -> str:
        kept = time.time() - self._own.retention
        if start >= kept:
            return ""
        return (
            f"messages before {format_time(kept)} may be hidden, and the window begins {format_time(start)}: "
            "set retention to how long this workspace keeps them"
        )

    def _read_threads(self, channel: Channel, start: float, end: float) -> Iterator[Mapping[str, Any]]:
        """Yield the messages of the channel and the replies of its threads, of those too that began some days before."""
        for message in channel.messages(start - _REACH, end):
            yield message
            latest = message.get("latest_reply")
            if message.get("reply_count") and not is_reply(message) and float(latest or end) >= start:
                yield from channel.replies(str(message["ts"]), start, end)
