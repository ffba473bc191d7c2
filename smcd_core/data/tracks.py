"""Boxes of a whole video, packed, and the part of them that a clip needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .samples import SampleError

MAX_PIXELS = 10**6  # of a coordinate, which may lie outside the frame


@dataclass(frozen=True)
class Tracks:
    """K boxes of the objects of one video.

    frames      int [K], from 0
    objects     int [K], places in `phrases`
    boxes_xyxy  float32 [K, 4], units of the frame, not clipped
    phrases     of all objects, in the order of the file
    """

    frames: np.ndarray
    objects: np.ndarray
    boxes_xyxy: np.ndarray
    phrases: tuple[str, ...]

    def at(self, frames: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """boxes float32 [F, N, 4], clipped to the frame, and mask bool [F, N], of all objects in some frames."""
        frames = np.asarray(frames)
        boxes = np.zeros((len(frames), len(self.phrases), 4), np.float32)
        places = np.searchsorted(frames, self.frames).clip(max=len(frames) - 1)  # frames rise
        inside = frames[places] == self.frames
        boxes[places[inside], self.objects[inside]] = self.boxes_xyxy[inside]
        return clip_to_frame(boxes)


NO_TRACKS = Tracks(np.zeros(0, int), np.zeros(0, int), np.zeros((0, 4), np.float32), ())


def clip_to_frame(boxes_xyxy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Boxes [..., 4] clipped to 0..1, zero where nothing is left of them, and the mask [...] that says where."""
    boxes = boxes_xyxy.clip(0, 1).astype(np.float32)
    mask = (boxes[..., 2:] > boxes[..., :2]).all(-1)
    return boxes * mask[..., None], mask


def largest_first(
    boxes: np.ndarray, mask: np.ndarray, phrases: Sequence[str]
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """The objects that are seen in a clip, by area over all frames: a model with few slots gets the most of them."""
    area = (boxes[..., 2:] - boxes[..., :2]).prod(-1).sum(0)  # [N]
    order = [n for n in np.argsort(-area, kind="stable") if mask[:, n].any()]
    return boxes[:, order], mask[:, order], tuple(phrases[n] for n in order)


def box_from_xywh(box: object, width: float, height: float, path: str | Path, where: str) -> list[float]:
    """xyxy in units of the frame from [x, y, w, h] in pixels. Raises SampleError for anything else."""
    if not isinstance(box, list) or len(box) != 4 or not all(type(value) in (int, float) for value in box):
        raise SampleError(path, f"{where}: found box {str(box)[:60]}, expected [x, y, w, h]")
    if not all(abs(value) <= MAX_PIXELS for value in box) or min(box[2:]) < 0:  # NaN is not <= either
        limits = f"up to {MAX_PIXELS} pixels, w and h of 0 or more"
        raise SampleError(path, f"{where}: found box {str(box)[:60]}, expected numbers of {limits}")
    x, y, w, h = box
    return [x / width, y / height, (x + w) / width, (y + h) / height]
