"""Boxes from the values that node graphs pass around: one reader, which says what it recognised.

| value                                            | size of the frame | objects over time                          |
|--------------------------------------------------|-------------------|--------------------------------------------|
| our document, as a dict or as JSON text          | not needed        | as written                                 |
| {x, y, width, height, label?}                    | in pixels         | one, resting                               |
| list of those                                    | in pixels         | one each, resting                          |
| list of such lists, one for each frame           | in pixels         | joined by label, then by nearness          |
| {track_path [F, N, 2], track_visibility [F, N]}  | in pixels         | a square around each point                 |
| points {x, y}: a list, or a list of lists        | in pixels         | a square around each point                 |
| masks [F, H, W], or a list of them               | the mask's        | one each: the box around what is set       |

Text is JSON of any of these but masks.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .dense import boxes_at, phrases
from .document import DEFAULT_FPS, MAX_FRAMES, MAX_OBJECTS, MAX_TEXT, Trajectory, TrajectoryError, parse_trajectory
from .simplify import trajectory_from_boxes

EXPECTED = "expected a trajectory, boxes {x, y, width, height}, tracks, masks, or JSON text of the first three"
BOX_KEYS = {"x", "y", "width", "height"}
POINT_SIZE = 0.2  # of the shorter side: a square around a tracked point
MAX_PIXELS = 10**6  # of a coordinate, which may lie outside the frame


@dataclass(frozen=True)
class _Found:
    """boxes [F, N, 4] xyxy in units of the frame, mask [F, N]; F is 1 for boxes that rest."""

    what: str
    boxes: np.ndarray
    mask: np.ndarray
    phrases: Sequence[str]


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

    width, height  of the frame in pixels, which boxes in pixels refer to
    frames         for boxes that rest
    phrase         one line for all objects, or a line for each; wins over labels in the value
    point_size     side of the square around a point, as a share of the frame's shorter side
    tolerance      how far simplification to few keys may move a coordinate, in units of the frame

    Raises TrajectoryError.
    """
    if isinstance(value, str):
        value = _json(value)
    if isinstance(value, Mapping) and "objects" in value:
        trajectory = parse_trajectory(value)
        return _named(
            trajectory, phrase
        ), f"SMCD trajectory: {len(trajectory.objects)} objects, {trajectory.frames} frames"
    found = _recognise(value, width, height, point_size)
    boxes, mask = found.boxes, found.mask
    if not mask.any():
        raise TrajectoryError(f"found {found.what} without any box: nothing to animate")
    if len(boxes) == 1:
        boxes, mask = (np.repeat(array, frames, axis=0) for array in (boxes, mask))
    names = _lines(phrase, len(found.phrases)) or found.phrases
    trajectory = trajectory_from_boxes(boxes, mask, width, height, fps, names, tolerance)
    return trajectory, f"{found.what}: {len(names)} objects, {len(boxes)} frames of {width} x {height} pixels"


def fingerprint(value: Any) -> str:
    """Tells values of the table above apart: equal values, equal text of 16 characters."""
    digest = hashlib.sha256()
    _feed(digest, value)
    return digest.hexdigest()[:16]


def _feed(digest, value: Any) -> None:
    if isinstance(value, Mapping):
        digest.update(b"{")
        for key in sorted(value, key=str):
            _feed(digest, [str(key), value[key]])
    elif isinstance(value, Tensor | np.ndarray):
        array = torch.as_tensor(value).detach().cpu()
        digest.update(f"{list(array.shape)}".encode())
        digest.update(array.double().numpy().tobytes())
    elif isinstance(value, Sequence) and not isinstance(value, str):
        digest.update(b"[")
        for item in value:
            _feed(digest, item)
        digest.update(b"]")
    else:
        digest.update(repr(value).encode())


def _json(text: str) -> Any:
    if len(text) > MAX_TEXT:
        raise TrajectoryError(f"the text has {len(text)} characters, the limit is {MAX_TEXT}")
    if not text.strip():
        raise TrajectoryError(f"the text is empty: {EXPECTED}")
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise TrajectoryError(f"the text is not JSON ({error}): {EXPECTED}") from None


def _named(trajectory: Trajectory, phrase: str) -> Trajectory:
    names = _lines(phrase, len(phrases(trajectory)))
    if not names:
        return trajectory
    document = trajectory.to_dict()
    for track, name in zip((track for track in document["objects"] if track["enabled"]), names):
        track["phrase"] = name
    return parse_trajectory(document)


def _lines(text: str, count: int) -> list[str]:
    """One phrase for each object; none if the text is empty."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if len(lines) == 1:
        return lines * count
    if lines and len(lines) != count:
        raise TrajectoryError(f"there are {count} objects but {len(lines)} phrases: give one line, or a line for each")
    return lines


def _recognise(value: Any, width: int, height: int, point_size: float) -> _Found:
    size = (width, height)
    if isinstance(value, Tensor):
        return _masks([value])
    if isinstance(value, Mapping):
        if "track_path" in value:
            return _tracks(value, size, point_size)
        if value.keys() >= BOX_KEYS:
            return _per_frame([[value]], size, "a bounding box")
        raise TrajectoryError(f"found an object with {_names(value)}: {EXPECTED}")
    if not isinstance(value, Sequence):
        raise TrajectoryError(f"found {type(value).__name__}: {EXPECTED}")
    if len(value) == 0:
        raise TrajectoryError(f"found an empty list: {EXPECTED}")
    if all(isinstance(item, Tensor) for item in value):
        return _masks(value)
    if all(isinstance(item, Mapping) for item in value):
        if all(item.keys() >= BOX_KEYS for item in value):
            return _per_frame([value], size, "bounding boxes")
        if all(item.keys() >= {"x", "y"} for item in value):
            return _points([value], size, point_size)
        raise TrajectoryError(f"found a list of objects with {_names(value[0])}: {EXPECTED}")
    if all(isinstance(item, Sequence) and not isinstance(item, str) for item in value):
        inner = list(itertools.chain.from_iterable(value))
        if all(isinstance(item, Mapping) and item.keys() >= BOX_KEYS for item in inner):
            return _per_frame(value, size, "bounding boxes for each frame")
        if all(isinstance(item, Mapping) and item.keys() >= {"x", "y"} for item in inner):
            return _points(value, size, point_size)
        if inner and not any(isinstance(item, Mapping) for item in inner):
            raise TrajectoryError(
                "found lists of bare numbers, which may be x1, y1, x2, y2 or x, y, width, height: give "
                "{x, y, width, height}"
            )
    raise TrajectoryError(f"found a list of {type(value[0]).__name__}: {EXPECTED}")


def _names(value: Mapping) -> str:
    return f"keys {', '.join(map(repr, list(value)[:6]))}" if value else "no keys"


def _number(value: Any, where: str) -> float:
    # A comparison with NaN is false, so NaN is refused here too.
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) <= MAX_PIXELS:
        raise TrajectoryError(f"{where} is {reprlib.repr(value)}: give a finite number, of up to {MAX_PIXELS} pixels")
    return float(value)


def _check_counts(frames: int, objects: int) -> None:
    """Asked before the work: some of it takes the square of the number of objects."""
    if frames > MAX_FRAMES or objects > MAX_OBJECTS:
        raise TrajectoryError(
            f"found {frames} frames and {objects} objects: give up to {MAX_FRAMES} frames and {MAX_OBJECTS} objects"
        )


def _per_frame(frames: Sequence[Sequence[Mapping]], size: tuple[int, int], what: str) -> _Found:
    """Boxes without identity: those of one label are joined to the nearest of the frames before."""
    _check_counts(len(frames), max(map(len, frames)))
    tracks: list[dict[int, list[float]]] = []
    labels: list[str] = []
    for frame, items in enumerate(frames):
        boxes = [_xyxy(item, size, f"frame {frame}, box {n}") for n, item in enumerate(items)]
        names = [_label(item) for item in items]
        distances = _distances([list(track.values())[-1] for track in tracks], boxes)  # [T, N]
        distances[np.array(labels, object)[:, None] != np.array(names, object)] = np.inf
        left = set(range(len(boxes)))
        while distances.size and np.isfinite(distances.min()):
            t, n = divmod(int(distances.argmin()), len(boxes))
            tracks[t][frame] = boxes[n]
            left.remove(n)
            distances[t], distances[:, n] = np.inf, np.inf
        for n in sorted(left):
            tracks.append({frame: boxes[n]})
            labels.append(names[n])
        _check_counts(len(frames), len(tracks))
    boxes, mask = np.zeros((len(frames), len(tracks), 4)), np.zeros((len(frames), len(tracks)), bool)
    for t, track in enumerate(tracks):
        for frame, box in track.items():
            boxes[frame, t], mask[frame, t] = box, True
    return _Found(what, boxes, mask, labels)


def _label(item: Mapping) -> str:
    """What detectors call `label` and the host's own editor `metadata.desc`."""
    metadata = item.get("metadata")
    if isinstance(metadata, Mapping):
        return str(item.get("label") or metadata.get("desc") or "")
    return str(item.get("label") or "")


def _xyxy(item: Mapping, size: tuple[int, int], where: str) -> list[float]:
    x, y, width, height = (_number(item[key], f"{where}: {key}") for key in ("x", "y", "width", "height"))
    if width < 0 or height < 0:
        raise TrajectoryError(f"{where} is {width:g} x {height:g} pixels: give 0 or more")
    return [x / size[0], y / size[1], (x + width) / size[0], (y + height) / size[1]]


def _distances(left: Sequence[Sequence[float]], right: Sequence[Sequence[float]]) -> np.ndarray:
    """Between the middles of all boxes of both, [len(left), len(right)]; twice that, which is as good to compare."""
    a, b = (np.array(boxes, np.float64).reshape(-1, 4) for boxes in (left, right))
    apart = (a[:, None, :2] + a[:, None, 2:]) - (b[None, :, :2] + b[None, :, 2:])  # [T, N, 2]
    return np.hypot(apart[..., 0], apart[..., 1])


def _points(tracks: Sequence[Sequence[Mapping]], size: tuple[int, int], point_size: float) -> _Found:
    lengths = sorted({len(track) for track in tracks})
    if len(lengths) != 1:
        raise TrajectoryError(f"tracks have {lengths[0]} to {lengths[-1]} points: give all the same number")
    _check_counts(lengths[0], len(tracks))
    points = [
        [
            [_number(point[axis], f"track {n}, point {f}: {axis}") for axis in ("x", "y")]
            for f, point in enumerate(track)
        ]
        for n, track in enumerate(tracks)
    ]
    points = np.array(points).transpose(1, 0, 2)  # [F, N, 2]
    return _around(points, np.ones(points.shape[:2], bool), size, point_size)


def _tracks(value: Mapping, size: tuple[int, int], point_size: float) -> _Found:
    path = _array(value["track_path"], "track_path")
    if path.ndim != 3 or path.shape[2] != 2:
        raise TrajectoryError(f"track_path is {list(path.shape)}: expected [frames, tracks, 2]")
    visible = value.get("track_visibility")
    visible = np.ones(path.shape[:2]) if visible is None else _array(visible, "track_visibility")
    if visible.ndim != 2 or visible.shape[0] != len(path) or visible.shape[1] not in (1, path.shape[1]):
        raise TrajectoryError(f"track_visibility is {list(visible.shape)}, expected {list(path.shape[:2])}")
    _check_counts(*path.shape[:2])
    mask = np.broadcast_to(visible != 0, path.shape[:2]).copy()  # some nodes give one column for all
    if not np.isfinite(path[mask]).all():
        raise TrajectoryError("a visible point of track_path is NaN or infinite: repair the tracks")
    return _around(path, mask, size, point_size)


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
    return _Found("point tracks", boxes, mask, [""] * points.shape[1])


def _masks(masks: Sequence[Tensor]) -> _Found:
    """Each [F, H, W] is one object."""
    for n, mask in enumerate(masks):
        if mask.ndim != 3 or mask.shape[0] != masks[0].shape[0]:
            found = list(mask.shape)
            raise TrajectoryError(
                f"mask {n} is {found}: expected [{masks[0].shape[0]}, height, width] as the first one"
            )
    _check_counts(len(masks[0]), len(masks))
    boxes, visible = zip(*map(_mask_boxes, masks))
    return _Found("masks", np.stack(boxes, 1), np.stack(visible, 1), [""] * len(masks))


def _mask_boxes(mask: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """mask [F, H, W], set where above 0.5: boxes [F, 4] in units of the frame, visibility [F]"""
    inside = (mask > 0.5).cpu().numpy()
    columns, rows = inside.any(1), inside.any(2)  # [F, W], [F, H]
    low_x, low_y = columns.argmax(1), rows.argmax(1)
    high_x, high_y = columns.shape[1] - columns[:, ::-1].argmax(1), rows.shape[1] - rows[:, ::-1].argmax(1)
    scale = np.array([columns.shape[1], rows.shape[1]] * 2)
    return np.stack([low_x, low_y, high_x, high_y], 1) / scale, inside.any((1, 2))


def bounding_boxes(trajectory: Trajectory) -> list[list[dict[str, Any]]]:
    """The host's BOUNDING_BOX: for each frame the boxes of the visible objects in pixels, cut at the frame's sides."""
    boxes, mask = boxes_at(trajectory, dtype=torch.float64)
    names = phrases(trajectory)
    size = torch.tensor([trajectory.width, trajectory.height] * 2)
    corners = (boxes.clamp(0, 1) * size).round().long().tolist()
    frames = []
    for f, row in enumerate(corners):
        frame = []
        for n, (x1, y1, x2, y2) in enumerate(row):
            if mask[f, n] and x2 > x1 and y2 > y1:
                frame.append({"x": x1, "y": y1, "width": x2 - x1, "height": y2 - y1, "label": names[n]})
        frames.append(frame)
    return frames


def point_tracks(trajectory: Trajectory) -> dict[str, Tensor]:
    """The host's TRACKS: the middle of each box in pixels, float32 [F, N, 2], and visibility [F, N]."""
    boxes, mask = boxes_at(trajectory)
    middles = (boxes[..., :2] + boxes[..., 2:]) / 2 * torch.tensor([trajectory.width, trajectory.height])
    return {"track_path": middles, "track_visibility": mask}


def coordinates(trajectory: Trajectory) -> str:
    """The middles as JSON text, a list of {x, y} in pixels for each object, as KJNodes writes several splines."""
    path = point_tracks(trajectory)["track_path"].round().int()
    return json.dumps([[{"x": x, "y": y} for x, y in track] for track in path.transpose(0, 1).tolist()])
