"""From one box per frame to few keyframes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .document import DEFAULT_TOLERANCE, VERSION, Trajectory, TrajectoryError, check_box, parse_trajectory


def trajectory_from_boxes(
    boxes: Tensor | np.ndarray,
    mask: Tensor | np.ndarray,
    width: int,
    height: int,
    fps: float,
    phrases: Sequence[str],
    tolerance: float = DEFAULT_TOLERANCE,
) -> Trajectory:
    """Turn boxes [F, N, 4] (xyxy in units of the frame) and mask [F, N] into few keys, joined by straight lines.

    `boxes_at` of the result has the same mask, and on visible frames no coordinate is further than `tolerance` (in
    units of the frame) from the input. Boxes where the mask is False are not read.
    Source of the simplification: Ramer (1972), Douglas and Peucker (1973), with the distance measured at equal times.
    """
    boxes, mask = _as_float64(boxes), torch.as_tensor(mask).cpu().numpy().astype(bool)
    if boxes.ndim != 3 or boxes.shape[2] != 4 or mask.shape != boxes.shape[:2]:
        raise TrajectoryError(f"boxes {list(boxes.shape)} and mask {list(mask.shape)}: give [F, N, 4] and [F, N]")
    if len(phrases) != boxes.shape[1]:
        raise TrajectoryError(f"boxes has {boxes.shape[1]} objects but there are {len(phrases)} phrases: give one each")
    if not tolerance >= 0:
        raise TrajectoryError(f"tolerance is {tolerance}: give 0 or more, in units of the frame")
    for frame, n in np.argwhere(mask):
        check_box(boxes[frame, n].tolist(), f"object {n} ({phrases[n]}), frame {frame}")
    document = {"version": VERSION, "width": width, "height": height, "frames": len(boxes), "fps": fps}
    objects = [
        {"phrase": phrase, "keys": _few_keys(boxes[:, n], mask[:, n], tolerance)} for n, phrase in enumerate(phrases)
    ]
    return parse_trajectory({**document, "objects": objects})


def _as_float64(boxes: Tensor | np.ndarray) -> np.ndarray:
    """Float32 values become the shortest decimals that stand for them: 0.1, not 0.10000000149."""
    boxes = torch.as_tensor(boxes).detach().cpu()
    if boxes.dtype == torch.float64:
        return boxes.numpy()
    return boxes.float().numpy().astype(str).astype(np.float64)


def _few_keys(boxes: np.ndarray, visible: np.ndarray, tolerance: float) -> list[dict[str, Any]]:
    """Keys for one object from boxes [F, 4] and visible [F]. A gap is one key with visible false."""
    if not visible.any():
        return [{"frame": 0, "box": [0.0, 0.0, 0.0, 0.0], "visible": False}]
    edges = np.flatnonzero(np.diff(visible)) + 1
    starts = [0, *edges.tolist()]
    ends = [*edges.tolist(), len(visible)]
    keys = []
    for start, end in zip(starts, ends, strict=True):
        if visible[start]:
            kept = start + _simplify(boxes[start:end], tolerance)
            keys += [{"frame": int(frame), "box": boxes[frame].tolist()} for frame in kept]
        else:
            nearest = start - 1 if start > 0 else end
            keys.append({"frame": start, "box": boxes[nearest].tolist(), "visible": False})
    return keys


def _simplify(boxes: np.ndarray, tolerance: float) -> np.ndarray:
    """The indices to keep of boxes [F, 4] so that straight lines between them stay within `tolerance` of the rest."""
    kept = {0, len(boxes) - 1}
    spans = [(0, len(boxes) - 1)]
    while spans:
        first, last = spans.pop()
        if last - first < 2:
            continue
        t = (np.arange(first + 1, last) - first)[:, None] / (last - first)
        line = boxes[first] + (boxes[last] - boxes[first]) * t
        error = np.abs(line - boxes[first + 1 : last]).max(1)
        if error.max() > tolerance:
            split = first + 1 + int(error.argmax())
            kept.add(split)
            spans += [(first, split), (split, last)]
    return np.array(sorted(kept))
