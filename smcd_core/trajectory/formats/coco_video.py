"""Boxes of many videos in one JSON file: YouTube-VIS, or COCO with videos (CocoVID, TAO).

Both have `videos` and `categories`. They differ in where the boxes are:

    YouTube-VIS  videos[].file_names; annotations[].bboxes, one [x, y, w, h] or null for each frame
    CocoVID      images[] with video_id, frame_id, file_name; annotations[] with image_id, instance_id, bbox
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from ..rows import BoxRows, rows_of
from .box_file import BoxFile, BoxFileError, natural, same_id

MASKS = ("segmentations", "segmentation")  # a file is mostly these, and nothing here reads them


@dataclass(frozen=True)
class VideoEntry:
    """One video of the file.

    id     as the file writes it
    files  names of its frames, in order; empty where the video is one file
    """

    id: Any
    files: tuple[str, ...]
    rows: BoxRows


def read_coco_video(file: BoxFile, content: Any) -> Iterator[tuple[str, VideoEntry | BoxFileError]]:
    """The name of each video, and what the file says of it or what is wrong with that.

    Raises BoxFileError for another kind of file.
    """
    index = VideoIndex(file, content)
    for number, video in enumerate(index.videos):
        try:
            yield index.name(video), index.entry(number)
        except BoxFileError as error:
            yield index.name(video) or f"video {number}", error


def choose_video(file: BoxFile, content: Any, wanted: int | str | None) -> VideoEntry:
    """The only video of a file, or the one with that id or folder. Raises BoxFileError."""
    index = VideoIndex(file, content)
    names = [(str(video.get("id")), index.name(video)) for video in index.videos]
    found = [n for n, both in enumerate(names) if wanted is None or str(wanted) in both]
    if len(found) != 1:
        listed = ", ".join(f"{video.get('id')!r} ({folder!r})" for video, (_, folder) in zip(index.videos[:5], names))
        asked = "none was chosen" if wanted is None else f"{len(found)} of them are {str(wanted)!r}"
        raise file.choice(
            f"has {len(names)} videos and {asked}; there are {listed}",
            "video",
            [video.get("id") for video in index.videos],
        )
    index.check_whole()
    return index.entry(found[0])


class VideoIndex:
    """The lists of a file, by video."""

    def __init__(self, file: BoxFile, content: Any):
        if not isinstance(content, dict) or not isinstance(content.get("videos"), list):
            raise file.error("videos is not a list; expected the JSON of YouTube-VIS or CocoVID")
        self.file = file
        self.videos, annotations, categories, images = (
            self._list(content, name) for name in ("videos", "annotations", "categories", "images")
        )
        self.categories = {key_of(entry.get("id")): entry.get("name") for entry in categories}
        self.images = _grouped((image.get("video_id"), image) for image in images)
        homes = {key_of(image.get("id")): image.get("video_id") for image in images}
        # In CocoVID the image may be the only one to know its video.
        self.annotations = _grouped(
            (entry.get("video_id", homes.get(key_of(entry.get("image_id")))), entry) for entry in annotations
        )

    def _list(self, content: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
        entries = content.get(name, [])
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise self.file.error(f"{name} is not a list of JSON objects")
        return entries

    def _files(self, video: Mapping[str, Any]) -> Any:
        images = self._in_order(video.get("id"))
        return [image.get("file_name") for image in images] if images else video.get("file_names") or []

    def _in_order(self, identity: Any) -> list[dict[str, Any]]:
        """The images of a video in the order of their frames; of their names if none has a number of a frame."""
        images = sorted(self.images[key_of(identity)], key=lambda image: natural(str(image.get("file_name"))))
        frames = [_frame_of(image) for image in images]
        if set(frames) <= {None}:
            return images
        wrong = [image for image, frame in zip(images, frames, strict=True) if frame is None or frames.count(frame) > 1]
        if wrong:
            raise self.file.error(
                f"video {identity!r}: frame_id of image {str(wrong[0].get('file_name'))[:80]!r} is "
                f"{str(wrong[0].get('frame_id'))[:20]}, expected a whole number that no other image of it has"
            )
        return sorted(images, key=lambda image: _frame_of(image) or 0)

    def check_whole(self) -> None:
        """Raise BoxFileError for an image or annotation of a video that the file does not list."""
        known = {key_of(video.get("id")) for video in self.videos}
        for kind, groups in (("image", self.images), ("annotation", self.annotations)):
            for home, entries in groups.items():
                if entries and home not in known:
                    raise self.file.error(
                        f"{kind} {entries[0].get('id')!r} is of video {home!r}, expected the id of one of its videos"
                    )

    def name(self, video: Mapping[str, Any]) -> str:
        """Its folder (or file), as the file names of its frames tell; "" without any."""
        files = self._files(video)
        if isinstance(files, list) and files:
            return str(PurePosixPath(str(files[0])).parent)
        return str(video.get("name", video.get("file_name", "")))

    def entry(self, number: int) -> VideoEntry:
        video = self.videos[number]
        identity = video.get("id")
        images = self._in_order(identity)
        files = self._files(video)
        if not isinstance(files, list) or not all(isinstance(name, str) and name for name in files):
            raise self.file.error(f"video {identity!r}: its file names are not a list of text")
        annotations = self.annotations[key_of(identity)]
        length = len(files) or video.get("length", _longest(annotations))
        if type(length) is not int or length < 1:
            raise self.file.error(f"video {identity!r} has {str(length)[:20]} frames, expected 1 or more")
        boxes = self._boxes_of_images(images, annotations) if images else self._boxes_of_lists(length, annotations)
        entries, objects = boxes
        phrases = tuple(self._name(category) for category in objects)
        first = images[0] if images else video
        width, height = (video.get(side, first.get(side)) for side in ("width", "height"))
        what = "CocoVID" if images else "YouTube-VIS"
        rows = BoxRows(
            f"{what}, video {identity!r}",
            *rows_of(entries),
            phrases,
            size=(width, height) if type(width) is int and type(height) is int else None,
            size_from="from the file",
            length=length,
        )
        return VideoEntry(identity, tuple(files), rows)

    def _name(self, category: str) -> str:
        """The name of a category, "" if it has none."""
        name = self.categories.get(category) or ""
        if not isinstance(name, str):
            raise self.file.error(f"the name of category {category} is {type(name).__name__}, expected text")
        return name

    def _boxes_of_lists(self, length: int, annotations: Sequence[dict[str, Any]]) -> tuple[list, list[str]]:
        """YouTube-VIS: entries of frame, object and box, and the category of each object."""
        entries = []
        for column, entry in enumerate(annotations):
            where, boxes = f"annotation {entry.get('id')!r}", entry.get("bboxes")
            if not isinstance(boxes, list) or len(boxes) != length:
                found = f"{len(boxes)} entries" if isinstance(boxes, list) else "no list"
                raise self.file.error(f"found {found} in bboxes, expected {length}, one for each frame", where)
            entries += [
                (frame, column, self.file.json_box(box, f"{where}, frame {frame}"))
                for frame, box in enumerate(boxes)
                if box is not None
            ]
        return entries, [key_of(entry.get("category_id")) for entry in annotations]

    def _boxes_of_images(
        self, images: Sequence[dict[str, Any]], annotations: Sequence[dict[str, Any]]
    ) -> tuple[list, list[str]]:
        """CocoVID: entries of frame, object and box, and the category of each object."""
        frames = {key_of(image.get("id")): frame for frame, image in enumerate(images)}
        columns: dict[str, int] = {}
        entries, objects, seen = [], [], set()
        for entry in annotations:
            where, image = f"annotation {entry.get('id')!r}", key_of(entry.get("image_id"))
            identity = entry.get("instance_id", entry.get("track_id"))
            if identity is None or image not in frames:
                raise self.file.error("has no instance_id or track_id, or an image_id that no image has", where)
            column = columns.setdefault(key_of(identity), len(columns))
            if column == len(objects):
                objects.append(key_of(entry.get("category_id")))
            if (frames[image], column) in seen:
                raise self.file.error(f"found a second box for object {identity!r} in the same frame", where)
            seen.add((frames[image], column))
            entries.append((frames[image], column, self.file.json_box(entry.get("bbox"), where)))
        return entries, objects


def key_of(identity: Any) -> str:
    """Files write the same id as number and as text."""
    return same_id(str(identity)[:80])


def _longest(annotations: Sequence[Mapping[str, Any]]) -> int:
    lists = [entry.get("bboxes") for entry in annotations]
    return max((len(boxes) for boxes in lists if isinstance(boxes, list)), default=0)


def _grouped(entries: Iterable[tuple[Any, dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for home, entry in entries:
        groups[key_of(home)].append(entry)
    return groups


def _frame_of(image: Mapping[str, Any]) -> int | None:
    """frame_id (or frame_index of TAO) where it is a whole number, as text too."""
    text = key_of(image.get("frame_id", image.get("frame_index")))
    return int(text) if re.fullmatch(r"-?\d{1,15}", text, re.ASCII) else None
