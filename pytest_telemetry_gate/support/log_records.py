"""Secrets in what libraries log: masked in every record of every logger, before any handler sees it."""

from __future__ import annotations

import logging
import weakref
from collections.abc import Callable
from typing import Any

from pytest_telemetry_gate.support.secrets import Secrets

__all__ = ["mask_logs"]

_masked: weakref.WeakSet[Secrets] = weakref.WeakSet()
_formatter = logging.Formatter()


def mask_logs(secrets: Secrets) -> None:
    """Mask these secrets in whatever is logged from now on, for as long as the collection exists.

    Wraps the factory of log records, which is global, so that it does not matter which library logs and who listens.
    To be called before secrets are used; calling it again changes nothing.
    """
    _masked.add(secrets)
    factory = logging.getLogRecordFactory()
    if not getattr(factory, "masks_secrets", False):
        logging.setLogRecordFactory(_masking(factory))


def _masking(make: Callable[..., logging.LogRecord]) -> Callable[..., logging.LogRecord]:
    def make_masked(*arguments: Any, **keywords: Any) -> logging.LogRecord:
        record = make(*arguments, **keywords)
        _mask(record)
        return record

    make_masked.masks_secrets = True  # type: ignore[attr-defined]
    return make_masked


def _mask(record: logging.LogRecord) -> None:
    """Mask secrets in a record's message, its exception and its stack."""
    collections = [secrets for secrets in list(_masked) if secrets.any]
    if not collections:
        return
    try:
        text = record.getMessage()
    except Exception:  # noqa: BLE001 - the handler will say what is wrong with the message
        return
    shown = _scrub(collections, text)
    if shown != text:
        record.msg, record.args = shown, ()
    if record.exc_info and record.exc_info[0] is not None:
        # Formatters take this text where there is one.
        record.exc_text = _scrub(collections, _formatter.formatException(record.exc_info))
    if record.stack_info:
        record.stack_info = _scrub(collections, record.stack_info)


def _scrub(collections: list[Secrets], text: str) -> str:
    for secrets in collections:
        text = secrets.scrub(text)
    return text
