"""The file of a bundle: written whole and the same for the same content, read as if an attacker had written it."""

from __future__ import annotations

import hashlib
import json
import re
import stat
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from pytest_telemetry_gate.bundle.statement import Claim, make_statement
from pytest_telemetry_gate.errors import BundleError
from pytest_telemetry_gate.recording.members import DAMAGE
from pytest_telemetry_gate.support.text import one_line
from pytest_telemetry_gate.support.whole_files import hold_lock, replace_file

__all__ = [
    "FORMAT",
    "MANIFEST",
    "REPORT",
    "STATEMENT",
    "VERSIONS",
    "BundledFile",
    "Unpacked",
    "read_json",
    "unpack",
    "write_bundle",
]

FORMAT = 1
REPORT, MANIFEST, STATEMENT, VERSIONS = "report.json", "manifest.json", "statement.json", "versions.json"
_OWN = frozenset({REPORT, MANIFEST, STATEMENT, VERSIONS})
_EPOCH = (1980, 1, 1, 0, 0, 0)  # of every member, so that equal content gives equal files
_MODE = (stat.S_IFREG | 0o644) << 16
_UNIX = 3  # the system that a member was made on, whichever it was
_PIECE = 2**20  # bytes at a time
_MAX_MEMBERS = 10_000
_MAX_BYTES = 2 * 2**30  # of all members, unpacked
_MAX_TEXT = 256 * 2**20  # bytes of a JSON member
_SEGMENT = re.compile(r"[^/\\:\x00-\x1f\x7f]+")


@dataclass(frozen=True, slots=True)
class BundledFile:
    """A file to be bundled: the member that it becomes, with slashes, and its content or where that is."""

    member: str
    content: bytes | Path


def write_bundle(
    path: Path,
    report: bytes,
    files: Sequence[BundledFile],
    *,
    claim: Claim,
    versions: Mapping[str, str],
) -> str:
    """Write a bundle in one step, or leave what is there; returns its SHA-256.

    ``report`` is the JSON of the report, ``claim`` what the statement says of it, ``versions`` are those of the packages by
    name. Raises BundleError where it cannot be written.
    """
    contents = {file.member: file.content for file in files}
    for member in contents:
        if not _is_safe(member) or member in _OWN:
            message = f"{path}: no member of a bundle can be called {member!r}"
            raise BundleError(message)
    contents |= {REPORT: report, VERSIONS: _json(dict(versions))}
    try:
        with hold_lock(path), replace_file(path) as file:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
                _write_members(archive, contents, claim)
            return _digest_of(file)
    except DAMAGE as error:
        message = f"{path}: the bundle cannot be written: {getattr(error, 'strerror', None) or error}"
        raise BundleError(message) from None


def _write_members(archive: zipfile.ZipFile, contents: Mapping[str, bytes | Path], claim: Claim) -> None:
    members: dict[str, dict[str, Any]] = {}
    for member in sorted(contents):
        members[member] = _put(archive, member, contents[member])
    manifest = _json({"format": FORMAT, "members": members})
    digests = {member: str(about["sha256"]) for member, about in members.items()}
    digests[MANIFEST] = str(_put(archive, MANIFEST, manifest)["sha256"])
    _put(archive, STATEMENT, _json(make_statement(digests, claim)))


def _put(archive: zipfile.ZipFile, member: str, content: bytes | Path) -> dict[str, Any]:
    """Write a member; returns its length in bytes and its SHA-256."""
    info = zipfile.ZipInfo(member, _EPOCH)
    info.compress_type, info.external_attr, info.create_system = zipfile.ZIP_DEFLATED, _MODE, _UNIX
    digest, size = hashlib.sha256(), 0
    with archive.open(info, "w", force_zip64=isinstance(content, Path)) as written:
        if isinstance(content, bytes):
            written.write(content)
            return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        with content.open("rb") as source:
            while piece := source.read(_PIECE):
                digest.update(piece)
                size += len(piece)
                written.write(piece)
    return {"bytes": size, "sha256": digest.hexdigest()}


def _digest_of(file: IO[bytes]) -> str:
    file.flush()
    file.seek(0)
    digest = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
    file.seek(0, 2)
    return digest


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


@dataclass(frozen=True, slots=True)
class Unpacked:
    """A bundle that was unpacked below ``folder``: the SHA-256 and the length in bytes of each member as it is."""

    folder: Path
    digests: Mapping[str, str]
    sizes: Mapping[str, int]

    def path(self, member: str) -> Path:
        """Return where a member is; raises BundleError where the bundle has none of this name."""
        if member not in self.digests:
            message = f"the bundle holds no {one_line(member)}"
            raise BundleError(message)
        return self.folder / member


def unpack(path: Path, folder: Path) -> Unpacked:
    """Unpack a bundle below an empty folder, and nothing outside of it.

    Raises BundleError, one line, for what is no bundle: a damaged file, a member whose name leads elsewhere or stands there
    twice, one that is no plain file, and more than 10,000 members or 2 GiB.
    """
    digests: dict[str, str] = {}
    sizes: dict[str, int] = {}
    if not path.is_file():
        message = f"{path}: there is no such bundle"
        raise BundleError(message)
    try:
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
            _check_directory(infos)
            for info in infos:
                target = folder / info.filename
                target.parent.mkdir(parents=True, exist_ok=True)
                digests[info.filename], sizes[info.filename] = _unpack_member(archive, info, target)
    except BundleError as error:
        message = f"{path}: {error}"
        raise BundleError(message) from None
    except DAMAGE as error:
        message = (
            f"{path}: not a bundle, or damaged: {one_line(str(getattr(error, 'strerror', None) or error))}"
        )
        raise BundleError(message) from None
    return Unpacked(folder, digests, sizes)


def _check_directory(infos: Sequence[zipfile.ZipInfo]) -> None:
    """Refuse a directory that no bundle of ours has, before anything is unpacked."""
    if len(infos) > _MAX_MEMBERS:
        message = f"it has {len(infos):,} members, more than {_MAX_MEMBERS:,}"
        raise BundleError(message)
    seen: set[str] = set()
    for info in infos:
        name = one_line(info.orig_filename)
        # A file system that knows no case would have one file of two members.
        if info.orig_filename.casefold() in seen:
            message = f"member {name} is there twice"
            raise BundleError(message)
        seen.add(info.orig_filename.casefold())
        kind = stat.S_IFMT(info.external_attr >> 16)
        if not _is_safe(info.orig_filename) or info.is_dir() or kind not in {0, stat.S_IFREG}:
            message = f"member {name} is no plain file of a bundle"
            raise BundleError(message)
        if info.flag_bits & 0x1:
            message = f"member {name} is encrypted"
            raise BundleError(message)
    if any(parent in seen for name in seen for parent in _parents(name)):
        message = "a member is both a file and a folder"
        raise BundleError(message)
    if (size := sum(info.file_size for info in infos)) > _MAX_BYTES:
        message = f"it unpacks to {size:,} bytes, more than {_MAX_BYTES:,}"
        raise BundleError(message)


def _unpack_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, target: Path) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    with archive.open(info) as source, target.open("xb") as file:
        while piece := source.read(_PIECE):
            size += len(piece)
            if size > info.file_size:
                message = f"member {one_line(info.filename)} unpacks to more than it says"
                raise BundleError(message)
            digest.update(piece)
            file.write(piece)
    return digest.hexdigest(), size


def _is_safe(member: str) -> bool:
    """Tell whether a member's name leads to a file below the folder that it is unpacked in, on any system."""
    segments = member.split("/")
    return all(_SEGMENT.fullmatch(part) and part.strip(" .") for part in segments) and len(member) < 1_000


def _parents(name: str) -> list[str]:
    parts = name.split("/")
    return ["/".join(parts[:count]) for count in range(1, len(parts))]


def read_json(path: Path, member: str) -> Any:
    """Return a JSON member that was unpacked at a path; raises BundleError where it is none."""
    try:
        if path.stat().st_size > _MAX_TEXT:
            message = f"{member}: larger than {_MAX_TEXT // 2**20} MiB"
            raise BundleError(message)
        return json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        message = f"{member}: cannot be read: {one_line(str(error))}"
        raise BundleError(message) from None
