"""Which messages of a channel count, and what is told of them.

https://docs.slack.dev/reference/events/message/ lists the subtypes.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pytest_telemetry_gate.errors import SourceError
from pytest_telemetry_gate.model.events import Episode
from pytest_telemetry_gate.support.personal import mask_personal

__all__ = ["BOTS", "Choice", "is_reply", "read_message", "time_of"]

BOTS = ("all", "only", "without")
# What the channel says of itself, which nobody has written.
_ABOUT_THE_CHANNEL = frozenset(
    {
        "bot_add", "bot_remove", "channel_archive", "channel_canvas_updated", "channel_convert_to_private",
        "channel_convert_to_public", "channel_join", "channel_leave", "channel_name", "channel_posting_permissions",
        "channel_purpose", "channel_topic", "channel_unarchive", "group_archive", "group_join", "group_leave", "group_name",
        "group_purpose", "group_topic", "group_unarchive", "pinned_item", "reminder_add", "unpinned_item",
    }
)  # fmt: skip
_EXCERPT = 120  # characters of a text that are told
_READ = 4_000  # characters of a text that are looked at for them: a message may have 40,000
_DEEPEST = 8  # blocks inside of blocks: more than Slack has
_PERSON = re.compile(r"<@[A-Z0-9]+(?:\|[^<>]*)?>")


@dataclass(frozen=True, slots=True)
class Choice:
    """Which messages count: replies in threads or not, of whom (``BOTS``), and by what their text matches.

    ``pattern`` is a compiled regex of RE2, None where every text counts.
    """

    threads: bool
    bots: str
    pattern: Any = None

    def has(self, message: Mapping[str, Any]) -> bool:
        """Tell whether a message counts."""
        if message.get("subtype") in _ABOUT_THE_CHANNEL or (is_reply(message) and not self.threads):
            return False
        is_bot = bool(message.get("bot_id")) or message.get("subtype") == "bot_message"
        if (self.bots == "only" and not is_bot) or (self.bots == "without" and is_bot):
            return False
        return self.pattern is None or bool(self.pattern.search(_text_of(message)))


def is_reply(message: Mapping[str, Any]) -> bool:
    """Tell whether a message is a reply in a thread, sent to the channel as well or not."""
    thread = message.get("thread_ts")
    return thread is not None and thread != message.get("ts")


def time_of(message: Mapping[str, Any]) -> float:
    """Return when a message was sent, in seconds since the epoch; raises SourceError for one that does not say it."""
    try:
        return float(message["ts"])
    except (KeyError, TypeError, ValueError):
        text = f"slack: {str(message.get('ts'))[:40]!r} is no time of a message"
        raise SourceError(text) from None


def read_message(message: Mapping[str, Any]) -> Episode:
    """Return a message as an episode without length; its text is cut, and personal data in it is masked."""
    at = time_of(message)
    profile = message.get("bot_profile")
    of_bot = profile.get("name") if isinstance(profile, dict) else None
    labels = {
        "id": str(message["ts"]),
        "from": str(of_bot or message.get("username") or message.get("bot_id") or ""),
        "thread": str(message["thread_ts"]) if is_reply(message) else "",
    }
    text = " ".join(mask_personal(_text_of(message)[:_READ]).split())
    name = text if len(text) <= _EXCERPT else text[: _EXCERPT - 3] + "..."
    return Episode(
        "message", name or "(no text)", at, at, {key: value for key, value in labels.items() if value}
    )


def _text_of(message: Mapping[str, Any]) -> str:
    """Return what a message says, people in it left out: its text, its attachments and its blocks, each text once.

    https://docs.slack.dev/reference/block-kit/blocks: bots may write blocks alone, and attachments with any of their texts.
    """
    texts = [str(message.get("text") or "")]
    attachments = message.get("attachments")
    for attachment in attachments if isinstance(attachments, list) else ():
        if isinstance(attachment, dict):
            texts += [str(attachment.get(part) or "") for part in ("pretext", "title", "text", "fallback")]
            texts += _texts_of_blocks(attachment.get("blocks"), _DEEPEST)
    texts += _texts_of_blocks(message.get("blocks"), _DEEPEST)
    shown = (html.unescape(_PERSON.sub("@someone", text)).strip() for text in texts)
    return "\n".join(dict.fromkeys(filter(None, shown)))


def _texts_of_blocks(value: Any, depth: int) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for part in value:
            yield from _texts_of_blocks(part, depth)
    elif isinstance(value, dict) and depth:
        for name in ("text", "fields", "elements"):
            yield from _texts_of_blocks(value.get(name), depth - 1)
