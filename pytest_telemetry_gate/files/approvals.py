"""The approvals file: who signed which report, one entry for each signature, in the order in which they were given."""

from __future__ import annotations

import math
import re
from collections.abc import Collection
from pathlib import Path
from textwrap import indent
from typing import Annotated, Any

import yaml
from pydantic import AfterValidator, Field

from pytest_telemetry_gate.errors import SuiteError
from pytest_telemetry_gate.files.document import Document
from pytest_telemetry_gate.files.validation import validate_model
from pytest_telemetry_gate.model.fields import Model, TimeField
from pytest_telemetry_gate.model.report import Approval
from pytest_telemetry_gate.support.durations import format_time
from pytest_telemetry_gate.support.suggestions import suggest
from pytest_telemetry_gate.support.whole_files import hold_lock, replace_file

__all__ = ["append_approval", "read_approvals"]

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_ENTRY = re.compile(r"^( *)- ", re.MULTILINE)


def _not_blank(text: str) -> str:
    if not text.strip():
        message = "must not be empty"
        raise ValueError(message)
    return text


def _digest(text: str) -> str:
    if not _DIGEST.fullmatch(text):
        message = f"{text!r} is no digest of a report: sha256: and 64 hexadecimal digits"
        raise ValueError(message)
    return text


_Text = Annotated[str, AfterValidator(_not_blank)]


class ApprovalEntry(Model):
    """One signature."""

    role: _Text = Field(description="as what somebody signs, one of the suite's `approvals`")
    name: _Text = Field(description="who signs")
    at: TimeField = Field(description="when")
    digest: Annotated[str, AfterValidator(_digest)] = Field(description="the digest of the report")
    note: str = Field(default="", description="what is to be said of it")


def read_approvals(path: Path, shown: str = "", roles: Collection[str] = ()) -> tuple[Approval, ...]:
    """Return the entries of an approvals file in its order; ``roles`` are all that may sign, where they are known.

    ``shown`` is what people call the file. Raises SuiteError for a file or an entry that cannot be used.
    """
    file = Document(path, shown, is_list=True)
    return tuple(_approval(file, index, entry, roles) for index, entry in enumerate(file.value))


def _approval(file: Document, index: int, entry: Any, roles: Collection[str]) -> Approval:
    if not isinstance(entry, dict):
        raise file.error((index,), f"[{index}]: must be a mapping of keys to values")
    read = validate_model(ApprovalEntry, entry, file, (index,), f"approval {index + 1}: ")
    if roles and read.role not in roles:
        message = f"approval {index + 1}: unknown role {read.role!r}{suggest(read.role, roles)}"
        raise file.error((index, "role"), message)
    return Approval(read.role, read.name, read.at, read.digest, read.note)


def append_approval(path: Path, approval: Approval) -> None:
    """Write an entry at the end of an approvals file, which need not exist; what is in it stays as it is written.

    The file is replaced as a whole. Raises SuiteError where it cannot be used or has no place for an entry,
    RecordingError where another process keeps writing it, and OSError where it cannot be written.
    """
    path = path.resolve()
    with hold_lock(path):
        exists = path.exists()
        if exists:
            read_approvals(path)
        old = path.read_bytes().decode("utf-8") if exists else ""
        new = _add_entry(old, approval)
        if new is None:
            message = "no entry can be added at the end: write the list as one entry a line, each after '- '"
            raise SuiteError(path, old.count("\n") + 1, message)
        with replace_file(path) as file:
            file.write(new.encode("utf-8"))


def _add_entry(old: str, approval: Approval) -> str | None:
    """Return the text of a file with one more entry, None where it would then mean something else."""
    entry = {
        "role": approval.role,
        "name": approval.name,
        "at": format_time(approval.at),
        "digest": approval.digest,
        **({"note": approval.note} if approval.note else {}),
    }
    written = _ENTRY.search(old)
    text = yaml.safe_dump([entry], sort_keys=False, allow_unicode=True, width=math.inf)
    new = old + ("\n" if old and not old.endswith("\n") else "") + indent(text, written[1] if written else "")
    try:
        means = yaml.safe_load(new)
    except yaml.YAMLError:
        return None
    return new if means == [*(yaml.safe_load(old) or ()), entry] else None
