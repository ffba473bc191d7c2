"""Boxes as the nodes of another model see them: on the picture that they crop, at the length of their video.

ComfyUI's nodes for Wan cut the sides off a start image (`comfy.utils.common_upscale` with crop "center") and read all
points in pixels of what is left. Boxes drawn on the whole picture have to follow.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from ..trajectory.dense import DenseBoxes, boxes_at, phrases, shape_change, strengths
from ..trajectory.document import MAX_FRAMES, MAX_SIDE, Trajectory, TrajectoryError, whole_number

MAX_STRETCH = 0.05  # relative change of the aspect ratio that nobody sees
LEAST_CUT = 0.01  # share of a box that is worth a word
NAMED = 3  # objects in one remark


@dataclass(frozen=True)
class Grid:
    """Sizes that a model takes: 1 + a multiple of `frames`, multiples of `side` in pixels, and `fps`."""

    name: str
    frames: int
    side: int
    fps: int


WAN = Grid("Wan", 4, 16, 16)
LTX = Grid("LTX", 8, 64, 24)


def fit(boxes: Trajectory | DenseBoxes, width: int, height: int, length: int, crop: bool = True) -> DenseBoxes:
    """The boxes of a video of `length` frames with width x height pixels, in units of its frame and float64.

    crop  cut the sides off to the aspect ratio of the target, around the centre and in whole pixels as ComfyUI does;
          False stretches the picture

    Frames are sampled at evenly spaced times, first and last one included. Boxes are not clipped; one that an
    overshooting ease turned inside out is not visible. Disabled objects are left out. Raises TrajectoryError for a
    target that is out of range, and for a crop of boxes without a size.
    """
    whole_number(length, "length", 1, MAX_FRAMES)
    whole_number(width, "width", 1, MAX_SIDE)
    whole_number(height, "height", 1, MAX_SIDE)
    dense = _sampled(boxes, length)
    xyxy = np.asarray(dense.xyxy, np.float64)
    if crop:
        size = size_of(dense)
        left, top, kept_w, kept_h = crop_of(*size, width, height)
        xyxy = (xyxy * [*size, *size] - [left, top, left, top]) / [kept_w, kept_h, kept_w, kept_h]
    upright = (xyxy[..., 2:] > xyxy[..., :2]).all(-1)
    return replace(dense, xyxy=xyxy, mask=dense.mask & upright, size=(width, height))


def crop_of(picture_width: int, picture_height: int, width: int, height: int) -> tuple[int, int, int, int]:
    """left, top, width and height in pixels of what the host keeps of a picture for a video of width x height.

    Raises TrajectoryError if the picture is too narrow to leave a pixel.
    """
    left = top = 0
    old, new = picture_width / picture_height, width / height
    if old > new:
        left = round((picture_width - picture_width * (new / old)) / 2)
    elif old < new:
        top = round((picture_height - picture_height * (old / new)) / 2)
    kept_w, kept_h = picture_width - 2 * left, picture_height - 2 * top
    if kept_w < 1 or kept_h < 1:
        raise TrajectoryError(
            f"nothing is left of a picture of {picture_width} x {picture_height} pixels cropped to {width} x {height}: "
            "stretch it, or choose a target nearer to its shape"
        )
    return left, top, kept_w, kept_h


def is_like(size: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether two sizes (width, height) have one shape, as far as people see."""
    return shape_change(size, other) <= MAX_STRETCH


def of_another_shape(drawn_on: tuple[int, int], picture: tuple[int, int]) -> list[str]:
    """A sentence if boxes lie on a picture of another shape than the one that they were drawn on."""
    if is_like(drawn_on, picture):
        return []
    (w, h), (width, height) = drawn_on, picture
    return [
        f"the boxes are stretched to the image: see that they lie on its objects. They are for {w} x {h} pixels, "
        f"another shape than its {width} x {height}"
    ]


def cut_off(boxes: DenseBoxes, picture: tuple[int, int]) -> list[str]:
    """A sentence if the crop cuts into objects, with the frame in which it takes most of each.

    boxes    from `fit`, cropped
    picture  width and height before the crop
    """
    left, top, kept_w, kept_h = crop_of(*picture, *size_of(boxes))
    beyond = np.array([left / kept_w, top / kept_h])
    whole, kept = (_areas(boxes.xyxy, low, high) for low, high in ((-beyond, 1 + beyond), (0, 1)))
    lost = np.where(boxes.mask & (whole > 0), 1 - kept / whole.clip(np.finfo(float).tiny), 0)  # [F, N]
    cut = np.flatnonzero(lost.max(0) > LEAST_CUT)
    if not len(cut):
        return []
    parts = [
        f"{100 * lost[:, n].max():.0f} % of object {n + 1} ({boxes.phrases[n][:40]}) in frame {lost[:, n].argmax()}"
        for n in cut[:NAMED]
    ]
    parts += [f"parts of {len(cut) - NAMED} more"] if len(cut) > NAMED else []
    return [
        f"the crop cuts off {', '.join(parts)}: choose a size nearer to the image's shape, or stretch it. What is left "
        f"is the middle {kept_w} x {kept_h} of its {picture[0]} x {picture[1]} pixels"
    ]


def crop_cuts(
    boxes: Trajectory | DenseBoxes, picture: tuple[int, int], size: tuple[int, int], num_frames: int
) -> list[str]:
    """`cut_off` for boxes of the whole picture, which is to be cropped to `size`."""
    return cut_off(fit(boxes, *size, num_frames), picture)


def told(boxes: DenseBoxes, drawn_on: tuple[int, int], picture: tuple[int, int], crop: bool) -> list[str]:
    """The result of `fit` in words, and a sentence for each thing that users may not expect.

    drawn_on  size of the picture that the boxes were drawn on
    picture   size of the picture that they are used on
    """
    count, (width, height) = len(boxes.phrases), size_of(boxes)
    objects, frames = _plural(count, "object"), _plural(boxes.frames, "frame")
    what = f"{objects}, {frames} of {width} x {height} pixels"
    kept = crop_of(*picture, width, height)[2:] if crop else picture
    cut = cut_off(boxes, picture) if crop else []
    if kept != picture and not cut:
        what += f", the middle {kept[0]} x {kept[1]} of the image's {picture[0]} x {picture[1]}"
    return [what, *of_another_shape(drawn_on, picture), *cut]


def pixels(boxes: DenseBoxes) -> np.ndarray:
    """float64 [F, N, 4]: boxes from `fit`, xyxy in pixels of the target."""
    width, height = size_of(boxes)
    return boxes.xyxy * [width, height, width, height]


def covered(start: Tensor, end: Tensor, count: int) -> Tensor:
    """The share of each of `count` cells in a row that lies between two places [...] in cells: [..., count]."""
    cells = torch.arange(count)
    return (torch.minimum(end[..., None], cells + 1) - torch.maximum(start[..., None], cells)).clamp(0, 1)


def nearest_length(length: int, frames: int) -> int:
    """The length nearest to it that is 1 + a multiple of `frames`."""
    return min(round((length - 1) / frames), (MAX_FRAMES - 1) // frames) * frames + 1


def on_grid(width: int, height: int, length: int, grid: Grid) -> tuple[int, int, int]:
    """The nearest width, height and length that the model takes."""
    across, down = (max(1, round(side / grid.side)) * grid.side for side in (width, height))
    return across, down, nearest_length(length, grid.frames)


def off_grid(width: int, height: int, length: int, grid: Grid) -> list[str]:
    """A sentence for the length and for each side that the model does not take, with the nearest that it does."""
    *sides, nearest = on_grid(width, height, length, grid)
    found = []
    if nearest != length:
        found.append(f"length is {length}: {grid.name} makes {grid.frames}n + 1 frames, the nearest is {nearest}")
    for name, side, nearest in zip(("width", "height"), (width, height), sides, strict=True):
        if nearest != side:
            found.append(f"{name} is {side}: {grid.name} takes multiples of {grid.side}, the nearest is {nearest}")
    return found


def _plural(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def _areas(xyxy: np.ndarray, low: ArrayLike, high: ArrayLike) -> np.ndarray:
    """[F, N]: of the part of each box that lies between two corners."""
    return (xyxy[..., 2:].clip(low, high) - xyxy[..., :2].clip(low, high)).clip(0).prod(-1)


def size_of(boxes: DenseBoxes) -> tuple[int, int]:
    if boxes.size is None:
        raise TrajectoryError("the size of the picture in pixels is not known: give its width and height")
    return boxes.size


def _sampled(boxes: Trajectory | DenseBoxes, length: int) -> DenseBoxes:
    if isinstance(boxes, DenseBoxes):
        return boxes.resampled(length)
    xyxy, mask = boxes_at(boxes, length, torch.float64)
    size = (boxes.width, boxes.height)
    return DenseBoxes(xyxy.numpy(), mask.numpy(), tuple(phrases(boxes)), tuple(strengths(boxes)), size, boxes.fps)
