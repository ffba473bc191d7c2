"""Boxes from the files of other programs.

A file is recognised by what is in it and beside it, never by its own name.

| format      | one entry                                                  | size of the frame          |
|-------------|------------------------------------------------------------|----------------------------|
| json        | our document, see document.py                              | not needed                 |
| xyxy        | a line per frame: x1,y1,x2,y2 (released SMCD: bbox.txt)    | img.png beside it          |
| xywh        | a line per frame: x,y,w,h (GOT-10k: groundtruth.txt)       | meta_info.ini beside it    |
| mot         | frame,id,left,top,width,height,conf,... frames from 1      | seqinfo.ini beside it      |
| youtube_vis | annotations[].bboxes, a list of [x, y, w, h] or null       | in the file                |
| csv         | frame,object,x1,y1,x2,y2 under that header, frames from 0  | to be given                |
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from .dense import DenseBoxes, every_box
from .document import MAX_FRAMES, MAX_OBJECTS, MAX_SIDE, Trajectory, TrajectoryError, parse_trajectory, whole_number
from .formats.box_file import BoxFile, BoxFileError
from .formats.coco_video import MASKS, choose_video
from .formats.lines import CSV_HEADER, read_csv, read_xywh, read_xyxy
from .formats.mot import read_mot
from .rows import NO_SIZE, BoxRows

FORMATS = ("json", "xyxy", "xywh", "mot", "youtube_vis", "csv")
READ_TOLERANCE = 1e-6  # of the frame: files are read as they are


def read_trajectory(
    path: str | os.PathLike,
    *,
    width: int | None = None,
    height: int | None = None,
    frames: int | None = None,
    phrase: str | Sequence[str] | None = None,
    format: str | None = None,
    video: int | str | None = None,
    tolerance: float = READ_TOLERANCE,
) -> tuple[Trajectory, str]:
    """Read boxes from a file or folder in any format of this module. Returns the trajectory and what was recognised.

    width, height  the frame in pixels, for pixel formats that do not tell it; a size in the file wins
    frames         how many there must be; formats that list boxes by frame number may end earlier
    phrase         one for all objects or one each; wins over the file. Without either, phrases are empty
    format         one of FORMATS, where the content leaves a choice
    video          id, or name of the folder of frames, for files with several videos
    tolerance      how far simplification to few keys may move a coordinate, in units of the frame

    Raises TrajectoryError with file, line, what was found and what was expected.
    """
    file, found = _read(path, format, video)
    with _naming(file):
        if isinstance(found, Trajectory):
            return _renamed(found, frames, phrase)
        boxes, what = _dense(found, (width, height), frames, phrase)
        return boxes.to_trajectory(tolerance), what


def read_dense(
    path: str | os.PathLike,
    *,
    width: int | None = None,
    height: int | None = None,
    frames: int | None = None,
    phrase: str | Sequence[str] | None = None,
    format: str | None = None,
    video: int | str | None = None,
) -> tuple[DenseBoxes, str]:
    """Read the same files for those who need no keys: one box per frame and object, not clipped."""
    file, found = _read(path, format, video)
    with _naming(file):
        if isinstance(found, BoxRows):
            return _dense(found, (width, height), frames, phrase)
        trajectory, what = _renamed(found, frames, phrase)
        return every_box(trajectory), what


def _read(path: str | os.PathLike, format: str | None, video: int | str | None) -> tuple[BoxFile, Trajectory | BoxRows]:
    if format is not None and format not in FORMATS:
        raise TrajectoryError(f"format is {format!r}: use one of {', '.join(FORMATS)}")
    path = Path(path)
    file = BoxFile(_file_in(path) if path.is_dir() else path)
    if not file.text:
        raise file.error("is empty: expected boxes")
    readers: dict[str, Callable[[], Trajectory | BoxRows]]
    if file.text.lstrip().startswith(("{", "[")):
        content = file.json(unread=MASKS)
        format = format or _detect_json(file, content)
        readers = {
            "json": lambda: parse_trajectory(content),
            "youtube_vis": lambda: choose_video(file, content, video).rows,
        }
    else:
        rows = list(file.rows())
        format = format or _detect_lines(file, rows[0][1])
        of_lines = {"xyxy": read_xyxy, "xywh": read_xywh, "mot": read_mot, "csv": read_csv}
        readers = {name: partial(reader, file, rows) for name, reader in of_lines.items()}
    if format not in readers:
        raise file.error(f"does not look like {format}: its content could be {' or '.join(readers)}")
    with _naming(file):
        return file, readers[format]()


@contextmanager
def _naming(file: BoxFile) -> Iterator[None]:
    """Put the file's name into errors of code that knows only its content."""
    try:
        yield
    except BoxFileError:
        raise
    except TrajectoryError as error:
        raise file.error(str(error)) from None


def _file_in(folder: Path) -> Path:
    layouts = ("bbox.txt", "groundtruth.txt", "gt/gt.txt", "instances.json")
    found = [name for name in layouts if (folder / name).is_file()]
    if len(found) != 1:
        raise TrajectoryError(f"{folder}: found {found or 'none'} of {', '.join(layouts)}: name the file to read")
    return folder / found[0]


def _detect_json(file: BoxFile, content: Any) -> str:
    if isinstance(content, dict) and {"videos", "annotations"} <= content.keys():
        return "youtube_vis"
    if isinstance(content, dict) and "objects" in content:
        return "json"
    found = f"keys {', '.join(map(repr, list(content)[:8])) or 'none'}" if isinstance(content, dict) else "a list"
    raise file.error(f"JSON with {found}: expected 'objects' (a trajectory) or 'videos', 'annotations' (YouTube-VIS)")


def _detect_lines(file: BoxFile, first: Sequence[str]) -> str:
    header = ",".join(CSV_HEADER)
    if [field.lower() for field in first] == CSV_HEADER:
        return "csv"
    if len(first) == 4:
        # Four numbers say nothing about themselves; what lies beside them does.
        released = file.beside("img.png")
        got10k = file.beside("meta_info.ini") or file.beside("absence.label")
        if bool(released) == bool(got10k):
            raise file.choice("4 numbers per line may be x1,y1,x2,y2 or x,y,w,h", "format", ("xyxy", "xywh"))
        return "xyxy" if released else "xywh"
    if len(first) == 6:
        raise file.choice(
            "6 numbers per line may be MOT or corners", "format", ("mot",), otherwise=f"put {header} on top"
        )
    if 7 <= len(first) <= 10:
        return "mot"
    expected = f"4 numbers, 7 to 10 numbers (MOT), JSON, or the header {header}"
    raise file.error(f"found {len(first)} fields, first is {''.join(first[:1])[:40]!r}; expected {expected}", "line 1")


def _renamed(trajectory: Trajectory, frames: int | None, phrase: str | Sequence[str] | None) -> tuple[Trajectory, str]:
    _check_frames(trajectory.frames, frames)
    names = _phrases([track.phrase for track in trajectory.objects], phrase)
    tracks = tuple(replace(track, phrase=name) for track, name in zip(trajectory.objects, names, strict=True))
    what = f"SMCD trajectory: {_count(len(tracks), 'object')}, {_count(trajectory.frames, 'frame')}"
    return replace(trajectory, objects=tracks), what


def _dense(
    rows: BoxRows, size: tuple[int | None, int | None], frames: int | None, phrase: str | Sequence[str] | None
) -> tuple[DenseBoxes, str]:
    """The rows over all frames, and what was recognised."""
    total, count = _frames_of(rows, frames), len(rows.phrases)
    width, height = rows.size or size
    if width is None or height is None:
        raise TrajectoryError(NO_SIZE)
    if not (1 <= width <= MAX_SIDE and 1 <= height <= MAX_SIDE):
        raise TrajectoryError(f"the frame has {width}x{height} pixels; expected 1 to {MAX_SIDE} each")
    names = tuple(_phrases(rows.phrases, phrase))
    boxes = replace(rows.at(range(total), (width, height)), phrases=names)
    unnamed = "" if all(names) else ", without a phrase" if count == 1 else ", some without a phrase"
    size_from = f"{width}x{height} pixels {rows.size_from if rows.size else 'as given'}"
    return boxes, f"{rows.what}: {_count(count, 'object')}{unnamed}, {_count(total, 'frame')}, {size_from}"


def _frames_of(rows: BoxRows, frames: int | None) -> int:
    """The number of frames, checked before memory is taken for them."""
    last, count = rows.last_frame + 1, len(rows.phrases)
    total = rows.length or frames or last
    if rows.length:
        whole_number(total, "frames", 1, MAX_FRAMES)
        _check_frames(total, frames)
    if not 1 <= total <= MAX_FRAMES or count > MAX_OBJECTS:
        limits = f"1 to {MAX_FRAMES} frames and up to {MAX_OBJECTS} objects"
        raise TrajectoryError(f"has {total} frames and {count} objects; expected {limits}. Read as {rows.what}")
    if last > total:
        add = _count(last - total, "frame")
        raise TrajectoryError(f"has boxes up to frame {last} of {total}: add {add} or cut the file")
    return total


def _check_frames(frames: int, wanted: int | None) -> None:
    if wanted not in (None, frames):
        raise TrajectoryError(f"has {frames} frames but frames is {wanted}: ask for {frames} or change the file")


def _phrases(found: Sequence[str], given: str | Sequence[str] | None) -> list[str]:
    if given is None:
        return list(found)
    names = [given] * len(found) if isinstance(given, str) else list(given)
    if len(names) != len(found):
        raise TrajectoryError(f"has {len(found)} objects but {len(names)} phrases were given: give one, or one each")
    return names


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
