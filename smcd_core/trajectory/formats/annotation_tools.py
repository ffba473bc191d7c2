"""Tracks with keyframes from annotation tools: CVAT for video 1.1 (XML), Label Studio (JSON).

Both hold keyframes, joined by straight lines, as our documents do: they become a Trajectory key by key.
"""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as xml
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..document import DEFAULT_FPS, MAX_FRAMES, VERSION, Trajectory, parse_trajectory
from .box_file import BoxFile

Record = dict[str, Any]


def read_cvat(file: BoxFile) -> Trajectory:
    """Tracks of "CVAT for video 1.1". A box that is outside hides the object; an occluded one stays visible."""
    if re.search(r"<!(DOCTYPE|ENTITY)", file.text, re.IGNORECASE):
        raise file.error("declares a document type, which the XML of CVAT does not")
    try:
        root = xml.fromstring(file.text)  # noqa: S314 (entities, which may blow it up, are refused above)
    except (xml.ParseError, ValueError, RecursionError) as error:
        raise file.error(f"is not XML: {error}") from None
    if root.tag != "annotations":
        raise file.error(f"XML of <{root.tag[:40]}>, expected <annotations> (CVAT for video 1.1)")
    tracks = root.findall("track")
    if not tracks:
        is_images = root.find("image") is not None
        hint = "it holds images: export as CVAT for video 1.1" if is_images else "no <track> in it has a box"
        raise file.error(f"has no tracks; {hint}")
    sizes = root.findall(".//original_size")
    if len(sizes) > 1:
        raise file.error(f"holds {len(sizes)} tasks: export one of them")
    size = sizes[0] if sizes else None
    if size is None:
        raise file.error("lacks original_size, the size of the image: export the task again as CVAT for video 1.1")
    width, height = (_whole(file, size.findtext(side), side) or 1 for side in ("width", "height"))
    first = _first_frame(file, root)
    objects: list[Record] = []
    for number, track in enumerate(tracks):
        where = f"track {track.get('id', number)}"
        shapes = sorted({child.tag for child in track} - {"box"})
        if shapes:
            raise file.error(f"holds {', '.join(shapes)}, expected boxes", where)
        keys, between = [], []
        for box in track.findall("box"):
            keyframe, outside = (_flag(file, box, name, where) for name in ("keyframe", "outside"))
            key = _cvat_key(file, box, where, first, width, height)
            (keys if keyframe != "0" or outside == "1" else between).append(key)
        if not keys:
            raise file.error("holds no keyframes, expected boxes", where)
        # A track names every frame, or only its keyframes; boxes on the straight lines between need no key.
        keys += _off_the_lines(_sorted(keys), between, (width, height))
        objects.append({"phrase": track.get("label", ""), "keys": _hidden_until_first(_sorted(keys))})
    length = root.findtext(".//task/size") or root.findtext(".//job/size")
    last = max(key["frame"] for track in objects for key in track["keys"])
    frames = max(_whole(file, length, "size") if length else 0, last + 1)
    return _document(file, width, height, frames, DEFAULT_FPS, objects)


def _first_frame(file: BoxFile, root: xml.Element) -> int:
    """Of a job or task that is a part of a longer video, whose frames CVAT numbers as the video does."""
    job, task = (root.findtext(f"meta/{part}/start_frame") for part in ("job", "task"))
    if job:
        return _whole(file, job, "start_frame")
    first = _whole(file, task, "start_frame") if task else 0
    return first if all(_whole(file, box.get("frame"), "frame") >= first for box in root.iter("box")) else 0


def _off_the_lines(keys: Sequence[Record], boxes: Sequence[Record], size: tuple[int, int]) -> list[Record]:
    """Those of the boxes between keyframes that are not where straight lines lead, to a pixel."""
    frames = [key["frame"] for key in keys]
    found = []
    for box in boxes:
        place = bisect_right(frames, box["frame"])
        before, after = keys[max(place - 1, 0)], keys[min(place, len(keys) - 1)]
        if before["frame"] == box["frame"]:
            continue
        share = (box["frame"] - before["frame"]) / max(after["frame"] - before["frame"], 1)
        start, end = np.array(before["box"]), np.array(after["box"])
        apart = np.abs(start + (end - start) * share - box["box"]) * [*size, *size]
        if not before["visible"] or place == 0 or (apart > 1).any():
            found.append(box)
    return found


def _cvat_key(file: BoxFile, box: xml.Element, where: str, first: int, width: int, height: int) -> Record:
    frame = _whole(file, box.get("frame"), "frame", where)
    where = f"{where}, frame {frame}"
    if frame < first:
        raise file.error(f"lies before start_frame {first}", where)
    if file.number(box.get("rotation", "0"), "rotation", where) % 360:
        raise file.error(f"found rotation {box.get('rotation')}, expected an upright box", where)
    names = "xtl,ytl,xbr,ybr"
    values = [file.number(box.get(name, ""), names, where) for name in names.split(",")]
    x1, y1, x2, y2 = file.corners(values, False, where)
    shares = [x1 / width, y1 / height, x2 / width, y2 / height]
    return {"frame": frame - first, "box": shares, "visible": box.get("outside") != "1"}


def _flag(file: BoxFile, box: xml.Element, name: str, where: str) -> str | None:
    value = box.get(name)
    if value not in (None, "0", "1"):
        raise file.error(f"found {name} {value[:20]!r}, expected 0 or 1", f"{where}, frame {box.get('frame', '')[:20]}")
    return value


def _whole(file: BoxFile, text: str | None, name: str, where: str = "") -> int:
    if text is None or not re.fullmatch(r"\d{1,9}", text.strip(), re.ASCII):
        raise file.error(f"found {name} {str(text)[:40]!r}, expected a whole number", where)
    return int(text)


def is_label_studio(content: Any) -> bool:
    """Whether JSON is an export of Label Studio: tasks with annotations or predictions that have results."""
    tasks = content if isinstance(content, list) else [content]
    return bool(tasks) and all(
        isinstance(task, dict)
        and isinstance(task.get("annotations"), list)
        and any(isinstance(entry, dict) and "result" in entry for entry in task["annotations"])
        for task in tasks
    )


def read_label_studio(file: BoxFile, content: Any, size: tuple[int, int], task: int | str | None) -> Trajectory:
    """Video rectangles of one task. Boxes are in percent: `size` of the frame only matters for the editor."""
    tasks = content if isinstance(content, list) else [content]
    chosen = [entry for entry in tasks if task is None or str(entry.get("id")) == str(task)]
    if len(chosen) != 1:
        ids = [entry.get("id") for entry in tasks]
        raise file.choice(f"has {len(tasks)} tasks and {len(chosen)} are meant", "video", ids)
    by_annotation = [
        [result for result in _results(annotation) if result.get("type") == "videorectangle"]
        for annotation in chosen[0]["annotations"]
    ]
    drawn = [results for results in by_annotation if results]
    if not drawn:
        raise file.error("no annotation of the task has video rectangles ('videorectangle')")
    if len(drawn) > 1:
        raise file.error(f"the task was annotated {len(drawn)} times: keep one of the annotations and export it again")
    results = drawn[0]
    objects: list[Record] = []
    boxes: list[list[float]] = []
    frames, fps = 1, DEFAULT_FPS
    for number, result in enumerate(results):
        where, value = f"result {result.get('id', number)!r}", result.get("value")
        if not isinstance(value, Mapping) or not isinstance(value.get("sequence"), list) or not value["sequence"]:
            raise file.error("has no 'sequence' of keyframes", where)
        keys = [_studio_key(file, entry, f"{where}, keyframe {n}") for n, entry in enumerate(value["sequence"])]
        labels = value.get("labels")
        phrase = ", ".join(label for label in labels if isinstance(label, str)) if isinstance(labels, list) else ""
        count, duration = value.get("framesCount"), value.get("duration")
        if isinstance(count, bool) or not isinstance(count, int | float) or not 0 < count < math.inf:
            count = 0
        if count and isinstance(duration, int | float) and duration > 0:
            fps = round(count / duration, 3)
        frames = max(frames, int(count), *(key["frame"] + 1 for key in keys))
        objects.append({"phrase": phrase, "keys": _hidden_until_first(_sorted(keys))})
        boxes += [key["box"] for key in keys]
    file.refuse_shares(100 * np.array(boxes), "Label Studio", "percent")
    return _document(file, *size, frames, fps, objects)


def _results(annotation: Any) -> list[Record]:
    results = annotation.get("result") if isinstance(annotation, dict) else None
    return [entry for entry in results if isinstance(entry, dict)] if isinstance(results, list) else []


def _studio_key(file: BoxFile, entry: Any, where: str) -> Record:
    names = "x,y,width,height"
    box: list[Any] = [entry.get(name) for name in names.split(",")] if isinstance(entry, dict) else [None]
    if not all(type(value) in (int, float) for value in box) or entry.get("rotation") not in (None, 0):
        raise file.error(f"found {str(entry)[:60]}, expected frame, {names} in percent, without a rotation", where)
    frame = entry.get("frame")
    if type(frame) is not int or frame < 1:
        raise file.error(f"found frame {str(frame)[:20]}, expected a whole number from 1", where)
    x1, y1, x2, y2 = file.corners(box, True, where)
    # A keyframe with enabled false is the last one before the object goes.
    key = {"frame": frame - 1, "box": [x1 / 100, y1 / 100, x2 / 100, y2 / 100]}
    return key | {"visible": False} if entry.get("enabled") is False else key


def _sorted(keys: Sequence[Record]) -> list[Record]:
    return sorted(keys, key=lambda key: key["frame"])


def _hidden_until_first(keys: list[Record]) -> list[Record]:
    """Before its first key a track of ours is where that key has it; there it is not yet there."""
    return keys if keys[0]["frame"] == 0 else [{**keys[0], "frame": 0, "visible": False}, *keys]


def _document(file: BoxFile, width: int, height: int, frames: int, fps: float, objects: Sequence[Record]) -> Trajectory:
    if frames > MAX_FRAMES:
        raise file.error(f"has {frames} frames, expected up to {MAX_FRAMES}: export a shorter part of the video")
    head = {"version": VERSION, "width": width, "height": height, "frames": frames, "fps": fps}
    return parse_trajectory({**head, "objects": objects})
