"""Boxes from the values that node graphs pass around.

| value                                            | size of the frame | objects over time                          |
|--------------------------------------------------|-------------------|--------------------------------------------|
| our document, as a dict or as JSON text          | not needed        | as written                                 |
| {x, y, width, height, label?}, or w and h        | in pixels         | one, resting                               |
| list of those                                    | in pixels         | one each, resting                          |
| list of such lists, one for each frame           | in pixels         | joined by id, else by label and nearness   |
| {track_path [F, N, 2], track_visibility [F, N]}  | in pixels         | a square around each point                 |
| points {x, y}: a list, or a list for each point  | in pixels         | a square around each point                 |
| {predictions: [...], image?} of Roboflow          | image, or pixels  | one each, resting; x, y are the centre     |
| masks [F, H, W], or a list of them               | the mask's        | one each: the box around what is set       |

Text is JSON of any of these but masks.
"""

from __future__ import annotations

import itertools
import json
import re
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from numbers import Real
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .dense import DenseBoxes, of_another_size, phrases
from .document import (
    DEFAULT_FPS,
    MAX_TEXT,
    Trajectory,
    TrajectoryError,
    parse_trajectory,
    plain_scalar,
    unique_keys,
)
from .formats.headers import ABSENCE, FRAME_NAMES, plain
from .identity import ids_of, joined_by_id, joined_by_nearness, keys_of
from .masks import masks_as_boxes
from .rows import BY_FRAME, MAX_PIXELS, all_are_shares, check_counts

EXPECTED = (
    "expected a trajectory, boxes {x, y, width, height}, tracks, masks, or JSON text of the first three. As "
    f"{BY_FRAME}"
)
MASKS_ARE = ". The masks of a batch are the frames of one object"
NOT_PIXELS = "which are shares of the picture, not pixels: multiply them by its width and height"
BOX_KEYS = ({"x", "y", "width", "height"}, {"x", "y", "w", "h"})
# Which tell a keyframe of an annotation tool from a box, as `plain` writes them.
KEYFRAMES = {name for name in FRAME_NAMES if name.startswith("frame")} | {"time", "timestamp"}
LANDMARK_KEYS = {"z", "visibility", "visible", "presence"}  # which points of splines and trackers lack
TURNS = {"rotation", "angle"}
BOX_SIDES = {"width", "height", "w", "h"}
POINT_SIZE = 0.2  # of the shorter side: a square around a tracked point

_Found = tuple[str, DenseBoxes]
_Size = tuple[int, int]


def trajectory_from_value(
    value: Any,
    *,
    width: int,
    height: int,
    frames: int,
    fps: float = DEFAULT_FPS,
    phrase: str = "",
    point_size: float = POINT_SIZE,
    tolerance: float = 1e-6,
) -> tuple[Trajectory, str]:
    """Read any value of the table above. Returns the trajectory and what was recognised.

    width, height  of the frame in pixels, which boxes in pixels refer to; a size in the value wins
    frames         for boxes that rest
    phrase         one line for all objects, or a line for each; wins over labels in the value
    point_size     side of the square around a point, as a share of the frame's shorter side
    tolerance      how far simplification to few keys may move a coordinate, in units of the frame

    Raises TrajectoryError.
    """
    if isinstance(value, str):
        value = _json(value)
    if isinstance(value, Mapping) and "objects" in value:
        drawn = parse_trajectory(with_phrases(value) if phrase.strip() else value)
        trajectory = _named(drawn, phrase)
        instead = replaced([track.phrase for track in drawn.objects], [track.phrase for track in trajectory.objects])
        return trajectory, f"SMCD trajectory: {len(trajectory.objects)} objects{instead}, {trajectory.frames} frames"
    what, boxes = boxes_from_value(value, width, height, point_size)
    if boxes.frames == 1:
        boxes = boxes.resampled(frames)
    names = tuple(_lines(phrase, len(boxes.phrases), MASKS_ARE if _masks_in(value) else "") or boxes.phrases)
    instead = replaced(boxes.phrases, names)
    size = boxes.size or (width, height)
    boxes = replace(boxes, phrases=names, size=size, fps=fps)
    found = f"{what}: {len(names)} objects{instead}, {boxes.frames} frames of {size[0]} x {size[1]} pixels"
    if size != (width, height):
        found += f", the size that comes with the boxes, not {width} x {height}"
    return boxes.to_trajectory(tolerance), found


def boxes_from_value(value: Any, width: int, height: int, point_size: float = POINT_SIZE) -> tuple[str, DenseBoxes]:
    """Read any value of the table above but a document: what it is, and its boxes, in one frame if they rest.

    width, height  of the frame in pixels, unless the value names a size, which the boxes then have
    """
    what, boxes = _read_value(value, (width, height), point_size)
    if not boxes.mask.any():
        raise TrajectoryError(f"found {what} without any box: nothing to animate")
    return what, boxes


def with_phrases(document: Any) -> Any:
    """A document with an empty phrase wherever an object lacks one, for phrases that are given beside it."""
    objects = document.get("objects") if isinstance(document, Mapping) else None
    if not isinstance(objects, Sequence) or isinstance(objects, str):
        return document
    return {**document, "objects": [{"phrase": "", **one} if isinstance(one, Mapping) else one for one in objects]}


def replaced(before: Sequence[str], after: Sequence[str]) -> str:
    """A remark on the phrases of a file or value that others were given for, "" if there were none."""
    lost = [repr(old[:40]) for old, new in zip(before, after, strict=True) if old.strip() and old != new]
    more = " and others" if len(lost) > 3 else ""
    return f" (the given phrase replaces {', '.join(lost[:3])}{more})" if lost else ""


def _json(text: str) -> Any:
    if len(text) > MAX_TEXT:
        raise TrajectoryError(f"the text has {len(text)} characters, the limit is {MAX_TEXT}")
    if not text.strip():
        raise TrajectoryError(f"the text is empty: {EXPECTED}")
    try:
        return json.loads(text, object_pairs_hook=unique_keys)
    except TrajectoryError:
        raise
    except (ValueError, RecursionError) as error:
        raise TrajectoryError(f"the text is not JSON ({error}): {EXPECTED}") from None


def _named(trajectory: Trajectory, phrase: str) -> Trajectory:
    """The trajectory with one phrase for all enabled objects, or a line for each."""
    names = iter(_lines(phrase, len(phrases(trajectory))))
    objects = [
        replace(track, phrase=next(names, track.phrase)) if track.enabled else track for track in trajectory.objects
    ]
    return replace(trajectory, objects=tuple(objects))


def _lines(text: str, count: int, note: str = "") -> list[str]:
    """One phrase for each object; none if the text is empty. `note` ends the error of another number."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if len(lines) == 1:
        return lines * count
    if lines and len(lines) != count:
        raise TrajectoryError(
            f"there are {count} objects but {len(lines)} phrases: give one line, or a line for each{note}"
        )
    return lines


def _read_value(value: Any, size: _Size, point_size: float) -> _Found:
    if masks := _masks_in(value):
        return masks_as_boxes(masks, size)
    if isinstance(value, Mapping):
        if "track_path" in value:
            return _tracks(value, size, point_size)
        if isinstance(value.get("predictions"), Sequence) and not isinstance(value["predictions"], str):
            named = image_size(value)
            what, boxes = _read_value(value["predictions"], named or size, point_size)
            return what, replace(boxes, size=named)
        if _is_box(value):
            return _per_frame([[value]], size, "a bounding box")
        raise TrajectoryError(f"found an object with {_names(value)}: {EXPECTED}")
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise TrajectoryError(f"found {_kind(value)}: {EXPECTED}")
    if len(value) == 0:
        raise TrajectoryError(
            f"found an empty list: {EXPECTED}. If it comes from a detector, nothing was found: lower its threshold"
        )
    if all(isinstance(item, str) for item in value):
        return _texts(value, size, point_size)
    if all(isinstance(item, Mapping) for item in value):
        if all(map(_is_box, value)):
            return _per_frame([value], size, "bounding boxes")
        if all(map(_is_point, value)):
            return _points([value], size, point_size)
        raise TrajectoryError(f"found a list of objects with {_names(value[0])}: {EXPECTED}")
    if all(isinstance(item, Sequence) and not isinstance(item, str) for item in value):
        inner = list(itertools.chain.from_iterable(value))
        if all(map(_is_box, inner)):
            return _per_frame(value, size, "bounding boxes for each frame")
        if all(map(_is_point, inner)):
            return _points(value, size, point_size)
        if all(isinstance(item, Real | list | tuple) for item in inner):
            raise TrajectoryError(
                "found lists of bare numbers, which may be x1, y1, x2, y2 or x, y, width, height: give "
                f"{{x, y, width, height}}, and {BY_FRAME}"
            )
        other = next(item for item in inner if not _is_box(item))
        found = f"objects with {_names(other)}" if isinstance(other, Mapping) else _kind(other)
        raise TrajectoryError(f"found lists of {found}: {EXPECTED}")
    for n, item in enumerate(value):
        if item is None:
            raise TrajectoryError(f"entry {n} of the list is null: give [] for a frame without boxes")
    kinds = list(dict.fromkeys(map(_kind, value)))
    raise TrajectoryError(f"found a list of {' and '.join(kinds[:3])}: {EXPECTED}")


def _masks_in(value: Any) -> Sequence[Tensor] | None:
    """The masks of each object, if a value is masks."""
    if isinstance(value, Tensor):
        return [value]
    is_list = isinstance(value, Sequence) and not isinstance(value, str) and len(value) > 0
    return value if is_list and all(isinstance(item, Tensor) for item in value) else None


def _kind(value: Any) -> str:
    shape = f" {list(value.shape)}" if isinstance(value, Tensor | np.ndarray) else ""
    return f"{type(value).__name__}{shape}"


def _is_box(item: Any) -> bool:
    return isinstance(item, Mapping) and any(item.keys() >= keys for keys in BOX_KEYS)


def _is_point(item: Any) -> bool:
    return isinstance(item, Mapping) and item.keys() >= {"x", "y"} and not item.keys() & BOX_SIDES


def _texts(texts: Sequence[str], size: _Size, point_size: float) -> _Found:
    """A list of texts with one track of points each, as several spline editors give it."""
    tracks = [_json(text) for text in texts]
    if all(isinstance(track, list) and track and all(map(_is_point, track)) for track in tracks):
        return _points(tracks, size, point_size)
    if len(tracks) == 1:
        return _read_value(tracks[0], size, point_size)
    raise TrajectoryError("found a list of texts: each must be a list of points {x, y}")


def image_size(value: Any) -> _Size | None:
    """(width, height) of the image that a detector names with its predictions, None without."""
    image = value.get("image") if isinstance(value, Mapping) and "predictions" in value else None
    sides = [str(image.get(side)) for side in ("width", "height")] if isinstance(image, Mapping) else []
    if not sides or not all(re.fullmatch(r"[1-9]\d{0,5}", side, re.ASCII) for side in sides):  # as numbers or as text
        return None
    return int(sides[0]), int(sides[1])


def _names(value: Mapping) -> str:
    return f"keys {', '.join(map(repr, list(value)[:6]))}" if value else "no keys"


def _number(value: Any, where: str) -> float:
    value = plain_scalar(value)
    # A comparison with NaN is false, so NaN is refused here too.
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    if not is_number or not abs(value) <= MAX_PIXELS:
        raise TrajectoryError(f"{where} is {reprlib.repr(value)}: give a finite number, of up to {MAX_PIXELS} pixels")
    return float(value)


def _per_frame(frames: Sequence[Sequence[Mapping]], size: tuple[int, int], what: str) -> _Found:
    """Boxes of each frame, joined to objects by their ids, else by label and nearness."""
    check_counts(len(frames), max(map(len, frames)))
    frames = _present(frames)
    _refuse_frame_numbers(frames)
    corners = [
        [_xyxy(item, f"frame {frame}, box {n}") for n, item in enumerate(items)] for frame, items in enumerate(frames)
    ]
    if all_are_shares(np.array([box for boxes in corners for box in boxes])):
        raise TrajectoryError(f"all numbers of {what} are 0 to 1, {NOT_PIXELS}")
    width, height = size
    shares = [[[x1 / width, y1 / height, x2 / width, y2 / height] for x1, y1, x2, y2 in items] for items in corners]
    labels = [[_label(item) for item in items] for items in frames]
    if known := ids_of(frames):
        places, names, remarks = joined_by_id(known[1], labels)
        joined = [f"joined by {known[0]}"] if len(frames) > 1 else []
        what = "; ".join((", ".join((what, *joined)), *remarks))
    else:
        places, names = joined_by_nearness(shares, labels)
    boxes, mask = np.zeros((len(frames), len(names), 4)), np.zeros((len(frames), len(names)), bool)
    for frame, here in enumerate(places):
        for n, box in zip(here, shares[frame], strict=True):
            boxes[frame, n], mask[frame, n] = box, True
    found = DenseBoxes(boxes, mask, tuple(names))
    if problem := of_another_size(replace(found, size=size)):
        raise TrajectoryError(problem)
    return what, found


def _present(frames: Sequence[Sequence[Mapping]]) -> list[list[Mapping]]:
    """Without the boxes that stand for an absent object: of zeros, of -1, or with a key such as lost or visible."""
    told = {key: ABSENCE[plain(key)] for key in keys_of(frames) if plain(key) in ABSENCE}

    def is_absent(item: Mapping, where: str) -> bool:
        says = [_truth(item.get(key), f"{where}: {key}") is absent for key, absent in told.items()]
        return any(says) or _side_values(item) in ({0}, {-1})

    return [
        [item for n, item in enumerate(items) if not is_absent(item, f"frame {frame}, box {n}")]
        for frame, items in enumerate(frames)
    ]


def _truth(value: Any, where: str) -> bool | None:
    value = plain_scalar(value)
    if value is None:
        return None
    if not isinstance(value, Real) or value not in (0, 1):
        raise TrajectoryError(f"{where} is {reprlib.repr(value)}: give true or false")
    return bool(value)


def _refuse_frame_numbers(frames: Sequence[Sequence[Mapping]]) -> None:
    """Refuse keyframes of annotation tools, and one list of boxes that are of several frames."""
    keys = keys_of(frames)
    numbers = {key for key in keys if plain(key) in KEYFRAMES}
    pictures = {key for key in keys if plain(key) in FRAME_NAMES} - numbers
    for frame, items in enumerate(frames):
        for n, item in enumerate(items):
            if item.keys() & numbers:
                raise TrajectoryError(
                    f"frame {frame}, box {n} has a frame number: these are keyframes of an annotation tool. Give a "
                    "list of boxes for each frame, or the export of CVAT or Label Studio as a file"
                )
    for key in sorted(pictures):
        if len(frames) == 1 and len({str(item.get(key)) for item in frames[0]}) > 1:
            raise TrajectoryError(
                f"one list holds boxes with different {key}, as of several frames: give a list of boxes for each frame"
            )


def _label(item: Mapping) -> str:
    """The name of a box: detectors write `label` or `class`, ComfyUI's own editor `metadata.desc`."""
    metadata = item.get("metadata")
    described = metadata.get("desc") if isinstance(metadata, Mapping) else None
    found = [item.get(name) for name in ("label", "class_name", "class")]
    return next((name for name in [found[0], described, *found[1:]] if name and isinstance(name, str)), "")


def _sides(item: Mapping) -> tuple[str, ...]:
    return ("x", "y", "width", "height") if "width" in item else ("x", "y", "w", "h")


def _side_values(item: Mapping) -> set[Any]:
    values = [plain_scalar(item.get(key)) for key in _sides(item)]
    return set(values) if all(isinstance(value, Real) for value in values) else set()


def _xyxy(item: Mapping, where: str) -> list[float]:
    """x1, y1, x2, y2 in pixels."""
    for key in TURNS & item.keys():
        if item[key] not in (None, 0):
            raise TrajectoryError(f"{where}: {key} is {str(item[key])[:20]}, expected an upright box")
    x, y, width, height = (_number(item[key], f"{where}: {key}") for key in _sides(item))
    if width < 0 or height < 0:
        raise TrajectoryError(f"{where} is {width:g} x {height:g} pixels: give 0 or more")
    if "confidence" in item and item.keys() & {"class", "class_id"}:  # Roboflow: x and y are the centre
        x, y = x - width / 2, y - height / 2
    return [x, y, x + width, y + height]


def _points(tracks: Sequence[Sequence[Mapping]], size: tuple[int, int], point_size: float) -> _Found:
    lengths = sorted({len(track) for track in tracks})
    if len(lengths) != 1:
        raise TrajectoryError(f"tracks have {lengths[0]} to {lengths[-1]} points: give all the same number")
    check_counts(lengths[0], len(tracks))
    numbers = {key for key in keys_of(tracks) if plain(key) in KEYFRAMES}
    for n, track in enumerate(tracks):
        for f, point in enumerate(track):
            if numbers & point.keys():
                raise TrajectoryError(
                    f"track {n}, point {f} has a frame number, as keyframes have: give one point for each frame"
                )
            if found := sorted(LANDMARK_KEYS & point.keys()):
                raise TrajectoryError(
                    f"track {n}, point {f} has {found[0]!r}, as landmarks of a body have: give points {{x, y}}, one "
                    "list for each point that is followed, with its place in each frame"
                )
    points = [
        [
            [_number(point[axis], f"track {n}, point {f}: {axis}") for axis in ("x", "y")]
            for f, point in enumerate(track)
        ]
        for n, track in enumerate(tracks)
    ]
    points = np.array(points).transpose(1, 0, 2)  # [F, N, 2]
    if _are_shares(points):
        points = points * size
    return _around(points, np.ones(points.shape[:2], bool), size, point_size)


def _are_shares(points: np.ndarray) -> bool:
    """Whether points [..., 2] are in shares of the frame: in pixels they would lie in one corner."""
    has_fractions = bool((points != points.round()).any())
    return has_fractions and bool((points >= 0).all() and (points <= 1).all())


def _tracks(value: Mapping, size: tuple[int, int], point_size: float) -> _Found:
    path = _array(value["track_path"], "track_path")
    if path.ndim != 3 or path.shape[2] != 2:
        raise TrajectoryError(f"track_path is {list(path.shape)}: expected [frames, tracks, 2]")
    check_counts(*path.shape[:2])
    mask = track_visibility(value, path.shape[:2])
    if not np.isfinite(path[mask]).all():
        raise TrajectoryError("a visible point of track_path is NaN or infinite: repair the tracks")
    if _are_shares(path[mask]):
        raise TrajectoryError(f"all points of track_path are 0 to 1, {NOT_PIXELS}")
    return _around(path, mask, size, point_size)


def track_visibility(tracks: Mapping, shape: tuple[int, int]) -> np.ndarray:
    """Whether each point of TRACKS is visible, bool [F, N] of `shape`. Without track_visibility all are."""
    if tracks.get("track_visibility") is None:
        return np.ones(shape, bool)
    visible = _array(tracks["track_visibility"], "track_visibility")
    if visible.ndim != 2 or visible.shape[0] != shape[0] or visible.shape[1] not in (1, shape[1]):
        raise TrajectoryError(f"track_visibility is {list(visible.shape)}, expected {list(shape)}")
    other = visible[(visible != 0) & (visible != 1)]
    if other.size:
        raise TrajectoryError(
            f"track_visibility holds {other[0]:g}, expected 0 or 1: choose from which number on a point counts as "
            "visible, and compare with it"
        )
    return np.broadcast_to(visible != 0, shape).copy()  # some nodes give one column for all


def _array(value: Any, name: str) -> np.ndarray:
    """float64, from a tensor on any device or from nested lists of numbers"""
    try:
        return torch.as_tensor(value).detach().cpu().double().numpy()  # in this order: Apple's GPUs have no float64
    except (TypeError, ValueError, RuntimeError, OverflowError):
        raise TrajectoryError(f"{name} is {reprlib.repr(value)}: give a tensor, or lists of numbers") from None


def _around(points: np.ndarray, mask: np.ndarray, size: tuple[int, int], point_size: float) -> _Found:
    """Squares with sides of `point_size` * the shorter side around points [F, N, 2] in pixels."""
    half = point_size * min(size) / 2
    boxes = np.concatenate([points - half, points + half], -1) / np.tile(size, 2)
    return "point tracks", DenseBoxes(boxes, mask, ("",) * points.shape[1])
