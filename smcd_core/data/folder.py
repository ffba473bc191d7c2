"""Any folder of videos: video files or folders of frames, with captions and, where there are some, boxes.

    walk.mp4              a video; or a folder walk/ of images, or walk/img1/ as MOTChallenge has it
    walk.txt              its caption; or captions.json at the top: {"walk.mp4": "..."}
    walk.json, walk.csv   its boxes, in a format of trajectory_formats.py
    walk.mot.txt          its boxes as MOTChallenge lines; or walk/gt/gt.txt (walk/det/det.txt is not read)
    *.json at the top     (or in annotations/) boxes of all videos: YouTube-VIS or CocoVID

Folders may be nested. A video without boxes needs a caption; one with boxes and without a caption gets the names of its
objects as caption.
"""

from __future__ import annotations

import configparser
import os
from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path, PurePosixPath

import numpy as np

from ..trajectory.dense import boxes_at
from ..trajectory.document import TrajectoryError
from ..trajectory.files import MOT_CLASSES, read_trajectory
from .clip import Clip
from .coco_video import VideoEntry, read_captions, read_coco_video
from .media import (
    IMAGE_SUFFIXES,
    VIDEO_SUFFIXES,
    FrameFolder,
    VideoFile,
    is_image,
    is_video,
    natural,
    read_text,
)
from .samples import ClipDataset, DatasetError, SampleError, caption_from, clean_text
from .tracks import MAX_PIXELS, NO_TRACKS, Tracks, largest_first

CAPTIONS = "captions.json"
MOT_FRAMES = "img1"
_MAX_CAPTION_BYTES = 64 * 1024


class FolderClips(ClipDataset):
    """Clips of the videos in a folder, see the top of this file; the objects seen in a clip, largest first.

    phrase  names objects whose file does not, such as those of a tracker
    """

    def __init__(self, root: str | os.PathLike, *, phrase: str | None = None, **options):
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
        self._entries = _entries_of_videos(_read_entries(self.root), self._keys)

    def _read(self, item: int, rng: np.random.Generator) -> Clip:
        path, key = self.paths[item], self._keys[item]
        video = VideoFile(path) if path.is_file() else FrameFolder(_frames_in(path))
        frames = self._window(video.length, path, rng)
        tracks = self._tracks(path, key, video)
        boxes, mask, phrases = largest_first(*tracks.at(frames), tracks.phrases)
        if boxes.shape[1] and not all(phrases):
            raise SampleError(path, "has boxes of objects without a name; say what they are with --phrase")
        caption = self._caption(path, key) or caption_from(phrases or tracks.phrases)
        if not caption:
            raise SampleError(path, f"has no caption; write one to {_beside(path, '.txt').name} or {CAPTIONS}")
        return Clip(video.read(frames, self.size), boxes, mask, phrases, caption)

    def _caption(self, path: Path, key: str) -> str | None:
        """The caption of a video, "" if there is none."""
        for name in (key, _short(key), PurePosixPath(_short(key)).name):
            if name in self._captions:
                return clean_text(self._captions[name], self.root / CAPTIONS, f"the caption of {name}")
        beside = _beside(path, ".txt")
        return clean_text(read_text(beside, _MAX_CAPTION_BYTES), beside, "the caption") if beside.is_file() else ""

    def _tracks(self, path: Path, key: str, video: FrameFolder | VideoFile) -> Tracks:
        mot = _mot_file(path)
        if mot:
            return _read_mot(mot, path, video, self.phrase)
        for suffix in (".json", ".csv"):
            if _beside(path, suffix).is_file():
                return _read_trajectory(_beside(path, suffix), video, self.phrase)
        return _tracks_of(self._entries[key], video) if key in self._entries else NO_TRACKS


# What is there -------------------------------------------------------------------------------------------------------


def find_videos(root: Path) -> list[Path]:
    """Video files, and folders that hold images, below `root` and `root` itself, in natural order.

    A folder named img1 stands for the one above it, as in MOTChallenge.
    """
    found = []
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(".")]
        here = Path(folder)
        found += [here / name for name in files if is_video(name)]
        if any(map(is_image, files)):
            found.append(here.parent if here.name == MOT_FRAMES and here != root else here)
    return sorted(found, key=lambda path: natural(path.as_posix()))


def _frames_in(path: Path) -> Path:
    return path / MOT_FRAMES if (path / MOT_FRAMES).is_dir() else path


def _short(key: str) -> str:
    """The key of a video file without its suffix"""
    return key.rpartition(".")[0] if is_video(key) else key


def _beside(path: Path, suffix: str) -> Path:
    """walk.mp4 and walk/ -> walk.txt"""
    return path.with_suffix(suffix) if path.is_file() else path.with_name(path.name + suffix)


def _mot_file(path: Path) -> Path | None:
    places = [_beside(path, ".mot.txt")] + ([path / "gt" / "gt.txt"] if path.is_dir() else [])
    return next((place for place in places if place.is_file()), None)


def _read_entries(root: Path) -> list[VideoEntry]:
    """Those of the one JSON file with the boxes of all videos; none where there is no such file."""
    single = {path.with_suffix("").name for path in root.iterdir() if path.is_dir() or is_video(path.name)}
    files = [path for path in sorted(root.glob("*.json")) if path.name != CAPTIONS and path.stem not in single]
    files += sorted(root.glob("annotations/*.json"))
    if len(files) > 1:
        names = ", ".join(path.name for path in files[:5])
        raise DatasetError(f"{root}: holds {len(files)} files that may have its boxes ({names}); leave one")
    return read_coco_video(files[0]) if files else []


def _entries_of_videos(entries: Sequence[VideoEntry], keys: Sequence[str]) -> dict[str, VideoEntry]:
    """Which video of the folder each entry is about: the one whose path ends with the entry's name.

    Names in the file are compared with what the folder holds and never opened.
    """
    whole = {name: key for key in keys for name in (key, _short(key))}
    tails: dict[str, list[str]] = defaultdict(list)
    for name, key in whole.items():
        for tail in _tails(name)[1:]:
            tails[tail].append(key)
    found = {}
    for entry in entries:
        for name in _tails(entry.name.removesuffix("/" + MOT_FRAMES)):  # the file may know folders above the root
            if name in whole or len(tails[name]) == 1:  # of two videos with one name, only the path tells
                found[whole.get(name) or tails[name][0]] = entry
                break
    return found


def _tails(path: str) -> list[str]:
    """a/b/c -> a/b/c, b/c, c"""
    parts = path.split("/")
    return ["/".join(parts[start:]) for start in range(len(parts))]


# Boxes ---------------------------------------------------------------------------------------------------------------


def _tracks_of(entry: VideoEntry, video: FrameFolder | VideoFile) -> Tracks:
    """Frames of the entry become those of the video: by file name where both have one, else by number."""
    if entry.problem:
        raise entry.problem
    tracks = entry.tracks
    last = int(tracks.frames.max(initial=-1))
    if not entry.files or not video.files:
        if last >= video.length:
            raise SampleError(video.path, f"has {video.length} frames but a box in frame {last}, counted from 0")
        return tracks
    places = {name: place for place, name in enumerate(video.files)}
    numbers = np.array([places.get(PurePosixPath(name).name, -1) for name in entry.files])
    frames = numbers[tracks.frames]
    if (frames < 0).any():
        missing = entry.files[int(tracks.frames[frames < 0][0])]
        raise SampleError(video.path, f"the frame {missing!r}, which has boxes, is not there")
    return Tracks(frames, tracks.objects, tracks.boxes_xyxy, tracks.phrases)


@lru_cache(maxsize=64)  # reading one takes longer than cutting a clip out of its video
def _trajectory(path: Path, changed_ns: int, size: tuple[int, int], phrase: str | None) -> Tracks:
    try:
        trajectory, _ = read_trajectory(path, width=size[0], height=size[1])
    except TrajectoryError as error:
        raise SampleError(path, str(error).removeprefix(f"{path}: ").removeprefix(f"{path}, ")) from None
    boxes, mask = (tensor.numpy() for tensor in boxes_at(trajectory))
    frames, objects = np.nonzero(mask)
    names = [track.phrase or phrase or "" for track in trajectory.objects if track.enabled]
    return Tracks(frames, objects, boxes[frames, objects].astype(np.float32), tuple(names))


def _read_trajectory(path: Path, video: FrameFolder | VideoFile, phrase: str | None) -> Tracks:
    tracks = _trajectory(path, path.stat().st_mtime_ns, video.size(), phrase)
    last = int(tracks.frames.max(initial=-1))
    if last >= video.length:
        raise SampleError(path, f"has a box in frame {last}, counted from 0, of a video with {video.length} frames")
    return tracks


def _read_mot(path: Path, home: Path, video: FrameFolder | VideoFile, phrase: str | None) -> Tracks:
    size = _size_from_seqinfo(home / "seqinfo.ini") or video.size()
    tracks = _mot_tracks(path, path.stat().st_mtime_ns, size, phrase)
    last = int(tracks.frames.max(initial=-1))
    if last >= video.length:
        raise SampleError(path, f"has a box in frame {last + 1}, counted from 1, of {video.length} frames")
    return tracks


@lru_cache(maxsize=64)
def _mot_tracks(path: Path, changed_ns: int, size: tuple[int, int], phrase: str | None) -> Tracks:
    """frame,id,left,top,width,height,conf,class,visibility; frames from 1. Rows with conf 0 and, in files with classes
    (9 columns), classes that are nothing to animate are left out: the challenge marks with them what does not count."""
    rows = _mot_rows(path)
    if rows.shape[1] >= 7:
        rows = rows[rows[:, 6] != 0]
    classes = rows[:, 7].astype(int) if rows.shape[1] == 9 and phrase is None else np.zeros(len(rows), int)
    if rows.shape[1] == 9 and phrase is None:
        wanted = np.isin(classes, list(MOT_CLASSES))
        rows, classes = rows[wanted], classes[wanted]
    identities, first, objects = np.unique(rows[:, 1], return_index=True, return_inverse=True)
    phrases = tuple(phrase or MOT_CLASSES.get(int(classes[row]), "") for row in first)
    boxes = np.concatenate((rows[:, 2:4], rows[:, 2:4] + rows[:, 4:6]), 1) / np.tile(size, 2)
    return Tracks(rows[:, 0].astype(int) - 1, objects.reshape(-1), boxes.astype(np.float32), phrases)


def _mot_rows(path: Path) -> np.ndarray:
    """float64 [K, columns]"""
    lines = [line for line in read_text(path).split("\n") if line.strip()]
    if not lines:
        return np.zeros((0, 6))
    columns = lines[0].count(",") + 1
    try:
        rows = np.array([line.split(",") for line in lines], dtype=np.float64)
    except ValueError:
        raise SampleError(path, f"expected lines of {columns} numbers, as is {lines[0][:80]!r}") from None
    whole = rows[:, :2]
    if not 6 <= columns <= 10 or not (np.abs(rows) <= MAX_PIXELS).all() or not (rows[:, 4:6] >= 0).all():
        raise SampleError(path, "expected frame,id,left,top,width,height,conf,... with width and height of 0 or more")
    if not (whole == whole.round()).all() or not (rows[:, 0] >= 1).all():
        raise SampleError(path, "expected whole numbers as frame and id, frames from 1")
    return rows


def _size_from_seqinfo(path: Path) -> tuple[int, int] | None:
    if not path.is_file():
        return None
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(read_text(path))
        size = parser.getint("Sequence", "imWidth"), parser.getint("Sequence", "imHeight")
    except (configparser.Error, ValueError) as error:
        if isinstance(error, SampleError):
            raise
        raise SampleError(path, f"expected [Sequence] with imWidth and imHeight: {error}") from None
    if min(size) < 1:
        raise SampleError(path, f"the frame has {size[0]} x {size[1]} pixels, expected 1 or more")
    return size
