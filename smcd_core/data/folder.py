"""Any folder of videos: video files or folders of frames, with captions and, where there are some, boxes.

    walk.mp4              a video; or a folder walk/ of images, or walk/img1/ as MOTChallenge has it
    walk.txt              its caption; or captions.json at the top: {"walk.mp4": "..."}
    walk.json, walk.xml   its boxes, in any format of trajectory/files.py, with a suffix of BOX_SUFFIXES, the first that
                          there is; walk.boxes.txt for lines of text, as walk.txt is the caption
    walk.mot.txt          its boxes as MOTChallenge lines; or walk/gt/gt.txt (walk/det/det.txt is not read)
    walk/000001.txt       labels of YOLO, beside the frames of their names or in walk/labels/; or another file that
                          `read_trajectory` finds in the folder, such as walk/groundtruth.txt
    *.json at the top     (or in annotations/) boxes of all videos: YouTube-VIS or CocoVID

Folders may be nested. A video without boxes needs a caption; one with boxes and without a caption gets the names of its
objects as caption.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from ..trajectory.dense import DenseBoxes
from ..trajectory.files import BOX_SUFFIXES, boxes_in, read_dense
from ..trajectory.formats.box_file import BoxFile, natural, read_text
from ..trajectory.formats.coco_video import VideoEntry
from ..trajectory.formats.folders import is_label_folder, label_folders, read_yolo
from ..trajectory.formats.mot import read_mot
from ..trajectory.rows import BoxRows
from .annotations import read_captions, read_videos
from .clip import Clip
from .media import (
    IMAGE_SUFFIXES,
    VIDEO_SUFFIXES,
    FrameFolder,
    VideoFile,
    is_image,
    is_video,
)
from .samples import ClipDataset, DatasetError, SampleError, caption_from, clean_text, damaged_boxes

CAPTIONS = "captions.json"
MOT_FRAMES = "img1"
BOXES_BESIDE = (*(suffix for suffix in BOX_SUFFIXES if suffix != ".txt"), ".boxes.txt")  # of boxes beside a video
_MAX_CAPTION_BYTES = 64 * 1024


class FolderClips(ClipDataset):
    """Clips of the videos in a folder, see the top of this file; the objects seen in a clip, largest first.

    phrase  names objects whose file does not, such as those of a tracker
    """

    def __init__(self, root: str | os.PathLike, *, phrase: str | None = None, **options: Any):
        super().__init__(root, **options)
        self.phrase = phrase
        self.paths = find_videos(self.root)
        if not self.paths:
            kinds = ", ".join((*VIDEO_SUFFIXES, *IMAGE_SUFFIXES))
            raise DatasetError(f"{root}: holds no videos and no folders of images; expected files with {kinds}")
        self.names = [str(path) for path in self.paths]
        self._keys = [path.relative_to(self.root).as_posix() for path in self.paths]
        captions = self.root / CAPTIONS
        self._captions = read_captions(captions) if captions.is_file() else {}
        self._entries = boxes_of_all(self.root, self._keys)

    def _read(self, item: int, rng: np.random.Generator) -> Clip:
        path, key = self.paths[item], self._keys[item]
        video = open_video(path)
        frames = self._window(video.length, path, rng)
        boxes = self._boxes(path, key, video, frames)
        named = replace(boxes, phrases=tuple(phrase or self.phrase or "" for phrase in boxes.phrases))
        seen = _largest_first(named.clipped())
        if not all(seen.phrases):
            raise SampleError(
                path,
                "has boxes of objects without a name; say what they are with --phrase, or what each is with "
                "smcd convert-boxes --phrase",
            )
        caption = self._caption(path, key) or caption_from(seen.phrases or named.phrases)
        if not caption:
            raise SampleError(path, f"has no caption; write one to {_beside(path, '.txt').name} or {CAPTIONS}")
        return Clip(video.read(frames, self._size_for(video.size)), seen.xyxy, seen.mask, seen.phrases, caption)

    def _caption(self, path: Path, key: str) -> str | None:
        """The caption of a video, "" if there is none."""
        for name in (key, _short(key), PurePosixPath(_short(key)).name):
            if name in self._captions:
                return clean_text(self._captions[name], self.root / CAPTIONS, f"the caption of {name}")
        beside = _beside(path, ".txt")
        if not beside.is_file():
            return ""
        with damaged_boxes(beside):
            text = read_text(beside, _MAX_CAPTION_BYTES)
        return clean_text(text, beside, "the caption")

    def _boxes(self, path: Path, key: str, video: FrameFolder | VideoFile, frames: Sequence[int]) -> DenseBoxes:
        if mot := mot_file(path):
            return _boxes_of_mot(mot, video, frames)
        for suffix in BOXES_BESIDE:
            if _beside(path, suffix).is_file():
                return _boxes_of_file(_beside(path, suffix), video, frames)
        if key in self._entries:
            return rows_of_video(self._entries[key], video).at(frames)
        if path.is_dir():
            for folder in dict.fromkeys((_frames_in(path), path)):
                if labels := _labels_in(folder):
                    return _boxes_of_labels(labels, video, frames)
                with damaged_boxes(folder):
                    if boxes_in(folder):
                        return _boxes_of_file(folder, video, frames)
        return DenseBoxes(np.zeros((len(frames), 0, 4)), np.zeros((len(frames), 0), bool), ())


# What is there -------------------------------------------------------------------------------------------------------


def find_videos(root: Path) -> list[Path]:
    """Video files, and folders that hold images, below `root` and `root` itself, in natural order.

    A folder named img1 stands for the one above it, as in MOTChallenge.
    """
    found = []
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(".")]
        here = Path(folder)
        found += [here / name for name in files if is_video(name) and (here / name).is_file()]
        if any(map(is_image, files)):
            found.append(here.parent if here.name == MOT_FRAMES and here != root else here)
    return sorted(found, key=lambda path: natural(path.as_posix()))


def open_video(path: Path) -> VideoFile | FrameFolder:
    """A path of `find_videos`: a file, or a folder of images, which may be in img1/ as MOTChallenge has it."""
    return VideoFile(path) if path.is_file() else FrameFolder(_frames_in(path))


def _frames_in(path: Path) -> Path:
    return path / MOT_FRAMES if (path / MOT_FRAMES).is_dir() else path


def _short(key: str) -> str:
    """The key of a video file without its suffix"""
    return key.rpartition(".")[0] if is_video(key) else key


def _beside(path: Path, suffix: str) -> Path:
    """walk.mp4 and walk/ -> walk.txt"""
    return path.with_suffix(suffix) if path.is_file() else path.with_name(path.name + suffix)


def mot_file(path: Path) -> Path | None:
    """The MOTChallenge lines of a video, beside it or in gt/ inside its folder."""
    places = [_beside(path, ".mot.txt")] + ([path / "gt" / "gt.txt"] if path.is_dir() else [])
    return next((place for place in places if place.is_file()), None)


def boxes_of_all(root: Path, keys: Sequence[str]) -> dict[str, VideoEntry | SampleError]:
    """The boxes of the videos `keys` in the one JSON file of all of them; none where there is no such file.

    keys  paths below the folder of the videos, which need not be `root`. Boxes of one video alone do not count
    """
    single = {path.with_suffix("").name for path in root.iterdir() if path.is_dir() or is_video(path.name)}
    single |= set(map(_short, keys))
    files = [path for path in sorted(root.glob("*.json")) if path.name != CAPTIONS and path.stem not in single]
    files += sorted(root.glob("annotations/*.json"))
    if len(files) > 1:
        names = ", ".join(path.name for path in files[:5])
        raise DatasetError(f"{root}: holds {len(files)} files that may have its boxes ({names}); leave one")
    return _entries_of_videos(read_videos(files[0]), keys) if files else {}


def _entries_of_videos(
    entries: Sequence[tuple[str, VideoEntry | SampleError]], keys: Sequence[str]
) -> dict[str, VideoEntry | SampleError]:
    """Which video of the folder each entry is about: the one whose path ends with the entry's name.

    Names in the file are compared with what the folder holds and never opened.
    """
    whole = {name: key for key in keys for name in (key, _short(key))}
    tails: dict[str, list[str]] = defaultdict(list)
    for name, key in whole.items():
        for tail in _tails(name)[1:]:
            tails[tail].append(key)
    found = {}
    for video, entry in entries:
        for name in _tails(video.removesuffix("/" + MOT_FRAMES)):  # the file may know folders above the root
            if name in whole or len(tails[name]) == 1:  # of two videos with one name, only the path tells
                found[whole.get(name) or tails[name][0]] = entry
                break
    return found


def _tails(path: str) -> list[str]:
    """a/b/c -> a/b/c, b/c, c"""
    parts = path.split("/")
    return ["/".join(parts[start:]) for start in range(len(parts))]


# Boxes ---------------------------------------------------------------------------------------------------------------


def rows_of_video(entry: VideoEntry | SampleError, video: FrameFolder | VideoFile) -> BoxRows:
    """Frames of the entry become those of the video: by file name where both have one, else by number."""
    if isinstance(entry, SampleError):
        raise entry
    rows = entry.rows
    if not entry.files or not video.files:
        if rows.last_frame >= video.length:
            raise SampleError(
                video.path, f"has {video.length} frames but a box in frame {rows.last_frame}, counted from 0"
            )
        return rows
    places = {name: place for place, name in enumerate(video.files)}
    numbers = np.array([places.get(PurePosixPath(name).name, -1) for name in entry.files])
    frames = numbers[rows.frames]
    if (frames < 0).any():
        missing = entry.files[int(rows.frames[frames < 0][0])]
        raise SampleError(video.path, f"the frame {missing!r}, which has boxes, is not there")
    return replace(rows, frames=frames)


@lru_cache(maxsize=64)  # reading one takes longer than cutting a clip out of its video
def _read_dense(path: Path, changed_ns: int, size: tuple[int, int]) -> DenseBoxes:
    with damaged_boxes(path):
        return read_dense(path, width=size[0], height=size[1], is_whole=True)[0]


def _boxes_of_file(path: Path, video: FrameFolder | VideoFile, frames: Sequence[int]) -> DenseBoxes:
    boxes = _read_dense(path, path.stat().st_mtime_ns, video.size())
    last = int(np.flatnonzero(boxes.mask.any(1)).max(initial=-1))
    if last >= video.length:
        raise SampleError(path, f"has a box in frame {last}, counted from 0, of a video with {video.length} frames")
    return boxes.at(frames)


def _labels_in(folder: Path) -> Path | None:
    """The folder with labels of YOLO for a folder of frames."""
    with damaged_boxes(folder):
        return folder if is_label_folder(folder) else next(iter(label_folders(folder)), None)


@lru_cache(maxsize=64)
def _read_labels(folder: Path, changed_ns: int, images: tuple[str, ...]) -> BoxRows:
    with damaged_boxes(folder):
        return read_yolo(folder, images)


def _boxes_of_labels(folder: Path, video: FrameFolder | VideoFile, frames: Sequence[int]) -> DenseBoxes:
    return _read_labels(folder, folder.stat().st_mtime_ns, tuple(video.files)).at(frames, video.size())


@lru_cache(maxsize=64)
def _read_mot(path: Path, changed_ns: int) -> BoxRows:
    file = BoxFile(path)
    with damaged_boxes(path):
        return read_mot(file, list(file.rows()))


def _boxes_of_mot(path: Path, video: FrameFolder | VideoFile, frames: Sequence[int]) -> DenseBoxes:
    rows = _read_mot(path, path.stat().st_mtime_ns)
    if rows.last_frame >= video.length:
        raise SampleError(path, f"has a box in frame {rows.last_frame + 1}, counted from 1, of {video.length} frames")
    return rows.at(frames, video.size())


def _largest_first(boxes: DenseBoxes) -> DenseBoxes:
    """The objects that are seen in a clip, by area over all frames: a model with few slots gets the most of them."""
    area = (boxes.xyxy[..., 2:] - boxes.xyxy[..., :2]).prod(-1).sum(0)  # [N]
    order = [n for n in np.argsort(-area, kind="stable") if boxes.mask[:, n].any()]
    phrases = tuple(boxes.phrases[n] for n in order)
    return DenseBoxes(boxes.xyxy[:, order], boxes.mask[:, order], phrases, size=boxes.size, fps=boxes.fps)
