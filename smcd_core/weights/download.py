"""Download published weights when the user asks for it: where each file goes, what to accept, and what is there."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ..errors import SMCDError
from .hub import DownloadError, checksum, look_up, resume, sha256_of, show_size
from .published import ALL, HubFile, Weights

_ROUNDED = 0.01  # the hub shows sizes with three digits


@dataclass(frozen=True)
class PlannedFile:
    """A published file and the path that it is to have."""

    weights: Weights
    file: HubFile
    path: Path

    @property
    def is_there(self) -> bool:
        """Whether the path holds a file of about the published size."""
        return self.path.is_file() and is_size(self.path.stat().st_size, self.file)

    def to_dict(self) -> dict[str, object]:
        """JSON-able."""
        url, path = self.weights.url(self.file), str(self.path)
        return {"name": self.file.name, "url": url, "path": path, "size": self.file.size, "there": self.is_there}


def plan_downloads(names: Iterable[str], folder_of: Callable[[str], Path]) -> list[PlannedFile]:
    """The files of some weights, by name.

    folder_of  gives the folder for each `place`
    """
    return [
        PlannedFile(ALL[name], file, destination(folder_of(file.place), file.target))
        for name in names
        for file in ALL[name].files
    ]


def find_models() -> Path | None:
    """ComfyUI's folder models: of COMFYUI_PATH, or of the ComfyUI in whose custom_nodes this pack is.

    Raises SMCDError if COMFYUI_PATH has no such folder.
    """
    pack = Path(__file__).parents[2]
    if root := os.environ.get("COMFYUI_PATH"):
        models = Path(root) / "models"
        if not models.is_dir():
            raise SMCDError(f"COMFYUI_PATH is {root}, which has no folder models: set it to the folder of ComfyUI")
        return models
    models = pack.parent.parent / "models"
    return models if pack.parent.name == "custom_nodes" and models.is_dir() else None


def destination(folder: Path, target: str) -> Path:
    """Join folder and target. Raises DownloadError for a target outside the folder on any system."""
    parts = PurePosixPath(target).parts
    if not parts or target.startswith("/") or ".." in parts or re.search(r"[\\:\0]", target):
        raise DownloadError(f"{target!r} is not a file name below {folder}: nothing was written")
    return folder.joinpath(*parts)


def is_size(size: int, file: HubFile) -> bool:
    """Whether a size in bytes is that of a published file, which is known to three digits."""
    return abs(size - file.size) <= _ROUNDED * file.size


def licence_lines(files: Iterable[PlannedFile]) -> list[str]:
    """Lines for the user to accept: title, source, licence and path of everything planned."""
    lines = []
    for weights, group in _grouped(files):
        lines.append(f"{weights.title} ({show_size(sum(one.file.size for one in group))})")
        lines += [f"  from     {weights.page}", f"  licence  {weights.licence}"]
        lines += [f"  file     {one.path}  ({show_size(one.file.size)})" for one in group]
    return lines


def manual_lines(files: Iterable[PlannedFile]) -> list[str]:
    """Lines with the address and path of everything planned, for a download with a browser."""
    lines = []
    for weights, group in _grouped(files):
        lines.append(f"{weights.title}, licence: {weights.licence}")
        for one in group:
            lines += [f"  fetch    {weights.url(one.file)}", f"  save as  {one.path}"]
    return lines


def locations(files: Iterable[PlannedFile]) -> list[tuple[Weights, Path]]:
    """Path of each of the weights once downloaded: a file, or the folder of several."""
    found = []
    for weights, group in _grouped(files):
        folders = [one.path.parent for one in group]
        found.append((weights, group[0].path if len(group) == 1 else Path(os.path.commonpath(folders))))
    return found


def _grouped(files: Iterable[PlannedFile]) -> list[tuple[Weights, list[PlannedFile]]]:
    groups: dict[str, list[PlannedFile]] = {}
    for one in files:
        groups.setdefault(one.weights.name, []).append(one)
    return [(ALL[name], group) for name, group in groups.items()]


def fetch(planned: PlannedFile, progress: Callable[[int, int], None]) -> bool:
    """Download a file to its path, resuming what an interruption left. False if it is there already.

    progress  is given the bytes that have arrived and those of the whole file; what it raises stops the download

    Raises DownloadError. Never overwrites a file.
    """
    path, pinned = planned.path, planned.file.sha256
    if planned.is_there and pinned and sha256_of(path) == pinned:
        return False
    remote = look_up(planned.weights, planned.file)
    if pinned and remote.checksum != pinned:
        raise DownloadError(
            f"{planned.weights.url(planned.file)}: the hub now has another file there (sha256 {remote.checksum}, "
            f"expected {pinned}), so it was not fetched. Update smcd, and look at {planned.weights.page}"
        )
    if path.exists():
        if path.is_file() and path.stat().st_size == remote.size and checksum(path, remote) == remote.checksum:
            return False
        raise DownloadError(
            f"{path}: exists, but is not the hub's file ({show_size(remote.size)}, checksum {remote.checksum}). "
            "Nothing is ever overwritten: move it away or delete it, then start again"
        )
    resume(remote, path, progress, weights=planned.weights, file=planned.file)
    return True
