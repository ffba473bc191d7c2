"""Boxes of many videos in one JSON file: YouTube-VIS, or COCO with videos (CocoVID).

Both have `videos` and `categories`. They differ in where the boxes are:

    YouTube-VIS  videos[].file_names; annotations[].bboxes, one [x, y, w, h] or null for each frame
    CocoVID      images[] with video_id, frame_id, file_name; annotations[] with image_id, instance_id, bbox
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from ..trajectory.document import MAX_SIDE
from .media import natural, read_text
from .samples import DatasetError, SampleError, clean_text
from .tracks import NO_TRACKS, Tracks, box_from_xywh

MAX_CAPTIONS_BYTES = 256 * 2**20
MAX_BYTES = 4 * 2**30  # YouTube-VIS keeps a whole split, with its masks, in one file


@dataclass(frozen=True)
class VideoEntry:
    """One video of the file.

    name     its folder (or file), as the file names of its frames tell
    files    names of its frames, in order; empty where the video is one file
    problem  why it cannot be used, or None
    """

    name: str
    files: tuple[str, ...]
    tracks: Tracks
    problem: SampleError | None = None


def read_coco_video(path: Path) -> list[VideoEntry]:
    """All videos of a file. One that is damaged has its `problem`. Raises DatasetError for another kind of file."""
    content = read_json(path, MAX_BYTES)
    if not isinstance(content, dict) or not isinstance(content.get("videos"), list):
        raise DatasetError(f"{path}: has no list 'videos'; expected the JSON of YouTube-VIS or CocoVID")
    annotations = _by_video(content)
    images = _grouped(content.get("images"), "video_id")
    categories = {_key(entry.get("id")): entry.get("name") for entry in _dicts(content.get("categories"))}
    entries = []
    for number, video in enumerate(content["videos"]):
        if not isinstance(video, dict):
            problem = SampleError(path, f"video {number} is {str(video)[:40]!r}, expected a JSON object")
            entries.append(VideoEntry(f"video {number}", (), NO_TRACKS, problem))
            continue
        key = _key(video.get("id"))
        try:
            entries.append(_entry(path, number, video, annotations[key], images[key], categories))
        except SampleError as error:
            entries.append(VideoEntry(str(video.get("name", f"video {number}"))[:80], (), NO_TRACKS, error))
    return entries


def read_captions(path: Path) -> dict[str, object]:
    """{video: caption} of a JSON file; the captions are not checked. Raises DatasetError."""
    content = read_json(path, MAX_CAPTIONS_BYTES)
    if not isinstance(content, dict):
        raise DatasetError(f'{path}: is a JSON {type(content).__name__}, expected {{"video": "caption"}}')
    return content


def read_json(path: Path, limit: int) -> Any:
    """The content of a JSON file without masks, which nothing here reads. Raises DatasetError."""

    def without_masks(entry: dict[str, Any]) -> dict[str, Any]:
        entry.pop("segmentations", None)
        entry.pop("segmentation", None)
        return entry

    try:
        return json.loads(read_text(path, limit), object_hook=without_masks)
    except SampleError as error:
        raise DatasetError(str(error)) from None
    except RecursionError:
        raise DatasetError(f"{path}: is nested too deeply to hold annotations") from None
    except ValueError as error:
        raise DatasetError(f"{path}: is not JSON: {str(error)[:200]}") from None


def _dicts(entries: Any) -> list[dict[str, Any]]:
    return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []


def _key(identity: Any) -> str:
    """Files write the same id as number and as text."""
    return str(identity)[:80]


def _grouped(entries: Any, name: str) -> dict[str, list[dict[str, Any]]]:
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for entry in _dicts(entries):
        groups[_key(entry.get(name))].append(entry)
    return groups


def _by_video(content: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Annotations of each video; in CocoVID the image may be the only one to know it."""
    homes = {_key(image.get("id")): image.get("video_id") for image in _dicts(content.get("images"))}
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for entry in _dicts(content.get("annotations")):
        groups[_key(entry.get("video_id", homes.get(_key(entry.get("image_id")))))].append(entry)
    return groups


def _entry(
    path: Path,
    number: int,
    video: dict[str, Any],
    annotations: Sequence[dict[str, Any]],
    images: list[dict[str, Any]],
    categories: dict[str, Any],
) -> VideoEntry:
    images = sorted(images, key=_place_of_image)
    files = [image.get("file_name") for image in images] if images else video.get("file_names", [])
    if not isinstance(files, list) or not all(isinstance(name, str) and name for name in files):
        raise SampleError(path, f"video {number}: its file names are not a list of text")
    name = str(PurePosixPath(files[0]).parent) if files else video.get("name", video.get("file_name"))
    name = clean_text(name, path, f"video {number}: its name")
    first = images[0] if images else video
    width, height = (video.get(side, first.get(side)) for side in ("width", "height"))
    if not all(type(side) is int and 1 <= side <= MAX_SIDE for side in (width, height)):
        raise SampleError(path, f"video {name}: width, height is {str((width, height))[:80]}, expected 1 to {MAX_SIDE}")
    if images:
        rows, objects = _boxes_of_images(path, images, annotations, width, height)
    else:
        rows, objects = _boxes_of_lists(path, len(files), annotations, width, height)
    phrases = []
    for category in objects:
        if category not in categories:
            raise SampleError(path, f"video {name}: category {category!r} is not in the file")
        phrases.append(clean_text(categories[category], path, f"the name of category {category}"))
    boxes = np.array([box for _, _, box in rows], np.float32).reshape(-1, 4)
    frames, columns = (np.array([row[part] for row in rows], int) for part in (0, 1))
    return VideoEntry(name, tuple(files), Tracks(frames, columns, boxes, tuple(phrases)))


Rows = list[tuple[int, int, list[float]]]  # frame, object, box


def _boxes_of_lists(
    path: Path, length: int, annotations: Sequence[dict[str, Any]], width: int, height: int
) -> tuple[Rows, list[str]]:
    """YouTube-VIS: rows, and the category of each object."""
    rows: Rows = []
    for column, entry in enumerate(annotations):
        where, boxes = f"annotation {_key(entry.get('id'))}", entry.get("bboxes")
        if not isinstance(boxes, list) or (length and len(boxes) != length):
            found = f"{len(boxes)} entries" if isinstance(boxes, list) else "no list"
            raise SampleError(path, f"{where}: found {found} in bboxes, expected {length}, one for each frame")
        rows += [
            (frame, column, box_from_xywh(box, width, height, path, where))
            for frame, box in enumerate(boxes)
            if box is not None
        ]
    return rows, [_key(entry.get("category_id")) for entry in annotations]


def _boxes_of_images(
    path: Path, images: Sequence[dict[str, Any]], annotations: Sequence[dict[str, Any]], width: int, height: int
) -> tuple[Rows, list[str]]:
    """CocoVID: rows, and the category of each object."""
    frames = {_key(image.get("id")): frame for frame, image in enumerate(images)}
    columns: dict[str, int] = {}
    rows: Rows = []
    objects = []
    for entry in annotations:
        where, image = f"annotation {_key(entry.get('id'))}", _key(entry.get("image_id"))
        identity = entry.get("instance_id", entry.get("track_id"))
        if identity is None or image not in frames:
            raise SampleError(path, f"{where}: has no instance_id or track_id, or an image_id that no image has")
        if _key(identity) not in columns:
            columns[_key(identity)] = len(columns)
            objects.append(_key(entry.get("category_id")))
        box = box_from_xywh(entry.get("bbox"), width, height, path, where)
        rows.append((frames[image], columns[_key(identity)], box))
    return rows, objects


def _place_of_image(image: dict[str, Any]) -> tuple:
    """Frames are in the order of frame_id where it is a number, else of their names."""
    frame = image.get("frame_id", image.get("frame_index"))
    return (frame if type(frame) is int else 0, natural(str(image.get("file_name"))))
