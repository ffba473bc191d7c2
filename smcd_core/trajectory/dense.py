"""Dense boxes: one box per frame and object, as readers find them and the model takes them.

F frames, N objects. A box is xyxy in units of the frame: x / width, y / height. It may leave 0..1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from .document import (
    DEFAULT_FPS,
    DEFAULT_TOLERANCE,
    MAX_FRAMES,
    MAX_SIDE,
    NAMED_EASES,
    Ease,
    Key,
    Trajectory,
    TrajectoryError,
    whole_number,
)
from .path import bend
from .simplify import trajectory_from_boxes

NAMED = 4  # objects, and gaps of each, in one sentence


@dataclass(frozen=True)
class DenseBoxes:
    """The boxes of N objects in each of F frames.

    xyxy       [F, N, 4] in units of the frame; not read where the mask is False
    mask       bool [F, N], True where the object is visible
    phrases    N phrases, "" for an object without one
    strengths  N numbers, how much the boxes of each object count: 0 not at all, 1 as trained. Default: 1 each
    size       (width, height) of the frame in pixels; None where nothing tells it
    fps        frames per second
    """

    xyxy: np.ndarray
    mask: np.ndarray
    phrases: tuple[str, ...]
    strengths: tuple[float, ...] = ()
    size: tuple[int, int] | None = None
    fps: float = DEFAULT_FPS

    def __post_init__(self) -> None:
        shape = (*self.mask.shape, 4)
        if self.mask.ndim != 2 or self.xyxy.shape != shape or len(self.phrases) != self.mask.shape[1]:
            found = f"boxes {list(self.xyxy.shape)}, mask {list(self.mask.shape)}, {len(self.phrases)} phrases"
            raise TrajectoryError(f"{found}: give [F, N, 4], [F, N] and N")
        object.__setattr__(self, "strengths", tuple(self.strengths) or (1.0,) * len(self.phrases))
        if len(self.strengths) != len(self.phrases):
            raise TrajectoryError(f"{len(self.strengths)} strengths for {len(self.phrases)} objects: give one each")

    @property
    def frames(self) -> int:
        return len(self.mask)

    @property
    def weights(self) -> np.ndarray:
        """float32 [F, N]: the strength of each object where it is visible, else 0."""
        return self.mask * np.array(self.strengths, np.float32)

    def clipped(self) -> DenseBoxes:
        """The same boxes as the model takes them, float32: see `clip_boxes`."""
        boxes, mask = clip_boxes(torch.from_numpy(self.xyxy).float(), torch.from_numpy(self.mask))
        return replace(self, xyxy=boxes.numpy(), mask=mask.numpy())

    def at(self, frames: Sequence[int]) -> DenseBoxes:
        """The boxes in some frames; in those past the last one nothing is visible."""
        self._refuse_no_frame()
        frames = np.asarray(frames)
        here = frames.clip(max=self.frames - 1)
        inside = (frames == here)[:, None]
        return replace(self, xyxy=self.xyxy[here], mask=self.mask[here] & inside)

    def resampled(self, num_frames: int) -> DenseBoxes:
        """The boxes at `num_frames` evenly spaced times, first and last frame included, on straight lines between."""
        if num_frames == self.frames:
            return self
        self._refuse_no_frame()
        times = _even_times(self.frames, num_frames)
        here = times.astype(int)
        after = np.minimum(here + 1, self.frames - 1)
        share = (times - here)[:, None, None]
        # An object that is about to vanish rests: its next box may be anything.
        end = np.where(self.mask[after][..., None], self.xyxy[after], self.xyxy[here])
        boxes = self.xyxy[here] + (end - self.xyxy[here]) * share
        return replace(self, xyxy=boxes.astype(self.xyxy.dtype), mask=self.mask[here])

    def _refuse_no_frame(self) -> None:
        if not self.frames:
            raise TrajectoryError("the boxes have no frame: give at least one")

    def to_trajectory(self, tolerance: float = DEFAULT_TOLERANCE) -> Trajectory:
        """Few keys for the editor, with an error of at most `tolerance` in units of the frame.

        Raises TrajectoryError without a size, and for boxes far outside the frame.
        """
        if self.size is None:
            raise TrajectoryError("the size of the frame in pixels is not known: give its width and height")
        if not all(1 <= side <= MAX_SIDE for side in self.size):
            width, height = self.size
            raise TrajectoryError(f"the frame has {width}x{height} pixels; expected 1 to {MAX_SIDE} each")
        trajectory = trajectory_from_boxes(self.xyxy, self.mask, *self.size, self.fps, self.phrases, tolerance)
        objects = zip(trajectory.objects, self.strengths, strict=True)
        return replace(trajectory, objects=tuple(replace(track, strength=strength) for track, strength in objects))


def dense_boxes(boxes: Trajectory | DenseBoxes, num_frames: int | None = None) -> DenseBoxes:
    """The boxes of the enabled objects as the model takes them.

    They are sampled at `num_frames` times (default: one for each frame), float32, clipped to 0..1, and not visible
    where nothing of a box is inside the frame.
    """
    if isinstance(boxes, DenseBoxes):
        return boxes.resampled(num_frames or boxes.frames).clipped()
    return every_box(boxes, num_frames).clipped()


def every_box(trajectory: Trajectory, num_frames: int | None = None) -> DenseBoxes:
    """The same, not clipped: float32."""
    xyxy, mask = (part.numpy() for part in boxes_at(trajectory, num_frames))
    names, size = tuple(phrases(trajectory)), (trajectory.width, trajectory.height)
    return DenseBoxes(xyxy, mask, names, tuple(strengths(trajectory)), size, trajectory.fps)


def of_another_size(boxes: DenseBoxes) -> str:
    """How far boxes reach if they must have been made on a larger image, as most have their centre outside; else ""."""
    xyxy = boxes.xyxy[boxes.mask]
    centres = (xyxy[:, :2] + xyxy[:, 2:]) / 2
    outside = (centres > 1).any(1)  # to the left of the image or above it, no other size would help
    if 2 * outside.sum() <= len(outside) or boxes.size is None:
        return ""
    width, height = boxes.size
    right, bottom = xyxy[:, 2].max() * width, xyxy[:, 3].max() * height
    return (
        f"boxes reach to {right:.0f} x {bottom:.0f}, the image has {width} x {height} pixels: give the size of the "
        "image that they were made on"
    )


def stretched(frames: int, num_frames: int | None) -> list[str]:
    """A sentence if boxes of so many frames are sampled at another number of times."""
    if num_frames in (None, frames):
        return []
    return [f"the boxes have {frames} frames: their motion is stretched over the video's {num_frames}"]


def absences(boxes: DenseBoxes) -> str:
    """In how many frames any box is visible, the frames in which each object is not, and what to do about them."""
    shown = boxes.mask.any(1)
    line = f"boxes are visible in {int(shown.sum())} of {len(shown)} frames"
    absent = [
        f"{phrase[:40] or f'object {number}'} is not visible in {_spans(np.flatnonzero(~seen).tolist())}"
        for number, (phrase, seen) in enumerate(zip(boxes.phrases, boxes.mask.T, strict=True), 1)
        if not seen.all()
    ]
    if not absent:
        return line
    more = f" and {len(absent) - NAMED} more are not visible at times" if len(absent) > NAMED else ""
    return f"{line}; {', '.join(absent[:NAMED])}{more}: give it boxes there if it should move through them"


def _spans(frames: Sequence[int]) -> str:
    """Rising frames in words: frame 3, frames 1-3, 5 and 6."""
    spans: list[list[int]] = []
    for frame in frames:
        if spans and frame == spans[-1][-1] + 1:
            spans[-1] = [spans[-1][0], frame]
        else:
            spans.append([frame])
    words = ["-".join(map(str, span)) for span in spans]
    if len(words) > NAMED:
        words = [*words[:NAMED], f"{len(words) - NAMED} more gaps"]
    listed = " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
    return f"frame {listed}" if len(frames) == 1 else f"frames {listed}"


def really_corners(boxes: DenseBoxes) -> list[str]:
    """A sentence if boxes read as left, top, width and height must be corners: most leave the frame, as corners none.

    An object that the frame cuts off may look so as well.
    """
    xyxy = boxes.xyxy[boxes.mask]
    corners = np.concatenate((xyxy[:, :2], xyxy[:, 2:] - xyxy[:, :2]), 1)
    leave = (xyxy[:, 2:] > 1 + 1e-6).any(1)
    fit = (corners[:, 2:] > corners[:, :2]).all() and (corners[:, :2] >= 0).all() and (corners[:, 2:] <= 1 + 1e-6).all()
    if not fit or 2 * leave.sum() <= len(leave):
        return []
    return [
        f"{leave.sum()} of {len(leave)} boxes leave the image as left, top, width, height, and none as x1, y1, x2, y2: "
        "see that the columns are what they are called"
    ]


def shape_change(size: tuple[int, int], other: tuple[int, int]) -> float:
    """The relative change of the aspect ratio from one (width, height) to another."""
    return abs(other[0] / other[1] * size[1] / size[0] - 1)


def iou(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Intersection over union of boxes [..., 4] with boxes [..., 4]: [...]; 0 where one has no area.

    Source: GOT-10k (Huang et al., 2019), with continuous coordinates.
    """
    overlap = np.minimum(boxes[..., 2:], others[..., 2:]) - np.maximum(boxes[..., :2], others[..., :2])
    inner = overlap.clip(0).prod(-1)
    union = area(boxes) + area(others) - inner
    return np.divide(inner, union, out=np.zeros_like(inner, dtype=np.float64), where=union > 0)


def area(boxes: np.ndarray) -> np.ndarray:
    """Of boxes [..., 4]: [...]."""
    return (boxes[..., 2:] - boxes[..., :2]).clip(0).prod(-1)


def phrases(trajectory: Trajectory) -> list[str]:
    """The phrase of each enabled object, in the order of the N boxes of `boxes_at`."""
    return [track.phrase for track in trajectory.objects if track.enabled]


def prompt_of(phrases: Sequence[str]) -> str:
    """The prompt where none is given: the phrases, each once."""
    return " and ".join(dict.fromkeys(phrases))


def strengths(trajectory: Trajectory) -> list[float]:
    """The strength of each enabled object (0 none, 1 as trained), in the order of the N boxes of `boxes_at`."""
    return [track.strength for track in trajectory.objects if track.enabled]


def boxes_at(
    trajectory: Trajectory, num_frames: int | None = None, dtype: torch.dtype = torch.float32
) -> tuple[Tensor, Tensor]:
    """Sample the box of each enabled object at each frame.

    returns boxes [F, N, 4], xyxy in units of the frame and not clipped, and mask [F, N], True where one is visible.

    A number of frames other than the document's samples evenly spaced times, first and last frame included. A track
    holds its first and last box outside its keys. Where the mask is False the box is where the object would be.
    """
    count = trajectory.frames if num_frames is None else whole_number(num_frames, "num_frames", 1, MAX_FRAMES)
    times = _even_times(trajectory.frames, count)
    size = (trajectory.width, trajectory.height)
    tracks = [sample_track(track.keys, times, size) for track in trajectory.objects if track.enabled]
    boxes = np.stack([boxes for boxes, _ in tracks], 1) if tracks else np.zeros((count, 0, 4))
    mask = np.stack([visible for _, visible in tracks], 1) if tracks else np.zeros((count, 0), bool)
    return torch.from_numpy(boxes).to(dtype), torch.from_numpy(mask)


def _even_times(frames: int, count: int) -> np.ndarray:
    """`count` times from the first to the last of some frames, in frames."""
    return np.arange(count, dtype=np.float64) * (frames - 1) / max(count - 1, 1)


def sample_track(keys: Sequence[Key], times: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """One track at times [F], in frames: boxes [F, 4] in float64 and visibility [F]. `size` of the frame in pixels."""
    frames = np.array([key.frame for key in keys], np.float64)
    boxes = np.array([key.box for key in keys], np.float64)
    here = np.clip(np.searchsorted(frames, times, side="right") - 1, 0, None)
    after = np.minimum(here + 1, len(keys) - 1)
    span = frames[after] - frames[here]
    t = np.clip((times - frames[here]) / np.where(span > 0, span, 1), 0, None)
    eased = _ease([keys[index].ease for index in here], t)[:, None]
    visible = np.array([key.visible for key in keys])
    sampled = boxes[here] + (boxes[after] - boxes[here]) * eased
    handles = np.array([key.handles for key in keys])  # [K, 2, 2]
    curved = np.append(handles[:-1, 1].any(1) | handles[1:, 0].any(1), False)
    for start in np.unique(here[curved[here]]):
        both = [start, start + 1]
        centres = (boxes[both, :2] + boxes[both, 2:]) / 2
        inside = here == start
        sampled[inside] += np.tile(bend(centres, handles[both, [1, 0]], size, eased[inside, 0]), 2)
    return sampled, visible[here]


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
