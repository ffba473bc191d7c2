"""GOT-10k: one object per video, from its official layout.

    train/GOT-10k_Train_000001/00000001.jpg ...   frames
                               groundtruth.txt    x,y,w,h of each frame, pixels
                               meta_info.ini      [METAINFO] object_class, motion_class, resolution: (W, H)

Source: Huang, Zhao, Huang (TPAMI 2021); sampling and prompt as published with SMCD (SPEC, section 13).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from ..trajectory.dense import DenseBoxes
from ..trajectory.formats.box_file import BoxFile
from ..trajectory.formats.lines import got10k_boxes, got10k_size
from .clip import Clip
from .media import FrameFolder
from .samples import ClipDataset, DatasetError, SampleError, clean_text, damaged_boxes

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

    def __init__(self, root: str | os.PathLike, *, split: str = "train", **options: Any):
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
        with damaged_boxes(path):
            meta = BoxFile(path / "meta_info.ini").ini("METAINFO")
            boxes = _boxes(BoxFile(path / "groundtruth.txt"), video.length)  # [frames of the video, 4] in pixels
        size = got10k_size(meta)
        if not size or not all(size):
            raise SampleError(path / "meta_info.ini", f"resolution is {meta.get('resolution')!r}, expected (W, H)")
        object_class, motion_class = (
            clean_text(meta.get(name), path / "meta_info.ini", name) for name in ("object_class", "motion_class")
        )
        frames = self._window(video.length, path, rng)
        boxes = (boxes / np.tile(size, 2))[frames, None]  # [F, 1, 4]
        boxes = DenseBoxes(boxes, np.ones((len(frames), 1), bool), (object_class,)).clipped()
        # As published, with the space at the end.
        caption = f"A {object_class} that is {motion_class}. "
        return Clip(video.read(frames, self._size_for(lambda: size)), boxes.xyxy, boxes.mask, boxes.phrases, caption)


def find_sequences(root: Path, split: str) -> list[Path]:
    """The sequence folders of a split, in order."""
    for place in [root / folder / split for folder in FOLDERS] + ([root] if root.name == split else []):
        if place.is_dir():
            found = [path for path in sorted(place.iterdir()) if (path / "groundtruth.txt").is_file()]
            if found:
                return found
    return []


def _boxes(file: BoxFile, length: int) -> np.ndarray:
    """float64 [length, 4], xyxy in pixels"""
    rows = list(file.rows()) if file.text else []
    if len(rows) != length:
        raise file.error(f"has {len(rows)} boxes for {length} frames, expected one each")
    return np.array(got10k_boxes(file, rows)).reshape(length, 4)
