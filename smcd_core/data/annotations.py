"""The JSON files of a dataset: boxes of all its videos, and captions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..trajectory.document import MAX_SIDE
from ..trajectory.formats.box_file import MAX_DATASET_BYTES, BoxFile, BoxFileError
from ..trajectory.formats.coco_video import MASKS, VideoEntry, read_coco_video
from .samples import DatasetError, SampleError, clean_text

MAX_CAPTIONS_BYTES = 256 * 2**20


def read_videos(path: Path) -> list[tuple[str, VideoEntry | SampleError]]:
    """The name of each video of a YouTube-VIS or CocoVID file, and its boxes or what is wrong with them.

    Raises DatasetError for another kind of file.
    """
    file = BoxFile(path, MAX_DATASET_BYTES)
    try:
        return list(_checked(path, read_coco_video(file, file.json(unread=MASKS))))
    except BoxFileError as error:
        raise DatasetError(str(error)) from None


def read_captions(path: Path) -> dict[str, Any]:
    """{video: caption} of a JSON file; the captions are not checked. Raises DatasetError."""
    try:
        content = BoxFile(path, MAX_CAPTIONS_BYTES).json()
    except BoxFileError as error:
        raise DatasetError(str(error)) from None
    if not isinstance(content, dict):
        raise DatasetError(f'{path}: is a JSON {type(content).__name__}, expected {{"video": "caption"}}')
    return content


def _checked(
    path: Path, entries: Iterator[tuple[str, VideoEntry | BoxFileError]]
) -> Iterator[tuple[str, VideoEntry | SampleError]]:
    for name, entry in entries:
        try:
            if isinstance(entry, BoxFileError):
                raise SampleError(path, entry.reason)
            yield name, _usable(path, name, entry)
        except SampleError as error:
            yield name, error


def _usable(path: Path, name: str, entry: VideoEntry) -> VideoEntry:
    """A video with a size, a name, and objects with names."""
    clean_text(name, path, f"the name of video {entry.id}")
    size = entry.rows.size
    if not size or not all(1 <= side <= MAX_SIDE for side in size):
        raise SampleError(path, f"video {name}: width, height is {size}, expected 1 to {MAX_SIDE}")
    phrases = tuple(clean_text(phrase, path, f"video {name}: a category's name") for phrase in entry.rows.phrases)
    return replace(entry, rows=replace(entry.rows, phrases=phrases))
