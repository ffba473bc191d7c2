"""Which datasets there are, how to tell them apart, and the sizes with which they were published."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import got10k, youtube_vis
from .folder import FolderClips
from .got10k import GOT10kClips
from .grounding import GroundingClips, find_tables
from .samples import ClipDataset, DatasetError
from .youtube_vis import YouTubeVISClips


@dataclass(frozen=True)
class Kind:
    """size in pixels, frames of a clip and boxes of a frame as published (SPEC, section 12); splits, if it has any"""

    clips: type[ClipDataset]
    what: str
    splits: tuple[str, ...] = ()
    size: int = 256
    num_frames: int = 8
    slots: int = 8


KINDS = {
    "got10k": Kind(GOT10kClips, "GOT-10k", got10k.SPLITS),
    "youtube-vis": Kind(YouTubeVISClips, "YouTube-VIS", youtube_vis.SPLITS),
    "grounding": Kind(GroundingClips, "images of GLIGEN (TSV)", num_frames=1, slots=30),
    "folder": Kind(FolderClips, "folder of videos"),
}


def detect_dataset(root: str | os.PathLike) -> str:
    """The kind of dataset in a folder, by its layout; "folder" if it is none of the official ones."""
    root = Path(root)
    if not root.exists():
        raise DatasetError(f"{root}: does not exist")
    if any(youtube_vis.find_split(root, split) for split in youtube_vis.SPLITS):
        return "youtube-vis"
    if any(got10k.find_sequences(root, split) for split in got10k.SPLITS):
        return "got10k"
    return "grounding" if find_tables(root) else "folder"


def open_dataset(
    kind: str,
    root: str | os.PathLike,
    *,
    split: str | None = None,
    size: int | Sequence[tuple[int, int]] | None = None,
    num_frames: int | None = None,
    clips: int | None = None,
    phrase: str | None = None,
    **options: Any,
) -> ClipDataset:
    """A dataset of KINDS with the published sizes where none are given.

    clips  at least so many: as many passes as that takes (default: one)
    The others are those of ClipDataset and FolderClips.
    """
    if kind not in KINDS:
        raise DatasetError(f"dataset is {kind!r}, expected one of {', '.join(KINDS)}")
    known = KINDS[kind]
    if split is not None and not known.splits:
        raise DatasetError(f"split is {split!r}, but a dataset of the kind {kind} has no splits")
    if phrase is not None and kind != "folder":
        raise DatasetError(f"phrase is {phrase!r}, but a dataset of the kind {kind} names its objects itself")
    options |= {} if split is None else {"split": split}
    options |= {} if phrase is None else {"phrase": phrase}
    dataset = known.clips(root, size=size or known.size, num_frames=num_frames or known.num_frames, **options)
    if clips is not None:
        dataset.passes = max(1, -(-clips // len(dataset.names)))
    return dataset
