"""The trajectory frame by frame: one box per frame and enabled object.

F frames, N enabled objects. A box is xyxy in units of the frame: x / width, y / height. It may leave 0..1.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from .document import MAX_FRAMES, NAMED_EASES, Ease, Key, Trajectory, TrajectoryError, whole_number


def phrases(trajectory: Trajectory) -> list[str]:
    """The phrase of each enabled object, in the order of the N boxes of `boxes_at`."""
    return [track.phrase for track in trajectory.objects if track.enabled]


def strengths(trajectory: Trajectory) -> list[float]:
    """The strength of each enabled object (0 none, 1 as trained), in the order of the N boxes of `boxes_at`."""
    return [track.strength for track in trajectory.objects if track.enabled]


def boxes_at(
    trajectory: Trajectory, num_frames: int | None = None, dtype: torch.dtype = torch.float32
) -> tuple[Tensor, Tensor]:
    """Where each enabled object is at each frame: boxes [F, N, 4], xyxy in units of the frame and not clipped, and
    mask [F, N], True where it is visible.

    A number of frames other than the document's samples evenly spaced times, first and last frame included. A track
    holds its first and last box outside its keys. Where the mask is False the box is where the object would be.
    """
    last = trajectory.frames - 1
    count = trajectory.frames if num_frames is None else whole_number(num_frames, "num_frames", 1, MAX_FRAMES)
    times = np.arange(count, dtype=np.float64) * last / max(count - 1, 1)
    tracks = [sample_track(track.keys, times) for track in trajectory.objects if track.enabled]
    boxes = np.stack([boxes for boxes, _ in tracks], 1) if tracks else np.zeros((count, 0, 4))
    mask = np.stack([visible for _, visible in tracks], 1) if tracks else np.zeros((count, 0), bool)
    return torch.from_numpy(boxes).to(dtype), torch.from_numpy(mask)


def sample_track(keys: Sequence[Key], times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One track at times [F], in frames: boxes [F, 4] in float64 and visibility [F]."""
    frames = np.array([key.frame for key in keys], np.float64)
    boxes = np.array([key.box for key in keys], np.float64)
    here = np.clip(np.searchsorted(frames, times, side="right") - 1, 0, None)
    after = np.minimum(here + 1, len(keys) - 1)
    span = frames[after] - frames[here]
    t = np.clip((times - frames[here]) / np.where(span > 0, span, 1), 0, None)
    eased = _ease([keys[index].ease for index in here], t)[:, None]
    visible = np.array([key.visible for key in keys])
    return boxes[here] + (boxes[after] - boxes[here]) * eased, visible[here]


def _ease(eases: Sequence[Ease], t: np.ndarray) -> np.ndarray:
    """Progress along each segment at time t [F] of it, both 0 at its start and 1 at its end.

    Both languages halve the same interval with the same polynomial in float64, and so agree to the last bits even where
    the curve is vertical; a search that stops at a residual would not.
    """
    linear, hold = (np.array([ease == name for ease in eases]) for name in ("linear", "hold"))
    curve = np.array([ease if isinstance(ease, tuple) else NAMED_EASES.get(ease, (0, 0, 1, 1)) for ease in eases])
    x1, y1, x2, y2 = curve.T
    low, high = np.zeros_like(t), np.ones_like(t)
    for _ in range(64):
        middle = (low + high) / 2
        before = _bezier(x1, x2, middle) < t
        low, high = np.where(before, middle, low), np.where(before, high, middle)
    eased = np.where(linear, t, _bezier(y1, y2, (low + high) / 2))
    return np.where(hold | (t == 0), 0.0, eased)


def _bezier(a: np.ndarray, b: np.ndarray, u: np.ndarray) -> np.ndarray:
    """One coordinate of the cubic Bezier curve through 0, a, b, 1."""
    return ((1 - 3 * b + 3 * a) * u + (3 * b - 6 * a)) * u * u + 3 * a * u


def clip_boxes(boxes: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Prepare raw boxes [..., 4] and mask [...] for the model: xyxy in 0..1.

    A box that is off the frame, or has no area left inside it, or that an overshooting ease turned inside out, becomes
    mask False. Boxes are 0 where the mask is False. Raises TrajectoryError if a visible box is NaN or infinite.
    """
    if boxes.shape != (*mask.shape, 4):
        raise TrajectoryError(f"boxes {list(boxes.shape)} and mask {list(mask.shape)}: give [..., 4] and [...]")
    mask = mask.bool()
    if not boxes[mask].isfinite().all():
        raise TrajectoryError("a visible box is NaN or infinite: repair the boxes before clipping them")
    x1, y1, x2, y2 = boxes.clamp(0, 1).unbind(-1)
    mask = mask & (x2 > x1) & (y2 > y1)
    return torch.where(mask[..., None], torch.stack((x1, y1, x2, y2), -1), 0), mask
