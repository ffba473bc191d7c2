"""Point tracks for Wan-Move and ATI: a grid of points in each box, so that a box that grows zooms in.

Both models move what the first frame shows: Wan-Move copies cells of 8 x 8 pixels of it along each track, ATI spreads
what is at the start of a track around where it goes. Sources: ali-vilab/Wan-Move, bytedance/ATI, and their nodes in
ComfyUI, WanMoveTrackToVideo and WanTrackToVideo.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..errors import SMCDError
from ..trajectory.dense import DenseBoxes
from ..trajectory.document import TrajectoryError
from .fit import WAN, nearest_length, off_grid, pixels

CELL = 8  # pixels that Wan-Move copies as one
WAN_MOVE_SPACING = 16.0  # pixels; Wan's transformer takes 2 x 2 cells as one token
# Of the short side. Halfway between two points a track has half its strength: exp(-220 d^2), d in half short sides.
ATI_SPACING = 27 / 480
ATI_POINTS = 121
MAX_PER_SIDE = 32
MAX_POSITIONS = 4_000_000  # points times frames: about 100 MB as text


@dataclass(frozen=True)
class PointTracks:
    """P points that start inside the first frame, on what they are to move.

    path     float64 [F, P, 2], x and y in pixels, in hundredths
    visible  bool [F, P]; False where the object is hidden or a later one covers the point
    of       int [P], the object of each point by its number from 0; -1 for an anchor
    size     width and height of the frame in pixels
    """

    path: np.ndarray
    visible: np.ndarray
    of: np.ndarray
    size: tuple[int, int]


def point_tracks(
    boxes: DenseBoxes, points: int = 0, anchors: int = 0, spacing: float = WAN_MOVE_SPACING
) -> PointTracks:
    """Points at even places of each box, and anchors that rest.

    boxes    from `fit`; a later object is in front of an earlier one
    points   in each box, across and down; 0 takes as many as `spacing` needs
    anchors  in the frame, across and down, where no box ever passes
    spacing  pixels between points where a box is largest, at most

    A point that is hidden, covered or outside in the first frame is left out: models would copy something else along
    its track. Raises SMCDError for more points than a model can use.
    """
    xyxy, (width, height) = pixels(boxes), boxes.size or (0, 0)
    found = []
    for n in range(len(boxes.phrases)):
        seen = boxes.mask[:, n]
        if not seen[0]:
            continue
        largest = (xyxy[seen, n, 2:] - xyxy[seen, n, :2]).max(0)
        across, down = (points or min(MAX_PER_SIDE, max(1, math.ceil(side / spacing))) for side in largest)
        if boxes.frames * across * down * len(boxes.phrases) > MAX_POSITIONS:
            raise SMCDError(
                f"{across} x {down} points in {len(boxes.phrases)} objects over {boxes.frames} frames are too many: "
                "lower points or length"
            )
        share = np.stack(np.meshgrid(*map(_middles, (across, down))), -1).reshape(-1, 2)
        box = xyxy[:, n, None]
        path = (box[..., :2] + share * (box[..., 2:] - box[..., :2])).round(2)
        visible = seen[:, None] & ~_inside(path, xyxy[:, n + 1 :], boxes.mask[:, n + 1 :])
        start = path[0]
        kept = visible[0] & (start >= 0).all(-1) & (start[:, 0] < width) & (start[:, 1] < height)
        found.append((path[:, kept], visible[:, kept], np.full(kept.sum(), n)))
    rest = np.stack(np.meshgrid(*map(_middles, (anchors, anchors))), -1).reshape(1, -1, 2) * [width, height]
    margin = np.array([-CELL, -CELL, CELL, CELL])
    free = ~_inside(np.broadcast_to(rest, (boxes.frames, *rest.shape[1:])), xyxy + margin, boxes.mask).any(0)
    still = np.broadcast_to(rest[:, free], (boxes.frames, free.sum(), 2)).round(2)
    found.append((still, np.ones(still.shape[:2], bool), np.full(free.sum(), -1)))
    path, visible, of = (np.concatenate(parts, -1 if n == 2 else 1) for n, parts in enumerate(zip(*found, strict=True)))
    return PointTracks(path, visible, of, (width, height))


def left_out(boxes: DenseBoxes, tracks: PointTracks) -> list[str]:
    """A sentence for each object none of whose points the first frame shows, with the reason."""
    return [
        f"object {n + 1} of {len(boxes.phrases)} ({boxes.phrases[n][:40]}) is left out: in frame 0 it is "
        + ("outside the frame or behind others" if boxes.mask[0, n] else "hidden")
        + ", and the model moves what frame 0 shows: show it there, or disable it"
        for n in range(len(boxes.phrases))
        if not (tracks.of == n).any()
    ]


def counted(boxes: DenseBoxes, tracks: PointTracks, lines: Sequence[str] = ()) -> str:
    """How many points and anchors there are. Raises TrajectoryError, with `lines` as reasons, if nothing moves."""
    moving = tracks.of[tracks.of >= 0]
    if not len(moving):
        raise TrajectoryError(
            "no object is visible and inside the frame in frame 0, so there is nothing to move: "
            + ("; ".join([*lines, *left_out(boxes, tracks)]) or "draw a box or enable one")
        )
    objects, anchors = f"{len(set(moving))} of {len(boxes.phrases)} objects", len(tracks.of) - len(moving)
    return f"{len(moving)} points in {objects}, {anchors} anchors"


def as_tracks(tracks: PointTracks) -> dict[str, Tensor]:
    """ComfyUI's TRACKS: track_path float32 [F, P, 2] in pixels and track_visibility bool [F, P].

    Of points that meet in one cell only one stays visible, that of the object in front: Wan-Move would choose by
    chance. The first frame is left as it is, as that is where points copy from.
    """
    visible = tracks.visible.copy()
    cells = np.floor(tracks.path / CELL).astype(np.int64)
    order = np.argsort(-tracks.of, kind="stable")
    for f in range(1, len(visible)):
        here = order[visible[f, order]]
        _, first = np.unique(cells[f, here], axis=0, return_index=True)
        visible[f] = False
        visible[f, here[first]] = True
    return {"track_path": torch.from_numpy(tracks.path).float(), "track_visibility": torch.from_numpy(visible)}


def as_coordinates(tracks: PointTracks) -> str:
    """JSON text, a list of {x, y} in pixels for each point. The format knows no hidden points: they lie far outside."""
    return _json(np.where(tracks.visible[..., None], tracks.path, _far(tracks)))


def as_ati(tracks: PointTracks) -> str:
    """JSON text of 121 {x, y} for each point, of which WanTrackToVideo reads the position at each frame.

    It averages the four frames of a latent frame. Where a point is hidden in some, it keeps the mean of the others;
    where in all, it lies far outside, which moves nothing. Exact for 5 to 117 frames, see `ati_index`. Raises SMCDError
    for a length that the node cannot take.
    """
    frames, count = tracks.visible.shape
    if reason := ati_refusal(frames):
        raise SMCDError(reason)
    groups = (frames - 1) // 4
    shown = tracks.visible[1:].reshape(groups, 4, count, 1)
    steps = tracks.path[1:].reshape(groups, 4, count, 2)
    means = (steps * shown).sum(1, keepdims=True) / shown.sum(1, keepdims=True).clip(1)
    path = np.concatenate([tracks.path[:1], np.where(shown, steps, means).reshape(frames - 1, count, 2)])
    moves = np.concatenate([tracks.visible[:1], np.repeat(shown.any(1)[..., 0], 4, axis=0)])[..., None]
    index = ati_index(frames)
    points = np.empty((ATI_POINTS, count, 2))
    for point in range(ATI_POINTS):
        read = index == point
        if read.any():
            known = (path[read] * moves[read]).sum(0) / moves[read].sum(0).clip(1)
            points[point] = np.where(moves[read].any(0), known, _far(tracks))
        else:
            points[point] = points[point - 1]
    return _json(points)


def ati_index(length: int) -> np.ndarray:
    """int [F]: which of the 121 points WanTrackToVideo reads at each frame; from 125 frames on, some serve several."""
    steps = length - 1
    common = math.gcd(120, steps)
    a, b = 120 // common, steps // common
    return np.array([0, *(1 + (1 + a * step) // b for step in range(steps))])


def ati_refusal(length: int) -> str | None:
    """Why WanTrackToVideo cannot make a video of this length; None if it can."""
    if wrong := off_grid(16, 16, length, WAN):
        return wrong[0]
    if length < 5:
        return f"length is {length}: ATI needs 5 frames or more"
    if (length - 1) % 120 == 0:
        return (
            f"length is {length}: WanTrackToVideo stops at 121, 241 and so on, as it divides 120 points among "
            f"{length - 1} frames and loses one; use {length - 4} or {length + 4}"
        )
    return None


def nearest_for_ati(length: int) -> int:
    """The nearest length that WanTrackToVideo can make, the shorter one of two."""
    nearest = max(5, nearest_length(length, WAN.frames))
    return nearest - WAN.frames if ati_refusal(nearest) else nearest


def _middles(count: int) -> np.ndarray:
    return (np.arange(count) + 0.5) / max(count, 1)


def _inside(points: np.ndarray, boxes: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """bool [F, P]: which points [F, P, 2] lie in one of the boxes [F, N, 4], where mask [F, N]."""
    found = np.zeros(points.shape[:2], bool)
    for n in range(boxes.shape[1]):
        box = boxes[:, n, None]
        found |= ((points >= box[..., :2]) & (points < box[..., 2:])).all(-1) & mask[:, n, None]
    return found


def _far(tracks: PointTracks) -> np.ndarray:
    """A place so far outside that the mean of it and three inside is outside too."""
    return -10.0 * np.array(tracks.size)


def _json(points: np.ndarray) -> str:
    """points [T, P, 2]"""
    return json.dumps([[{"x": x, "y": y} for x, y in track] for track in points.round(2).swapaxes(0, 1).tolist()])
