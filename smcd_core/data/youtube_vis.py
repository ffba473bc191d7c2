"""YouTube-VIS 2021: several objects per video, from its official layout.

    train/JPEGImages/VIDEO/00000.jpg ...   frames
          instances.json                   videos, categories, annotations with `bboxes`
          caption.json                     {VIDEO: caption}, from TrackDiffusion; not part of the official files

Source: Yang, Fan, Xu (ICCV 2019); sampling as published with SMCD (SPEC, section 13).
"""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from .annotations import read_captions, read_videos
from .clip import Clip
from .media import image_size, inside, read_image
from .samples import ClipDataset, DatasetError, SampleError, caption_from, clean_text

SPLITS = ("train", "valid", "test")
FRAMES, BOXES, CAPTIONS = "JPEGImages", "instances.json", "caption.json"


class YouTubeVISClips(ClipDataset):
    """Clips of a split; `root` is the folder with train/, or the split itself.

    All objects of a video, in the order of the file, whether a clip shows them or not: as published, a model with 8
    slots gets the first 8. Without caption.json the caption names the objects ("dog, person").
    """

    def __init__(self, root: str | os.PathLike, *, split: str = "train", **options: Any):
        super().__init__(root, **options)
        if split not in SPLITS:
            raise DatasetError(f"split is {split!r}, expected one of {', '.join(SPLITS)}")
        home = find_split(self.root, split)
        if home is None:
            raise DatasetError(f"{root}: holds no {split}/{BOXES} beside {split}/{FRAMES}/, or these two themselves")
        self.home = home
        entries = read_videos(self.home / BOXES)
        self.captions = _read_captions(self.home, self.root)
        span = (self.num_frames - 1) * self.interval + 1
        self.entries = [
            (name, entry) for name, entry in entries if isinstance(entry, SampleError) or len(entry.files) >= span
        ]
        if not self.entries:
            raise DatasetError(f"{self.home / BOXES}: lists no video of {span} frames or more")
        self.names = [str(self.home / FRAMES / name) for name, _ in self.entries]
        self.left_out = {f"fewer than {span} frames": len(entries) - len(self.entries)}

    def _read(self, item: int, rng: np.random.Generator) -> Clip:
        name, entry = self.entries[item]
        if isinstance(entry, SampleError):
            raise entry
        frames = self._window(len(entry.files), self.names[item], rng)
        boxes = entry.rows.at(frames).clipped()
        phrases = boxes.phrases
        if self.captions is None:
            caption = caption_from(phrases)
        else:
            key = PurePosixPath(name).name
            caption = clean_text(self.captions.get(key), self.home / CAPTIONS, f"the caption of {key}")
        if not caption:
            raise SampleError(self.names[item], f"has neither objects nor {CAPTIONS}")
        files = [inside(self.home / FRAMES, entry.files[frame]) for frame in frames]
        size = self._size_for(lambda: image_size(files[0]))
        pixels = np.stack([read_image(file, size) for file in files])
        return Clip(pixels, boxes.xyxy, boxes.mask, phrases, caption)


def find_split(root: Path, split: str) -> Path | None:
    places = [place for place in (root / split, root) if (place / BOXES).is_file() and (place / FRAMES).is_dir()]
    return places[0] if places else None


def _read_captions(home: Path, root: Path) -> dict[str, object] | None:
    path = next((place / CAPTIONS for place in (home, root) if (place / CAPTIONS).is_file()), None)
    return None if path is None else read_captions(path)
