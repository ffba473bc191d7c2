"""Fetch a model from the Hugging Face hub, for those who ask for it."""

from __future__ import annotations

import re
from pathlib import Path

from .files import CheckpointError

_NAME = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
_FILES = ("*.safetensors", "*.bin", "*.pth", "*.json", "*.txt")


def local_path(path: str | Path, download: bool) -> Path:
    """The path itself where it exists, else the folder to which the hub's repository of that name was downloaded.

    Uses the network only with `download`. Raises CheckpointError if there is nothing, or the hub does not answer.
    """
    place = Path(path)
    if place.exists():
        return place
    if not _NAME.fullmatch(str(path)):
        raise CheckpointError(f"{path}: no such file or folder")
    if not download:
        raise CheckpointError(
            f"{path}: no such file or folder. If it is a repository of the Hugging Face hub, give download=True"
        )
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(str(path), allow_patterns=[*_FILES]))
    except Exception as error:  # each generation of huggingface_hub has another HTTP library
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise CheckpointError(f"{path}: cannot be downloaded from the Hugging Face hub ({reason})") from error
