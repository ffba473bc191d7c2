"""GOT-10k: one object per video, from its official layout.

    train/GOT-10k_Train_000001/00000001.jpg ...   frames
                               groundtruth.txt    x,y,w,h of each frame, pixels
                               meta_info.ini      [METAINFO] object_class, motion_class, resolution: (W, H)

Source: Huang, Zhao, Huang (TPAMI 2021); sampling and prompt as published with SMCD (SPEC, section 13).
"""

from __future__ import annotations

import configparser
import os
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from .clip import Clip
from .media import FrameFolder, read_text
from .samples import ClipDataset, DatasetError, SampleError, clean_text
from .tracks import MAX_PIXELS, clip_to_frame

SPLITS = ("train", "val")
# As published: sequences with faulty data. None of the split "val" has such a number.
FAULTY = frozenset(
    "001665 001849 001858 001867 001898 002446 002449 004419 005912 007610 007643 007645 007788 008628 008630 008721 "
    "008917 008925 008931 009027 009031 009032 009058 009059 009065 009094 009102 009210 009211 009214 009274 009302 "
    "009320 009323".split()
)
FOLDERS = ("", "GOT-10k", "got-10k", "got10k")  # where people unpack it; the splits are in there


class GOT10kClips(ClipDataset):
    """Clips of a split; `root` is the folder with train/ and val/, one above it, or the split itself.

    As published, the object counts as visible in every frame: absence.label is not read.
    """

    def __init__(self, root: str | os.PathLike, *, split: str = "train", **options):
        super().__init__(root, **options)
        if split not in SPLITS:
            raise DatasetError(f"split is {split!r}, expected one of {', '.join(SPLITS)}")
        found = find_sequences(self.root, split)
        if not found:
            layout = "SEQUENCE/groundtruth.txt beside its frames"
            raise DatasetError(f"{root}: holds no split {split!r} of GOT-10k; expected {split}/{layout}")
        self.paths = [path for path in found if path.name[-6:] not in FAULTY]
        self.names = [str(path) for path in self.paths]
        self.left_out = {"faulty, as published": len(found) - len(self.paths)}

    def _read(self, item: int, rng: np.random.Generator) -> Clip:
        path = self.paths[item]
        video = FrameFolder(path)
        meta = _read_meta(path / "meta_info.ini")
        size = re.fullmatch(r"\((\d{1,6}), *(\d{1,6})\)", meta.get("resolution", ""), re.ASCII)
        if not size or not int(size[1]) or not int(size[2]):
            raise SampleError(path / "meta_info.ini", f"resolution is {meta.get('resolution')!r}, expected (W, H)")
        object_class, motion_class = (
            clean_text(meta.get(name), path / "meta_info.ini", name) for name in ("object_class", "motion_class")
        )
        boxes = _read_boxes(path / "groundtruth.txt", video.length) / np.tile((int(size[1]), int(size[2])), 2)
        frames = self._window(video.length, path, rng)
        boxes, mask = clip_to_frame(boxes[frames][:, None])  # [F, 1, 4], [F, 1]
        # As published, with the space at the end.
        caption = f"A {object_class} that is {motion_class}. "
        return Clip(video.read(frames, self.size), boxes, mask, (object_class,), caption)


def find_sequences(root: Path, split: str) -> list[Path]:
    """The sequence folders of a split, in order."""
    for place in [root / folder / split for folder in FOLDERS] + ([root] if root.name == split else []):
        if place.is_dir():
            found = [path for path in sorted(place.iterdir()) if (path / "groundtruth.txt").is_file()]
            if found:
                return found
    return []


def _read_meta(path: Path) -> Mapping[str, str]:
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(read_text(path))
        return parser["METAINFO"]
    except (configparser.Error, KeyError) as error:
        raise SampleError(path, f"expected [METAINFO] and lines of name and value: {error}") from None


def _read_boxes(path: Path, length: int) -> np.ndarray:
    """float64 [length, 4], xyxy in pixels"""
    lines = [line for line in read_text(path).split("\n") if line.strip()]
    if len(lines) != length:
        raise SampleError(path, f"has {len(lines)} boxes for {length} frames, expected one each")
    try:
        boxes = np.array([line.split(",") for line in lines], np.float64).reshape(length, -1)
    except ValueError:
        boxes = np.zeros((length, 0))
    if boxes.shape[1] != 4 or not (np.abs(boxes) <= MAX_PIXELS).all() or not (boxes[:, 2:] >= 0).all():
        raise SampleError(path, "expected x,y,w,h in each line, numbers with w and h of 0 or more")
    return np.concatenate((boxes[:, :2], boxes[:, :2] + boxes[:, 2:]), 1)
