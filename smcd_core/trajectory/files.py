"""Boxes from and to the files of other programs.

A file is recognised by what is in it and beside it, never by its own name. Inside, every reader gives boxes in pixels
per frame and object (`_Dense`); one function makes the trajectory of it.

| format      | one entry                                                  | size of the frame          |
|-------------|------------------------------------------------------------|----------------------------|
| json        | our document, see trajectory.py                            | not needed                 |
| xyxy        | a line per frame: x1,y1,x2,y2 (released SMCD: bbox.txt)    | img.png beside it          |
| xywh        | a line per frame: x,y,w,h (GOT-10k: groundtruth.txt)       | meta_info.ini beside it    |
| mot         | frame,id,left,top,width,height,conf,... frames from 1      | seqinfo.ini beside it      |
| youtube_vis | annotations[].bboxes, a list of [x, y, w, h] or null       | in the file                |
| csv         | frame,object,x1,y1,x2,y2 under that header, frames from 0  | to be given                |
"""

import configparser
import csv
import json
import math
import os
import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..files import replacing
from .dense import boxes_at, phrases
from .document import (
    DEFAULT_FPS,
    MAX_FRAMES,
    MAX_OBJECTS,
    MAX_SIDE,
    Trajectory,
    TrajectoryError,
    dumps,
    parse_trajectory,
)
from .simplify import trajectory_from_boxes

FORMATS = ("json", "xyxy", "xywh", "mot", "youtube_vis", "csv")
MAX_FILE_BYTES = 512 * 2**20  # YouTube-VIS keeps a whole split, with its masks, in one file
READ_TOLERANCE = 1e-6  # of the frame: files are read as they are
CSV_HEADER = ["frame", "object", "x1", "y1", "x2", "y2"]

# Milan et al., MOT16 (2016): the classes that are things to animate.
MOT_CLASSES = {1: "pedestrian", 2: "person on vehicle", 3: "car", 4: "bicycle", 5: "motorbike", 7: "static person"}


@dataclass(frozen=True)
class _Source:
    """The file that is read, and what the caller said about it."""

    path: Path
    width: int | None
    height: int | None
    frames: int | None
    phrase: str | Sequence[str] | None
    video: int | str | None
    tolerance: float

    def error(self, message: str, where: str = "") -> TrajectoryError:
        return TrajectoryError(f"{self.path}, {where}: {message}" if where else f"{self.path}: {message}")

    def beside(self, name: str) -> Path | None:
        path = self.path.parent / name
        return path if path.is_file() else None


@dataclass(frozen=True)
class _Dense:
    """boxes [F, N, 4] xyxy in pixels, mask [F, N]; `size` is (width, height) if the file tells it."""

    what: str
    boxes: np.ndarray
    mask: np.ndarray
    phrases: Sequence[str]
    size: tuple[int, int] | None = None
    size_from: str = "as given"
    fps: float = DEFAULT_FPS


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
    video          id, or name of the folder of frames, for YouTube-VIS files with several videos
    tolerance      how far simplification to few keys may move a coordinate, in units of the frame

    Raises TrajectoryError with file, line, what was found and what was expected.
    """
    path = Path(path)
    if path.is_dir():
        path = _file_in(path)
    return _read(format, _Source(path, width, height, frames, phrase, video, tolerance))


def write_json(path: str | os.PathLike, trajectory: Trajectory) -> None:
    """Write the document: the only format that keeps keys, eases and strengths."""
    _write_text(Path(path), dumps(trajectory))


def write_got10k(folder: str | os.PathLike, trajectory: Trajectory, object_id: str | None = None) -> None:
    """Write one object as a GOT-10k sequence folder: groundtruth.txt, absence.label and meta_info.ini.

    Boxes are in pixels of width x height, not clipped; absent frames keep the box where the object would be.
    """
    ids = [track.id for track in trajectory.objects if track.enabled]
    if object_id is None and len(ids) != 1:
        raise TrajectoryError(f"GOT-10k holds one object and this trajectory has {len(ids)}: choose one of {ids}")
    if object_id is not None and object_id not in ids:
        raise TrajectoryError(f"there is no enabled object {object_id!r}: choose one of {ids}")
    index = ids.index(object_id) if object_id is not None else 0
    boxes, mask = _pixels(trajectory)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    lines = [f"{x1:.4f},{y1:.4f},{x2 - x1:.4f},{y2 - y1:.4f}\n" for x1, y1, x2, y2 in boxes[:, index]]
    phrase = " ".join(phrases(trajectory)[index].split())
    meta = f"object_class: {phrase}\nanno_fps: {trajectory.fps:g}Hz\n"
    size = f"resolution: ({trajectory.width}, {trajectory.height})\n"
    _write_text(folder / "meta_info.ini", f"[METAINFO]\n{meta}{size}")
    _write_text(folder / "absence.label", "".join(f"{int(not visible)}\n" for visible in mask[:, index]))
    _write_text(folder / "groundtruth.txt", "".join(lines))


def write_mot(path: str | os.PathLike, trajectory: Trajectory) -> None:
    """Write all enabled objects as MOTChallenge lines: frame,id,left,top,width,height,1,-1,-1,-1.

    Frames and ids count from 1, pixels from 0. The format holds neither phrases nor the size of the frame.
    """
    boxes, mask = _pixels(trajectory)
    lines = []
    for frame, n in np.argwhere(mask):
        x1, y1, x2, y2 = boxes[frame, n]
        lines.append(f"{frame + 1},{n + 1},{x1:.4f},{y1:.4f},{x2 - x1:.4f},{y2 - y1:.4f},1,-1,-1,-1\n")
    _write_text(Path(path), "".join(lines))


def _pixels(trajectory: Trajectory) -> tuple[np.ndarray, np.ndarray]:
    """boxes [F, N, 4] xyxy in pixels and mask [F, N]; boxes that an overshooting ease turned inside out are absent."""
    boxes, mask = (tensor.numpy() for tensor in boxes_at(trajectory, dtype=torch.float64))
    upright = (boxes[..., 2:] >= boxes[..., :2]).all(-1)
    boxes = np.concatenate((boxes[..., :2], np.maximum(boxes[..., :2], boxes[..., 2:])), -1)
    return boxes * np.tile((trajectory.width, trajectory.height), 2), mask & upright


def _write_text(path: Path, text: str) -> None:
    with replacing(path) as temporary:
        temporary.write_bytes(text.encode("utf-8"))


def _file_in(folder: Path) -> Path:
    layouts = ("bbox.txt", "groundtruth.txt", "gt/gt.txt", "instances.json")
    found = [name for name in layouts if (folder / name).is_file()]
    if len(found) != 1:
        raise TrajectoryError(f"{folder}: found {found or 'none'} of {', '.join(layouts)}: name the file to read")
    return folder / found[0]


def _text_of(path: Path) -> str:
    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise TrajectoryError(f"{path}: has {size} bytes, the limit is {MAX_FILE_BYTES}")
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise TrajectoryError(f"{path}: is not UTF-8 text (byte {error.start}): boxes come as text or JSON") from None
    except OSError as error:
        raise TrajectoryError(f"{path}: cannot be read: {error.strerror}") from None


def _read(format: str | None, source: _Source) -> tuple[Trajectory, str]:
    if format is not None and format not in FORMATS:
        raise TrajectoryError(f"format is {format!r}: use one of {', '.join(FORMATS)}")
    text = _text_of(source.path).replace("\r\n", "\n").replace("\r", "\n").rstrip()
    if not text:
        raise source.error("is empty: expected boxes")
    if text.lstrip().startswith(("{", "[")):
        content = _load_json(text, source)
        format = format or _recognise_json(content, source)
        readers = {"json": None, "youtube_vis": _read_youtube_vis}
    else:
        lines = ((f"line {number}", line) for number, line in enumerate(text.split("\n"), 1))
        content = [(where, _fields(line, where, source)) for where, line in lines]
        format = format or _recognise_lines(content[0][1], source)
        readers = {"xyxy": _read_xyxy, "xywh": _read_xywh, "mot": _read_mot, "csv": _read_csv}
    if format not in readers:
        raise source.error(f"does not look like {format}: its content could be {' or '.join(readers)}")
    if format == "json":
        return _read_json(content, source)
    return _build(readers[format](content, source), source)


def _load_json(text: str, source: _Source) -> Any:
    try:
        return json.loads(text)
    except RecursionError:
        raise source.error("is nested too deeply to hold boxes") from None
    except ValueError as error:
        raise source.error(f"is not JSON: {error}") from None


def _recognise_json(content: Any, source: _Source) -> str:
    if isinstance(content, dict) and {"videos", "annotations"} <= content.keys():
        return "youtube_vis"
    if isinstance(content, dict) and "objects" in content:
        return "json"
    found = f"keys {', '.join(map(repr, list(content)[:8])) or 'none'}" if isinstance(content, dict) else "a list"
    raise source.error(f"JSON with {found}: expected 'objects' (a trajectory) or 'videos', 'annotations' (YouTube-VIS)")


def _recognise_lines(first: Sequence[str], source: _Source) -> str:
    if [field.lower() for field in first] == CSV_HEADER:
        return "csv"
    if len(first) == 4:
        # Four numbers say nothing about themselves; what lies beside them does.
        released = source.beside("img.png")
        got10k = source.beside("meta_info.ini") or source.beside("absence.label")
        if bool(released) == bool(got10k):
            raise source.error("4 numbers per line may be x1,y1,x2,y2 or x,y,w,h: say format='xyxy' or format='xywh'")
        return "xyxy" if released else "xywh"
    if len(first) == 6:
        header = ",".join(CSV_HEADER)
        raise source.error(f"6 numbers per line may be MOT or corners: say format='mot', or put {header} on top")
    if 7 <= len(first) <= 10:
        return "mot"
    expected = f"4 numbers, 7 to 10 numbers (MOT), JSON, or the header {','.join(CSV_HEADER)}"
    raise source.error(f"found {len(first)} fields, first is {first[0][:40]!r}; expected {expected}", "line 1")


def _fields(line: str, where: str, source: _Source) -> list[str]:
    if not line.strip():
        raise source.error("is empty: expected boxes", where)
    if "," not in line:
        return [field.strip() for field in (line.split("\t") if "\t" in line else line.split())]
    try:
        return [field.strip() for field in next(csv.reader([line], skipinitialspace=True))]
    except csv.Error as error:
        raise source.error(f"is not comma-separated: {error}", where) from None


def _numbers(fields: Sequence[str], names: str, where: str, source: _Source) -> list[float]:
    """The fields as finite numbers, one for each of the comma-separated names."""
    if len(fields) != len(names.split(",")):
        raise source.error(f"found {len(fields)} fields, expected {names}", where)
    for field in fields:
        if not re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", field, re.ASCII) or math.isinf(float(field)):
            raise source.error(f"found {field[:40]!r}, expected a number in each of {names}", where)
    return [float(field) for field in fields]


def _corners(box: Sequence[float], is_xywh: bool, where: str, source: _Source) -> list[float]:
    """xyxy from x1,y1,x2,y2 or from x,y,w,h."""
    x, y, a, b = box
    x2, y2 = (x + a, y + b) if is_xywh else (a, b)
    if x2 < x or y2 < y:
        rule = "width and height of 0 or more" if is_xywh else "x1 <= x2 and y1 <= y2"
        raise source.error(f"found box {list(box)}, expected {rule}", where)
    return [x, y, x2, y2]


Rows = Sequence[tuple[str, Sequence[str]]]  # where each was found, and its fields


def _read_xyxy(rows: Rows, source: _Source) -> _Dense:
    boxes = [_corners(_numbers(row, "x1,y1,x2,y2", where, source), False, where, source) for where, row in rows]
    image = source.beside("img.png")
    size = _png_size(image) if image else None
    mask = np.ones((len(boxes), 1), bool)
    return _Dense("x1,y1,x2,y2 per frame", np.array(boxes)[:, None], mask, [""], size, "from img.png")


def _read_xywh(rows: Rows, source: _Source) -> _Dense:
    boxes = [_corners(_numbers(row, "x,y,w,h", where, source), True, where, source) for where, row in rows]
    mask = np.ones(len(boxes), bool)
    if label := source.beside("absence.label"):
        absent = _text_of(label).split()
        if len(absent) != len(boxes) or set(absent) - {"0", "1"}:
            raise source.error(f"has {len(boxes)} boxes, expected as many 0 or 1 in {label.name}, found {len(absent)}")
        mask = np.array(absent) == "0"
    meta = _ini(source.beside("meta_info.ini"), "METAINFO")
    size = re.fullmatch(r"\((\d{1,6}), *(\d{1,6})\)", meta.get("resolution", ""), re.ASCII)
    return _Dense(
        what="x,y,w,h per frame (GOT-10k)",
        boxes=np.array(boxes)[:, None],
        mask=mask[:, None],
        phrases=[meta.get("object_class", "")],
        size=(int(size[1]), int(size[2])) if size else None,
        size_from="from meta_info.ini",
        fps=_setting(meta, "anno_fps", DEFAULT_FPS, source),
    )


def _read_mot(rows: Rows, source: _Source) -> _Dense:
    """Pixels are taken as they are, as trackers write them; the rules of the challenge count them from 1."""
    names = "frame,id,left,top,width,height,conf,x,y,z".split(",")
    entries, kinds, left_out = [], {}, 0
    columns = len(rows[0][1])
    for where, row in rows:
        values = _numbers(row, ",".join(names[: max(columns, 6)]), where, source)
        frame, identity = values[:2]
        if frame < 1 or frame != int(frame) or identity < 0 or identity != int(identity):
            raise source.error(f"found frame {frame:g}, id {identity:g}; expected whole numbers, frames from 1", where)
        if columns >= 7 and values[6] == 0:  # ground truth says so of entries that do not count
            left_out += 1
            continue
        kinds[int(identity)] = MOT_CLASSES.get(int(values[7]), "") if columns == 9 else ""
        entries.append((where, int(frame) - 1, int(identity), _corners(values[2:6], True, where, source)))
    info = _ini(source.beside("seqinfo.ini") or source.beside("../seqinfo.ini"), "Sequence")
    width, height, length = (int(_setting(info, name, 0, source)) for name in ("imWidth", "imHeight", "seqLength"))
    boxes, mask = _dense(entries, sorted(kinds), length, source)
    return _Dense(
        what="MOTChallenge" + (f" ({_count(left_out, 'row')} with conf 0 left out)" if left_out else ""),
        boxes=boxes,
        mask=mask,
        phrases=[kinds[identity] for identity in sorted(kinds)],
        size=(width, height) if width and height else None,
        size_from="from seqinfo.ini",
        fps=_setting(info, "frameRate", DEFAULT_FPS, source),
    )


def _read_csv(rows: Rows, source: _Source) -> _Dense:
    """Objects are numbers or names; a name is the phrase as well."""
    names = ",".join(CSV_HEADER)
    entries, objects = [], {}
    for where, row in rows[1:]:
        if len(row) != len(CSV_HEADER):
            raise source.error(f"found {len(row)} fields, expected {names}", where)
        frame, *box = _numbers([row[0], *row[2:]], "frame,x1,y1,x2,y2", where, source)
        if frame < 0 or frame != int(frame):
            raise source.error(f"found frame {row[0]}, expected a whole number from 0", where)
        objects[row[1]] = "" if re.fullmatch(r"-?[\d.]*", row[1]) else row[1]
        entries.append((where, int(frame), row[1], _corners(box, False, where, source)))
    boxes, mask = _dense(entries, list(objects), 0, source)
    return _Dense("CSV of corners", boxes, mask, list(objects.values()))


def _dense(
    entries: Sequence[tuple[str, int, Any, list[float]]], objects: Sequence[Any], length: int, source: _Source
) -> tuple[np.ndarray, np.ndarray]:
    """boxes [F, N, 4] and mask [F, N] from entries of where, frame, object and box. `length` is 0 if not known."""
    last = max((frame for _, frame, _, _ in entries), default=-1) + 1
    total = source.frames or length or last
    if not 1 <= total <= MAX_FRAMES or len(objects) > MAX_OBJECTS:
        limits = f"1 to {MAX_FRAMES} frames and up to {MAX_OBJECTS} objects"
        raise source.error(f"has {total} frames and {len(objects)} objects; expected {limits}")
    if last > total:
        raise source.error(
            f"has boxes up to frame {last} of {total}: add {_count(last - total, 'frame')} or cut the file"
        )
    boxes, mask = np.zeros((total, len(objects), 4)), np.zeros((total, len(objects)), bool)
    columns = {name: n for n, name in enumerate(objects)}
    for where, frame, name, box in entries:
        if mask[frame, columns[name]]:
            raise source.error(f"found a second box for object {name!r} in the same frame", where)
        boxes[frame, columns[name]], mask[frame, columns[name]] = box, True
    return boxes, mask


def _read_youtube_vis(content: Mapping[str, Any], source: _Source) -> _Dense:
    """One video of a file with videos[], categories[] and annotations[]; masks are not read."""
    videos, annotations = (_dicts(content, name, source) for name in ("videos", "annotations"))
    categories = {str(entry.get("id")): entry.get("name") for entry in _dicts(content, "categories", source)}
    chosen = _choose_video(videos, source)
    tracks = [entry for entry in annotations if entry.get("video_id") == chosen.get("id")]
    files = chosen.get("file_names")
    length = len(files) if isinstance(files, list) else chosen.get("length")
    if not isinstance(length, int) or not 1 <= length <= MAX_FRAMES or len(tracks) > MAX_OBJECTS:
        limits = f"1 to {MAX_FRAMES} frames and up to {MAX_OBJECTS} objects"
        raise source.error(
            f"video {chosen.get('id')!r} has {length} frames and {len(tracks)} objects; expected {limits}"
        )
    boxes, mask = np.zeros((length, len(tracks), 4)), np.zeros((length, len(tracks)), bool)
    for n, track in enumerate(tracks):
        where = f"annotation {track.get('id')!r}"
        entries = track.get("bboxes")
        if not isinstance(entries, list) or len(entries) != length:
            found = f"{len(entries)} entries" if isinstance(entries, list) else "no list"
            raise source.error(f"found {found} in bboxes, expected {length}, one per frame", where)
        for frame, box in enumerate(entries):
            if box is None:
                continue
            spot = f"{where}, frame {frame}"
            if not isinstance(box, list) or not all(type(value) in (int, float) for value in box):
                raise source.error(f"found {str(box)[:60]}, expected [x, y, w, h] or null", spot)
            numbers = _numbers([str(value) for value in box], "x,y,w,h", spot, source)
            boxes[frame, n], mask[frame, n] = _corners(numbers, True, spot, source), True
    size = (chosen.get("width"), chosen.get("height"))
    return _Dense(
        what=f"YouTube-VIS, video {chosen.get('id')!r}",
        boxes=boxes,
        mask=mask,
        phrases=[str(categories.get(str(track.get("category_id"))) or "") for track in tracks],
        size=size if all(isinstance(side, int) for side in size) else None,
        size_from="from the file",
    )


def _dicts(content: Mapping[str, Any], name: str, source: _Source) -> list[dict[str, Any]]:
    entries = content.get(name, [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise source.error(f"{name} is not a list of JSON objects")
    return entries


def _choose_video(videos: Sequence[dict[str, Any]], source: _Source) -> dict[str, Any]:
    def folder(video: dict[str, Any]) -> str:
        files = video.get("file_names")
        return str(files[0]).rpartition("/")[0] if isinstance(files, list) and files else ""

    wanted = None if source.video is None else str(source.video)
    found = [video for video in videos if wanted is None or wanted in (str(video.get("id")), folder(video))]
    if len(found) != 1:
        names = ", ".join(f"{video.get('id')!r} ({folder(video)!r})" for video in videos[:5])
        asked = "none was chosen" if wanted is None else f"{len(found)} of them are {wanted!r}"
        raise source.error(f"has {len(videos)} videos and {asked}: choose one with video=, as in {names}")
    return found[0]


def _read_json(content: Any, source: _Source) -> tuple[Trajectory, str]:
    try:
        trajectory = parse_trajectory(content)
    except TrajectoryError as error:
        raise source.error(str(error)) from None
    _check_frames(trajectory.frames, source)
    names = _phrases([track.phrase for track in trajectory.objects], source)
    tracks = [replace(track, phrase=name) for track, name in zip(trajectory.objects, names, strict=True)]
    what = f"SMCD trajectory: {_count(len(tracks), 'object')}, {_count(trajectory.frames, 'frame')}"
    return replace(trajectory, objects=tuple(tracks)), what


def _build(dense: _Dense, source: _Source) -> tuple[Trajectory, str]:
    frames, count = dense.mask.shape
    _check_frames(frames, source)
    width, height = dense.size or (source.width, source.height)
    if width is None or height is None:
        raise source.error("boxes are in pixels and the size of the frame is not known: give width and height")
    if not (1 <= width <= MAX_SIDE and 1 <= height <= MAX_SIDE):
        raise source.error(f"the frame has {width}x{height} pixels; expected 1 to {MAX_SIDE} each")
    names = _phrases(dense.phrases, source)
    boxes = dense.boxes / np.tile((width, height), 2)
    try:
        trajectory = trajectory_from_boxes(boxes, dense.mask, width, height, dense.fps, names, source.tolerance)
    except TrajectoryError as error:
        raise source.error(str(error)) from None
    size = f"{width}x{height} pixels {dense.size_from if dense.size else 'as given'}"
    unnamed = "" if all(names) else ", without a phrase" if count == 1 else ", some without a phrase"
    return trajectory, f"{dense.what}: {_count(count, 'object')}{unnamed}, {_count(frames, 'frame')}, {size}"


def _check_frames(frames: int, source: _Source) -> None:
    if source.frames not in (None, frames):
        raise source.error(f"has {frames} frames but frames is {source.frames}: ask for {frames} or change the file")


def _phrases(found: Sequence[str], source: _Source) -> list[str]:
    if source.phrase is None:
        return list(found)
    given = [source.phrase] * len(found) if isinstance(source.phrase, str) else list(source.phrase)
    if len(given) != len(found):
        raise source.error(f"has {len(found)} objects but {len(given)} phrases were given: give one, or one each")
    return given


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _ini(path: Path | None, section: str) -> Mapping[str, str]:
    """One section of an ini file; empty without a file."""
    if path is None:
        return {}
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(_text_of(path))
        return parser[section]
    except (configparser.Error, KeyError) as error:
        raise TrajectoryError(f"{path}: expected [{section}] and lines of name and value: {error}") from None


def _setting(settings: Mapping[str, str], name: str, otherwise: float, source: _Source) -> float:
    """A number of an ini file; a unit after it ("10Hz") is dropped."""
    if name not in settings:
        return otherwise
    number = re.match(r"\d{1,9}(\.\d{1,9})?", settings[name], re.ASCII)
    if not number:
        raise source.error(f"found {name} {settings[name][:40]!r} in the .ini file beside it, expected a number")
    return float(number[0])


def _png_size(path: Path) -> tuple[int, int] | None:
    """(width, height) from the header of a PNG; None for anything else."""
    with path.open("rb") as file:
        head = file.read(24)
    is_png = head[:8] == b"\x89PNG\r\n\x1a\n" and len(head) == 24
    return struct.unpack(">II", head[16:]) if is_png else None
