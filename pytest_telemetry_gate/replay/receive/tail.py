"""What a collector's file exporter writes to a file, as if it had been exported to us."""

from __future__ import annotations

import os
import re
import stat
from contextlib import suppress
from pathlib import Path

from pytest_telemetry_gate.errors import DriveError
from pytest_telemetry_gate.replay.captured import ExportRequest
from pytest_telemetry_gate.replay.receive.followed_file import FollowedFile
from pytest_telemetry_gate.replay.receive.mailbox import Mailbox
from pytest_telemetry_gate.replay.receive.written_telemetry import requests_of

__all__ = ["Tail"]

_AT_ONCE = 64 * 2**20  # bytes that one look reads, so that a flood does not hold up what else is waited for
_KEPT = 4  # files that are followed after they were renamed: their writer may still be at the old one
_COMPRESSED = (".gz", ".zst", ".xz", ".bz2")


class Tail:
    """Reads what is written after construction; a file that is rotated or cut loses nothing that stands somewhere.

    A file that was renamed is read to its end, files that came and went in between are read, and of one that was copied
    and cut the rest is taken from the copy. ``poll()`` brings what is new to the mailbox; raises DriveError where the file
    cannot be read.
    """

    def __init__(self, path: Path, mailbox: Mailbox) -> None:
        self._path = path
        self._mailbox = mailbox
        self._files: list[FollowedFile] = []
        name, stem = re.escape(path.name), re.escape(path.stem)
        self._rotated_name = re.compile(rf"(?:{name}|{stem})[-._]\d.*")
        # What is done with, by its number; of what was the same as the beginning of ours, the size that it had then.
        self._known: dict[int, int | None] = dict.fromkeys(one.st_ino for one, _ in self._rotated())
        self._trouble = ""
        try:
            if self._inode():
                self._follow(FollowedFile.open_at_end(path))
        except OSError as error:
            raise self._unreadable(error) from None

    def poll(self) -> None:
        """Read what is new."""
        self._trouble = ""
        try:
            self._read()
            if self._is_renamed():
                self._read()  # what was written between the look at the file and the one at its name
                self._follow_new()
                self._read()
            while len(self._files) > _KEPT:
                self._files.pop(0).close()
        except OSError as error:
            raise self._unreadable(error) from None

    def close(self) -> None:
        """Close the files."""
        for followed in self._files:
            followed.close()
        self._files.clear()

    def _read(self) -> None:
        with suppress(FileNotFoundError):  # renamed meanwhile, which the next look finds
            self._read_rotated()
        self._read_followed()

    def _read_followed(self) -> None:
        for followed in self._files:
            if followed.was_cut:
                followed.restart(followed.rest)
            self._put(followed)

    def _read_rotated(self) -> None:
        """Read what stands beside the file alone: before it was cut, or in files that had its name for a while."""
        renamed = not self._files or self._files[-1].inode != self._inode()
        if renamed:
            self._read_followed()  # first, since it is older
        for status, path in self._rotated():
            if status.st_ino in self._known and self._known[status.st_ino] in {None, status.st_size}:
                continue
            current = self._files[-1] if self._files else None
            if current is not None and current.begins_with(path):
                self._known[status.st_ino] = status.st_size  # a copy, which may still be growing
                continue
            if current is not None and (current.is_copied_to(path) or not renamed):
                copy = current.open_copy(path)
                self._put(copy)
                current.restart(copy.rest)
                copy.close()
            else:
                self._follow(FollowedFile.open(path))
                self._put(self._files[-1])
            self._known[status.st_ino] = None

    def _is_renamed(self) -> bool:
        """Tell whether another file has the name now."""
        inode = self._inode()
        return bool(inode) and (not self._files or self._files[-1].inode != inode)

    def _follow_new(self) -> None:
        """Follow the file that has the name now."""
        with suppress(FileNotFoundError):
            # One that was written anew with the old lines, as what copies files from elsewhere does, goes on where it is new.
            old = next((one for one in reversed(self._files) if one.is_copied_to(self._path)), None)
            self._follow(FollowedFile.open(self._path) if old is None else old.open_copy(self._path))

    def _follow(self, followed: FollowedFile) -> None:
        self._known[followed.inode] = None
        same = next((one for one in self._files if one.inode == followed.inode), None)
        if same is not None:  # renamed back
            followed.close()
            self._files.remove(same)
        self._files.append(same or followed)

    def _put(self, followed: FollowedFile) -> None:
        for written in followed.read(_AT_ONCE):
            for request in requests_of(written):
                if request.trouble and request.trouble == self._trouble:
                    continue  # a binary file has one for each of its lines
                self._trouble = request.trouble
                if not self._mailbox.put(request):
                    self._mailbox.put(ExportRequest("none", request.wire, 0, trouble="the receiver is full"))

    def _inode(self) -> int:
        """Return the number of the file that has the name now, 0 where none has; raises DriveError for what is no file."""
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return 0
        if not stat.S_ISREG(found.st_mode):
            message = f"{self._path}: not a file"
            raise DriveError(message)
        return found.st_ino

    def _rotated(self) -> list[tuple[os.stat_result, Path]]:
        """Return the files beside ours that were made of it by rotation, the oldest first, told by their names."""
        found = []
        for path in self._path.parent.glob("*"):
            if self._rotated_name.fullmatch(path.name) and not path.name.endswith(_COMPRESSED):
                with suppress(FileNotFoundError):  # renamed meanwhile
                    status = path.stat()
                    if stat.S_ISREG(status.st_mode):
                        found.append((status, path))
        return sorted(found, key=lambda one: (one[0].st_mtime_ns, one[0].st_ino))

    def _unreadable(self, error: OSError) -> DriveError:
        return DriveError(f"{self._path}: cannot be read: {error.strerror}")
