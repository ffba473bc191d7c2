"""Fetch one file from the hub: its size and checksum first, then its content, resumed after an interruption."""

from __future__ import annotations

import hashlib
import io
import os
import re
import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import SMCDError
from .published import HubFile, Weights

_BLOCK = 1 << 22  # bytes hashed at a time
_TICK = 0.2  # seconds between two looks at a download


class DownloadError(SMCDError):
    """A file could not be downloaded; the message names it and says what to do."""


class Stopped(Exception):
    """The user stopped a download. What has arrived is kept."""


@dataclass(frozen=True)
class RemoteFile:
    """Address of a file, its size in bytes, and its sha256 or, for small files, git's SHA-1 of its content."""

    url: str
    size: int
    checksum: str


def look_up(weights: Weights, file: HubFile) -> RemoteFile:
    """Ask the hub about a file. Raises DownloadError."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_url

    url = hf_hub_url(weights.repository, file.name, revision=weights.revision)
    try:
        # Everything is public: the user's token is not sent.
        found = get_hf_file_metadata(url, token=False)
    except Exception as error:  # each generation of huggingface_hub has another HTTP library
        raise _explained(error, weights, file) from error
    if not found.size or not re.fullmatch(r"[0-9a-f]{64}|[0-9a-f]{40}", found.etag or ""):
        raise DownloadError(
            f"{url}: the hub gave no size and checksum ({found.size}, {found.etag}), so it was not fetched"
        )
    return RemoteFile(found.location, found.size, found.etag)


def resume(
    remote: RemoteFile, path: Path, progress: Callable[[int, int], None], *, weights: Weights, file: HubFile
) -> None:
    """Fetch a file to `path`, which appears only when its checksum is right. Raises DownloadError.

    Until then the content is in a hidden file beside it, which later calls continue and only one program may write.

    progress  is given the bytes that have arrived and those of the whole file; what it raises stops the download
    """
    from filelock import FileLock, Timeout

    path.parent.mkdir(parents=True, exist_ok=True)
    # Named by its checksum: a part of another version is never continued.
    part = path.with_name(f".{path.name}.{remote.checksum[:12]}.part")
    lock = FileLock(part.with_suffix(".lock"), timeout=0)
    try:
        with lock:
            have = _resumable(part, remote)
            _check_space(path, remote.size - have)
            try:
                _append(part, remote, have, progress)
            except (Stopped, DownloadError):
                raise
            except Exception as error:
                raise _explained(error, weights, file, path, part) from error
            if checksum(part, remote) != remote.checksum:
                part.unlink()
                raise DownloadError(
                    f"{path}: the download does not have the hub's checksum ({remote.checksum}): it was damaged on the "
                    "way, and deleted. Start again"
                )
            os.replace(part, path)
    except Timeout:
        raise DownloadError(f"{path}: is being fetched by another program. Wait for it, or stop it") from None
    # Only after release: a program that waits for it would otherwise lock a file that no longer exists.
    Path(lock.lock_file).unlink(missing_ok=True)


def _resumable(part: Path, remote: RemoteFile) -> int:
    """Bytes that an earlier download left; more than the whole file are deleted, and so is a link or a pipe."""
    if part.is_symlink() or (part.exists() and not part.is_file()):
        part.unlink()
    have = part.stat().st_size if part.exists() else 0
    if have <= remote.size:
        return have
    part.unlink()
    return 0


def _check_space(path: Path, needed: int) -> None:
    free = shutil.disk_usage(path.parent).free
    if free < needed:
        raise DownloadError(
            f"{path}: needs {show_size(needed)}, but only {show_size(free)} are free there. Make room, or choose "
            "another folder"
        )


def _append(part: Path, remote: RemoteFile, have: int, progress: Callable[[int, int], None]) -> None:
    # hf_hub_download of huggingface_hub 2 always begins anew; this function of its own resumes.
    from huggingface_hub.file_download import http_get

    failures: list[Exception] = []

    def get() -> None:
        try:
            http_get(remote.url, stream, resume_size=have, expected_size=remote.size)  # type: ignore[arg-type]
        except Exception as error:  # of whatever HTTP library; raised again below
            failures.append(error)

    # A line that has stalled is given up after a minute; progress, and with it Stop, is not to wait for that. The
    # thread that is left behind ends at its next write, to a file that is closed.
    with _PartFile(part, remote.size) as stream:
        thread = threading.Thread(target=get, daemon=True)
        thread.start()
        while thread.is_alive():
            thread.join(_TICK)
            progress(stream.have, remote.size)
        if failures:
            raise failures[0]
        os.fsync(stream.fileno())


class _PartFile(io.FileIO):
    """A file opened for appending, to no more than `size` bytes; `have` of them are there."""

    def __init__(self, path: Path, size: int):
        super().__init__(path, "ab")
        self._size, self.have, self._in_use = size, self.tell(), threading.RLock()

    def close(self) -> None:
        with self._in_use:  # or a write under way could go to the file that gets its number next
            super().close()

    def write(self, data: Any) -> int:
        with self._in_use:
            return self._append(data)

    def _append(self, data: Any) -> int:
        if self.closed:
            raise Stopped
        if self.have + len(data) > self._size:
            raise DownloadError(f"{self.name}: the hub sends more than the {show_size(self._size)} that it announced")
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[super().write(rest) :]
        except OSError as error:
            raise DownloadError(f"{self.name}: cannot be written: {error.strerror}") from error
        self.have += len(data)
        return len(data)


def _explained(
    error: Exception, weights: Weights, file: HubFile, path: Path | None = None, part: Path | None = None
) -> DownloadError:
    from huggingface_hub.errors import OfflineModeIsEnabled

    url = weights.url(file)
    reason = " ".join(str(error).split())[:200] or type(error).__name__
    status = getattr(getattr(error, "response", None), "status_code", None)
    if isinstance(error, OfflineModeIsEnabled):
        return DownloadError(f"{url}: HF_HUB_OFFLINE is set: unset it, or fetch the files by hand")
    if part is None and status is not None and 400 <= status < 500:
        return DownloadError(
            f"{url}: the hub answers {status}: the file was moved or closed. Look at {weights.page} ({reason})"
        )
    if isinstance(error, OSError) and error.filename is not None:
        return DownloadError(f"{path or url}: cannot be written: {error.strerror}")
    kept = part.stat().st_size if part is not None and part.exists() else 0
    rest = f"{show_size(kept)} have arrived and are kept: start again to resume. " if kept else ""
    return DownloadError(f"{url}: no connection to the hub ({reason}). {rest}Or fetch the files by hand")


def checksum(path: Path, remote: RemoteFile) -> str:
    """Checksum of a file, of the kind that the hub gave for it."""
    if len(remote.checksum) == 64:
        return sha256_of(path)
    # As git hashes small files: no protection against attacks, but the hub has no other checksum for them.
    return _hash(path, hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False))


def sha256_of(path: Path) -> str:
    return _hash(path, hashlib.sha256())


def _hash(path: Path, digest: Any) -> str:
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def show_size(size: float) -> str:
    """12345678 -> "12.3 MB" """
    for unit in ("bytes", "kB", "MB"):
        if size < 999.5:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} GB"
