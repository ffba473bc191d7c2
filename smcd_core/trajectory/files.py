"""Boxes from the files of other programs.

A file is recognised by what is in it and beside it; its own name never decides.

| format      | one entry                                                  | size of the frame          |
|-------------|------------------------------------------------------------|----------------------------|
| json        | our document, see document.py                              | not needed                 |
| xyxy        | a line per frame: x1,y1,x2,y2 (released SMCD: bbox.txt)    | img.png beside it          |
| xywh        | a line per frame: x,y,w,h (GOT-10k: groundtruth.txt)       | meta_info.ini beside it    |
| mot         | frame,id,left,top,width,height,conf,... frames from 1      | seqinfo.ini beside it      |
| youtube_vis | annotations[].bboxes, a list of [x, y, w, h] or null       | in the file                |
| csv         | frame,object,x1,y1,x2,y2 under that header, frames from 0  | to be given                |
| vot         | a line per frame: x1,y1,...,x4,y4, a turned rectangle      | to be given                |
| vatic       | track xmin ymin xmax ymax frame lost ... "label"           | to be given                |
| kitti       | KITTI tracking: frame id type ... left top right bottom    | to be given                |
| yolo        | a folder with a file per frame: class cx cy w h [conf] id  | not needed                 |
| cvat        | CVAT for video 1.1, tracks with keyframes                  | in the file                |
| label_studio| video rectangles with keyframes, in percent                | not needed                 |
| bbox_animator | a project of BBox-Animator, with keyframes in pixels     | to be given                |
| trailblazer | YAML: keyframe: [{bbox_ratios, frame, prompt}]             | in the file, or not needed |
| freetraj    | a line per keyframe: frame,top,bottom,left,right in shares | not needed                 |
| wan_move    | .npy, points [1, F, N, 2]; ...visibility.npy beside it     | to be given                |
| sg_i2v      | .npy [N, 2 + F, 2], corners in frame 0 and middles         | img.png beside it          |
| values      | JSON of boxes {x, y, width, height} or points, see values  | to be given                |
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from .dense import DenseBoxes, every_box, of_another_size, really_corners
from .document import MAX_FRAMES, MAX_OBJECTS, MAX_SIDE, Trajectory, TrajectoryError, parse_trajectory, whole_number
from .formats.annotation_tools import read_cvat, read_label_studio
from .formats.arrays import detect_array, is_array, read_array, read_sg_i2v, read_wan_move
from .formats.bbox_animator import BACKGROUND, read_bbox_animator
from .formats.box_file import BoxFile, BoxFileError
from .formats.coco_video import MASKS, choose_video
from .formats.detect import detect_json, detect_lines
from .formats.folders import is_label_folder, label_folders, read_kitti, read_yolo
from .formats.headers import is_words
from .formats.keyframes import read_freetraj, read_trailblazer
from .formats.lines import read_vot, read_xywh, read_xyxy
from .formats.mot import read_mot
from .formats.tables import read_csv, read_vatic
from .rows import BoxRows, NoSizeError, started
from .values import boxes_from_value, image_size, replaced, with_phrases

FORMATS = (
    "json", "xyxy", "xywh", "mot", "youtube_vis", "csv", "vot", "kitti", "yolo", "cvat", "label_studio", "values",
    "bbox_animator", "trailblazer", "freetraj", "wan_move", "sg_i2v", "vatic",
)  # fmt: skip
BOX_SUFFIXES = (".json", ".csv", ".tsv", ".xml", ".yaml", ".yml", ".npy", ".txt")  # of files in these formats
LAYOUTS = ("bbox.txt", "groundtruth.txt", "gt/gt.txt", "instances.json")  # files of a folder
READ_TOLERANCE = 1e-6  # of the frame: files are read as they are
NAMED = 12  # labels in one line
RESTING_FRAMES = 8  # of boxes that do not move, as long as the released model's videos

_Size = tuple[int | None, int | None]
_Found = tuple[str, Trajectory | DenseBoxes | BoxRows]  # what it is, for people, and the boxes
_LINES = {
    "xyxy": read_xyxy, "xywh": read_xywh, "mot": read_mot, "csv": read_csv, "vot": read_vot, "kitti": read_kitti,
    "vatic": read_vatic,
}  # fmt: skip


def read_trajectory(
    path: str | os.PathLike,
    *,
    width: int | None = None,
    height: int | None = None,
    frames: int | None = None,
    phrase: str | Sequence[str] | None = None,
    format: str | None = None,
    video: int | str | None = None,
    part: tuple[int, int] | None = None,
    tolerance: float = READ_TOLERANCE,
    size_from: str = "as given",
) -> tuple[Trajectory, str]:
    """Read boxes from a file or folder in any format of this module. Returns the trajectory and a line on what it is.

    width, height  of the image in pixels that boxes in pixels refer to; a size in the file wins
    frames         how many there must be; formats that list boxes by frame number may end earlier
    phrase         one for all objects or one each; wins over the file. Without either, phrases are empty
    format         one of FORMATS, where the content leaves a choice
    video          id, or name of the folder of frames, for files with several videos
    part           first and last frame to take, as the file counts them, from 0; the only way into very long files
    size_from      where width and height are from, for the line
    tolerance      how far simplification to few keys may move a coordinate, in units of the frame

    Raises TrajectoryError with file, line, what was found and what was expected; its subclass BoxFileError also tells
    which of these arguments would settle it.
    """
    if part is not None:
        boxes, what = read_dense(
            path, width=width, height=height, frames=frames, phrase=phrase, format=format, video=video, part=part,
            size_from=size_from,
        )  # fmt: skip
        return boxes.to_trajectory(tolerance), what
    file, what, found = _read(path, (width, height), frames, format, video, phrase is not None)
    with _naming(file):
        if isinstance(found, Trajectory):
            return _renamed(what, found, frames, phrase)
        boxes, what = _dense(what, found, (width, height), frames, phrase, size_from)
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
    part: tuple[int, int] | None = None,
    size_from: str = "as given",
    is_whole: bool = False,
) -> tuple[DenseBoxes, str]:
    """Read the same files for those who need no keys: one box per frame and object, not clipped.

    is_whole  the boxes are those of a whole video, so none of its frames before the first box is left out
    """
    file, what, found = _read(path, (width, height), frames, format, video, phrase is not None)
    with _naming(file):
        if part and isinstance(found, BoxRows):
            found = _part_of(found, *part)
            boxes, what = _dense(what, found, (width, height), None, phrase, size_from)
        elif isinstance(found, Trajectory):
            trajectory, what = _renamed(what, found, frames, phrase)
            boxes = every_box(trajectory)
        else:
            boxes, what = _dense(what, found, (width, height), frames, phrase, size_from, is_whole)
        if not part:
            return boxes, what
        first, last = part
        if not isinstance(found, BoxRows):
            _check_part(boxes.frames, first, last)
            boxes = boxes.at(range(first, last + 1))
        _check_frames(boxes.frames, frames)
        return boxes, f"{what}, of which {_span(first, last)}"


def _read(
    path: str | os.PathLike,
    size: _Size,
    frames: int | None,
    format: str | None,
    video: int | str | None,
    is_named: bool,
) -> tuple:
    """The file, what it is, and its boxes. `is_named`: phrases are given, so that a document may lack them."""
    if format is not None and format not in FORMATS:
        raise TrajectoryError(f"format is {format!r}: use one of {', '.join(FORMATS)}")
    path = Path(path)
    if path.is_dir() and not _layouts_in(path):
        path = next(iter(label_folders(path)), path)
    if format == "yolo" or (format is None and path.is_dir() and is_label_folder(path) and not _layouts_in(path)):
        rows = read_yolo(path)
        return BoxFile(path), rows.what, rows
    file = BoxFile(_file_in(path) if path.is_dir() else path)
    detect: Callable[[], str]
    readers: dict[str, Callable[[], _Found]]
    if is_array(file):
        array = read_array(file)
        detect, readers = partial(detect_array, file, array), _readers_of_arrays(file, array, size)
    elif not file.text:
        raise file.error("is empty: expected boxes")
    elif file.text.startswith("<"):
        detect, readers = lambda: "cvat", {"cvat": lambda: ("CVAT tracks", read_cvat(file))}
    elif file.text.lstrip().startswith(("{", "[")):
        content = file.json(unread=(*MASKS, *BACKGROUND))
        detect = partial(detect_json, file, content)
        readers = _readers_of_json(file, content, size, frames, video, is_named)
    elif re.search("^keyframe:", file.text, re.MULTILINE):
        detect, readers = lambda: "trailblazer", {"trailblazer": lambda: read_trailblazer(file, size)}
    else:
        rows = list(file.rows())
        detect = partial(detect_lines, file, rows)
        readers = {
            **{name: partial(_of_lines, reader, file, rows) for name, reader in _LINES.items()},
            "freetraj": lambda: read_freetraj(file, rows, size),
        }
    format = format or detect()
    if format not in readers:
        raise file.error(f"does not look like {format}: its content could be {' or '.join(readers)}")
    with _naming(file):
        return file, *readers[format]()


def _readers_of_arrays(file: BoxFile, array: np.ndarray, size: _Size) -> dict[str, Callable[[], _Found]]:
    def of_wan_move() -> _Found:
        _, boxes = boxes_from_value(read_wan_move(file, array), *_known(size))
        return "Wan-Move tracks", boxes

    return {"wan_move": of_wan_move, "sg_i2v": lambda: ("SG-I2V boxes", read_sg_i2v(file, array))}


def _readers_of_json(
    file: BoxFile, content: Any, size: _Size, frames: int | None, video: int | str | None, is_named: bool
) -> dict[str, Callable[[], _Found]]:
    def of_youtube_vis() -> _Found:
        rows = choose_video(file, content, video).rows
        return rows.what, rows

    return {
        "json": lambda: ("SMCD trajectory", parse_trajectory(with_phrases(content) if is_named else content)),
        "youtube_vis": of_youtube_vis,
        "bbox_animator": lambda: ("BBox-Animator", read_bbox_animator(file, content, _known(size), frames)),
        "label_studio": lambda: ("Label Studio", read_label_studio(file, content, _known(size), video)),
        "values": lambda: boxes_from_value(content, *_known(image_size(content) or size)),
    }


def _of_lines(reader: Callable[[BoxFile, list], BoxRows], file: BoxFile, rows: list) -> _Found:
    if len(rows) > 1 and reader is not read_csv and is_words(rows[0][1]):
        rows = rows[1:]
    found = reader(file, rows)
    return found.what, found


def _known(size: _Size) -> tuple[int, int]:
    width, height = size
    if width is None or height is None:
        raise NoSizeError
    if not (1 <= width <= MAX_SIDE and 1 <= height <= MAX_SIDE):
        raise TrajectoryError(f"the frame has {width}x{height} pixels; expected 1 to {MAX_SIDE} each")
    return width, height


@contextmanager
def _naming(file: BoxFile) -> Iterator[None]:
    """Put the file's name into errors of code that knows only its content."""
    try:
        yield
    except BoxFileError as error:
        if error.path:
            raise
        raise BoxFileError(file.path, error.problem, option=error.option) from None
    except TrajectoryError as error:
        option = "size" if isinstance(error, NoSizeError) else ""
        raise BoxFileError(file.path, str(error), option=option) from None


def boxes_in(folder: Path) -> bool:
    """Whether a folder holds boxes that `read_trajectory` finds by itself."""
    return bool(_layouts_in(folder)) or is_label_folder(folder) or bool(label_folders(folder))


def _layouts_in(folder: Path) -> list[str]:
    return [name for name in LAYOUTS if (folder / name).is_file()]


def _file_in(folder: Path) -> Path:
    found = _layouts_in(folder)
    if len(found) != 1:
        layouts = ", ".join(LAYOUTS)
        raise TrajectoryError(
            f"{folder}: found {found or 'none'} of {layouts}: name the file to read, or a folder of YOLO labels"
        )
    return folder / found[0]


def _renamed(
    what: str, trajectory: Trajectory, frames: int | None, phrase: str | Sequence[str] | None
) -> tuple[Trajectory, str]:
    _check_frames(trajectory.frames, frames)
    drawn = [track.phrase for track in trajectory.objects]
    names = _phrases(drawn, phrase)
    tracks = tuple(replace(track, phrase=name) for track, name in zip(trajectory.objects, names, strict=True))
    instead = replaced(drawn, names)
    found = f"{what}: {_count(len(tracks), 'object')}{instead}, {_count(trajectory.frames, 'frame')}"
    return replace(trajectory, objects=tracks), found


def _dense(
    what: str,
    found: BoxRows | DenseBoxes,
    size: _Size,
    frames: int | None,
    phrase: str | Sequence[str] | None,
    size_from: str,
    is_whole: bool = False,
) -> tuple[DenseBoxes, str]:
    """The boxes in all frames, and what they are."""
    remarks: list[str] = []
    if isinstance(found, BoxRows):
        rows = found if frames or is_whole else started(found)
        what, total = rows.what, _frames_of(rows, frames)
        size_from = rows.size_from if rows.size else size_from
        if not rows.size and None in size:
            raise NoSizeError(f"{what}, {_count(len(rows.phrases), 'object')}, {_count(total, 'frame')}")
        width, height = _known(rows.size or size)
        boxes = rows.at(range(total), (width, height))
        if not rows.size and rows.in_pixels and (problem := of_another_size(boxes)):
            raise BoxFileError("", problem, option="size")
        remarks = [*rows.remarks, *(really_corners(boxes) if rows.from_sides else ())]
    else:
        boxes = found.resampled(frames or RESTING_FRAMES) if found.frames == 1 else found
        size_from = "from the file" if found.size else size_from
        width, height = _known(found.size or size)
        boxes = replace(boxes, size=(width, height))
        _check_frames(boxes.frames, frames)
    count = len(boxes.phrases)
    names = tuple(_phrases(boxes.phrases, phrase))
    instead = replaced(boxes.phrases, names)
    boxes = replace(boxes, phrases=names)
    unnamed = "" if all(boxes.phrases) else ", without a phrase" if count == 1 else ", some without a phrase"
    objects = f"{_count(count, 'object')}{instead or _labels(boxes)}{unnamed}"
    line = f"{what}: {objects}, {_count(boxes.frames, 'frame')}, {width}x{height} pixels {size_from}"
    return boxes, "; ".join((line, *remarks))


def _labels(boxes: DenseBoxes) -> str:
    """The labels and in how many frames each is seen: a mistyped one makes an object of its own."""
    labels = [label for label in dict.fromkeys(boxes.phrases) if label]
    if len(labels) < 2:
        return ""
    names = np.array(boxes.phrases)
    seen = [f"{label[:40]} in {boxes.mask[:, names == label].any(1).sum()}" for label in labels[:NAMED]]
    more = f" and {_count(len(labels) - NAMED, 'label')} more" if len(labels) > NAMED else ""
    return f" ({', '.join(seen)}{more})"


def _frames_of(rows: BoxRows, frames: int | None) -> int:
    """The number of frames, checked before memory is taken for them."""
    last, count = rows.last_frame + 1, len(rows.phrases)
    total = rows.length or frames or last
    if rows.length:
        _check_frames(total, frames)
    if not total:
        raise TrajectoryError(f"holds no box that counts, read as {rows.what}: has 0 frames and {count} objects")
    if total > MAX_FRAMES or count > MAX_OBJECTS:
        found = f"has {_count(total, 'frame')} and {_count(count, 'object')}, read as {rows.what}"
        limits = f"expected 1 to {MAX_FRAMES} frames and up to {MAX_OBJECTS} objects"
        raise TrajectoryError(f"{found}; {limits}: take a part, as smcd convert-boxes --box-frames 0-99 does")
    if last > total:
        add = _count(last - total, "frame")
        raise TrajectoryError(f"has boxes up to frame {last} of {total}: add {add} or cut the file")
    return total


def _part_of(rows: BoxRows, first: int, last: int) -> BoxRows:
    """The boxes in some frames, and the objects that have any there."""
    _check_part(max(rows.length or 0, rows.last_frame + 1), first, last)
    part = rows.between(first, last)
    if not part.phrases:
        raise TrajectoryError(
            f"has no box in {_span(first, last)}: the first is in frame {rows.frames.min()}, the last in frame "
            f"{rows.last_frame}"
        )
    return part


def _check_part(frames: int, first: int, last: int) -> None:
    whole_number(last - first + 1, "the length of the part", 1, MAX_FRAMES)
    if first < 0 or last >= frames:
        asked = f"{_span(first, last)} {'was' if first == last else 'were'} asked for"
        raise TrajectoryError(f"{asked}, the boxes have {_span(0, frames - 1)}")


def _span(first: int, last: int) -> str:
    return f"frame {first}" if first == last else f"frames {first} to {last}"


def _check_frames(frames: int, wanted: int | None) -> None:
    if wanted not in (None, frames):
        raise TrajectoryError(f"has {frames} frames but frames is {wanted}: ask for {frames} or change the file")


def _phrases(found: Sequence[str], given: str | Sequence[str] | None) -> list[str]:
    if given is None:
        return list(found)
    names = [given] * len(found) if isinstance(given, str) else list(given)
    if len(names) != len(found):
        raise TrajectoryError(
            f"has {_count(len(found), 'object')} but {len(names)} phrases were given: give one, or one each"
        )
    return names


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
