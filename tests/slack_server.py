"""A Slack workspace on loopback with one channel, as the published methods say.

https://docs.slack.dev/reference/methods/conversations.history, ``conversations.replies`` and ``conversations.info``: messages newest
first in pages with a cursor, ``oldest`` and ``latest``, replies only in their threads, errors as ``ok: false`` with status 200, and
429 with ``Retry-After``.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any
from urllib.parse import parse_qs, urlsplit

import websites

TOKEN = "xoxb-kanari-slack-token"
CHANNEL = "C0ALERTS1"


@dataclass
class Slack:
    """``spoil`` may change an answer, or replace it by a status, headers and a body; ``most`` is the size of a page at most."""

    messages: list[dict[str, Any]] = field(default_factory=list)
    created: float = 1_500_000_000
    most: int = 999
    spoil: Callable[[str, dict[str, list[str]], dict[str, Any]], Any] = lambda method, query, body: body
    ahead: float = 0.0
    asked: list[str] = field(default_factory=list)

    def post(
        self, at: float, text: str = "something is slow", *, thread: float | None = None, **more: Any
    ) -> dict[str, Any]:
        """Add a message of a bot; ``user`` and ``bot_id`` may say that it is of somebody else."""
        message = {
            "type": "message",
            "ts": f"{at:.6f}",
            "text": text,
            "bot_id": "B0GRAFANA",
            "bot_profile": {"name": "Grafana"},
            **more,
        }
        if thread is not None:
            message["thread_ts"] = f"{thread:.6f}"
            parent = next(one for one in self.messages if one["ts"] == message["thread_ts"])
            parent.update(
                thread_ts=parent["ts"],
                reply_count=parent.get("reply_count", 0) + 1,
                latest_reply=message["ts"],
            )
        self.messages.append({key: value for key, value in message.items() if value is not None})
        return message

    def answer(self, asked: websites.Asked) -> websites.Answer:
        parts = urlsplit(asked.path)
        method = parts.path.rpartition("/")[2]
        query = parse_qs(parts.query) | parse_qs(asked.body.decode())
        self.asked.append(method)
        headers = {"Content-Type": "application/json"}
        if self.ahead:
            headers["Date"] = formatdate(time.time() + self.ahead, usegmt=True)
        body = self.spoil(method, query, self._body(method, query, asked))
        if isinstance(body, tuple):
            status, more, content = body
            return status, {**headers, **more}, content
        return 200, headers, json.dumps(body).encode()

    def _body(self, method: str, query: dict[str, list[str]], asked: websites.Asked) -> dict[str, Any]:
        if asked.headers.get("Authorization") != f"Bearer {TOKEN}":
            return {"ok": False, "error": "invalid_auth"}
        if query["channel"] != [CHANNEL]:
            return {"ok": False, "error": "channel_not_found"}
        if method == "conversations.info":
            return {"ok": True, "channel": {"id": CHANNEL, "name": "alerts", "created": self.created}}
        oldest, latest = float(query["oldest"][0]), float(query["latest"][0])
        if method == "conversations.replies":
            chosen = [one for one in self.messages if one.get("thread_ts") == query["ts"][0]]
        else:
            newest_first = sorted(self.messages, key=lambda one: -float(one["ts"]))
            chosen = [
                one
                for one in newest_first
                if one.get("thread_ts") in {None, one["ts"]} or one.get("subtype") == "thread_broadcast"
            ]
        # A thread's first message comes with its replies whatever the times are.
        chosen = [
            one
            for one in chosen
            if oldest <= float(one["ts"]) <= latest
            or one.get("thread_ts") == one["ts"] == query.get("ts", [""])[0]
        ]
        first = int(query.get("cursor", ["0"])[0])
        last = first + min(self.most, int(query.get("limit", ["100"])[0]))
        more = last < len(chosen)
        return {
            "ok": True,
            "messages": chosen[first:last],
            "has_more": more,
            "response_metadata": {"next_cursor": str(last) if more else ""},
        }


@contextlib.contextmanager
def serving(workspace: Slack) -> Iterator[str]:
    """Serve a workspace; yields the address of its methods."""
    with websites.serving(workspace.answer) as site:
        yield f"{site.url}/api/"
