"""What has arrived in a mailbox, for tests that do not ask when."""

from __future__ import annotations

from pytest_telemetry_gate.replay.captured import ExportRequest
from pytest_telemetry_gate.replay.receive.mailbox import Mailbox


def requests_in(mailbox: Mailbox) -> list[ExportRequest]:
    return [arrival.request for arrival in mailbox.since(0)]
