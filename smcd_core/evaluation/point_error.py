"""End-point error of point tracks: how far points of a video are from where they were asked to be.

F frames, P points. A tracker such as CoTracker3 starts at the asked points of frame 0 and follows them in the video.

Source: MoveBench (Wan-Move, 2025); points that move apart from those that rest as in hao-ai-lab/FastVideo.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import SMCDError
from ..trajectory.formats.arrays import mapped_array
from .metrics import mean_of

MOVING = 0.01  # diagonals of the frame from its start, from which a point counts as moving
POINT_SUFFIXES = (".json", ".npy")


@dataclass(frozen=True)
class PointPaths:
    """Points in pixels of the same frame.

    asked  [F, P, 2], x and y; a point outside the frame is not visible and does not count
    found  [F, P, 2], NaN where the tracker lost a point
    size   width and height of the frame
    """

    asked: np.ndarray
    found: np.ndarray
    size: tuple[int, int]


def point_error(points: PointPaths) -> dict[str, Any]:
    """Mean distance in pixels between found and asked points, over those that are asked for inside the frame.

    epe         mean over all points and frames
    epe_moving  over points that are asked to leave their place; resting ones are easy and hide the others
    epe_still   over the others
    epe_frames  F values, NaN for a frame without a point
    epe_found   share of the asked points that were found
    points, points_moving, points_still, points_asked   what each is a mean over
    """
    asked, found = points.asked, points.found
    inside = ((asked >= 0) & (asked < points.size)).all(-1)
    counted = inside & np.isfinite(found).all(-1)
    error = np.where(counted, np.linalg.norm(found - asked, axis=-1), np.nan)
    far = np.where(inside, np.linalg.norm(asked - asked[:1], axis=-1), 0).max(0) > MOVING * math.hypot(*points.size)
    scores: dict[str, Any] = {"epe_frames": [mean_of(row[seen]) for row, seen in zip(error, counted, strict=True)]}
    for end, chosen in (("", counted), ("_moving", counted & far), ("_still", counted & ~far)):
        scores |= {f"epe{end}": mean_of(error[chosen]), f"points{end}": int(chosen.sum())}
    return scores | {"epe_found": mean_of(counted[inside]), "points_asked": int(inside.sum())}


def read_points(path: Path) -> np.ndarray:
    """[F, P, 2] from .npy of that shape, or from JSON with a list of {x, y} for each point, as SMCD Tracks writes it.

    Raises SMCDError.
    """
    try:
        if path.suffix == ".npy":
            points = mapped_array(path)
        else:
            tracks = json.loads(path.read_text(encoding="utf-8"))
            points = np.array([[(point["x"], point["y"]) for point in track] for track in tracks], float).swapaxes(0, 1)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise SMCDError(f"{path}: holds no points ({error}); expected a list of {{x, y}} for each point") from None
    if points.ndim != 3 or points.shape[2] != 2 or points.dtype.kind not in "fiu":
        raise SMCDError(f"{path}: has the shape {list(points.shape)}, expected [frames, points, 2] numbers")
    return points.astype(np.float64)
