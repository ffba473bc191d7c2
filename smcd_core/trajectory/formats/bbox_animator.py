"""Projects of BBox-Animator, the box editor for LTX-2.5 (yuvraj108c/ComfyUI-LTX-BBox-Animator), version 2.

    {"version": 2, "style_prompt", "scene_prompt", "objects": [{"id", "name", "prompt", "strength", "enabled",
     "start_frame", "end_frame", "color", "keyframes": [{"frame", "box": [x1, y1, x2, y2]}]}], ...}

Boxes are in pixels of a frame whose size the file does not tell, joined by straight lines. An object is there from
start_frame to end_frame.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from ..dense import every_box, of_another_size
from ..document import DEFAULT_FPS, MAX_FRAMES, MAX_STRENGTH, VERSION, Trajectory, parse_trajectory
from .box_file import BoxFile, BoxFileError

BACKGROUND = ("bg_image_base64",)  # a picture as text, which nothing here reads


def is_bbox_animator(content: Any) -> bool:
    """Whether JSON is a project: objects with keyframes, where a trajectory of ours has keys."""
    objects = content.get("objects") if isinstance(content, dict) else None
    return isinstance(objects, list) and any(isinstance(entry, dict) and "keyframes" in entry for entry in objects)


def read_bbox_animator(file: BoxFile, content: Any, size: tuple[int, int], frames: int | None) -> Trajectory:
    """The objects of a project. Without `frames` the video ends where the last object does.

    Strengths reach from 0 to 5 there; here those above 2 become 2.
    """
    width, height = size
    entries = content.get("objects") if isinstance(content, dict) else None
    if not isinstance(entries, list) or not entries:
        raise file.error("has no objects; expected a project of BBox-Animator")
    spans = [_span(file, entry, f"object {number}") for number, entry in enumerate(entries, 1)]
    length = frames or max(last for _, last in spans) + 1
    objects = []
    for number, (entry, (first, last)) in enumerate(zip(entries, spans, strict=True), 1):
        times, boxes = _keyframes(file, entry, f"object {number}")
        last = min(last, length - 1)
        if last < first:
            raise file.error(f"starts at frame {first} of {length}: ask for more frames", f"object {number}")
        inner = times[(times > first) & (times < last)].tolist()
        keys = []
        for frame in sorted({first, *inner, last}):
            box = [np.interp(frame, times, boxes[:, axis]) for axis in range(4)]
            keys.append({"frame": int(frame), "box": (np.array(box) / [width, height, width, height]).tolist()})
        if first > 0:
            keys.insert(0, {**keys[0], "frame": 0, "visible": False})
        if last < length - 1:
            keys.append({**keys[-1], "frame": last + 1, "visible": False})
        objects.append({"phrase": entry.get("prompt", ""), "keys": keys, **_look(file, entry, number)})
    head = {"version": VERSION, "width": width, "height": height, "frames": length, "fps": DEFAULT_FPS}
    trajectory = parse_trajectory({**head, "objects": objects})
    boxes = every_box(trajectory)
    file.refuse_shares(boxes.xyxy[boxes.mask] * [width, height, width, height], "BBox-Animator")
    if problem := of_another_size(boxes):
        raise BoxFileError(file.path, problem, option="size")
    return trajectory


def _span(file: BoxFile, entry: Any, where: str) -> tuple[int, int]:
    """First and last frame of an object."""
    times, _ = _keyframes(file, entry, where)
    first = _frame(file, entry.get("start_frame", 0), where)
    last = _frame(file, entry.get("end_frame", int(times.max())), where)
    if last < first:
        raise file.error(f"found end_frame {last} before start_frame {first}", where)
    return first, last


def _keyframes(file: BoxFile, entry: Any, where: str) -> tuple[np.ndarray, np.ndarray]:
    """Frames [K], rising, and boxes [K, 4] in pixels; corners may come in any order."""
    keyframes = entry.get("keyframes") if isinstance(entry, dict) else None
    if not isinstance(keyframes, list) or not keyframes or not all(isinstance(key, dict) for key in keyframes):
        raise file.error("has no keyframes; expected a list of frame and box", where)
    found = {}
    for key in keyframes:
        frame = _frame(file, key.get("frame"), where)
        place, box = f"{where}, frame {frame}", key.get("box")
        if not isinstance(box, list) or len(box) != 4 or not all(type(value) in (int, float) for value in box):
            raise file.error(f"found box {str(box)[:60]}, expected [x1, y1, x2, y2] in pixels", place)
        (x1, x2), (y1, y2) = sorted(box[::2]), sorted(box[1::2])
        found[frame] = file.corners([x1, y1, x2, y2], False, place)
    frames = sorted(found)
    return np.array(frames), np.array([found[frame] for frame in frames], np.float64)


def _frame(file: BoxFile, value: Any, where: str) -> int:
    if type(value) not in (int, float) or not 0 <= value < MAX_FRAMES or value != int(value):
        raise file.error(f"found frame {str(value)[:20]}, expected a whole number from 0 to {MAX_FRAMES - 1}", where)
    return int(value)


def _look(file: BoxFile, entry: dict[str, Any], number: int) -> dict[str, Any]:
    """The strength and colour of an object, and whether it is enabled."""
    strength, color = entry.get("strength", 1), entry.get("color")
    if type(strength) not in (int, float) or not strength >= 0:
        raise file.error(f"found strength {str(strength)[:20]}, expected a number from 0", f"object {number}")
    look = {"strength": min(strength, MAX_STRENGTH), "enabled": entry.get("enabled") is not False}
    return look | ({"color": color} if isinstance(color, str) and re.fullmatch("#[0-9a-fA-F]{6}", color) else {})
