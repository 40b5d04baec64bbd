"""Upload: the written files at any address that fsspec knows, each of them whole or not at all."""

from __future__ import annotations

import posixpath
import uuid
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from pytest_telemetry_gate.errors import FOREIGN_ERRORS, SinkError, describe
from pytest_telemetry_gate.model.environment import RegionSettings
from pytest_telemetry_gate.sinks.outgoing import Outgoing

__all__ = ["Upload"]

# There an object is seen when it is complete, and renaming it would be a copy.
_OBJECT_STORES = frozenset(
    {"gs", "gcs", "s3", "s3a", "abfs", "abfss", "az", "adl", "oss", "oci", "memory", "http", "https"}
)


class Upload:
    """Copies files; raises SourceError where fsspec or what it needs for this address is not installed."""

    def __init__(self, settings: RegionSettings) -> None:
        self._to = str(settings.options["to"])
        self._options: Mapping[str, Any] = settings.options.get("options") or {}
        self._folder = settings.folder
        protocol = self._to.partition("://")[0] if "://" in self._to else "file"
        try:
            import fsspec

            fsspec.get_filesystem_class(protocol)
        except ModuleNotFoundError as error:
            if error.name == "fsspec":
                message = "upload needs fsspec: pip install 'pytest-telemetry-gate[remote]'"
                raise settings.error((), message) from None
            raise settings.error((), f"upload: {protocol}://: {describe(error)}") from None
        except (ImportError, ValueError) as error:
            raise settings.error((), f"upload: {protocol}://: {error}") from None

    def deliver(self, outgoing: Outgoing) -> None:
        """Copy the files that were written; raises SinkError where one could not be copied."""
        if not outgoing.files:
            raise SinkError("no file was written that could be uploaded: --telemetry-report=FILE writes one")
        to = outgoing.fill(self._to)
        try:
            from fsspec.core import url_to_fs

            address = to if "://" in to else str(self._folder / to)
            system, folder = url_to_fs(address, **self._options)
            with suppress(NotImplementedError):
                system.makedirs(folder, exist_ok=True)
            for file in outgoing.files:
                self._copy(system, folder.rstrip("/"), file)
        except FOREIGN_ERRORS as error:
            raise SinkError(f"{to}: {describe(error)}") from None

    def _copy(self, system: Any, folder: str, file: Path) -> None:
        target = posixpath.join(folder, file.name)
        protocols = {system.protocol} if isinstance(system.protocol, str) else set(system.protocol)
        if protocols & _OBJECT_STORES:
            system.put_file(str(file), target)
            return
        unfinished = posixpath.join(folder, f".{file.name}.{uuid.uuid4().hex}.tmp")
        try:
            system.put_file(str(file), unfinished)
            system.mv(unfinished, target)
        except FOREIGN_ERRORS:
            with suppress(*FOREIGN_ERRORS):
                system.rm_file(unfinished)
            raise
