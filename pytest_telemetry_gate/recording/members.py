"""The members of a recording: unpacked a piece at a time, their digests checked, arrays kept while there is room."""

from __future__ import annotations

import hashlib
import io
import math
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from pytest_telemetry_gate.errors import RecordingError
from pytest_telemetry_gate.recording.cache import ArrayCache

__all__ = ["DAMAGE", "Members"]

_MAX_MEMBER = 2**30  # bytes, decompressed
_PIECE = 2**16  # bytes unpacked at a time
_ROWS = 4 * 2**20  # bytes of samples that are in memory while a member is read in pieces
DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    KeyError,
    ValueError,
    OSError,
    NotImplementedError,
    RuntimeError,
)
"""What reading a damaged or forged zip raises."""


class Members:
    """The zip of a recording, open as long as it is read.

    ``listed`` is what the index says of each member. Every method raises RecordingError, one line that names the
    file and the damaged member.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.listed: Mapping[str, Mapping[str, Any]] = {}
        self._arrays = ArrayCache()
        if not path.is_file():
            message = f"{path}: there is no such recording"
            raise RecordingError(message)
        try:
            # The archive stays open as long as the recording, since members are read on demand.
            self._archive = zipfile.ZipFile(path)
        except DAMAGE:
            message = f"{path}: not a recording, or truncated: no readable zip directory"
            raise RecordingError(message) from None

    def close(self) -> None:
        """Close the file."""
        self._archive.close()

    def read(self, member: str, limit: int) -> bytes:
        """Return a member of at most so many bytes, its digest unchecked."""
        info = self._info(member, limit)
        try:
            return self._archive.read(info)
        except DAMAGE as error:
            raise self.damaged(member, str(error)) from None

    def content(self, member: str, limit: int) -> bytes:
        """Return a member that is no array, of at most so many bytes, its digest checked."""
        content = self.read(member, limit)
        self._check_digest(member, hashlib.sha256(content).hexdigest())
        return content

    def array(self, member: str, dtype: type[np.generic], dimensions: int) -> NDArray[Any]:
        """Return a member as an array of the type and number of dimensions that the format gives it; not to be written.

        Decoded arrays are kept while there is room; the least recently used is forgotten first.
        """
        array = self._arrays.get(member)
        if array is None:
            size = self._info(member, _MAX_MEMBER).file_size
            self._arrays.make_room(size)
            array = self._decode(member)
            self._arrays.put(member, array)
        if array.dtype != dtype or array.ndim != dimensions:
            raise self.damaged(
                member,
                f"{array.dtype} with {array.ndim} dimensions instead of {np.dtype(dtype)} with {dimensions}",
            )
        return array

    def rows(self, member: str, shape: tuple[int, int]) -> Iterator[NDArray[np.float64]]:
        """Yield a member's rows a few at a time; its digest can be checked only after the last."""
        at_once = max(1, _ROWS // max(1, shape[1] * 8))
        try:
            with self._archive.open(member) as opened:
                stream = _HashedStream(opened)
                version = np.lib.format.read_magic(stream)
                if version != (1, 0):
                    raise self.damaged(member, f"version {version} of the format")
                header = np.lib.format.read_array_header_1_0(stream)
                if header != (shape, False, np.dtype(np.float64)):
                    raise self.damaged(member, f"{header[2]} of the shape {header[0]} instead of {shape}")
                for first in range(0, shape[0], at_once):
                    rows = min(at_once, shape[0] - first)
                    content = stream.read(rows * shape[1] * 8)
                    yield np.frombuffer(content, dtype=np.float64).reshape(rows, shape[1])
                if stream.read(1):
                    raise self.damaged(member, "its content does not match its digest")
                self._check_digest(member, stream.digest.hexdigest())
        except DAMAGE as error:
            raise self.damaged(member, str(error)) from None

    def _decode(self, member: str) -> NDArray[Any]:
        """Unpack an ``.npy`` member into its array piece by piece, so that it is never in memory twice."""
        info = self._info(member, _MAX_MEMBER)
        digest = hashlib.sha256()
        try:
            with self._archive.open(info) as stream:
                array, head = _allocate(stream, info.file_size)
                digest.update(head)
                room, filled = array.reshape(-1).view(np.uint8), 0
                while piece := stream.read(_PIECE):
                    digest.update(piece)
                    room[filled : filled + len(piece)] = np.frombuffer(piece, np.uint8)
                    filled += len(piece)
        except (*DAMAGE, SyntaxError) as error:
            raise self.damaged(member, str(error)) from None
        self._check_digest(member, digest.hexdigest())
        array.flags.writeable = False
        return array

    def damaged(self, member: str, problem: str) -> RecordingError:
        """Return an error that names a member."""
        return RecordingError(f"{self.path}: member {member} is damaged: {problem}")

    def _check_digest(self, member: str, digest: str) -> None:
        listed = self.listed.get(member)
        if listed is None or digest != listed["sha256"]:
            raise self.damaged(member, "its content does not match its digest")

    def _info(self, member: str, limit: int) -> zipfile.ZipInfo:
        """Find a member, refusing one that unpacks to more than the limit before unpacking it."""
        try:
            info = self._archive.getinfo(member)
        except KeyError:
            message = f"{self.path}: not a recording, or damaged: member {member} is missing"
            raise RecordingError(message) from None
        if info.file_size > limit:
            message = f"{self.path}: member {member} unpacks to {info.file_size:,} bytes, more than {limit:,}"
            raise RecordingError(message)
        return info


class _HashedStream:
    """A stream that is hashed as it is read."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.digest = hashlib.sha256()

    def read(self, size: int = -1, /) -> bytes:
        """Return at most ``size`` bytes, or all that are left."""
        content = self._stream.read(size)
        self.digest.update(content)
        return content


def _allocate(stream: IO[bytes], size: int) -> tuple[NDArray[Any], bytes]:
    """Read the head of an ``.npy`` file of ``size`` bytes; returns an empty array for its content, and the head."""
    start = stream.read(10)
    if np.lib.format.read_magic(io.BytesIO(start)) != (1, 0):
        message = "not version 1.0 of the format"
        raise ValueError(message)
    head = start + stream.read(int.from_bytes(start[8:], "little"))
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(io.BytesIO(head[8:]))
    if dtype.hasobject or fortran or len(head) + math.prod(shape) * dtype.itemsize != size:
        message = f"{size:,} bytes cannot hold {dtype} of shape {shape} row by row"
        raise ValueError(message)
    return np.empty(shape, dtype), head
