"""Fetch published weights from their hub, when the user asks for it: resumed, checked, and complete or not there."""

from __future__ import annotations

import hashlib
import io
import os
import re
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ..errors import SMCDError
from .published import ALL, HubFile, Weights

_ROUNDED = 0.01  # the hub shows sizes with three digits
_BLOCK = 1 << 22  # bytes that are hashed at once


class DownloadError(SMCDError):
    """What kept a file from being fetched; the message names it and says what to do."""


class Stopped(Exception):
    """The user stopped a download. What has arrived is kept."""


@dataclass(frozen=True)
class Item:
    """A file and where it goes."""

    weights: Weights
    file: HubFile
    path: Path

    @property
    def is_there(self) -> bool:
        """Judged by its size alone."""
        return self.path.is_file() and is_size(self.path.stat().st_size, self.file)

    def to_dict(self) -> dict[str, object]:
        """JSON-able."""
        url, path = self.weights.url(self.file), str(self.path)
        return {"name": self.file.name, "url": url, "path": path, "size": self.file.size, "there": self.is_there}


@dataclass(frozen=True)
class _Remote:
    """checksum: sha256 of the content, or for small files the SHA-1 that git gives it."""

    url: str
    size: int
    checksum: str


def plan(names: Iterable[str], folder_of: Callable[[str], Path]) -> list[Item]:
    """The files of the weights of these names; folder_of: for the `place` of a file the folder that stands for it."""
    return [
        Item(ALL[name], file, destination(folder_of(file.place), file.target))
        for name in names
        for file in ALL[name].files
    ]


def find_models() -> Path | None:
    """The models folder of ComfyUI: of COMFYUI_PATH, or of the one in whose custom_nodes this pack lies."""
    pack = Path(__file__).parents[2]
    if root := os.environ.get("COMFYUI_PATH"):
        models = Path(root) / "models"
        if not models.is_dir():
            raise SMCDError(f"COMFYUI_PATH is {root}, which has no folder models: set it to the folder of ComfyUI")
        return models
    models = pack.parent.parent / "models"
    return models if pack.parent.name == "custom_nodes" and models.is_dir() else None


def destination(folder: Path, target: str) -> Path:
    """folder/target. Raises DownloadError for a name that leads out of the folder, on any system."""
    parts = PurePosixPath(target).parts
    if not parts or target.startswith("/") or ".." in parts or re.search(r"[\\:\0]", target):
        raise DownloadError(f"{target!r} is no name of a file below {folder}: nothing was written")
    return folder.joinpath(*parts)


def is_size(size: int, file: HubFile) -> bool:
    return abs(size - file.size) <= _ROUNDED * file.size


def sha256_of(path: Path) -> str:
    return _hash(path, hashlib.sha256())


def show_size(size: float) -> str:
    """12345678 -> "12.3 MB" """
    for unit in ("bytes", "kB", "MB"):
        if size < 999.5:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} GB"


def licences(items: Iterable[Item]) -> list[str]:
    """What the user has to accept, as lines: what is fetched, from where, under which licence, to where."""
    lines = []
    for weights, group in _grouped(items):
        lines.append(f"{weights.title} ({show_size(sum(item.file.size for item in group))})")
        lines += [f"  from     {weights.page}", f"  licence  {weights.licence}"]
        lines += [f"  file     {item.path}  ({show_size(item.file.size)})" for item in group]
    return lines


def by_hand(items: Iterable[Item]) -> list[str]:
    """The same for someone who fetches the files with a browser, perhaps on another machine."""
    lines = []
    for weights, group in _grouped(items):
        lines.append(f"{weights.title}, licence: {weights.licence}")
        for item in group:
            lines += [f"  fetch    {weights.url(item.file)}", f"  save as  {item.path}"]
    return lines


def homes(items: Iterable[Item]) -> list[tuple[Weights, Path]]:
    """Where each of the weights is, once fetched: a file, or the folder of several."""
    found = []
    for weights, group in _grouped(items):
        folders = [item.path.parent for item in group]
        found.append((weights, group[0].path if len(group) == 1 else Path(os.path.commonpath(folders))))
    return found


def _grouped(items: Iterable[Item]) -> list[tuple[Weights, list[Item]]]:
    groups: dict[str, list[Item]] = {}
    for item in items:
        groups.setdefault(item.weights.name, []).append(item)
    return [(ALL[name], group) for name, group in groups.items()]


# Fetching ------------------------------------------------------------------------------------------------------------


def fetch(item: Item, progress: Callable[[int, int], None]) -> bool:
    """Bring a file to its place. False if it is there already.

    What was fetched before an interruption is kept beside it and not fetched again. progress is given the bytes that
    are there and the bytes of all; what it raises stops the download.
    """
    path, pinned = item.path, item.file.sha256
    if item.is_there and pinned and sha256_of(path) == pinned:
        return False
    remote = _ask(item)
    if pinned and remote.checksum != pinned:
        raise DownloadError(
            f"{item.weights.url(item.file)}: the hub now has another file there (sha256 {remote.checksum}, expected "
            f"{pinned}), so it was not fetched. Update smcd, and look at {item.weights.page}"
        )
    if path.exists():
        if path.is_file() and path.stat().st_size == remote.size and _checksum(path, remote) == remote.checksum:
            return False
        raise DownloadError(
            f"{path}: is there, but is not the file of the hub ({show_size(remote.size)}, checksum {remote.checksum}). "
            "Nothing is ever overwritten: move it away or delete it, then start again"
        )
    _fetch(item, remote, progress)
    return True


def _ask(item: Item) -> _Remote:
    """What the hub says of a file, before any of it is fetched."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_url

    url = hf_hub_url(item.weights.repository, item.file.name, revision=item.weights.revision)
    try:
        # All of it is public: no token of the user is sent.
        found = get_hf_file_metadata(url, token=False)
    except Exception as error:  # of the HTTP library, which is another one in each generation of huggingface_hub
        raise _explained(error, item) from error
    if not found.size or not re.fullmatch(r"[0-9a-f]{64}|[0-9a-f]{40}", found.etag or ""):
        raise DownloadError(
            f"{url}: the hub gave no size and checksum ({found.size}, {found.etag}), so it was not fetched"
        )
    return _Remote(found.location, found.size, found.etag)


def _fetch(item: Item, remote: _Remote, progress: Callable[[int, int], None]) -> None:
    from filelock import FileLock, Timeout
    from huggingface_hub.file_download import http_get

    path = item.path
    path.parent.mkdir(parents=True, exist_ok=True)
    # Named by its content: what began as another version is not continued.
    part = path.with_name(f".{path.name}.{remote.checksum[:12]}.part")
    lock = FileLock(part.with_suffix(".lock"), timeout=0)
    try:
        with lock:
            have = part.stat().st_size if part.exists() else 0
            if have > remote.size:
                part.unlink()
                have = 0
            free = shutil.disk_usage(path.parent).free
            if free < remote.size - have:
                raise DownloadError(
                    f"{path}: needs {show_size(remote.size - have)}, but only {show_size(free)} are free there. Make "
                    "room, or choose another folder"
                )
            try:
                with _Part(part, remote.size, progress) as stream:
                    # In huggingface_hub 2, hf_hub_download begins anew each time; what it is made of goes on.
                    http_get(remote.url, stream, resume_size=have, expected_size=remote.size)
                    os.fsync(stream.fileno())
            except (Stopped, DownloadError):
                raise
            except Exception as error:
                raise _explained(error, item, part) from error
            if _checksum(part, remote) != remote.checksum:
                part.unlink()
                raise DownloadError(
                    f"{path}: what arrived has not the checksum that the hub tells ({remote.checksum}): damaged on the "
                    "way, and deleted. Start again"
                )
            os.replace(part, path)
    except Timeout:
        raise DownloadError(f"{path}: is being fetched by another program just now. Wait for it, or stop it") from None
    Path(lock.lock_file).unlink(missing_ok=True)  # not before: who waits for it would hold another lock


class _Part(io.FileIO):
    """The file that grows; tells how far it is."""

    def __init__(self, path: Path, size: int, progress: Callable[[int, int], None]):
        super().__init__(path, "ab")
        self._size, self._progress = size, progress

    def write(self, data) -> int:
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[super().write(rest) :]
        except OSError as error:
            raise DownloadError(f"{self.name}: cannot be written: {error.strerror}") from error
        self._progress(self.tell(), self._size)
        return len(data)


def _explained(error: Exception, item: Item, part: Path | None = None) -> DownloadError:
    from huggingface_hub.errors import OfflineModeIsEnabled

    url = item.weights.url(item.file)
    reason = " ".join(str(error).split())[:200] or type(error).__name__
    status = getattr(getattr(error, "response", None), "status_code", None)
    if isinstance(error, OfflineModeIsEnabled):
        return DownloadError(f"{url}: HF_HUB_OFFLINE is set, which forbids it: unset it, or fetch the files by hand")
    if part is None and status is not None and 400 <= status < 500:
        return DownloadError(
            f"{url}: the hub answers {status}: it was moved or closed. Look at {item.weights.page} ({reason})"
        )
    if isinstance(error, OSError) and error.filename is not None:
        return DownloadError(f"{item.path}: cannot be written: {error.strerror}")
    kept = part.stat().st_size if part is not None and part.exists() else 0
    rest = f"{show_size(kept)} have arrived and are kept: starting again goes on there. " if kept else ""
    return DownloadError(f"{url}: no connection to the hub ({reason}). {rest}Or fetch the files by hand")


def _checksum(path: Path, remote: _Remote) -> str:
    if len(remote.checksum) == 64:
        return sha256_of(path)
    # As git names the content of a small file: no protection, but the hub has no other for those.
    return _hash(path, hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False))


def _hash(path: Path, digest) -> str:
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
